//! Archives by their digest.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt, pin_mut};
use loki_domain::Sha256;
use loki_runtime::task;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, WriteMultipart};
use sha2::Digest as _;
use url::Url;

use crate::error::{Error, Refused};

/// Parts of an upload: S3 takes at most 10,000, so that the largest archive is 160 GiB.
const PART_BYTES: usize = 16 << 20;
/// Parts of one upload that are on their way at once.
const PARTS_AT_ONCE: usize = 2;
/// Where archives lie, each by its digest.
const BY_DIGEST: &str = "sha256";
/// What was not written to for so long nobody sends any more.
const BROKEN_OFF: Duration = Duration::from_secs(24 * 60 * 60);
/// Until an archive begins to come; whoever asked has given up by then, or asks again.
const ANSWER: Duration = Duration::from_secs(15);

/// Cheap to clone.
#[derive(Clone)]
pub struct Artifacts {
    store: Arc<dyn ObjectStore>,
    /// Before every name.
    prefix: Path,
}

/// An archive, from some byte on.
pub struct Found {
    /// Of the whole archive.
    pub size: u64,
    pub bytes: BoxStream<'static, Result<Bytes, Error>>,
}

impl fmt::Debug for Artifacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Artifacts({}/{})", self.store, self.prefix)
    }
}

impl Artifacts {
    /// In a folder, which is made when it is missing.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn in_folder(folder: &FilePath) -> Result<Self, Error> {
        let wrong = |source| Error::Place { url: folder.display().to_string(), source };
        std::fs::create_dir_all(folder).map_err(|error| wrong(error.into()))?;
        // an archive that was acknowledged survives a crash of the machine
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| wrong(error.into()))?.with_fsync(true);
        remove_broken_off(&folder.join(BY_DIGEST)).map_err(|error| wrong(error.into()))?;
        Ok(Self { store: Arc::new(store), prefix: Path::default() })
    }

    /// At an address, `s3://bucket/prefix`; options as the library `object_store` names them, `aws_access_key_id`.
    ///
    /// # Errors
    /// It is no address of a store, or an option is wrong.
    pub fn open(url: &str, options: impl IntoIterator<Item = (String, String)>) -> Result<Self, Error> {
        let wrong = |source| Error::Place { url: url.to_owned(), source };
        let parsed = Url::parse(url).map_err(|error| wrong(error.into()))?;
        if parsed.scheme() == "file" {
            let folder = parsed.to_file_path().map_err(|()| wrong("it names no file of this machine".into()))?;
            return Self::in_folder(&folder);
        }
        let (store, prefix) = connect(&parsed, options).map_err(|error| wrong(error.into()))?;
        Ok(Self { store, prefix })
    }

    /// The size of an archive; `None`: it is not there.
    ///
    /// # Errors
    /// The store is away.
    pub async fn size(&self, sha256: &Sha256) -> Result<Option<u64>, Error> {
        size(&*self.store, &self.place(sha256)).await
    }

    /// An archive from this byte on; `None`: it is not there.
    ///
    /// # Errors
    /// The store is away.
    pub async fn get(&self, sha256: &Sha256, from: u64) -> Result<Option<Found>, Error> {
        get(&*self.store, &self.place(sha256), from).await
    }

    /// Takes an archive, of at most so many bytes; its size. One that is there already is taken once more.
    ///
    /// # Errors
    /// It is too large, has another digest or breaks off: then nothing is left of it. Or the store is away.
    pub async fn put<E: fmt::Display>(
        &self,
        sha256: &Sha256,
        archive: impl Stream<Item = Result<Bytes, E>>,
        max: u64,
    ) -> Result<u64, Refused> {
        let mut upload = WriteMultipart::new_with_chunk_size(self.store.put_multipart(&self.place(sha256)).await?, PART_BYTES);
        match take(&mut upload, sha256, archive, max).await {
            Ok(size) => {
                upload.finish().await?;
                Ok(size)
            }
            Err(refused) => {
                // what it was refused for is what counts
                let _ = upload.abort().await;
                Err(refused)
            }
        }
    }

    fn place(&self, sha256: &Sha256) -> Path {
        self.prefix.clone().join(BY_DIGEST).join(sha256.to_string())
    }
}

/// Removes what a process that was killed in the middle of an upload has left, `<digest>#<number>` as the library names it.
fn remove_broken_off(folder: &FilePath) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let is_old = |age: Duration| age > BROKEN_OFF;
        if entry.file_name().to_string_lossy().contains('#') && entry.metadata()?.modified()?.elapsed().is_ok_and(is_old) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A store, and where in it.
pub(crate) fn connect(
    url: &Url,
    options: impl IntoIterator<Item = (String, String)>,
) -> Result<(Arc<dyn ObjectStore>, Path), object_store::Error> {
    // its HTTP client takes its cryptography from the process; refused when the process has one already, which is as good
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (store, place) = object_store::parse_url_opts(url, options)?;
    Ok((store.into(), place))
}

pub(crate) async fn size(store: &dyn ObjectStore, place: &Path) -> Result<Option<u64>, Error> {
    Ok(answered(store.head(place)).await?.map(|meta| meta.size))
}

pub(crate) async fn get(store: &dyn ObjectStore, place: &Path, from: u64) -> Result<Option<Found>, Error> {
    let options = GetOptions { range: (from > 0).then_some(GetRange::Offset(from)), ..GetOptions::default() };
    let found = answered(store.get_opts(place, options)).await?;
    Ok(found.map(|found| Found { size: found.meta.size, bytes: found.into_stream().map_err(Error::from).boxed() }))
}

/// `None`: it is not there. The library tries for minutes.
async fn answered<T>(asked: impl Future<Output = Result<T, object_store::Error>>) -> Result<Option<T>, Error> {
    match task::timeout(ANSWER, asked).await {
        Some(Ok(answer)) => Ok(Some(answer)),
        Some(Err(object_store::Error::NotFound { .. })) => Ok(None),
        Some(Err(error)) => Err(error.into()),
        None => Err(Error::Away(format!("no answer within {} s", ANSWER.as_secs()))),
    }
}

async fn take<E: fmt::Display>(
    upload: &mut WriteMultipart,
    sha256: &Sha256,
    archive: impl Stream<Item = Result<Bytes, E>>,
    max: u64,
) -> Result<u64, Refused> {
    let (mut digest, mut size) = (sha2::Sha256::new(), 0);
    pin_mut!(archive);
    while let Some(piece) = archive.next().await {
        let piece = piece.map_err(|error| Refused::BrokenOff { bytes: size, why: error.to_string() })?;
        size += piece.len() as u64;
        if size > max {
            return Err(Refused::TooLarge { max });
        }
        digest.update(&piece);
        upload.wait_for_capacity(PARTS_AT_ONCE).await?;
        upload.put(piece);
    }
    let found = Sha256(digest.finalize().into());
    match found == *sha256 {
        true => Ok(size),
        false => Err(Refused::Other { asked: sha256.to_string(), found: found.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    /// FIPS 180-4's example: of `abc`.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn pieces(texts: &[&'static str]) -> impl Stream<Item = Result<Bytes, String>> + use<> {
        stream::iter(texts.iter().map(|text| Ok(Bytes::from_static(text.as_bytes()))).collect::<Vec<_>>())
    }

    async fn read(artifacts: &Artifacts, sha256: &Sha256, from: u64) -> Option<(u64, String)> {
        let found = artifacts.get(sha256, from).await.unwrap()?;
        let bytes: Vec<Bytes> = found.bytes.try_collect().await.unwrap();
        Some((found.size, String::from_utf8(bytes.concat()).unwrap()))
    }

    #[tokio::test]
    async fn an_archive_is_there_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::in_folder(&folder.path().join("a")).unwrap();
        let abc: Sha256 = ABC.parse().unwrap();
        assert_eq!((artifacts.size(&abc).await.unwrap(), read(&artifacts, &abc, 0).await), (None, None));
        let refused = artifacts.put(&abc, pieces(&["ab", "d"]), 10).await.unwrap_err();
        assert!(matches!(refused, Refused::Other { .. }), "{refused}");
        let refused = artifacts.put(&abc, pieces(&["ab", "c"]), 2).await.unwrap_err();
        assert!(matches!(refused, Refused::TooLarge { max: 2 }), "{refused}");
        let broken = stream::iter([Ok(Bytes::from_static(b"ab")), Err("gone")]);
        let refused = artifacts.put(&abc, broken, 10).await.unwrap_err();
        assert!(matches!(refused, Refused::BrokenOff { bytes: 2, .. }), "{refused}");
        assert_eq!(artifacts.size(&abc).await.unwrap(), None);
        for _ in 0..2 {
            assert_eq!(artifacts.put(&abc, pieces(&["ab", "c"]), 3).await.unwrap(), 3);
        }
        assert_eq!(artifacts.size(&abc).await.unwrap(), Some(3));
        assert_eq!(read(&artifacts, &abc, 0).await, Some((3, "abc".to_owned())));
        assert_eq!(read(&artifacts, &abc, 1).await, Some((3, "bc".to_owned())));
        // the same place by its address
        let url = format!("file://{}", folder.path().join("a").display());
        let again = Artifacts::open(&url, []).unwrap();
        assert_eq!(again.size(&abc).await.unwrap(), Some(3));
    }

    #[test]
    fn what_a_killed_process_has_left_is_removed_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        Artifacts::in_folder(folder.path()).unwrap();
        let lying = folder.path().join(BY_DIGEST);
        std::fs::create_dir(&lying).unwrap();
        let long_ago = std::time::SystemTime::UNIX_EPOCH;
        for (name, time) in [("a#1", Some(long_ago)), ("a#2", None), ("a", Some(long_ago))] {
            let file = std::fs::File::create(lying.join(name)).unwrap();
            time.into_iter().for_each(|time| file.set_modified(time).unwrap());
        }
        Artifacts::in_folder(folder.path()).unwrap();
        let left = |name: &str| lying.join(name).exists();
        assert_eq!(["a#1", "a#2", "a"].map(left), [false, true, true]);
    }

    #[test]
    fn an_address_that_is_none_is_named() {
        for url in ["", "a/b", "ftp://a/b", "s3:"] {
            let error = Artifacts::open(url, []).unwrap_err().to_string();
            assert!(error.contains("s3://bucket/prefix"), "{error}");
        }
        Artifacts::open("s3://bucket/loki", [("aws_region".to_owned(), "eu-central-1".to_owned())]).unwrap();
    }
}
