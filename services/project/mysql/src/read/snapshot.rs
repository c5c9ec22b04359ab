//! A snapshot that may be read: live, and old enough neither for the caller nor for this reader.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loki_domain::{Position, Stream};
use loki_runner::{State, Stored};
use tokio::sync::SemaphorePermit;

use super::progress::{Progress, check_stream, is_older};
use crate::metrics;
use crate::port::{Answer, NotReady, ReadError};
use crate::sql::{Connection, Fault, Pool, Row, Value};
use crate::store::position::{self, Placed};
use crate::tables::Family;

/// One projection's tables, for reading.
pub(super) struct Source {
    pool: Arc<Pool>,
    family: &'static Family,
    stream: Stream,
    /// The furthest position of an answer.
    seen: Mutex<Option<Placed>>,
}

impl Source {
    pub(super) fn new(pool: Arc<Pool>, family: &'static Family, stream: Stream) -> Arc<Self> {
        Arc::new(Self { pool, family, stream, seen: Mutex::new(None) })
    }

    /// What the store says of itself, whether it may be read or not. One for which a rebuild was asked is not done before the swap.
    pub(super) async fn stored(&self) -> Result<Option<Stored>, ReadError> {
        match self.pool.acquire().await {
            Ok(mut connection) => {
                let placed = position::read(&mut connection, self.family).await?;
                Ok(placed.map(|Placed { stored, asked, .. }| if asked { Stored { state: State::Building, ..stored } } else { stored }))
            }
            Err(Fault::Emptied(_)) => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }

    /// How far the store is, for those who wait.
    pub(super) async fn progress(&self) -> Result<Progress, ReadError> {
        let mut connection = self.pool.acquire().await?;
        connection.begin_reading().await?;
        let progress = self.read_progress(&mut connection, self.stream == Stream::Outcome).await?;
        connection.commit().await?;
        Ok(progress)
    }

    /// A place among the questions that may take long, to be taken before the snapshot.
    pub(super) async fn heavy(&self) -> Result<SemaphorePermit<'_>, ReadError> {
        let place = self.pool.heavy().await.map_err(ReadError::from);
        if let Err(ReadError::NotReady(reason)) = &place {
            metrics::not_ready(self.family.name, reason_label(reason));
        }
        place
    }

    /// Begins a snapshot if it may be read.
    pub(super) async fn open(&self, at_least: Option<Position>) -> Result<Snapshot, ReadError> {
        let opened = self.try_open(at_least).await;
        if let Err(ReadError::NotReady(reason)) = &opened {
            metrics::not_ready(self.family.name, reason_label(reason));
        }
        opened
    }

    async fn try_open(&self, at_least: Option<Position>) -> Result<Snapshot, ReadError> {
        if let Some(at_least) = at_least {
            check_stream(self.stream, at_least)?;
        }
        let timer = metrics::read_timer(self.family.name);
        // Before the snapshot is taken: what others are answered meanwhile may be newer than it without harm.
        let seen = *self.seen();
        let mut connection = self.pool.acquire().await?;
        connection.begin_reading().await?;
        let wants_command = at_least.is_some_and(|at_least| at_least.stream == Stream::Command);
        let progress = self.read_progress(&mut connection, wants_command).await?;
        match progress.ready(seen.as_ref(), at_least) {
            Ok(placed) => Ok(Snapshot { connection, progress, placed, timer }),
            Err(error) => {
                connection.commit().await?;
                Err(error)
            }
        }
    }

    async fn read_progress(&self, connection: &mut Connection, with_command: bool) -> Result<Progress, Fault> {
        let placed = position::read(connection, self.family).await?;
        let last_command = match placed {
            Some(_) if with_command => {
                let row = connection.first("SELECT MAX(command) FROM outcome", vec![]).await?;
                row.map(|row| row.offset_or_null(0)).transpose()?.flatten()
            }
            _ => None,
        };
        Ok(Progress { stream: self.stream, placed, last_command })
    }

    pub(super) fn check_stream(&self, at_least: Position) -> Result<(), ReadError> {
        check_stream(self.stream, at_least)
    }

    pub(super) fn furthest(&self) -> Option<Placed> {
        *self.seen()
    }

    /// Ends a snapshot with an answer.
    pub(super) async fn answer<T>(&self, mut snapshot: Snapshot, value: T) -> Result<Answer<T>, ReadError> {
        snapshot.connection.commit().await?;
        self.answered(snapshot.placed);
        snapshot.timer.done();
        Ok(Answer { value, stored: snapshot.placed.stored })
    }

    /// Hands a snapshot over to a dump.
    pub(super) fn keep(&self, snapshot: Snapshot) -> (Connection, Stored) {
        self.answered(snapshot.placed);
        (snapshot.connection, snapshot.placed.stored)
    }

    fn answered(&self, placed: Placed) {
        let mut seen = self.seen();
        if seen.as_ref().is_none_or(|seen| !is_older(&placed, seen)) {
            *seen = Some(placed);
        }
    }

    fn seen(&self) -> MutexGuard<'_, Option<Placed>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reason_label(reason: &NotReady) -> &'static str {
    match reason {
        NotReady::Empty => metrics::REASON_EMPTY,
        NotReady::Building { .. } => metrics::REASON_BUILDING,
        NotReady::Behind { .. } => metrics::REASON_BEHIND,
        NotReady::SetBack { .. } | NotReady::Older { .. } | NotReady::Unknown => metrics::REASON_SET_BACK,
        NotReady::Crowded => metrics::REASON_CROWDED,
    }
}

/// One consistent view of the tables. Its connection is closed when it ends without an answer.
pub(super) struct Snapshot {
    connection: Connection,
    progress: Progress,
    placed: Placed,
    timer: metrics::Timer,
}

impl Snapshot {
    pub(super) async fn query(&mut self, sql: impl Into<Cow<'static, str>>, values: Vec<Value>) -> Result<Vec<Row>, Fault> {
        self.connection.query(sql, values).await
    }

    pub(super) async fn first(&mut self, sql: impl Into<Cow<'static, str>>, values: Vec<Value>) -> Result<Option<Row>, Fault> {
        self.connection.first(sql, values).await
    }

    /// That a position which the answer is about has not been passed.
    pub(super) fn behind(&self, at_least: Position) -> ReadError {
        NotReady::Behind { at: self.progress.at(&self.placed), at_least }.into()
    }

    /// The next outcome's offset.
    pub(super) fn position(&self) -> u64 {
        self.placed.stored.position
    }
}
