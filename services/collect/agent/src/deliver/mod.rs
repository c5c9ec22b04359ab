//! Sends samples; what cannot be sent waits in the spool.
//!
//! **Fresh samples go first.** Alerts and people look at what is now, and the log takes samples in any order, since each is dated. What has waited
//! is sent between two rounds, oldest first, and delays a fresh round by one request at most.
//!
//! **A fleet that comes back does not come at once.** While the API is away it is asked again after waits that double and are different for each
//! host; catching up takes at most ten times the load of fresh samples, whatever has gathered: an hour is sent within six minutes.
//!
//! Memory holds the rounds that were just measured and one request. A round that is being sent when the process is killed is lost.

mod pause;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loki_client::{Client, Failure, Part, Taken};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Backoff, Shutdown, task};
use tokio::sync::mpsc;

use self::pause::Pause;
use crate::batch::{Batch, POINTS_MAX};
use crate::config::Config;
use crate::error::Error;
use crate::metrics;
use crate::spool::{Chunk, Frame, Spool};

/// Catching up: so many times as fast as samples are measured.
const CATCH_UP: u32 = 10;
/// The first wait: an API that is started again is back in a second.
const FIRST_MAX: Duration = Duration::from_secs(1);
/// The longest wait between two tries while the API is away.
const AWAY_MAX: Duration = Duration::from_secs(30);
/// How often reading the spool is tried before its first segment is given up.
const READS_MAX: u32 = 3;

pub(crate) struct Delivery {
    client: Client,
    batches: mpsc::Receiver<Batch>,
    spool: Arc<Mutex<Spool>>,
    every: Duration,
    drain: Duration,
    backoff: Backoff,
    /// Until then the API is not asked.
    away: Option<Pause>,
    /// Until then nothing is taken from the spool.
    turn: Pause,
    /// How often the spool could not be read, one after the other.
    unread: u32,
    /// Why points were last refused: told once.
    refused: Vec<String>,
    part: Part,
}

impl Delivery {
    pub(crate) fn new(config: &Config, client: Client, spool: Spool, batches: mpsc::Receiver<Batch>, part: Part) -> Self {
        let first = (config.every / CATCH_UP).clamp(Duration::from_millis(1), FIRST_MAX);
        Self {
            client,
            batches,
            spool: Arc::new(Mutex::new(spool)),
            every: config.every,
            drain: config.drain,
            backoff: Backoff::new(first, AWAY_MAX),
            away: None,
            turn: Pause::jittered(first),
            unread: 0,
            refused: Vec::new(),
            part,
        }
    }

    /// Ends when nobody measures any more and all is sent or spooled.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Result<(), Error> {
        let draining = Draining::new(shutdown.clone(), self.drain);
        loop {
            let is_waiting = !self.spool().is_empty() && !shutdown.has_begun();
            tokio::select! {
                biased;
                batch = self.batches.recv() => match batch {
                    Some(batch) => self.send(batch, &draining).await?,
                    None => return Ok(()),
                },
                () = task::sleep(self.turn.left()), if is_waiting => self.catch_up(&shutdown).await?,
            }
        }
    }

    /// Sends a fresh round, or puts it into the spool.
    async fn send(&mut self, batch: Batch, draining: &Draining) -> Result<(), Error> {
        if self.away.as_ref().is_some_and(|away| !away.left().is_zero()) {
            return self.keep(batch).await;
        }
        let body = match batch.body() {
            Ok(body) => body,
            Err(error) => {
                self.lose(u64::from(batch.points), &error.to_string());
                return Ok(());
            }
        };
        match draining.unless_over(self.put(body, batch.points)).await {
            Some(Ok(taken)) => self.took(batch.points, taken),
            Some(Err(failure)) => {
                self.failed(&failure);
                self.keep(batch).await?;
            }
            None => self.keep(batch).await?,
        }
        Ok(())
    }

    /// Sends what has waited longest.
    async fn catch_up(&mut self, shutdown: &Shutdown) -> Result<(), Error> {
        let chunk = match self.on_disk(|spool| spool.oldest(POINTS_MAX)).await? {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return Ok(()),
            Err(error) => return self.could_not_read(&error).await,
        };
        self.unread = 0;
        let rounds = u32::try_from(chunk.frames.len()).unwrap_or(u32::MAX);
        let Some(batch) = self.unpack(&chunk) else { return self.done(chunk).await };
        let body = match batch.body() {
            Ok(body) => body,
            Err(error) => {
                self.lose(u64::from(batch.points), &error.to_string());
                return self.done(chunk).await;
            }
        };
        // broken off, it is sent the next time
        match shutdown.unless(self.put(body, batch.points)).await {
            Some(Ok(taken)) => {
                self.took(batch.points, taken);
                self.turn = Pause::jittered(self.every / CATCH_UP * rounds);
                self.done(chunk).await
            }
            Some(Err(failure)) => {
                self.failed(&failure);
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn put(&self, body: Vec<u8>, points: u32) -> Result<Taken, Failure> {
        let started = Stopwatch::start();
        let taken = self.client.put(body, points as usize).await;
        metrics::answered(started.elapsed());
        taken
    }

    fn took(&mut self, points: u32, taken: Taken) {
        let Taken { refused, reasons } = taken;
        let refused = refused as u64;
        metrics::sent(u64::from(points).saturating_sub(refused));
        if self.away.take().is_some() {
            self.turn = Pause::jittered(FIRST_MAX.min(self.every / CATCH_UP));
            tracing::info!("the API takes samples again");
        }
        self.backoff.reset();
        self.part.ready();
        if refused > 0 {
            metrics::refused(refused);
            if reasons != self.refused {
                tracing::warn!(points = refused, reasons = ?reasons, "the API refuses samples, which are not sent again");
            }
        }
        self.refused = reasons;
    }

    fn failed(&mut self, failure: &Failure) {
        metrics::failed("samples");
        let wait = self.backoff.step().max(failure.retry_after());
        self.away = Some(Pause::new(wait));
        self.turn = Pause::new(wait);
        self.part.failed(format!("the API does not take samples: {failure}"));
    }

    async fn keep(&mut self, batch: Batch) -> Result<(), Error> {
        let points = batch.points;
        let kept = self.on_disk(move |spool| spool.append(&Frame { points, payload: batch.packed()? })).await?;
        match kept {
            Ok(()) => metrics::spooled(u64::from(points)),
            Err(error) => self.lose(u64::from(points), &error.to_string()),
        }
        Ok(())
    }

    /// What lies in the spool as one batch.
    fn unpack(&mut self, chunk: &Chunk) -> Option<Batch> {
        let mut batches = Vec::with_capacity(chunk.frames.len());
        for Frame { points, payload } in &chunk.frames {
            match Batch::unpacked(*points, payload) {
                Ok(batch) => batches.push(batch),
                Err(error) => self.lose(u64::from(*points), &error.to_string()),
            }
        }
        Batch::joined(batches)
    }

    async fn could_not_read(&mut self, error: &std::io::Error) -> Result<(), Error> {
        self.unread += 1;
        self.turn = Pause::new(self.every);
        if self.unread >= READS_MAX {
            self.unread = 0;
            let lost = self.on_disk(Spool::give_up_first).await?;
            self.lose(lost, &error.to_string());
        } else {
            self.part.not_ready(format!("the spool cannot be read: {error}"));
        }
        Ok(())
    }

    fn lose(&self, points: u64, why: &str) {
        metrics::dropped(metrics::CAUSE_SPOOL_FAILED, points);
        tracing::error!(points, why, "samples are lost");
        self.part.not_ready(format!("samples are lost: {why}"));
    }

    async fn done(&self, chunk: Chunk) -> Result<(), Error> {
        self.on_disk(move |spool| spool.done(&chunk)).await
    }

    /// Off the asynchronous threads: a disk may take its time.
    async fn on_disk<T: Send + 'static>(&self, work: impl FnOnce(&mut Spool) -> T + Send + 'static) -> Result<T, Error> {
        let spool = self.spool.clone();
        let working = task::spawn_blocking("spool", move || work(&mut spool.lock().unwrap_or_else(PoisonError::into_inner)));
        working.await.map_err(|_| Error::Panicked("spool"))
    }

    fn spool(&self) -> MutexGuard<'_, Spool> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the last samples may take at shutdown.
struct Draining {
    shutdown: Shutdown,
    drain: Duration,
    since: Mutex<Option<Pause>>,
}

impl Draining {
    fn new(shutdown: Shutdown, drain: Duration) -> Self {
        Self { shutdown, drain, since: Mutex::new(None) }
    }

    /// Runs `future` unless the time after shutdown is over first: one time for all calls.
    async fn unless_over<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let over = async {
            self.shutdown.begun().await;
            let left = self.since.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| Pause::new(self.drain)).left();
            task::sleep(left).await;
        };
        tokio::select! {
            value = future => Some(value),
            () = over => None,
        }
    }
}
