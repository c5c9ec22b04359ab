//! One connection to ZooKeeper: made when it is needed, thrown away when anything about it is in doubt.

use std::time::Duration;

use ::zookeeper as zk;
use loki_runtime::task;

use crate::config::Config;
use crate::error::Error;

/// A question that the server has to answer in time.
pub(crate) async fn within<T, E: From<zk::Error>>(limit: Duration, answer: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    task::timeout(limit, answer).await.unwrap_or_else(|| Err(zk::Error::Timeout.into()))
}

/// What new znodes allow: everything to their maker when there is one, else to everyone.
pub(crate) fn options(config: &Config) -> zk::CreateOptions<'static> {
    let acls = if config.auth.is_empty() { zk::Acls::anyone_all() } else { zk::Acls::creator_all() };
    zk::CreateMode::Persistent.with_acls(acls)
}

pub(crate) async fn connect(config: &Config) -> Result<zk::Client, Error> {
    if let Some(problem) = config.problems().into_iter().next() {
        return Err(Error::Unusable(problem));
    }
    let mut connector =
        zk::Client::connector().with_session_timeout(config.session_timeout).with_connection_timeout(config.operation_timeout);
    if !config.auth.is_empty() {
        connector = connector.with_auth("digest", config.auth.expose().as_bytes());
    }
    Ok(within(config.operation_timeout, connector.connect(&config.servers)).await?)
}

/// The writer's connection.
#[derive(Debug)]
pub(crate) struct Session {
    config: Config,
    client: Option<zk::Client>,
}

impl Session {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, client: None }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The client, and whether it is a new one: what was known over the one before is in doubt.
    pub(crate) async fn client(&mut self) -> Result<(zk::Client, bool), Error> {
        if let Some(client) = &self.client
            && client.state() == zk::SessionState::SyncConnected
        {
            return Ok((client.clone(), false));
        }
        self.client = None;
        let client = connect(&self.config).await?;
        self.client = Some(client.clone());
        Ok((client, true))
    }

    /// Throws the client away.
    pub(crate) fn drop_client(&mut self) {
        self.client = None;
    }
}
