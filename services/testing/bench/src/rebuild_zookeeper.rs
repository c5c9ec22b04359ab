//! Rebuild of 200,000 facts into ZooKeeper against bare `multi`s that create the same znodes.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::join_all;
use loki_domain::{Key, Kind};
use loki_runtime::clock::Stopwatch;
use loki_testing::real;
use loki_wire::Change;
use loki_wire::digest::sha256;
use loki_wire::fact::v1::write_entity;
use loki_zookeeper::{Config, ZooKeeperProjection};
use zookeeper as zk;

use crate::facts::{self, FACTS, Made};
use crate::figure::Figure;
use crate::rebuild;

const ROUNDS: usize = 7;
const BAR: f64 = 0.7;
/// As the projection does it: operations in a `multi`, and how many are on their way at once.
const OPERATIONS: usize = 1_000;
const PIPELINE: usize = 8;
/// A disk that others use as well makes both wait, and breaks neither.
const PATIENCE: Duration = Duration::from_secs(30);

/// A znode under a generation's folder.
struct Znode {
    path: String,
    json: Vec<u8>,
}

pub(crate) async fn run() -> Result<Vec<Figure>> {
    let made = facts::make()?;
    let site = rebuild::site(&made).await?;
    let znodes: Vec<Znode> = made.iter().filter_map(znode).collect();
    let server = crate::backends::start(&real::ZooKeeper).await?;
    let client = zk::Client::connector().with_session_timeout(PATIENCE).connect(&server.address()).await?;
    let mut pairs = Vec::new();
    // the first round warms the server up and does not count
    for round in 0..=ROUNDS {
        let root = format!("/bare{round}");
        make_folders(&client, &root).await?;
        let peer = bare(&client, &root, &znodes).await?;
        delete(&client, &root, &znodes).await?;

        let chroot = format!("/ours{round}");
        let patient = Config { session_timeout: PATIENCE, operation_timeout: PATIENCE, ..Config::new(server.address()) };
        let config = Config { chroot: chroot.clone(), ..patient };
        let ours = rebuild::time(&site, ZooKeeperProjection::new(config), &format!("zookeeper-{round}")).await?;
        // fails where one is missing
        delete(&client, &format!("{chroot}/loki/g1"), &znodes).await?;
        println!("round {round}: ours {ours:.0} facts/s, bare multi {peer:.0} znodes/s{}", if round == 0 { " (warming up)" } else { "" });
        if round > 0 {
            pairs.push((ours, peer));
        }
    }
    Ok(vec![Figure::against_peer("rebuild-zookeeper", &pairs, BAR)])
}

fn znode(made: &Made) -> Option<Znode> {
    let Change::Set(entity) = &made.change else { return None };
    let key: Key = entity.key();
    let id = key.id();
    Some(Znode { path: format!("{}/{:02x}/{id}", key.kind(), sha256(&[id.as_bytes()])[0]), json: write_entity(entity) })
}

fn options() -> zk::CreateOptions<'static> {
    zk::CreateMode::Persistent.with_acls(zk::Acls::anyone_all())
}

/// What ours makes within its time, the peer finds made.
async fn make_folders(client: &zk::Client, root: &str) -> Result<()> {
    let mut folders: BTreeSet<String> = [root.to_owned()].into();
    for kind in Kind::ALL {
        folders.insert(format!("{root}/{kind}"));
        folders.extend((0..=u8::MAX).map(|bucket| format!("{root}/{kind}/{bucket:02x}")));
    }
    let folders: Vec<String> = folders.into_iter().collect();
    for some in folders.chunks(OPERATIONS) {
        let mut writer = client.new_multi_writer();
        for path in some {
            writer.add_create(path, &[], &options())?;
        }
        writer.commit().await.context("folders")?;
    }
    Ok(())
}

/// Znodes a second.
async fn bare(client: &zk::Client, root: &str, znodes: &[Znode]) -> Result<f64> {
    let watch = Stopwatch::start();
    for some in znodes.chunks(OPERATIONS * PIPELINE) {
        let mut answers = Vec::new();
        for some in some.chunks(OPERATIONS) {
            let mut writer = client.new_multi_writer();
            for znode in some {
                writer.add_create(&format!("{root}/{}", znode.path), &znode.json, &options())?;
            }
            answers.push(writer.commit());
        }
        join_all(answers).await.into_iter().collect::<Result<Vec<_>, _>>().context("bare multi")?;
    }
    Ok(znodes.len() as f64 / watch.elapsed().as_secs_f64())
}

/// Makes room for the next round; every one of them must be there.
async fn delete(client: &zk::Client, root: &str, znodes: &[Znode]) -> Result<()> {
    anyhow::ensure!(znodes.len() + 1 >= FACTS, "only {} znodes", znodes.len());
    for some in znodes.chunks(OPERATIONS) {
        let mut writer = client.new_multi_writer();
        for znode in some {
            writer.add_delete(&format!("{root}/{}", znode.path), None)?;
        }
        writer.commit().await.with_context(|| format!("a znode under {root} is missing"))?;
    }
    Ok(())
}
