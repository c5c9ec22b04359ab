//! Who carries samples from the topic into the store: how each is started, and how it is seen to be done.

use std::path::PathBuf;

use anyhow::{Context, Result};
use loki_testing::port::free_address;
use loki_testing::real::stack_dir;

use super::group::{Group, Positions};
use super::stand::Stand;
use crate::process::{Process, loki};

const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Carrier {
    Loki,
    Bento,
    Telegraf,
}

/// One that runs.
pub(super) struct Carrying {
    pub(super) process: Process,
    pub(super) group: Group,
    carrier: Carrier,
    /// Where Loki's own metrics are.
    telemetry: String,
}

/// When it is done.
pub(super) struct Goal {
    /// It has committed these positions.
    pub(super) ends: Positions,
    /// The store has taken so many points, since it was started.
    pub(super) taken: u64,
    /// It has stored so many points, since it was started.
    pub(super) stored: u64,
}

impl Carrier {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Loki => "loki",
            Self::Bento => "bento",
            Self::Telegraf => "telegraf",
        }
    }

    /// Under which tag its points are found, and what it adds to the names of metrics.
    pub(super) fn names(self) -> (String, &'static str) {
        let name = self.name();
        match self {
            Self::Loki | Self::Bento => (format!("by={name}"), ""),
            Self::Telegraf => (format!("tags_by={name}"), ".value"),
        }
    }

    /// Its consumer group.
    fn group(self) -> &'static str {
        match self {
            Self::Loki => loki_opentsdb::service::NAME,
            Self::Bento | Self::Telegraf => self.name(),
        }
    }

    fn program(self) -> Result<PathBuf> {
        if self == Self::Loki {
            return loki();
        }
        let program = stack_dir().join("bin").join(self.name());
        anyhow::ensure!(program.is_file(), "{} is not there: `make bench` builds it first", program.display());
        Ok(program)
    }

    /// Starts it at these positions.
    pub(super) async fn start(self, stand: &Stand, positions: &[u64]) -> Result<Carrying> {
        let group = Group::new(&stand.brokers(), stand.topic(), self.group())?;
        group.set(positions).await?;
        let telemetry = free_address().to_string();
        let (host, port) = stand.store().rsplit_once(':').map(|(host, port)| (host.to_owned(), port.to_owned())).context("no port")?;
        let settings = match self {
            Self::Loki => vec![
                ("LOKI__BACKENDS", "real".to_owned()),
                ("LOKI__DATA_DIR", stand.folder().display().to_string()),
                ("LOKI__KAFKA__BROKERS", stand.brokers()),
                ("LOKI__KAFKA__REPLICATION", "1".to_owned()),
                ("LOKI__OPENTSDB__ADDRESSES", format!("http://{}", stand.store())),
                ("LOKI__TELEMETRY__LISTEN", telemetry.clone()),
            ],
            Self::Bento | Self::Telegraf => vec![
                ("BROKERS", stand.brokers()),
                ("TOPIC", stand.topic().to_owned()),
                ("GROUP", self.group().to_owned()),
                ("STORE", format!("http://{}", stand.store())),
                ("STORE_HOST", host),
                ("STORE_PORT", port),
            ],
        };
        let (bento, telegraf) = (format!("{PEERS}/bento/bento.yaml"), format!("{PEERS}/telegraf.conf"));
        let arguments: &[&str] = match self {
            Self::Loki => &["opentsdb"],
            Self::Bento => &["-c", &bento],
            // numbers of its configuration may be variables
            Self::Telegraf => &["--non-strict-env-handling", "--config", &telegraf],
        };
        let process = Process::start(&self.program()?, arguments, &settings, &stand.folder().join(self.name()))?;
        Ok(Carrying { process, group, carrier: self, telemetry })
    }
}

impl Carrying {
    /// Whether it has stored what it was to store, durably; Telegraf, which does not know: put.
    pub(super) async fn is_done(&mut self, stand: &Stand, goal: &Goal) -> Result<bool> {
        self.process.check()?;
        match self.carrier {
            _ if stand.is_stub() => Ok(stand.taken().await? >= goal.taken),
            Carrier::Loki => Ok(self.stored(stand).await? >= goal.stored),
            Carrier::Bento => self.group.has_passed(&goal.ends).await,
            Carrier::Telegraf => Ok(stand.taken().await? >= goal.taken),
        }
    }

    /// By Loki's own metrics; none while it does not answer.
    pub(super) async fn stored(&self, stand: &Stand) -> Result<u64> {
        let Ok(answer) = stand.http().get(format!("http://{}/metrics", self.telemetry)).send().await else { return Ok(0) };
        let text = answer.text().await?;
        let begin = format!("{}{{outcome=\"stored\"}} ", loki_opentsdb::metrics::POINTS.name);
        let value = text.lines().find_map(|line| line.strip_prefix(&begin));
        value.map_or(Ok(0), |value| value.trim().parse().with_context(|| format!("`{value}` stored points")))
    }
}
