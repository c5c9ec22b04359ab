//! `loki rebuild opentsdb` in the process that runs everything: samples are put again in the background, and it is told how far that is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loki_cli::operations::{Asked, Rebuilding};
use loki_opentsdb::{Replay, replay};
use loki_runtime::{Shutdown, task};

use crate::backends::Backends;

/// Cheap to clone; all clones are the same replays.
#[derive(Clone)]
pub(crate) struct Replays(Arc<Shared>);

struct Shared {
    backends: Arc<Backends>,
    shutdown: Shutdown,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    wanted: u64,
    rebuilt: u64,
    /// Of the last that ended well.
    since_ms: Option<i64>,
    /// What the one that runs has done.
    now: Option<Replay>,
    running: bool,
}

impl Replays {
    pub(crate) fn new(backends: Arc<Backends>, shutdown: Shutdown) -> Self {
        Self(Arc::new(Shared { backends, shutdown, state: Mutex::default() }))
    }

    /// One replay serves all that was asked before it began.
    pub(crate) fn ask(&self) -> Asked {
        let mut state = self.state();
        state.wanted += 1;
        if !std::mem::replace(&mut state.running, true) {
            let replays = self.clone();
            task::spawn("replay", async move { replays.run().await });
        }
        Asked { request: state.wanted }
    }

    pub(crate) fn now(&self) -> Rebuilding {
        let state = self.state();
        let of = |now: &Replay| now.records + now.left;
        Rebuilding {
            wanted: state.wanted,
            rebuilt: state.rebuilt,
            position: state.now.as_ref().map(|now| now.records),
            end: state.now.as_ref().map(of),
            since_ms: state.since_ms,
        }
    }

    async fn run(&self) {
        loop {
            let request = self.state().wanted;
            let backends = &self.0.backends;
            let (store, log) = (backends.samples.store.clone(), backends.log.clone());
            let ended = replay(store, log, &backends.samples.sink, |now| self.state().now = Some(now), &self.0.shutdown).await;
            let mut state = self.state();
            state.now = None;
            match ended {
                Ok(done) => {
                    tracing::info!(
                        put = done.put,
                        there = done.there,
                        dead = done.dead,
                        since_ms = done.since_ms,
                        "samples were put again"
                    );
                    (state.rebuilt, state.since_ms) = (request, done.since_ms);
                }
                Err(error) => tracing::error!(error = %error, "samples were not put again"),
            }
            if state.rebuilt >= state.wanted || self.0.shutdown.has_begun() {
                state.running = false;
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
