//! Looks up late points, beside the way of the fresh ones.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use loki_domain::{Sample, Series};
use loki_runtime::clock::Stopwatch;
use loki_runtime::process::belonging;
use loki_runtime::{Backoff, Shutdown};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::trouble::Trouble;
use super::{Answers, Home, Looked, Told};
use crate::config::SinkConfig;
use crate::error::{Error, StoreError};
use crate::metrics;
use crate::port::{Newest, SeriesStore};

/// Batches that are looked up at once. Two, so that one that takes long does not hold all of them up.
const AT_ONCE: usize = 2;

/// A point to be looked up.
#[derive(Debug)]
pub(crate) struct Look {
    pub(super) sample: Sample,
    /// And how new its series is.
    pub(super) newest: bool,
    pub(super) home: Home,
}

pub(crate) struct Looker {
    store: Arc<dyn SeriesStore>,
    config: SinkConfig,
    trouble: Trouble,
    incoming: mpsc::UnboundedReceiver<Look>,
}

impl Looker {
    pub(crate) fn new(store: Arc<dyn SeriesStore>, config: SinkConfig, trouble: Trouble, incoming: mpsc::UnboundedReceiver<Look>) -> Self {
        Self { store, config, trouble, incoming }
    }

    /// Until `stop` begins, or nobody can ask anything any more.
    pub(crate) async fn run(mut self, stop: Shutdown) -> Result<(), Error> {
        let mut at_work = JoinSet::new();
        loop {
            let mut taken = Vec::new();
            tokio::select! {
                biased;
                () = stop.begun() => return Ok(()),
                Some(ended) = at_work.join_next() => {
                    ended.map_err(|error| Error::Invalid(format!("the task that looks points up failed: {error}")))?;
                }
                number = self.incoming.recv_many(&mut taken, self.config.late_points), if at_work.len() < AT_ONCE => {
                    if number == 0 {
                        return Ok(());
                    }
                    let backoff = Backoff::new(self.config.backoff.0, self.config.backoff.1);
                    at_work.spawn(belonging(look(self.store.clone(), taken, backoff, self.trouble.clone())));
                }
            }
        }
    }
}

/// Asks until the store has answered.
async fn look(store: Arc<dyn SeriesStore>, looks: Vec<Look>, mut backoff: Backoff, trouble: Trouble) {
    loop {
        match ask(&*store, &looks).await {
            Ok(answers) => {
                trouble.look(None);
                let mut told = Answers::new();
                for (look, (found, newest)) in looks.into_iter().zip(answers) {
                    told.push(look.home, Looked { sample: look.sample, found, newest });
                }
                return told.tell(Told::Found);
            }
            Err(error) => {
                trouble.look(Some(format!("late points cannot be looked up: {error}")));
                backoff.wait().await;
            }
        }
    }
}

type Answer = (crate::port::Found, Option<Newest>);

async fn ask(store: &dyn SeriesStore, looks: &[Look]) -> Result<Vec<Answer>, StoreError> {
    let watch = Stopwatch::start();
    let points: Vec<_> = looks.iter().map(|look| (look.sample.series.clone(), look.sample.at)).collect();
    let asked: HashSet<&Series> = looks.iter().filter(|look| look.newest).map(|look| &look.sample.series).collect();
    let series: Vec<Series> = asked.into_iter().cloned().collect();
    let newest: HashMap<&Series, Newest> = match series.is_empty() {
        true => HashMap::new(),
        false => series.iter().zip(store.newest(&series).await?).collect(),
    };
    let found = store.find(&points).await?;
    metrics::find(watch.elapsed());
    if found.len() != looks.len() || newest.len() != series.len() {
        return Err(StoreError::Unusable("it answered about fewer points than it was asked for".to_owned()));
    }
    let newest_of = |look: &Look| look.newest.then(|| newest.get(&look.sample.series).copied()).flatten();
    Ok(looks.iter().zip(found).map(|(look, found)| (found, newest_of(look))).collect())
}
