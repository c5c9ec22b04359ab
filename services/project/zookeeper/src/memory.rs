//! The embedded adapter: the tree in this process' memory, filled from the log at every start.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use loki_domain::{LogId, NodePath, NodeRef};
use loki_runner::{Applied, Batch, Projection, State, StoreError, Stored, Target};
use loki_wire::Fact;
use loki_wire::mounted::Encoded;

use crate::live::Live;
use crate::port::{Answer, Branch, NotReady, Refusal, TreeReader};
use crate::view::View;

/// Cheap to clone; all clones are the same store.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Live>, Arc<Mutex<u64>>);

/// The writing end.
#[derive(Debug)]
pub struct MemoryProjection {
    main: Arc<Live>,
    /// How often it was filled. Held from looking at the position to moving it.
    writing: Arc<Mutex<u64>>,
    shadow: Option<(View, Stored)>,
}

impl Memory {
    /// One whose trees have at most so many nodes.
    pub fn answering_at_most(nodes_max: usize) -> Self {
        Self(Arc::new(Live::answering_at_most(nodes_max)), Arc::default())
    }

    /// The end that fills it.
    pub fn projection(&self) -> MemoryProjection {
        MemoryProjection { main: self.0.clone(), writing: self.1.clone(), shadow: None }
    }

    /// Empties it, as if the process had just started.
    pub fn clear(&self) {
        let mut filled = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        *filled = 0;
        self.0.replace(View::default(), None, *filled);
    }

    /// Lines `<kind>/<id> <json>`, sorted by key, and where they are true.
    pub fn dump(&self) -> Option<(Stored, Vec<String>)> {
        let stored = self.0.stored()?;
        Some((stored, self.0.view().dump()))
    }
}

#[async_trait]
impl TreeReader for Memory {
    async fn stored(&self) -> Result<Option<Stored>, NotReady> {
        Ok(self.0.stored())
    }

    async fn wait(&self, at_least: u64, limit: Duration) -> Result<(), NotReady> {
        self.0.wait(at_least, limit).await
    }

    fn servers(&self, node: &str, recursive: bool) -> Result<Answer<Option<Arc<Encoded>>>, Refusal> {
        self.0.servers(node, recursive)
    }

    fn tree(&self, node: &NodeRef, depth: usize) -> Result<Answer<Option<Branch>>, Refusal> {
        self.0.tree(node, depth)
    }

    fn nodes(
        &self,
        under: &NodePath,
        depth: usize,
        after: Option<&NodePath>,
        limit: usize,
    ) -> Result<Answer<Option<Vec<Branch>>>, NotReady> {
        self.0.nodes(under, depth, after, limit)
    }
}

#[async_trait]
impl Projection for MemoryProjection {
    type Item = Fact;

    fn name(&self) -> &'static str {
        "zookeeper"
    }

    async fn stored(&mut self) -> Result<Option<Stored>, StoreError> {
        Ok(self.main.stored())
    }

    async fn apply(&mut self, batch: Batch<'_, Fact>) -> Result<Applied, StoreError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = match batch.target {
            Target::Main => self.main.stored(),
            Target::Shadow => self.shadow.as_ref().map(|(_, stored)| *stored),
        };
        let Some(stored) = stored.filter(|stored| stored.log == batch.log && stored.position == batch.from) else {
            return Ok(Applied::Refused);
        };
        let after = Stored { position: batch.to, state: batch.state, ended_ms: batch.ended_ms.unwrap_or(stored.ended_ms), ..stored };
        match (batch.target, &mut self.shadow) {
            (Target::Main, _) => self.main.publish(batch.items.iter().map(|fact| &fact.change), after),
            (Target::Shadow, Some((view, stored))) => {
                batch.items.iter().for_each(|fact| view.apply(&fact.change));
                *stored = after;
            }
            (Target::Shadow, None) => return Ok(Applied::Refused),
        }
        Ok(Applied::Done)
    }

    async fn begin_rebuild(&mut self, log: LogId, from: u64) -> Result<(), StoreError> {
        self.shadow = Some((View::default(), Stored { log, position: from, state: State::Building, ended_ms: 0 }));
        Ok(())
    }

    async fn finish_rebuild(&mut self, log: LogId, at: u64, ended_ms: i64) -> Result<Applied, StoreError> {
        let mut filled = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        match self.shadow.take() {
            Some((view, stored)) if stored.log == log && stored.position == at => {
                *filled += 1;
                self.main.replace(view, Some(Stored { state: State::Live, ended_ms, ..stored }), *filled);
                Ok(Applied::Done)
            }
            other => {
                self.shadow = other;
                Ok(Applied::Refused)
            }
        }
    }
}
