//! Lists that come in parts: `items`, and `next` as the cursor of the part after.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Client, Error, Request};

/// The largest part that the API gives.
const PART_MAX: usize = 1000;

/// The items of a list, as many as were asked for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Listed<T> {
    pub items: Vec<T>,
    /// Where the list goes on, if it does.
    pub next: Option<String>,
    /// The list ends before its end: there is more than the server can tell of.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_out: bool,
    /// The position of the first part.
    #[serde(skip)]
    pub position: Option<String>,
}

impl Client {
    /// Reads up to `limit` items, part by part.
    ///
    /// # Errors
    /// As [`Client::send`]; and a cursor that does not move on.
    pub async fn list<T: DeserializeOwned>(&self, request: &Request, limit: usize) -> Result<Listed<T>, Error> {
        let mut all = Listed { items: Vec::new(), next: None, left_out: false, position: None };
        loop {
            let part = request.clone().with("limit", Some(PART_MAX.min(limit - all.items.len()))).with("cursor", all.next.as_ref());
            let answer = self.send(&part).await?;
            let Listed { items, next, left_out, .. } = answer.json::<Listed<T>>()?;
            if next.is_some() && (items.is_empty() || next == all.next) {
                return Err(answer.unreadable("its `next` does not lead on"));
            }
            all.items.extend(items);
            all.next = next;
            all.left_out = left_out;
            all.position = all.position.or(answer.position);
            if all.next.is_none() || all.items.len() >= limit {
                return Ok(all);
            }
        }
    }
}
