//! `loki package push`: an archive on its way into Loki's own store.

use std::fs::File;
use std::path::Path;

use loki_domain::Sha256;
use loki_runtime::task;

use super::measure;
use crate::exit::Failure;
use crate::flags::Session;

/// Brings the file into the store, unless it is there; its digest and size.
pub(super) async fn push(session: &mut Session, path: &Path) -> Result<(Sha256, u64), Failure> {
    let owned = path.to_owned();
    let measured = task::spawn_blocking("measure", move || measure::measure(&owned)).await;
    let (sha256, size) = measured.map_err(|error| Failure::usage(format!("`{}`: {error}", path.display())))??;
    let digest = sha256.to_string();
    if session.client.has(&["v1", "artifacts", &digest]).await? {
        session.out.note("the archive is there already");
        return Ok((sha256, size));
    }
    let file = File::open(path).map_err(|error| Failure::usage(format!("cannot read `{}`: {error}", path.display())))?;
    let mut progress = session.out.progress("bytes", size);
    let (client, out) = (&session.client, &mut session.out);
    let sent = client.upload(&["v1", "artifacts", &digest], file, size, &mut |done| progress.at(done, out)).await;
    progress.end();
    sent?;
    Ok((sha256, size))
}
