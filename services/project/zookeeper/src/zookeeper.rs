//! The writer: keeps the tree in ZooKeeper, each step with its position in one `multi`.
//!
//! A step deletes the znode of the position that it starts from and makes that of the position where it ends: this, and not a version, which
//! may coincide after the store was emptied, is what "the position equals `from`" means. It also writes the revision at the version that
//! it knows, so that a writer that does not know of a new generation cannot make an old one the main one again.
//!
//! Whether an entity is created or set is known from the ids that were listed once. Wherever that turns out to be wrong, or the connection was
//! lost, they are listed again.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use ::zookeeper as zk;
use async_trait::async_trait;
use loki_domain::{Key, LogId};
use loki_runner::{Applied, Batch, Projection, State, StoreError, Stored, Target};
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use loki_wire::Fact;

use crate::config::Config;
use crate::error::Error;
use crate::mark::Mark;
use crate::metrics;
use crate::multi::{Operation, Piece, Pieces, bytes, send};
use crate::paths::{Paths, position_of};
use crate::read::{Main, Reading, Revision};
use crate::rebuild;
use crate::rings::Rings;
use crate::session::{Session, options, within};

/// The name of the projection.
pub const NAME: &str = "zookeeper";
/// Steps that are on their way at once.
const PIPELINE: usize = 8;
/// How often a step is tried after the ids were listed again.
const TRIES: usize = 3;
/// How often the entities are counted: the server looks at each of its znodes for that.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// More positions than this are not deleted in one step; there should be one.
const POSITIONS_MAX: usize = 500;

/// The writing end.
#[derive(Debug)]
pub struct ZooKeeperProjection {
    session: Session,
    paths: Paths,
    main: Option<Generation>,
    shadow: Option<Generation>,
    /// A shadow whose position and ids must be read again.
    unsure: Option<Unsure>,
    /// The main generation that was last written to.
    written: Option<u64>,
    /// This generation is not as it was left (a folder or entities are missing): it counts as emptied.
    damaged: Option<u64>,
    /// A rebuild is asked for, as the position said last.
    asked: bool,
    /// Since the entities were counted.
    counted: Option<Stopwatch>,
    rings: Rings,
}

/// What the writer knows of a generation.
#[derive(Debug)]
struct Generation {
    mark: Mark,
    /// The version of `/loki/revision`; of no meaning for a shadow.
    revision: i32,
    /// A rebuild is asked for: its position has another name.
    asked: bool,
    existing: HashSet<Key>,
}

/// A step of a shadow whose end is not known.
#[derive(Debug, Clone, Copy)]
struct Unsure {
    generation: u64,
    /// Of the batch, some pieces of which may have been written.
    from: u64,
    to: u64,
}

/// How a step ended.
#[derive(Debug)]
enum Step {
    Done,
    Refused,
    /// The writer's knowledge is not right: get it again and try once more.
    Stale(zk::Error),
}

impl ZooKeeperProjection {
    /// Does not connect yet.
    pub fn new(config: Config) -> Self {
        let paths = Paths::new(&config.chroot);
        Self {
            session: Session::new(config),
            paths,
            main: None,
            shadow: None,
            unsure: None,
            written: None,
            damaged: None,
            asked: false,
            counted: None,
            rings: Rings::default(),
        }
    }

    /// A reading over the present connection; over a new one nothing is known.
    async fn reading(&mut self) -> Result<Reading, Error> {
        let (client, new) = self.session.client().await?;
        if new {
            // others may have written meanwhile; nobody but this writer writes to its shadow
            self.main = None;
        }
        Ok(Reading { client, paths: self.paths.clone(), limit: self.session.config().operation_timeout })
    }

    /// Reads what must be known to write to the main generation, if it is at `from`, and a rebuild is not asked for or this is to give it up.
    async fn learn(&mut self, reading: &Reading, log: LogId, from: u64, gives_up: bool) -> Result<bool, Error> {
        let at = |mark: &Mark| mark.stored.log == log && mark.stored.position == from;
        if self.main.as_ref().is_some_and(|main| at(&main.mark) && (!main.asked || gives_up)) {
            return Ok(true);
        }
        self.main = None;
        let main = reading.main().await?.filter(|main| at(&main.revision.mark) && (!main.asked || gives_up));
        let Some(Main { revision, asked }) = main else { return Ok(false) };
        if self.damaged == Some(revision.mark.generation) {
            return Ok(false);
        }
        let existing: HashSet<Key> = reading.keys(revision.mark.generation).await?.value.into_iter().collect();
        if existing.len() as u64 != revision.mark.entities {
            // either somebody else has moved it meanwhile, or it is being deleted
            if reading.revision().await?.is_some_and(|now| now.zxid == revision.zxid) {
                self.damage(&revision.mark, existing.len() as u64);
            }
            return Ok(false);
        }
        self.main = Some(Generation { mark: revision.mark, revision: revision.version, asked, existing });
        Ok(true)
    }

    /// From now on this generation counts as emptied.
    fn damage(&mut self, mark: &Mark, found: u64) {
        let (generation, expected) = (mark.generation, mark.entities);
        tracing::error!(generation, expected, found, "somebody else has deleted or made entities in zookeeper: it will be filled anew");
        self.damaged = Some(generation);
        self.main = None;
    }

    /// Counts the entities now and then: readers answer nothing while the number is wrong, and nothing else would tell the writer.
    async fn count(&mut self, reading: &Reading, revision: &Revision) -> Result<(), Error> {
        if self.counted.is_some_and(|counted| counted.elapsed() < COUNT_EVERY) {
            return Ok(());
        }
        let found = reading.count(revision.mark.generation).await?;
        if found != revision.mark.entities && reading.revision().await?.is_some_and(|now| now.zxid == revision.zxid) {
            self.damage(&revision.mark, found);
        }
        self.counted = Some(Stopwatch::start());
        Ok(())
    }

    /// Reads again what must be known of the shadow, if there is doubt about it.
    async fn learn_shadow(&mut self, reading: &Reading) -> Result<(), Error> {
        let Some(Unsure { generation: number, .. }) = self.unsure else { return Ok(()) };
        let names = reading.names(&self.paths.positions(Some(number))).await?;
        if let [name] = names.as_slice()
            && let Some((log, position)) = position_of(name)
            && let Some(mark) = reading.shadow(number, log, position).await?
        {
            let existing: HashSet<Key> = reading.keys(number).await?.value.into_iter().collect();
            // otherwise it is being deleted
            if existing.len() as u64 == mark.entities {
                self.shadow = Some(Generation { mark, revision: 0, asked: false, existing });
            }
        }
        self.unsure = None;
        Ok(())
    }

    /// What cannot be rung now is rung when the store is looked at next.
    async fn ring(&mut self) {
        let rung = async {
            let reading = self.reading().await?;
            self.rings.ring(&reading, self.session.config()).await
        };
        if let Err(error) = rung.await {
            tracing::debug!(%error, "bells are rung later");
        }
    }

    async fn step(&mut self, batch: &Batch<'_, Fact>) -> Result<Step, Error> {
        let reading = self.reading().await?;
        let config = self.session.config();
        let mut pieces = Pieces::new(batch.from, batch.to, batch.items, config.multi_operations, config.multi_bytes).peekable();
        if batch.target == Target::Shadow {
            let again = self.unsure.is_some_and(|unsure| (unsure.from, unsure.to) == (batch.from, batch.to));
            self.learn_shadow(&reading).await?;
            let stored = self.shadow.as_ref().map(|shadow| shadow.mark.stored).filter(|stored| stored.log == batch.log);
            let Some(Stored { position, .. }) = stored else { return Ok(Step::Refused) };
            // a step that is taken once more goes on with the piece at which it was cut off: nobody else writes to this shadow
            while pieces.next_if(|piece| again && piece.from != position).is_some() {}
            if pieces.peek().is_none_or(|piece| piece.from != position) {
                return Ok(Step::Refused);
            }
        }
        // taken out: should this call fail, or be dropped, what is known must be learnt again
        let generation = match batch.target {
            Target::Main if !self.learn(&reading, batch.log, batch.from, batch.gives_up()).await? => None,
            Target::Main => self.main.take(),
            Target::Shadow => self.shadow.take(),
        };
        let Some(mut generation) = generation else { return Ok(Step::Refused) };
        match batch.target {
            Target::Main => self.written = Some(generation.mark.generation),
            Target::Shadow => {
                self.unsure = Some(Unsure { generation: generation.mark.generation, from: batch.from, to: batch.to });
            }
        }
        let config = self.session.config();
        let options = options(config);
        let before = generation.mark.stored;
        let mut on_their_way = VecDeque::with_capacity(PIPELINE);
        let mut answered = 0;
        loop {
            let next = if on_their_way.len() < PIPELINE { pieces.next() } else { None };
            if let Some(piece) = next {
                let after = match pieces.peek() {
                    None => {
                        Stored { position: piece.to, state: batch.state, ended_ms: batch.ended_ms.unwrap_or(before.ended_ms), ..before }
                    }
                    // not live before all of it is there
                    Some(_) if batch.state == State::Live => Stored { position: piece.to, ..before },
                    Some(_) => Stored { position: piece.to, state: batch.state, ..before },
                };
                let operations = generation.operations(&self.paths, batch.target, &piece, after);
                let size = bytes(&operations);
                if size > config.request_bytes {
                    return Err(Error::Unusable(format!(
                        "one command needs a write of {size} bytes: raise `jute.maxbuffer` of the servers and `zookeeper.request_bytes`"
                    )));
                }
                let answer = within(reading.limit, send(&reading.client, &operations, &options)?);
                on_their_way.push_back((operations.len(), Stopwatch::start(), answer));
                continue;
            }
            // sent in this order and applied in this order; each needs the one before
            let Some((operations, sent, answer)) = on_their_way.pop_front() else { break };
            if let Err(error) = answer.await {
                return judge(error, operations, batch.target, answered);
            }
            metrics::wrote(operations, sent.elapsed());
            answered += 1;
        }
        match batch.target {
            Target::Main => self.main = Some(generation),
            Target::Shadow => (self.shadow, self.unsure) = (Some(generation), None),
        }
        Ok(Step::Done)
    }

    async fn finish(&mut self, log: LogId, at: u64, ended_ms: i64) -> Result<Step, Error> {
        let reading = self.reading().await?;
        self.learn_shadow(&reading).await?;
        let Some(shadow) = self.shadow.as_mut().filter(|shadow| shadow.mark.stored.log == log && shadow.mark.stored.position == at) else {
            return Ok(Step::Refused);
        };
        let mark = Mark { stored: Stored { state: State::Live, ended_ms, ..shadow.mark.stored }, ..shadow.mark };
        let revision = reading.revision().await;
        // one that cannot be read is replaced as well
        let (old, version) = match revision {
            Ok(Some(revision)) => (Some(revision.mark.generation), Some(revision.version)),
            Ok(None) => (None, None),
            Err(Error::Unreadable { .. }) => (None, Some(-1)),
            Err(error) => return Err(error),
        };
        let folder = self.paths.positions(None);
        let names = reading.names(&folder).await?;
        if names.len() > POSITIONS_MAX {
            return Err(Error::Unusable(format!("`{folder}` holds {} positions instead of one: delete them", names.len())));
        }
        let mut operations = vec![Operation::Delete { path: self.paths.position(Some(mark.generation), log, at) }];
        operations.extend(names.iter().map(|name| Operation::Delete { path: format!("{folder}/{name}") }));
        operations.push(Operation::Create { path: self.paths.position(None, log, at), data: mark.position() });
        operations.push(match version {
            Some(version) => Operation::Set { path: self.paths.revision(), data: mark.revision(), version: Some(version) },
            None => Operation::Create { path: self.paths.revision(), data: mark.revision() },
        });
        let options = options(self.session.config());
        let written = match within(reading.limit, send(&reading.client, &operations, &options)?).await {
            Ok(written) => written,
            Err(zk::MultiWriteError::OperationFailed { index: 0, source: zk::Error::NoNode }) => return Ok(Step::Refused),
            Err(zk::MultiWriteError::OperationFailed { source, .. }) => return Ok(Step::Stale(source)),
            Err(zk::MultiWriteError::RequestFailed { source }) => return Err(source.into()),
        };
        let revision = match written.last() {
            Some(zk::MultiWriteResult::SetData { stat }) => stat.version,
            _ => 0,
        };
        self.main = self.shadow.take().map(|shadow| Generation { mark, revision, asked: false, ..shadow });
        self.damaged = None;
        if let Some(old) = old.filter(|old| *old != mark.generation) {
            task::spawn("delete generation", async move {
                if let Err(error) = rebuild::delete(&reading, old).await {
                    tracing::warn!(generation = old, error = %error, "the old generation is not deleted; the next rebuild will do it");
                }
            });
        }
        Ok(Step::Done)
    }

    async fn begin(&mut self, log: LogId, from: u64) -> Result<(), Error> {
        let reading = self.reading().await?;
        (self.shadow, self.unsure) = (None, None);
        let options = options(self.session.config());
        rebuild::make_root(&reading, &options).await?;
        let main = rebuild::main(&reading).await?;
        let numbers = rebuild::generations(&reading).await?;
        for number in numbers.iter().copied().filter(|number| Some(*number) != main) {
            rebuild::delete(&reading, number).await?;
        }
        let first = numbers.into_iter().chain(main).max().unwrap_or(0) + 1;
        let mark = Mark { generation: first, stored: Stored { log, position: from, state: State::Building, ended_ms: 0 }, entities: 0 };
        let mark = rebuild::make(&reading, &options, first, mark).await?;
        self.shadow = Some(Generation { mark, revision: 0, asked: false, existing: HashSet::new() });
        Ok(())
    }
}

impl Generation {
    /// The step as operations; what is known moves on as if it had been done.
    fn operations(&mut self, paths: &Paths, target: Target, piece: &Piece, after: Stored) -> Vec<Operation> {
        let number = self.mark.generation;
        let shadow = (target == Target::Shadow).then_some(number);
        self.mark.stored = after;
        let changes = self.changes(paths, piece);
        self.mark.entities = self.existing.len() as u64;
        let path = |at| paths.position(shadow, after.log, at);
        let data = self.mark.position();
        let mut operations = match piece.from == piece.to {
            // giving up takes the place of the request
            _ if std::mem::take(&mut self.asked) => {
                vec![Operation::Delete { path: paths.asked(after.log, piece.from) }, Operation::Create { path: path(piece.to), data }]
            }
            true => vec![Operation::Set { path: path(piece.to), data, version: None }],
            false => vec![Operation::Delete { path: path(piece.from) }, Operation::Create { path: path(piece.to), data }],
        };
        operations.push(Operation::Check { path: paths.generation(number) });
        operations.extend(changes);
        if target == Target::Main {
            operations.push(Operation::Set { path: paths.revision(), data: self.mark.revision(), version: Some(self.revision) });
            self.revision = self.revision.wrapping_add(1);
        }
        operations
    }

    fn changes(&mut self, paths: &Paths, piece: &Piece) -> Vec<Operation> {
        let mut operations = Vec::with_capacity(piece.changes.len() + 4);
        for (key, change) in &piece.changes {
            let path = paths.entity(self.mark.generation, key);
            match change {
                Some(json) if self.existing.insert(*key) => operations.push(Operation::Create { path, data: json.clone() }),
                Some(json) => operations.push(Operation::Set { path, data: json.clone(), version: None }),
                None if self.existing.remove(key) => operations.push(Operation::Delete { path }),
                None => {}
            }
        }
        operations
    }
}

/// What the failure of a `multi` means; `before` have succeeded.
fn judge(error: zk::MultiWriteError, operations: usize, target: Target, before: usize) -> Result<Step, Error> {
    match error {
        zk::MultiWriteError::RequestFailed { source } => Err(source.into()),
        zk::MultiWriteError::OperationFailed { source, .. } if before > 0 => {
            Err(Error::Away(format!("the position was moved by somebody else, after {before} steps of this batch: {source}")))
        }
        zk::MultiWriteError::OperationFailed { index: 0, source: zk::Error::NoNode } => Ok(Step::Refused),
        // the revision is gone
        zk::MultiWriteError::OperationFailed { index, source: zk::Error::NoNode } if target == Target::Main && index + 1 == operations => {
            Ok(Step::Refused)
        }
        zk::MultiWriteError::OperationFailed {
            source: source @ (zk::Error::NoNode | zk::Error::NodeExists | zk::Error::BadVersion),
            ..
        } => Ok(Step::Stale(source)),
        zk::MultiWriteError::OperationFailed { source, .. } => Err(source.into()),
    }
}

#[async_trait]
impl Projection for ZooKeeperProjection {
    type Item = Fact;

    fn name(&self) -> &'static str {
        NAME
    }

    async fn stored(&mut self) -> Result<Option<Stored>, StoreError> {
        let reading = self.reading().await?;
        let read = async {
            reading.sync().await?;
            let main = reading.main().await?;
            if let Some(main) = &main {
                self.count(&reading, &main.revision).await?;
            }
            Ok(main)
        };
        let read = read.await;
        self.asked = read.as_ref().is_ok_and(|main| main.is_some_and(|main| main.asked));
        if read.as_ref().is_ok_and(|main| main.is_some_and(|main| main.revision.mark.stored.state == State::Live)) {
            self.ring().await;
        }
        match read {
            Ok(main) => {
                let whole = main.filter(|main| self.damaged != Some(main.revision.mark.generation));
                Ok(whole.map(|main| main.revision.mark.stored))
            }
            // whatever lies there, it can be filled anew
            Err(error @ Error::Unreadable { .. }) => {
                tracing::warn!(error = %error, "the store counts as empty");
                Ok(None)
            }
            Err(error) => {
                self.session.drop_client();
                Err(error.into())
            }
        }
    }

    fn is_asked(&self) -> bool {
        self.asked
    }

    async fn apply(&mut self, batch: Batch<'_, Fact>) -> Result<Applied, StoreError> {
        for _ in 0..TRIES {
            match self.step(&batch).await {
                Ok(Step::Done) => {
                    // a generation that is being filled tells nobody anything new
                    if batch.target == Target::Main {
                        self.rings.note(batch.items);
                        if batch.state == State::Live {
                            self.ring().await;
                        }
                    }
                    return Ok(Applied::Done);
                }
                Ok(Step::Refused) => {
                    metrics::refused();
                    return Ok(Applied::Refused);
                }
                Ok(Step::Stale(cause)) => {
                    tracing::debug!(error = %cause, "the ids are listed again");
                }
                Err(error) => {
                    self.session.drop_client();
                    return Err(error.into());
                }
            }
        }
        tracing::warn!("folders or ids in zookeeper are not as they were left: it will be filled anew");
        match batch.target {
            Target::Main => self.damaged = self.written,
            Target::Shadow => (self.shadow, self.unsure) = (None, None),
        }
        metrics::refused();
        Ok(Applied::Refused)
    }

    async fn begin_rebuild(&mut self, log: LogId, from: u64) -> Result<(), StoreError> {
        self.begin(log, from).await.map_err(|error| {
            self.session.drop_client();
            error.into()
        })
    }

    async fn finish_rebuild(&mut self, log: LogId, at: u64, ended_ms: i64) -> Result<Applied, StoreError> {
        for _ in 0..TRIES {
            match self.finish(log, at, ended_ms).await {
                Ok(Step::Done) => return Ok(Applied::Done),
                Ok(Step::Refused) => return Ok(Applied::Refused),
                // the main generation was written to at the same time
                Ok(Step::Stale(_)) => {}
                Err(error) => {
                    self.session.drop_client();
                    return Err(error.into());
                }
            }
        }
        Err(StoreError::Away("the main generation moves while it is replaced".to_owned()))
    }
}
