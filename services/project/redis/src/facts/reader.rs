//! The reading end: asks for what has changed since the last answer, and keeps that.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_domain::{NodeId, NodePath};
use loki_runner::{State, Stored, Waiting};
use loki_wire::mounted::{Encoded, Mounted, encode};
use redis::Script;

use super::fragments::{Fragment, Listed, read_list, version};
use super::kept::{Answered, Kept, Shows};
use super::mark::{Mark, text};
use super::port::{Answer, NotReady, Refusal, ServersReader};
use super::scripts::{FRAGMENTS, NODE, PLACE, UNDER};
use super::source::{Asked, Source, away};
use crate::config::Config;
use crate::error::Error;

/// How often a question is asked again because the store has moved on while it was answered.
const TRIES: usize = 10;
/// Mounts that one question for fragments looks at, about: the store does nothing else meanwhile.
const MOUNTS_AT_ONCE: usize = 2_000;
/// Nodes that one question for fragments names.
const NODES_AT_ONCE: usize = 1_000;

/// Cheap to clone; all clones share a connection, and what is kept.
#[derive(Debug, Clone)]
pub struct RedisServers {
    source: Source,
    kept: Arc<Kept>,
    waiting: Arc<Waiting<Source>>,
}

impl RedisServers {
    /// Connects when it is first used.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let source = Source::new(config)?;
        let waiting = Arc::new(Waiting::new(Arc::new(source.clone())));
        Ok(Self { source, kept: Arc::default(), waiting })
    }

    /// One try; `None`: the store has moved on meanwhile.
    async fn answer(&self, node: &str, reference: &[String], recursive: bool) -> Result<Option<Answer<Option<Arc<Encoded>>>>, Refusal> {
        let kept = self.kept.answer(node, recursive);
        let known = kept.as_ref().map(|kept| kept.shows.known()).unwrap_or_default();
        let script: &Script = if recursive { &UNDER } else { &NODE };
        let (mark, mut told) = self.source.asked(script, &[&[known], reference].concat()).await?;
        let answer = |value| Ok(Some(Answer { value, position: mark.stored.position }));
        let (Some(id), Some(path), Some(at)) = (told.next(), told.next(), told.next()) else { return answer(None) };
        let (id, path, at) = (text(id).map_err(away)?, text(path).map_err(away)?, version(at).map_err(away)?);
        let shows = Shows { filled: mark.filled, id, path, version: at };
        let Some(content) = told.next() else {
            return match kept.filter(|kept| kept.shows == shows) {
                Some(kept) => answer(Some(kept.encoded)),
                // it is somewhere else now, and nothing on it has changed
                None => {
                    self.kept.forget(node, recursive);
                    Ok(None)
                }
            };
        };
        let encoded = match recursive {
            false => {
                let fragment = Fragment::read(content).map_err(away)?;
                encode_one(&shows, &fragment)
            }
            true => {
                let listed = read_list(content, &shows.id, &shows.path).map_err(away)?;
                let Some(fragments) = self.fragments(mark, &listed).await? else { return Ok(None) };
                encode_all(shows.clone(), listed, fragments).await?
            }
        };
        let encoded = Arc::new(encoded);
        self.kept.keep(node, recursive, Answered { shows, encoded: encoded.clone() });
        answer(Some(encoded))
    }

    /// What lies on the listed nodes, at just these versions; `None` when one is newer already.
    async fn fragments(&self, mark: Mark, listed: &[Listed]) -> Result<Option<Vec<Fragment>>, Refusal> {
        let mut found: Vec<Option<Fragment>> = listed.iter().map(|node| self.kept.fragment(mark.filled, &node.id, node.version)).collect();
        let missing: Vec<usize> = (0..listed.len()).filter(|at| found[*at].is_none()).collect();
        let mut rest = &missing[..];
        while !rest.is_empty() {
            let some = &rest[..rest.len().min(NODES_AT_ONCE)];
            let mut arguments = vec![MOUNTS_AT_ONCE.to_string()];
            arguments.extend(some.iter().map(|at| listed[*at].id.clone()));
            let (now, told) = self.source.asked(&FRAGMENTS, &arguments).await?;
            let read = told.map(Fragment::read).collect::<Result<Vec<_>, _>>().map_err(away)?;
            if now.filled != mark.filled || read.is_empty() {
                return Ok(None);
            }
            // also those that are newer than the list: the next one names them
            self.kept.keep_fragments(now.filled, &read);
            rest = &rest[read.len().min(rest.len())..];
            for (at, fragment) in some.iter().zip(read) {
                if fragment.node != listed[*at].id || fragment.version != listed[*at].version {
                    return Ok(None);
                }
                found[*at] = Some(fragment);
            }
        }
        Ok(found.into_iter().collect())
    }
}

fn encode_one(shows: &Shows, fragment: &Fragment) -> Encoded {
    let (id, path) = named(shows);
    // a node without a path is nowhere, and nothing is on it
    let nodes = (!shows.path.is_empty()).then_some((path, &**fragment.mounted));
    encode(id, path, nodes.into_iter())
}

/// Large answers are made beside the tasks that serve.
async fn encode_all(shows: Shows, listed: Vec<Listed>, fragments: Vec<Fragment>) -> Result<Encoded, NotReady> {
    let encoding = loki_runtime::task::spawn_blocking("encode servers", move || {
        let (id, path) = named(&shows);
        let has_path = !shows.path.is_empty();
        let all = listed.iter().zip(&fragments).filter(|_| has_path);
        encode(id, path, all.map(|(node, fragment)| -> (&str, &Mounted) { (&node.path, &fragment.mounted) }))
    });
    encoding.await.map_err(|error| NotReady(format!("the answer was not made: {error}")))
}

fn named(shows: &Shows) -> (Option<&str>, &str) {
    let id = (!shows.id.is_empty()).then_some(shows.id.as_str());
    (id, if shows.path.is_empty() { "/" } else { &shows.path })
}

#[async_trait]
impl ServersReader for RedisServers {
    async fn stored(&self) -> Result<Option<Stored>, NotReady> {
        match self.source.ask(&PLACE, &[]).await {
            // one for which a rebuild is asked is not done before the swap
            Ok(Asked::Is(mark, _)) if mark.asked => Ok(Some(Stored { state: State::Building, ..mark.stored })),
            Ok(Asked::Is(mark, _)) => Ok(Some(mark.stored)),
            Ok(Asked::Empty | Asked::Large) => Ok(None),
            Err(error) => Err(NotReady(error.to_string())),
        }
    }

    async fn wait(&self, at_least: u64, limit: Duration) -> Result<(), NotReady> {
        let passed = |said: Result<Mark, NotReady>| {
            let Stored { position, .. } = said?.stored;
            match position <= at_least && at_least > 0 {
                true => Err(NotReady(format!("the store is at f{position} and has not passed f{at_least}"))),
                false => Ok(()),
            }
        };
        self.waiting.until(passed, limit).await
    }

    async fn servers(&self, node: &str, recursive: bool) -> Result<Answer<Option<Arc<Encoded>>>, Refusal> {
        let reference = reference(node)?;
        for _ in 0..TRIES {
            if let Some(answer) = self.answer(node, &reference, recursive).await? {
                return Ok(answer);
            }
        }
        Err(NotReady("it changes faster than it is read".to_owned()).into())
    }
}

/// A node as a question names it, for scripts.
fn reference(text: &str) -> Result<Vec<String>, Refusal> {
    let invalid = |invalid: loki_domain::Invalid| Refusal::Invalid(invalid.to_string());
    if text.starts_with('/') {
        let path: NodePath = text.parse().map_err(invalid)?;
        let names = path.names().iter().map(|name| name.as_str().to_owned());
        return Ok(["path".to_owned()].into_iter().chain(names).collect());
    }
    let id: NodeId = text.parse().map_err(invalid)?;
    Ok(vec!["id".to_owned(), id.to_string()])
}
