//! A file on its way to the API: streamed, with a bound for silence and not for the whole.

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use reqwest::Method;

use super::answer::Stream;
use super::{Client, Error, Request};

const PIECE_BYTES: usize = 1 << 20;
/// How often it is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// Nothing moves for so long: it is over.
const SILENCE_MAX: Duration = Duration::from_secs(60);

impl Client {
    /// Whether something is there.
    ///
    /// # Errors
    /// The API refuses, or cannot be asked.
    pub(crate) async fn has(&self, segments: &[&str]) -> Result<bool, Error> {
        match self.send(&Request::new(Method::HEAD, &self.api, segments).repeatable()).await {
            Ok(_) => Ok(true),
            // an answer to HEAD has no body that says more
            Err(Error::Foreign { status: 404, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sends a file of this size, once; `told` hears how much has gone.
    ///
    /// # Errors
    /// The API refuses it, or cannot be reached.
    pub(crate) async fn upload(&self, segments: &[&str], file: File, size: u64, told: &mut (dyn FnMut(u64) + Send)) -> Result<(), Error> {
        let gone = Arc::new(AtomicU64::new(0));
        let request = Request::new(Method::PUT, &self.api, segments);
        let body = reqwest::Body::wrap_stream(pieces(file, gone.clone()));
        let built = request.build(&self.http)?.header("Content-Length", size).body(body);
        let sending = async {
            let response = built.send().await.map_err(|error| Error::of(self.api(), &error))?;
            Stream::new(self.api(), request.path(), response).checked().await
        };
        let mut sending = std::pin::pin!(sending);
        let (mut before, mut moved) = (0, Stopwatch::start());
        loop {
            if let Some(sent) = task::timeout(TELL_EVERY, &mut sending).await {
                return sent.map(drop);
            }
            let now = gone.load(Ordering::Relaxed);
            told(now);
            if now != before {
                (before, moved) = (now, Stopwatch::start());
            }
            if moved.elapsed() > SILENCE_MAX {
                return Err(Error::TimedOut { api: self.api().to_owned() });
            }
        }
    }
}

/// A file piece by piece. An error of reading ends it.
fn pieces(file: File, gone: Arc<AtomicU64>) -> impl futures::Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    stream::unfold(Some((file, gone)), |state| async {
        let (file, gone) = state?;
        let read = task::spawn_blocking("read", move || {
            let (mut file, mut piece) = (file, vec![0; PIECE_BYTES]);
            let read = file.read(&mut piece);
            (file, piece, read)
        });
        match read.await {
            Ok((_, _, Ok(0))) => None,
            Ok((file, mut piece, Ok(read))) => {
                piece.truncate(read);
                gone.fetch_add(read as u64, Ordering::Relaxed);
                Some((Ok(Bytes::from(piece)), Some((file, gone))))
            }
            Ok((_, _, Err(error))) => Some((Err(error), None)),
            Err(error) => Some((Err(std::io::Error::other(error.to_string())), None)),
        }
    })
}
