//! A reading of this host at each full round of the wall clock, and samples made of it.
//!
//! All hosts measure at the same instants, so that their samples can be compared and summed; each sends at a moment of its own, so that the API
//! is not asked by all of them at once. The first reading is made twice within a quarter of a second and sent at once: whoever has just started
//! an agent sees what it measures.

mod host;
mod names;
mod points;
mod rate;
mod reading;
mod round;

use std::time::Duration;

use loki_client::Part;
use loki_domain::ServerName;
use loki_domain::sample::Instant;
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, Shutdown, task};
use tokio::sync::mpsc;

use self::host::Host;
use self::reading::Reading;
use crate::batch::{Batch, POINTS_MAX};
use crate::config::Config;
use crate::error::Error;
use crate::metrics;

/// The least that the use of the processors can be told over (`sysinfo::MINIMUM_CPU_UPDATE_INTERVAL`), and a little more.
const FIRST_INTERVAL: Duration = Duration::from_millis(220);

pub(crate) struct Measuring {
    server: ServerName,
    every: Duration,
    clock: Clock,
    batches: mpsc::Sender<Batch>,
    part: Part,
}

impl Measuring {
    pub(crate) fn new(config: &Config, server: ServerName, clock: Clock, batches: mpsc::Sender<Batch>, part: Part) -> Self {
        Self { server, every: config.every, clock, batches, part }
    }

    /// Goes on until shutdown.
    ///
    /// # Errors
    /// This host cannot be measured at all.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Result<(), Error> {
        let host = task::spawn_blocking("measure", Host::open).await.map_err(|_| Error::Panicked("measure"))??;
        let Some(read) = shutdown.unless(self.read(host)).await else { return Ok(()) };
        let (host, first) = read?;
        if shutdown.unless(task::sleep(FIRST_INTERVAL)).await.is_none() {
            return Ok(());
        }
        // to the millisecond: the full second may have been sent already by the process before this one, with other values
        let mut last = self.clock.now_ms();
        let Some(read) = shutdown.unless(self.read(host)).await else { return Ok(()) };
        let (mut host, mut before) = read?;
        self.hand_over(points::points(&self.server, last, Some(&first), &before), Duration::ZERO, &shutdown).await;

        let spread = round::spread(self.server.as_str(), self.every);
        loop {
            let now = self.clock.now_ms();
            let due = round::due(now, last, self.every);
            if shutdown.unless(task::sleep(Duration::from_millis((due - now).unsigned_abs()))).await.is_none() {
                return Ok(());
            }
            metrics::missed(round::missed(last, due, self.every));
            let Some(read) = shutdown.unless(self.read(host)).await else { return Ok(()) };
            let (same, reading) = read?;
            self.hand_over(points::points(&self.server, due, Some(&before), &reading), spread, &shutdown).await;
            (host, before, last) = (same, reading, due);
        }
    }

    /// Reads off the asynchronous threads: a file system that does not answer holds up this part alone.
    async fn read(&mut self, mut host: Host) -> Result<(Host, Reading), Error> {
        let watch = Stopwatch::start();
        let mut reading = task::spawn_blocking("measure", move || {
            let reading = host.read();
            (host, reading)
        });
        loop {
            match task::timeout(self.every.max(FIRST_INTERVAL * 4), &mut reading).await {
                Some(read) => {
                    self.part.ready();
                    metrics::measured(watch.elapsed());
                    return read.map_err(|_| Error::Panicked("measure"));
                }
                None => self.part.not_ready("this host does not say what it measures: does a file system hang?"),
            }
        }
    }

    /// Gives the samples to be sent after `wait`. While the one before is not taken yet, this waits, and rounds are missed and counted.
    async fn hand_over(&self, samples: Vec<loki_domain::Sample>, wait: Duration, shutdown: &Shutdown) {
        // at shutdown they are sent at once
        shutdown.unless(task::sleep(wait)).await;
        for samples in samples.chunks(POINTS_MAX as usize) {
            if let Some(batch) = Batch::new(samples) {
                // nobody takes them when the part that sends has failed, which ends this one too
                let _ = self.batches.send(batch).await;
            }
        }
    }
}

/// The wall clock's milliseconds as the time of a sample: in whole seconds where rounds are.
fn instant(ms: i64) -> Option<Instant> {
    let sent = if ms % 1_000 == 0 { ms / 1_000 } else { ms };
    Instant::new(sent).ok()
}
