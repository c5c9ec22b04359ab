//! Reading what is stored: the revision, the ids, the entities. Many questions are on their way at once, but no more than `IN_FLIGHT`.

use std::time::Duration;

use ::zookeeper as zk;
use futures::{StreamExt, TryStreamExt, stream};
use loki_domain::{Entity, Key, Kind, LogId};

use crate::error::Error;
use crate::mark::Mark;
use crate::paths::{Paths, Place, main_position_of};
use crate::session::within;

/// Questions that wait for an answer.
pub(crate) const IN_FLIGHT: usize = 128;
/// Entities that are read together with the revision, at most, and the bytes of their paths: a server cuts off who asks for more than its
/// `jute.maxbuffer` at once.
const AT_ONCE_MAX: usize = 4_000;
const AT_ONCE_BYTES: usize = 256 << 10;

/// Whom to ask, and how long to wait for each answer.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) client: zk::Client,
    pub(crate) paths: Paths,
    pub(crate) limit: Duration,
}

/// `/loki/revision` as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Revision {
    pub(crate) mark: Mark,
    pub(crate) version: i32,
    /// The transaction that wrote it.
    pub(crate) zxid: i64,
}

/// The main generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Main {
    pub(crate) revision: Revision,
    /// A rebuild is asked for.
    pub(crate) asked: bool,
}

/// The JSON of entities; `None` of one that does not exist.
pub(crate) type Jsons = Vec<(Key, Option<Vec<u8>>)>;

/// Something that was read, and the newest transaction that it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dated<T> {
    pub(crate) value: T,
    pub(crate) zxid: i64,
}

impl Reading {
    /// Lets the server catch up with what others have been told.
    pub(crate) async fn sync(&self) -> Result<(), Error> {
        Ok(within(self.limit, self.client.sync("/")).await?)
    }

    pub(crate) async fn revision(&self) -> Result<Option<Revision>, Error> {
        match within(self.limit, self.client.get_data(&self.paths.revision())).await {
            Ok((data, stat)) => self.read_revision(&data, &stat).map(Some),
            Err(zk::Error::NoNode) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn read_revision(&self, data: &[u8], stat: &zk::Stat) -> Result<Revision, Error> {
        Ok(Revision { mark: Mark::read(&self.paths.revision(), data)?, version: stat.version, zxid: stat.mzxid })
    }

    /// The revision and these entities in one question, which a server answers from one moment. What is too much for one question is read
    /// before that.
    pub(crate) async fn at_once(&self, generation: u64, mut keys: Vec<Key>) -> Result<(Option<Revision>, Dated<Jsons>), Error> {
        let mut bytes = 0;
        let fitting = keys.iter().rev().take(AT_ONCE_MAX).take_while(|key| {
            bytes += self.paths.entity(generation, key).len();
            bytes <= AT_ONCE_BYTES
        });
        let last = keys.split_off(keys.len() - fitting.count());
        let mut read = self.jsons(generation, keys).await?;
        let paths = std::iter::once(self.paths.revision()).chain(last.iter().map(|key| self.paths.entity(generation, key)));
        let mut answers = self.several(paths, None).await?.into_iter();
        let revision = match answers.next().and_then(data) {
            Some((data, stat)) => Some(self.read_revision(&data, &stat)?),
            None => None,
        };
        for (key, answer) in last.into_iter().zip(answers) {
            let (json, zxid) = data(answer).map_or((None, 0), |(data, stat)| (Some(data), stat.mzxid));
            read.value.push((key, json));
            read.zxid = read.zxid.max(zxid);
        }
        Ok((revision, read))
    }

    /// Asks for the data under several paths, and for the names in a folder, at once; in this order. An error among them is that it does not exist.
    async fn several(&self, paths: impl Iterator<Item = String>, folder: Option<&str>) -> Result<Vec<zk::MultiReadResult>, Error> {
        let mut reader = self.client.new_multi_reader();
        let mut asked = 0;
        for path in paths {
            reader.add_get_data(&path)?;
            asked += 1;
        }
        if let Some(folder) = folder {
            reader.add_get_children(folder)?;
            asked += 1;
        }
        let answers = within(self.limit, reader.commit()).await?;
        if answers.len() != asked {
            return Err(Error::Away(format!("{} answers to {asked} questions", answers.len())));
        }
        answers
            .into_iter()
            .map(|answer| match answer {
                zk::MultiReadResult::Error { err } if err != zk::Error::NoNode => Err(err.into()),
                answer => Ok(answer),
            })
            .collect()
    }

    /// The names under a path; none when it does not exist.
    pub(crate) async fn names(&self, path: &str) -> Result<Vec<String>, Error> {
        match within(self.limit, self.client.list_children(path)).await {
            Err(zk::Error::NoNode) => Ok(Vec::new()),
            names => Ok(names?),
        }
    }

    /// The revision, if the one position that there is agrees with it and its generation exists. `None`: emptied.
    pub(crate) async fn main(&self) -> Result<Option<Main>, Error> {
        let folder = self.paths.positions(None);
        let mut answers = self.several([self.paths.revision()].into_iter(), Some(&folder)).await?.into_iter();
        let Some((data, stat)) = answers.next().and_then(data) else { return Ok(None) };
        let revision = self.read_revision(&data, &stat)?;
        let names = match answers.next() {
            Some(zk::MultiReadResult::Children { children }) => children,
            _ => Vec::new(),
        };
        let stored = revision.mark.stored;
        let placed = if let [name] = names.as_slice() { main_position_of(name) } else { None };
        let Some((_, asked)) = placed.filter(|(place, _)| *place == (stored.log, stored.position)) else {
            tracing::warn!(
                positions = names.len(),
                "the position in zookeeper is missing or is not the revision's: it will be filled anew"
            );
            return Ok(None);
        };
        let generation = self.paths.generation(revision.mark.generation);
        let exists = within(self.limit, self.client.check_stat(&generation)).await?.is_some();
        Ok(exists.then_some(Main { revision, asked }))
    }

    /// How far a shadow is; `None` when it is not there any more.
    pub(crate) async fn shadow(&self, number: u64, log: LogId, position: u64) -> Result<Option<Mark>, Error> {
        let path = self.paths.position(Some(number), log, position);
        match within(self.limit, self.client.get_data(&path)).await {
            Ok((data, _)) => Ok(Some(Mark::read_position(&path, &data, log, position)?)),
            Err(zk::Error::NoNode) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The transaction that made a generation; 0 when it does not exist. It grows from one to the next, also in a store that was emptied, where
    /// their numbers begin anew; an older copy of the store has a smaller one.
    pub(crate) async fn made(&self, generation: u64) -> Result<u64, Error> {
        let stat = within(self.limit, self.client.check_stat(&self.paths.generation(generation))).await?;
        Ok(stat.map_or(0, |stat| u64::try_from(stat.czxid).unwrap_or(0)))
    }

    /// How many entities a generation holds.
    pub(crate) async fn count(&self, generation: u64) -> Result<u64, Error> {
        let path = self.paths.generation(generation);
        match within(self.limit, self.client.count_descendants_number(&path)).await {
            Ok(all) => Ok((all as u64).saturating_sub(self.paths.folders(generation))),
            Err(zk::Error::NoNode) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// The keys of all entities of a generation.
    pub(crate) async fn keys(&self, generation: u64) -> Result<Dated<Vec<Key>>, Error> {
        let mut all = Dated { value: Vec::new(), zxid: 0 };
        let mut buckets =
            stream::iter(self.paths.buckets(generation)).map(|bucket| self.bucket(generation, bucket)).buffer_unordered(IN_FLIGHT);
        while let Some(Dated { value, zxid }) = buckets.try_next().await? {
            all.value.extend(value);
            all.zxid = all.zxid.max(zxid);
        }
        Ok(all)
    }

    async fn bucket(&self, generation: u64, (kind, path): (Kind, String)) -> Result<Dated<Vec<Key>>, Error> {
        let (names, stat) = match within(self.limit, self.client.get_children(&path)).await {
            Err(zk::Error::NoNode) => return Ok(Dated { value: Vec::new(), zxid: 0 }),
            answer => answer?,
        };
        let key = |name: String| {
            let child = format!("{path}/{name}");
            match self.paths.read(&child) {
                Place::Entity { generation: of, key } if of == generation && key.kind() == kind => Ok(key),
                _ => Err(Error::Unreadable { path: child, message: "its name is no id, or not of this folder; delete it".to_owned() }),
            }
        };
        Ok(Dated { value: names.into_iter().map(key).collect::<Result<_, _>>()?, zxid: stat.pzxid })
    }

    /// One entity's JSON; `None` when it does not exist.
    pub(crate) async fn json(&self, generation: u64, key: &Key) -> Result<Dated<Option<Vec<u8>>>, Error> {
        match within(self.limit, self.client.get_data(&self.paths.entity(generation, key))).await {
            Ok((data, stat)) => Ok(Dated { value: Some(data), zxid: stat.mzxid }),
            Err(zk::Error::NoNode) => Ok(Dated { value: None, zxid: 0 }),
            Err(error) => Err(error.into()),
        }
    }

    /// The JSON of several entities, in any order.
    pub(crate) async fn jsons(&self, generation: u64, keys: Vec<Key>) -> Result<Dated<Jsons>, Error> {
        let mut all = Dated { value: Vec::with_capacity(keys.len()), zxid: 0 };
        let read = |key: Key| async move { Ok::<_, Error>((key, self.json(generation, &key).await?)) };
        let mut answers = stream::iter(keys).map(read).buffer_unordered(IN_FLIGHT);
        while let Some((key, Dated { value, zxid })) = answers.try_next().await? {
            all.value.push((key, value));
            all.zxid = all.zxid.max(zxid);
        }
        Ok(all)
    }

    /// Reads an entity's JSON, which must be of the key under which it lies.
    pub(crate) fn entity(&self, generation: u64, key: &Key, json: &[u8]) -> Result<Entity, Error> {
        let unreadable = |message: String| Error::Unreadable { path: self.paths.entity(generation, key), message };
        let entity = loki_wire::fact::v1::read_entity(key.kind(), json).map_err(|error| unreadable(error.to_string()))?;
        if entity.key() != *key {
            return Err(unreadable("it is the entity of another key".to_owned()));
        }
        Ok(entity)
    }
}

/// What a path holds; `None` when it does not exist.
fn data(answer: zk::MultiReadResult) -> Option<(Vec<u8>, zk::Stat)> {
    match answer {
        zk::MultiReadResult::Data { data, stat } => Some((data, stat)),
        _ => None,
    }
}
