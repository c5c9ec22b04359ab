//! Listening for a server's rings.

use std::time::Duration;

use ::zookeeper as zk;
use loki_domain::{Position, ServerId};
use loki_runtime::clock::Stopwatch;
use loki_runtime::{Backoff, task};

use crate::config::Config;
use crate::error::Error;
use crate::paths::Paths;
use crate::session::{connect, within};

/// Between two tries to connect.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// What is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ring {
    /// The fact at this offset is about a task of the server.
    Fact(u64),
    /// The bell can be heard from now on; what was rung before was not.
    Again,
    /// It cannot be heard, and why; told once until it is there again.
    Away(String),
}

/// The bell of one server.
pub struct Bell {
    config: Config,
    path: String,
    connection: Option<Connection>,
    /// When it was last tried to connect, and how long to wait after that.
    tried: Option<(Stopwatch, Duration)>,
    backoff: Backoff,
    is_away: bool,
}

struct Connection {
    client: zk::Client,
    watcher: zk::PersistentWatcher,
    /// What was read last.
    heard: Option<u64>,
    /// Something was announced and is not read yet.
    is_announced: bool,
}

impl Bell {
    /// Does not connect yet.
    pub fn new(config: Config, server: ServerId) -> Self {
        let path = Paths::new(&config.chroot).bell(server);
        let backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
        Self { config, path, connection: None, tried: None, backoff, is_away: false }
    }

    /// The next ring. Cancel safe.
    pub async fn rung(&mut self) -> Ring {
        loop {
            let limit = self.config.operation_timeout;
            let failed = match &mut self.connection {
                Some(connection) => match connection.next(&self.path, limit).await {
                    Ok(fact) => return Ring::Fact(fact),
                    Err(error) => error.to_string(),
                },
                None => {
                    if let Some((since, pause)) = &self.tried {
                        task::sleep(pause.saturating_sub(since.elapsed())).await;
                    }
                    self.tried = Some((Stopwatch::start(), self.backoff.step()));
                    match Connection::open(&self.config, &self.path).await {
                        Ok(connection) => {
                            (self.connection, self.tried, self.is_away) = (Some(connection), None, false);
                            self.backoff.reset();
                            return Ring::Again;
                        }
                        Err(error) => error.to_string(),
                    }
                }
            };
            self.connection = None;
            if !std::mem::replace(&mut self.is_away, true) {
                return Ring::Away(failed);
            }
        }
    }
}

impl Connection {
    /// Watches first: what is rung after the first look is announced.
    async fn open(config: &Config, path: &str) -> Result<Self, Error> {
        let client = connect(config).await?;
        let watcher = within(config.operation_timeout, client.watch(path, zk::AddWatchMode::Persistent)).await?;
        let heard = read(&client, path, config.operation_timeout).await?;
        Ok(Self { client, watcher, heard, is_announced: false })
    }

    async fn next(&mut self, path: &str, limit: Duration) -> Result<u64, Error> {
        loop {
            if !self.is_announced {
                let event = self.watcher.changed().await;
                if event.event_type == zk::EventType::Session {
                    return Err(Error::Away(format!("the session is {:?}", event.session_state)));
                }
                self.is_announced = true;
            }
            let heard = read(&self.client, path, limit).await?;
            self.is_announced = false;
            if let Some(fact) = heard.filter(|_| heard != self.heard) {
                self.heard = heard;
                return Ok(fact);
            }
        }
    }
}

/// The position that lies there; `None`: it has never rung, or what lies there is none.
async fn read(client: &zk::Client, path: &str, limit: Duration) -> Result<Option<u64>, Error> {
    match within(limit, client.get_data(path)).await {
        Ok((data, _)) => Ok(std::str::from_utf8(&data).ok().and_then(|text| text.parse::<Position>().ok()).map(|position| position.offset)),
        Err(zk::Error::NoNode) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
