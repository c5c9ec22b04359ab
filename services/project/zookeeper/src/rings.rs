//! Rings the bells of servers whose tasks have changed: a znode for each, `<chroot>/loki-told/<bucket>/<server>`, with the position of the last fact
//! about a task of it. Agents watch theirs ([`crate::Bell`]) and ask the API, which gives them what is signed.
//!
//! A ring tells a server's id and a position, and everybody may read it: hosts need no password. It is no part of the tree: nothing is read back from
//! it, it is in no dump, and no step waits for it. One that cannot be rung is rung later, and whoever listens looks now and then all the same.

use std::collections::BTreeMap;

use ::zookeeper as zk;
use futures::{StreamExt, TryStreamExt, stream};
use loki_domain::{Key, Position, ServerId};
use loki_wire::{Change, Fact};

use crate::config::Config;
use crate::error::Error;
use crate::metrics;
use crate::read::{IN_FLIGHT, Reading};
use crate::session::within;

/// With a user: it may do everything, and everybody may look.
static READABLE: [zk::Acl; 2] =
    [zk::Acl::new_const(zk::Permission::ALL, "auth", ""), zk::Acl::new_const(zk::Permission::READ, "world", "anyone")];

/// Which bells are to be rung.
#[derive(Debug, Default)]
pub(crate) struct Rings(BTreeMap<ServerId, u64>);

impl Rings {
    /// These facts are in the store.
    pub(crate) fn note(&mut self, facts: &[Fact]) {
        for fact in facts {
            if let Change::Set(entity) = &fact.change
                && let Key::Task(_, server) = entity.key()
            {
                self.0.insert(server, fact.offset);
            }
        }
    }

    /// Rings those that wait. Cancel safe: one that is not known to have rung is rung again.
    pub(crate) async fn ring(&mut self, reading: &Reading, config: &Config) -> Result<(), Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let all: Vec<(ServerId, u64)> = self.0.iter().map(|(server, fact)| (*server, *fact)).collect();
        let ring = |(server, fact)| async move { ring(reading, config, server, fact).await.map(|()| server) };
        let mut rung = stream::iter(all).map(ring).buffer_unordered(IN_FLIGHT);
        while let Some(server) = rung.try_next().await? {
            self.0.remove(&server);
            metrics::rung();
        }
        Ok(())
    }
}

async fn ring(reading: &Reading, config: &Config, server: ServerId, fact: u64) -> Result<(), Error> {
    let (path, data) = (reading.paths.bell(server), Position::fact(fact).to_string());
    match within(reading.limit, reading.client.set_data(&path, data.as_bytes(), None)).await {
        Err(zk::Error::NoNode) => {}
        done => return Ok(done.map(drop)?),
    }
    let options = options(config);
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    within(reading.limit, reading.client.mkdir(folder, &options)).await?;
    match within(reading.limit, reading.client.create(&path, data.as_bytes(), &options)).await {
        // somebody else has just rung it
        Ok(_) | Err(zk::Error::NodeExists) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn options(config: &Config) -> zk::CreateOptions<'static> {
    let acls = if config.auth.is_empty() { zk::Acls::anyone_all() } else { zk::Acls::new(&READABLE) };
    zk::CreateMode::Persistent.with_acls(acls)
}
