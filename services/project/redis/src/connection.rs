//! One connection, made when it is needed and thrown away at the first doubt.
//!
//! It carries many questions at a time. The library's own reconnecting connection is not used: it goes on with one on which answers do not come
//! in time, although a machine that has vanished never closes it.

use std::sync::Arc;
use std::time::Duration;

use loki_runtime::clock::Stopwatch;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, RedisError, ScriptInvocation};
use tokio::sync::Mutex;

use crate::config::Config;
use crate::error::Error;

/// Whoever waited for a connection that failed does not try another one in turn.
const FAILED_FOR: Duration = Duration::from_millis(50);
/// Fields of a hash that are read at a time.
const SCANNED: usize = 1_000;
/// How often the server's settings are looked at again: `CONFIG SET` changes them under way.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Cheap to clone; all clones share the connection.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Shared>);

struct Shared {
    client: Client,
    config: AsyncConnectionConfig,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// Counts connections, so that an old one's failure does not throw away a new one.
    number: u64,
    connection: Option<MultiplexedConnection>,
    /// When the settings were found to be right last.
    looked: Option<Stopwatch>,
    /// Why there was no connection when it was last tried in vain.
    failed: Option<(Stopwatch, Error)>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects when it is first used.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        // the library's own words could hold the password
        let client = Client::open(config.url.expose()).map_err(|_| Error::Unusable("`redis.url` cannot be read".to_owned()))?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(config.connect_timeout))
            .set_response_timeout(Some(config.response_timeout));
        Ok(Self(Arc::new(Shared { client, config, open: Mutex::default() })))
    }

    /// Runs a script that writes nothing: once more when the connection was found to be closed, as one that was idle may be.
    pub(crate) async fn read<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, Error> {
        let (number, mut connection) = self.connection().await?;
        match script.invoke_async(&mut connection).await {
            Err(error) if error.is_connection_dropped() => {
                self.drop_connection(number).await;
                self.run(script).await
            }
            answer => self.judge(number, answer).await,
        }
    }

    /// The number that a key holds.
    pub(crate) async fn number(&self, key: &str) -> Result<Option<u64>, Error> {
        let (number, mut connection) = self.connection().await?;
        let mut get = redis::cmd("GET");
        get.arg(key);
        match get.query_async(&mut connection).await {
            Err(error) if error.is_connection_dropped() => {
                self.drop_connection(number).await;
                let (number, mut connection) = self.connection().await?;
                self.judge(number, get.query_async(&mut connection).await).await
            }
            answer => self.judge(number, answer).await,
        }
    }

    /// All fields of a hash, some at a time; they may change meanwhile.
    pub(crate) async fn hash(&self, key: &str) -> Result<Vec<(String, String)>, Error> {
        let (number, mut connection) = self.connection().await?;
        let (mut cursor, mut fields) = (0u64, Vec::new());
        loop {
            let mut scan = redis::cmd("HSCAN");
            scan.arg(key).arg(cursor).arg("COUNT").arg(SCANNED);
            let scanned = scan.query_async::<(u64, Vec<(String, String)>)>(&mut connection).await;
            let (next, some) = self.judge(number, scanned).await?;
            fields.extend(some);
            if next == 0 {
                return Ok(fields);
            }
            cursor = next;
        }
    }

    /// Runs a script that writes, on a server that does not throw away what was written.
    pub(crate) async fn write<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, Error> {
        self.look().await?;
        self.run(script).await
    }

    async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, Error> {
        let (number, mut connection) = self.connection().await?;
        self.judge(number, script.invoke_async(&mut connection).await).await
    }

    /// Whether the server keeps what it is given.
    async fn look(&self) -> Result<(), Error> {
        let (number, mut connection) = self.connection().await?;
        if self.0.open.lock().await.looked.as_ref().is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        let info: String = self.judge(number, redis::cmd("INFO").arg("memory").query_async(&mut connection).await).await?;
        match info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:")).map(str::trim) {
            Some("noeviction") => {
                let mut open = self.0.open.lock().await;
                if open.number == number {
                    open.looked = Some(Stopwatch::start());
                }
                Ok(())
            }
            found => Err(Error::Unusable(format!(
                "its `maxmemory-policy` is `{}`, so it may throw away parts of the live state: set it to `noeviction`",
                found.unwrap_or("unknown")
            ))),
        }
    }

    async fn connection(&self) -> Result<(u64, MultiplexedConnection), Error> {
        let mut open = self.0.open.lock().await;
        if let Some(connection) = &open.connection {
            return Ok((open.number, connection.clone()));
        }
        if let Some((since, why)) = &open.failed
            && since.elapsed() < FAILED_FOR
        {
            return Err(why.clone());
        }
        match self.0.client.get_multiplexed_async_connection_with_config(&self.0.config).await {
            Ok(connection) => {
                *open = Open { number: open.number + 1, connection: Some(connection.clone()), ..Open::default() };
                Ok((open.number, connection))
            }
            Err(error) => {
                let error = Error::from(error);
                open.failed = Some((Stopwatch::start(), error.clone()));
                Err(error)
            }
        }
    }

    /// An error that the server answers leaves the connection as it is, unless it is a replica: its name may mean another server by now. After any
    /// other error the next question makes a new one.
    async fn judge<T>(&self, number: u64, answer: Result<T, RedisError>) -> Result<T, Error> {
        match answer {
            Ok(value) => Ok(value),
            Err(error) => {
                if error.code().is_none_or(|code| code == "READONLY") {
                    self.drop_connection(number).await;
                }
                Err(error.into())
            }
        }
    }

    async fn drop_connection(&self, number: u64) {
        let mut open = self.0.open.lock().await;
        if open.number == number {
            open.connection = None;
        }
    }
}
