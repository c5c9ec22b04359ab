//! `GET /v1/domains`, part by part.

use async_trait::async_trait;
use loki_client::answer::printable;
use loki_client::{Client, Failure};
use reqwest::Method;

use super::{Listing, Targets, shape};

/// Domains of one part; the API's own limit.
const PART_MAX: &str = "1000";

pub(crate) struct HttpTargets {
    client: Client,
    node: String,
    targets_max: usize,
}

impl HttpTargets {
    pub(crate) fn new(client: Client, node: String, targets_max: usize) -> Self {
        Self { client, node, targets_max }
    }

    async fn part(&self, cursor: Option<&str>) -> Result<shape::Part, Failure> {
        let mut request = self.client.request(Method::GET, &["v1", "domains"]);
        request = request.with("node", &self.node).with("recursive", "true").with("limit", PART_MAX);
        if let Some(cursor) = cursor {
            request = request.with("cursor", cursor);
        }
        let answer = self.client.send(request).await?;
        if answer.status != 200 {
            return Err(answer.failure());
        }
        answer.json()
    }
}

#[async_trait]
impl Targets for HttpTargets {
    async fn read(&mut self) -> Result<Listing, Failure> {
        let (mut listing, mut cursor) = (Listing::default(), None);
        loop {
            let shape::Part { items, next } = self.part(cursor.as_deref()).await?;
            let is_stuck = items.is_empty();
            for item in &items {
                match shape::target(item) {
                    Ok(target) => listing.targets.push(target),
                    Err(why) => listing.unusable.push(printable(&format!("`{}`: {why}", shape::name(item)))),
                }
            }
            let is_full = listing.targets.len() + listing.unusable.len() >= self.targets_max;
            if listing.targets.len() > self.targets_max || (is_full && next.is_some()) {
                listing.targets.truncate(self.targets_max);
                let max = self.targets_max;
                let advice = "share them out among several probers by `node`, or raise `targets_max`";
                listing.unusable.insert(0, format!("all after the first {max}: {advice}"));
                return Ok(listing);
            }
            if next.is_none() {
                return Ok(listing);
            }
            if is_stuck {
                return Err(Failure::away("the list of domains does not end: a part of it is empty and has a next one"));
            }
            cursor = next;
        }
    }
}
