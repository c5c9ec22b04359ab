//! The listener: connections, batches, patience.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use loki_domain::Sample;
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Backoff, Shutdown, task};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::lines::Lines;
use crate::append::Intake;
use crate::error::Error;
use crate::metrics::{self, Via};

/// Read at once: points that came together are appended together.
const READ_BYTES: usize = 64 << 10;
/// Answers that a client does not read end its connection.
const WRITE_WAIT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    /// Connections at once; more are closed with a line that says so.
    pub connections_max: usize,
    /// A connection that sends nothing for so long is closed.
    pub idle: Duration,
    /// How long points are offered to a log that is away before they are given up, said in a line and counted. Meanwhile their connection is not
    /// read from.
    pub patience: Duration,
    /// How long connections may finish at shutdown.
    pub drain: Duration,
}

impl Config {
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            connections_max: 1_024,
            idle: Duration::from_secs(600),
            patience: Duration::from_secs(60),
            drain: Duration::from_secs(5),
        }
    }
}

/// A listener, ready to run.
pub struct Telnet {
    config: Config,
    intake: Intake,
    listener: TcpListener,
}

impl Telnet {
    /// Binds the address, so that a taken port is told at once.
    pub async fn bind(config: Config, intake: Intake) -> Result<Self, Error> {
        let bound = TcpListener::bind(config.listen).await;
        let listener = bound.map_err(|source| Error::Bind { address: config.listen, source })?;
        Ok(Self { config, intake, listener })
    }

    /// Where it listens.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until shutdown, then lets connections append what they have read.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), Error> {
        let Self { config, intake, listener } = self;
        let places = Arc::new(Semaphore::new(config.connections_max));
        let mut connections = JoinSet::new();
        let mut backoff = Backoff::for_backend();
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.begun() => break,
                Some(_ended) = connections.join_next() => {
                    metrics::connections(connections.len());
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            let (mut stream, peer) = match accepted {
                Ok(accepted) => accepted,
                // no file descriptors left, as a rule: it passes
                Err(error) => {
                    tracing::warn!(error = %error, "a telnet connection was not accepted");
                    shutdown.unless(backoff.wait()).await;
                    continue;
                }
            };
            backoff.reset();
            let Ok(place) = places.clone().try_acquire_owned() else {
                let full = format!("as many connections as `telnet.connections_max` allows ({}) are open\n", config.connections_max);
                // it fits into the socket's buffer, or it is lost
                let _sent = stream.try_write(full.as_bytes());
                let _closed = stream.shutdown().await;
                continue;
            };
            let connection = Connection { stream, intake: intake.clone(), config: config.clone(), shutdown: shutdown.clone() };
            connections.spawn(async move {
                if let Err(error) = connection.serve().await {
                    tracing::debug!(peer = %peer, error = %error, "a telnet connection ended");
                }
                drop(place);
            });
            metrics::connections(connections.len());
        }
        let ended = task::timeout(config.drain, async { while connections.join_next().await.is_some() {} }).await;
        if ended.is_none() {
            tracing::warn!("telnet connections were still at work when the drain bound had passed");
        }
        metrics::connections(0);
        Ok(())
    }
}

struct Connection {
    stream: TcpStream,
    intake: Intake,
    config: Config,
    shutdown: Shutdown,
}

impl Connection {
    async fn serve(mut self) -> std::io::Result<()> {
        let mut lines = Lines::default();
        lines.buffer.reserve(READ_BYTES);
        loop {
            let reading = task::timeout(self.config.idle, self.stream.read_buf(&mut lines.buffer));
            let Some(Some(read)) = self.shutdown.unless(reading).await else { return Ok(()) };
            let closed = read? == 0;
            let mut said = lines.take(closed);
            if let Err(error) = self.append(&said.samples).await {
                let given_up = said.samples.len();
                said.refused += given_up;
                // one line for all of them: whoever sent them without reading answers has lost them
                said.answers.push_str(&format!("put: {given_up} points were not taken: {error}\n"));
                tracing::warn!(points = given_up, error = %error, "points that came over telnet were given up");
            }
            metrics::refused(Via::Telnet, said.refused);
            self.answer(&said.answers).await?;
            if closed || said.exit {
                return Ok(());
            }
        }
    }

    /// Offers them again and again while the log is away, as long as patience lasts.
    async fn append(&self, samples: &[Sample]) -> loki_log::Result<()> {
        let watch = Stopwatch::start();
        let mut backoff = Backoff::for_backend();
        loop {
            let Err(error) = self.intake.append(samples, Via::Telnet).await else { return Ok(()) };
            let patience = if self.shutdown.has_begun() { self.config.drain } else { self.config.patience };
            if error.class() != loki_log::Class::Retry || watch.elapsed() >= patience {
                return Err(error);
            }
            backoff.wait().await;
        }
    }

    async fn answer(&mut self, text: &str) -> std::io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let sent = task::timeout(WRITE_WAIT, self.stream.write_all(text.as_bytes())).await;
        sent.unwrap_or_else(|| Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "the client does not read its answers")))
    }
}
