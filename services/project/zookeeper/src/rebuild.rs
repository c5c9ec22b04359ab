//! Generations: made empty, filled beside the main one, deleted when nobody reads them any more.

use ::zookeeper as zk;
use futures::{StreamExt, TryStreamExt, stream};
use loki_domain::Key;

use crate::error::Error;
use crate::mark::Mark;
use crate::multi::{Operation, send};
use crate::paths::{KINDS, generation_number};
use crate::read::{IN_FLIGHT, Reading};
use crate::session::within;

/// Folders made by one `multi`.
const FOLDERS: usize = 500;
/// How often another number is tried when somebody else has just taken one.
const TRIES: u64 = 10;

/// Makes what all generations need.
pub(crate) async fn make_root(reading: &Reading, options: &zk::CreateOptions<'_>) -> Result<(), Error> {
    let positions = reading.paths.positions(None);
    Ok(within(reading.limit, reading.client.mkdir(&positions, options)).await?)
}

/// The numbers of all generations that exist, also of those that are being deleted.
pub(crate) async fn generations(reading: &Reading) -> Result<Vec<u64>, Error> {
    Ok(reading.names(reading.paths.root()).await?.iter().filter_map(|name| generation_number(name)).collect())
}

/// Makes an empty generation with a number of its own, its position last: until then nobody can write to it.
pub(crate) async fn make(reading: &Reading, options: &zk::CreateOptions<'_>, first: u64, mut mark: Mark) -> Result<Mark, Error> {
    for number in first..first + TRIES {
        mark.generation = number;
        match within(reading.limit, reading.client.create(&reading.paths.generation(number), &[], options)).await {
            Err(zk::Error::NodeExists) => continue,
            made => drop(made?),
        }
        let folder = |path| Operation::Create { path, data: Vec::new() };
        let kinds = KINDS.into_iter().map(|kind| folder(reading.paths.kind(number, kind)));
        let buckets = reading.paths.buckets(number).into_iter().map(|(_, path)| folder(path));
        let positions = folder(reading.paths.positions(Some(number)));
        let position =
            Operation::Create { path: reading.paths.position(Some(number), mark.stored.log, mark.stored.position), data: mark.position() };
        let all: Vec<_> = kinds.chain(buckets).chain([positions, position]).collect();
        for some in all.chunks(FOLDERS) {
            within(reading.limit, async { send(&reading.client, some, options)?.await.map_err(zk::Error::from) }).await?;
        }
        return Ok(mark);
    }
    Err(Error::Away(format!("others have taken the generations `g{first}` and up")))
}

/// The number of the main generation; a revision that cannot be read names none.
pub(crate) async fn main(reading: &Reading) -> Result<Option<u64>, Error> {
    match reading.revision().await {
        Err(Error::Unreadable { .. }) => Ok(None),
        revision => Ok(revision?.map(|revision| revision.mark.generation)),
    }
}

/// Deletes a generation, the position first: from then on nobody can write to it, or make it the main one. Somebody else may do the same at
/// the same time, or have made it the main one just before.
pub(crate) async fn delete(reading: &Reading, number: u64) -> Result<(), Error> {
    let positions = reading.paths.positions(Some(number));
    let guards = reading.names(&positions).await?;
    delete_all(reading, guards.iter().map(|name| format!("{positions}/{name}")).collect()).await?;
    reading.sync().await?;
    if main(reading).await? == Some(number) {
        return Ok(());
    }
    let keys: Vec<Key> = reading.keys(number).await?.value;
    delete_all(reading, keys.iter().map(|key| reading.paths.entity(number, key)).collect()).await?;
    delete_all(reading, reading.paths.buckets(number).into_iter().map(|(_, path)| path).collect()).await?;
    delete_all(reading, KINDS.into_iter().map(|kind| reading.paths.kind(number, kind)).collect()).await?;
    delete_all(reading, vec![positions]).await?;
    delete_all(reading, vec![reading.paths.generation(number)]).await
}

/// Deletes what still exists.
async fn delete_all(reading: &Reading, paths: Vec<String>) -> Result<(), Error> {
    let delete = |path: String| async move {
        match within(reading.limit, reading.client.delete(&path, None)).await {
            Ok(()) | Err(zk::Error::NoNode) => Ok(()),
            Err(zk::Error::NotEmpty) => Err(Error::Away(format!("`{path}` was written to while it was deleted"))),
            Err(error) => Err(error.into()),
        }
    };
    stream::iter(paths).map(delete).buffer_unordered(IN_FLIGHT).try_collect().await
}
