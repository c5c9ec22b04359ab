//! When to ask for tasks: the question itself waits at the API, or a [`Bell`] tells that there is something new, and questions wait for nothing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_domain::ServerId;
use loki_runtime::task;

use crate::metrics;

/// What rings when a task of a server has changed. What is to be done it does not say: that comes from the API, signed.
#[async_trait]
pub trait Bell: Send {
    /// Waits for the next ring. Cancel safe: none is lost.
    async fn rung(&mut self) -> Ring;
}

/// What a bell says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ring {
    /// This fact has changed a task.
    Fact(u64),
    /// It is there, and may have been silent before: look once.
    Again,
    /// It will not ring until it says `Again`.
    Away(String),
}

/// Makes the bell of a server.
pub type Bells = Arc<dyn Fn(ServerId) -> Box<dyn Bell> + Send + Sync>;

/// A bell that is there is not believed for longer than this.
const LOOK_EVERY: Duration = Duration::from_secs(300);

/// The bell of the server whose tasks are asked for, if there is one.
pub(super) struct Listening {
    bells: Option<Bells>,
    bell: Option<(ServerId, Box<dyn Bell>)>,
    /// It rings when there is something.
    is_there: bool,
    /// The fact that must have been passed by the next answer.
    fact: Option<u64>,
}

impl Listening {
    pub(super) fn new(bells: Option<Bells>) -> Self {
        Self { bells, bell: None, is_there: false, fact: None }
    }

    /// Listens for a server, once it is known which.
    pub(super) fn to(&mut self, server: ServerId) {
        let Some(bells) = self.bells.as_ref().filter(|_| self.bell.as_ref().is_none_or(|(of, _)| *of != server)) else { return };
        self.bell = Some((server, bells(server)));
        (self.is_there, self.fact) = (false, None);
    }

    /// Whether questions need not wait: somebody else tells when there is something.
    pub(super) fn rings(&self) -> bool {
        self.is_there
    }

    /// The fact that the next answer must know of.
    pub(super) fn fact(&self) -> Option<u64> {
        self.fact
    }

    /// Its answer was had.
    pub(super) fn answered(&mut self) {
        self.fact = None;
    }

    /// Asks, unless a bell that was away is back meanwhile: then another question is the right one.
    pub(super) async fn unless_it_rings<T>(&mut self, asked: impl Future<Output = T>) -> Option<T> {
        if self.is_there {
            return Some(asked.await);
        }
        tokio::select! {
            asked = asked => Some(asked),
            () = self.ring() => None,
        }
    }

    /// Until there may be something new. Without a bell that is at once: the question waits.
    pub(super) async fn wait(&mut self) {
        if self.is_there {
            // what ended the wait does not matter: the question comes
            let _rung = task::timeout(LOOK_EVERY, self.ring()).await;
        }
    }

    /// The next ring; never where there is no bell. Cancel safe.
    async fn ring(&mut self) {
        let Some((_, bell)) = &mut self.bell else { return std::future::pending().await };
        match bell.rung().await {
            Ring::Fact(fact) => {
                self.is_there = true;
                self.fact = self.fact.max(Some(fact));
            }
            Ring::Again => self.is_there = true,
            Ring::Away(why) => {
                tracing::info!(reason = why, "tasks are waited for at the API until their bell is back");
                self.is_there = false;
            }
        }
        metrics::bell(self.is_there);
    }
}
