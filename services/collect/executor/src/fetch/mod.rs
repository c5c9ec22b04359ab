//! The archive, whole and with the digest that was signed, as a file of the executor's own.

mod http;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use loki_domain::ArchiveUrl;
use loki_runtime::{Backoff, task};
use sha2::{Digest, Sha256};

pub(crate) use self::http::Client;
use crate::config::Config;
use crate::course::{Course, Halt};
use crate::task::Release;
use crate::{durable, minisign};

/// An archive and what it is unpacked to, which is seldom more than three times as long.
const ROOM: u64 = 4;

/// What one go at it came to.
enum Broken {
    /// It may be better the next time: the transfer broke off, or the server has trouble.
    Passing(String),
    Lasting(String),
}

/// Where the archive lies.
pub(crate) async fn fetch(course: &Course<'_>, wanted: &Release) -> Result<PathBuf, Halt> {
    let (config, path) = (&course.shared.config, course.shared.layout.archive(wanted.sha256));
    check_room(config, wanted, length(&path)?)?;
    let mut backoff = Backoff::new(config.fetch.pause, config.fetch.pause * 8);
    let (mut again, mut anew) = (config.fetch.again, 1);
    loop {
        let resumed = length(&path)? > 0;
        let broken = match course.within(async { Ok(transfer(course, wanted, &path).await) }).await? {
            Ok(()) if is_right(course, wanted, &path).await? => break,
            Ok(()) => {
                durable::remove(&path)?;
                // what was there from an earlier go may have been of another file
                if !resumed || anew == 0 {
                    return Err(Halt::failed(format!("the archive's SHA-256 is not the package's, `{}`", wanted.sha256)));
                }
                anew -= 1;
                continue;
            }
            Err(Broken::Lasting(why)) => return Err(Halt::Failed(why)),
            Err(Broken::Passing(why)) => why,
        };
        if again == 0 {
            return Err(Halt::failed(format!("the archive could not be fetched: {broken}")));
        }
        again -= 1;
        tracing::info!(run.id = %course.task.run, reason = broken, "the archive is fetched again from where it broke off");
        course.sleep(backoff.step()).await?;
    }
    let (archive, key, signature) = (path.clone(), config.minisign.clone(), wanted.minisign.clone());
    let checking = task::spawn_blocking("minisign", move || minisign::check(&archive, key.as_deref(), signature.as_deref()));
    let checked = course.within(async { checking.await.map_err(|error| error.to_string()) }).await?;
    if let Err(why) = checked {
        durable::remove(&path)?;
        return Err(Halt::Failed(why));
    }
    Ok(path)
}

/// Before anything is done.
fn check_room(config: &Config, wanted: &Release, there: u64) -> Result<(), Halt> {
    if wanted.size > config.limits.archive_bytes_max {
        let (size, most) = (wanted.size, config.limits.archive_bytes_max);
        return Err(Halt::failed(format!("the archive has {size} bytes, this host takes {most} at most: see `agent.archive_max`")));
    }
    let free = free_bytes(&config.root)?;
    let need = wanted.size.saturating_mul(ROOM).saturating_sub(there).saturating_add(config.limits.free_bytes_min);
    if free < need {
        return Err(Halt::failed(format!(
            "the disk has {} MiB free, the package needs {} MiB: see `agent.free_min`",
            free >> 20,
            need >> 20
        )));
    }
    Ok(())
}

/// That somebody else than root may take.
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn length(path: &Path) -> io::Result<u64> {
    match path.metadata() {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// The rest of it, from where it is; a whole one that is there already is left as it is.
async fn transfer(course: &Course<'_>, wanted: &Release, path: &Path) -> Result<(), Broken> {
    if length(path).map_err(lasting)? > wanted.size {
        durable::remove(path).map_err(lasting)?;
    }
    if length(path).map_err(lasting)? == wanted.size {
        return Ok(());
    }
    let url = wanted.url.as_str();
    match url.split_once("://") {
        _ if url == ArchiveUrl::ARTIFACT => {
            let address = format!("{}/v1/artifacts/{}", course.shared.config.fetch.api.trim_end_matches('/'), wanted.sha256);
            course.shared.client.fetch(&address, true, wanted.size, path).await
        }
        // the API has the keys, and what is said to lie there is checked by its digest all the same
        Some(("s3", _)) => {
            let address = archive_of(&course.shared.config.fetch.api, wanted).map_err(Broken::Lasting)?;
            course.shared.client.fetch(&address, true, wanted.size, path).await
        }
        Some(("http" | "https", _)) => course.shared.client.fetch(url, false, wanted.size, path).await,
        Some(("file", _)) => {
            let from = reqwest::Url::parse(url).ok().and_then(|url| url.to_file_path().ok());
            let from = from.ok_or_else(|| Broken::Lasting(format!("`{url}` names no file")))?;
            let (to, size) = (path.to_owned(), wanted.size);
            task::spawn_blocking("copy", move || copy(&from, &to, size)).await.map_err(|error| Broken::Lasting(error.to_string()))?
        }
        _ => Err(Broken::Lasting(format!("`{url}` is not supported by this agent: use `https://…` or `artifact`"))),
    }
}

/// Where the API gives a package's archive.
fn archive_of(api: &str, wanted: &Release) -> Result<String, String> {
    let mut url = reqwest::Url::parse(api).map_err(|error| error.to_string())?;
    let segments = ["v1", "packages", wanted.name.as_str(), wanted.version.as_str(), "archive"];
    url.path_segments_mut().map_err(|()| format!("`{api}` is no address"))?.pop_if_empty().extend(segments);
    Ok(url.into())
}

fn lasting(error: io::Error) -> Broken {
    Broken::Lasting(error.to_string())
}

fn copy(from: &Path, to: &Path, size: u64) -> Result<(), Broken> {
    let failed = |error: io::Error| Broken::Lasting(format!("`{}` cannot be copied: {error}", from.display()));
    let metadata = std::fs::metadata(from).map_err(failed)?;
    if !metadata.is_file() || metadata.len() != size {
        return Err(Broken::Lasting(format!("`{}` is no file of {size} bytes, which the package has", from.display())));
    }
    let (source, mut target) = (File::open(from).map_err(failed)?, File::create(to).map_err(failed)?);
    io::copy(&mut source.take(size), &mut target).map_err(failed).map(|_| ())
}

async fn is_right(course: &Course<'_>, wanted: &Release, path: &Path) -> Result<bool, Halt> {
    let path = path.to_owned();
    let reading = task::spawn_blocking("digest", move || digest(&path));
    let found = course.within(async { reading.await.map_err(|error| error.to_string()) }).await?;
    Ok(found? == wanted.sha256.0)
}

fn digest(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let (mut hasher, mut bytes) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(hasher.finalize().into()),
            read => hasher.update(bytes.get(..read).unwrap_or_default()),
        }
    }
}
