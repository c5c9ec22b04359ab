//! Settings: `default.toml` < file < `LOKI__A__B` < flags. An unknown key is an error, and all mistakes are listed at once.

mod adapters;
mod layers;
pub(crate) mod units;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;

use loki_runtime::Secret;
use loki_telemetry::logs;
use serde::{Deserialize, Serialize};

use layers::Layers;
use units::{Size, Time};

const DEFAULTS: &str = include_str!("../../default.toml");

/// What the names of Kafka's options end in whose values are secrets.
const SECRET_ENDS: [&str; 6] = ["password", "key", "pem", "secret", "token", "config"];

/// What flags may override.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Flags {
    /// A settings file (TOML).
    #[arg(long, global = true, env = "LOKI_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One setting, as in `--set api.listen=127.0.0.1:9000`; may be given several times.
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) data_dir: PathBuf,
    pub(crate) backends: Backends,
    pub(crate) topic_prefix: String,
    pub(crate) drain: Time,
    pub(crate) logs: Logs,
    pub(crate) telemetry: Telemetry,
    pub(crate) kafka: Kafka,
    pub(crate) mysql: Mysql,
    pub(crate) cdn_system: CdnSystem,
    pub(crate) zookeeper: Zookeeper,
    pub(crate) redis: Redis,
    pub(crate) opentsdb: Opentsdb,
    pub(crate) series: Series,
    pub(crate) agent: Agent,
    pub(crate) prober: Prober,
    pub(crate) telnet: Telnet,
    pub(crate) decider: Decider,
    pub(crate) projectors: Projectors,
    pub(crate) artifacts: Artifacts,
    pub(crate) api: Api,
}

/// How an agent learns that there is something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TasksBy {
    LongPoll,
    Zookeeper,
}

/// Which set of backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Backends {
    Auto,
    Embedded,
    Real,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Logs {
    pub(crate) filter: String,
    pub(crate) format: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Telemetry {
    pub(crate) listen: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kafka {
    pub(crate) brokers: String,
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) replication: NonZeroU16,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mysql {
    pub(crate) url: Secret,
    pub(crate) reader_url: Secret,
    pub(crate) migrate_url: Secret,
    pub(crate) connections: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CdnSystem {
    pub(crate) url: Secret,
    pub(crate) reader_url: Secret,
    pub(crate) migrate_url: Secret,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Zookeeper {
    pub(crate) servers: String,
    pub(crate) chroot: String,
    pub(crate) session_timeout: Time,
    pub(crate) auth: Secret,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redis {
    pub(crate) url: Secret,
    pub(crate) prefix: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Opentsdb {
    pub(crate) addresses: String,
    pub(crate) in_flight: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Series {
    pub(crate) retention: Time,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Agent {
    pub(crate) api: String,
    pub(crate) register: bool,
    pub(crate) server: String,
    pub(crate) node: String,
    pub(crate) every: Time,
    pub(crate) spool_max: Size,
    pub(crate) task_keys: Vec<String>,
    pub(crate) tasks_by: TasksBy,
    pub(crate) deploys: String,
    pub(crate) minisign: String,
    pub(crate) releases_kept: usize,
    pub(crate) archive_max: Size,
    pub(crate) unpacked_max: Size,
    pub(crate) entries_max: usize,
    pub(crate) free_min: Size,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prober {
    pub(crate) vantage: String,
    pub(crate) node: String,
    pub(crate) urls: Vec<String>,
    pub(crate) controls: Vec<String>,
    pub(crate) every: Time,
    pub(crate) ca_file: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Telnet {
    pub(crate) listen: String,
    pub(crate) open: bool,
    pub(crate) connections_max: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decider {
    pub(crate) batch_commands: usize,
    pub(crate) batch_wait: Time,
    pub(crate) signing_key: Secret,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Projectors {
    pub(crate) batch_records: usize,
    pub(crate) rebuild_batch_records: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Artifacts {
    pub(crate) url: String,
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) buckets: Vec<String>,
    pub(crate) size_max: Size,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Api {
    pub(crate) listen: String,
    pub(crate) token: Secret,
    pub(crate) body_max: Size,
    pub(crate) wait_max: Time,
    pub(crate) concurrency_max: usize,
    pub(crate) agents_max: usize,
    pub(crate) connections_max: usize,
}

/// All mistakes, one a line.
#[derive(Debug, thiserror::Error)]
#[error("the settings are wrong:\n{}", .0.iter().map(|mistake| format!("  - {mistake}")).collect::<Vec<_>>().join("\n"))]
pub(crate) struct Mistakes(pub(crate) Vec<String>);

impl Settings {
    /// Reads all sources. The only place that looks at the environment. `listens`: the API is to be started.
    pub(crate) fn load(flags: &Flags, listens: bool) -> Result<Self, Mistakes> {
        let file = flags
            .config
            .as_ref()
            .map(|path| (path.display().to_string(), std::fs::read_to_string(path).map_err(|error| error.to_string())));
        // what is no text is kept readable: a setting of ours is then refused by its value, and others are none of our business
        let environment =
            std::env::vars_os().filter_map(|(name, text)| Some((name.into_string().ok()?, text.to_string_lossy().into_owned())));
        Self::from_sources(file, environment, &flags.set, listens)
    }

    fn from_sources(
        file: Option<(String, Result<String, String>)>,
        environment: impl IntoIterator<Item = (String, String)>,
        set: &[String],
        listens: bool,
    ) -> Result<Self, Mistakes> {
        let mut layers = Layers::new(DEFAULTS).map_err(|error| Mistakes(vec![format!("default.toml: {error}")]))?;
        match file {
            Some((name, Ok(text))) => layers.file(&name, &text),
            Some((name, Err(error))) => layers.mistakes.push(format!("{name}: {error}")),
            None => {}
        }
        layers.environment(environment);
        for assignment in set {
            match assignment.split_once('=') {
                Some((key, value)) => layers.set(&key.split('.').collect::<Vec<_>>(), value, "--set"),
                None => layers.mistakes.push(format!("--set: `{assignment}` is not KEY=VALUE")),
            }
        }
        let mut mistakes = std::mem::take(&mut layers.mistakes);
        let mut table = layers.into_table();
        // each value on its own first: what its type refuses is named, and the others are looked at all the same
        mistakes.extend(replace_bad_values(&mut table));
        match table.try_into::<Self>() {
            Ok(settings) => {
                mistakes.extend(settings.check());
                mistakes.extend(settings.unguarded().into_iter().filter(|_| listens));
                if mistakes.is_empty() {
                    return Ok(settings);
                }
            }
            Err(error) => mistakes.push(error.to_string()),
        }
        Err(Mistakes(mistakes))
    }

    /// What no type can say.
    fn check(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut need = |right: bool, mistake: String| {
            if !right {
                mistakes.push(mistake);
            }
        };
        let telnet = Some(&self.telnet.listen).filter(|listen| !listen.is_empty()).map(|listen| ("telnet.listen", listen));
        for (key, listen) in [("api.listen", &self.api.listen), ("telemetry.listen", &self.telemetry.listen)].into_iter().chain(telnet) {
            need(
                listen.parse::<SocketAddr>().is_ok(),
                format!("`{key}` must be an address and a port, such as `127.0.0.1:8470`, not `{listen}`"),
            );
        }
        need(self.format().is_some(), format!("`logs.format` must be `auto`, `json` or `text`, not `{}`", self.logs.format));
        need(
            self.topic_prefix.len() <= 64 && self.topic_prefix.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')),
            "`topic_prefix` has at most 64 of a-z, A-Z, 0-9, `.`, `-`, `_`".to_owned(),
        );
        for (key, value, max) in [
            ("decider.batch_commands", self.decider.batch_commands, 10_000),
            ("projectors.batch_records", self.projectors.batch_records, 100_000),
            ("projectors.rebuild_batch_records", self.projectors.rebuild_batch_records, 100_000),
            ("api.concurrency_max", self.api.concurrency_max, 1_000_000),
            ("api.agents_max", self.api.agents_max, 1_000_000),
            ("api.connections_max", self.api.connections_max, 1_000_000),
            ("opentsdb.in_flight", self.opentsdb.in_flight, 64),
            ("telnet.connections_max", self.telnet.connections_max, 1_000_000),
            ("mysql.connections", self.mysql.connections as usize, 1_000),
            ("agent.entries_max", self.agent.entries_max, 100_000_000),
        ] {
            need((1..=max).contains(&value), format!("`{key}` must be 1 to {max}, not {value}"));
        }
        need((1024..=1 << 30).contains(&self.api.body_max.0), format!("`api.body_max` must be 1KiB to 1GiB, not `{}`", self.api.body_max));
        need(
            (1..=160 << 30).contains(&self.artifacts.size_max.0),
            format!("`artifacts.size_max` must be 1B to 160GiB, not `{}`", self.artifacts.size_max),
        );
        need(self.drain.0.as_secs() <= 600, format!("`drain` must be at most 10m, not `{}`", self.drain));
        need(
            self.api.token.expose().chars().all(|c| c.is_ascii_graphic()),
            "`api.token` may have visible ASCII characters only, no spaces and no line ends: no request could carry it".to_owned(),
        );
        let key = self.decider.signing_key.expose();
        need(
            key.is_empty() || key.parse::<loki_wire::signature::Secret>().is_ok(),
            "`decider.signing_key` is `loki_` and 64 of 0-9 and a-f, as `loki admin key` makes one".to_owned(),
        );
        let kept = self.agent.releases_kept;
        need(
            (2..=1_000).contains(&kept),
            format!("`agent.releases_kept` must be 2 to 1000, not {kept}: one serves, and one is gone back to"),
        );
        for (key, size) in [("archive_max", self.agent.archive_max), ("unpacked_max", self.agent.unpacked_max)] {
            need(size.0 > 0, format!("`agent.{key}` must be at least 1B: else no release is taken"));
        }
        for key in &self.agent.task_keys {
            if let Err(why) = key.parse::<loki_domain::PublicKey>() {
                need(false, format!("`agent.task_keys`: {why}"));
            }
        }
        need(!self.api.token.is_masked(), "`api.token` is what is printed in its place, which everybody knows".to_owned());
        mistakes.extend(logs::check(&self.logs.filter).err().map(|error| error.to_string()));
        mistakes.extend(self.refused_by_adapters());
        mistakes
    }

    /// Why the API must not be started: it would be open to everyone. Of no concern to who does not start it.
    pub(crate) fn unguarded(&self) -> Vec<String> {
        let outside = |listen: &str| listen.parse::<SocketAddr>().ok().filter(|address| !address.ip().is_loopback());
        let api = outside(&self.api.listen)
            .filter(|_| self.api.token.is_empty())
            .map(|address| format!("`api.listen` is `{address}`, which is not loopback: set `api.token` (LOKI__API__TOKEN) as well"));
        let telnet = outside(&self.telnet.listen).filter(|_| !self.telnet.open).map(|address| {
            format!("`telnet.listen` is `{address}`, where everybody could write samples: set `telnet.open` (LOKI__TELNET__OPEN) as well")
        });
        api.into_iter().chain(telnet).collect()
    }

    /// How log lines look; `None` when the text is wrong.
    pub(crate) fn format(&self) -> Option<logs::Format> {
        match self.logs.format.as_str() {
            "auto" => Some(logs::Format::Auto),
            "json" => Some(logs::Format::Json),
            "text" => Some(logs::Format::Text),
            _ => None,
        }
    }

    /// The effective settings as TOML, secrets masked.
    pub(crate) fn print(&self) -> Result<String, toml::ser::Error> {
        let mut masked = self.clone();
        for (key, value) in masked.kafka.options.iter_mut().chain(&mut masked.artifacts.options) {
            if SECRET_ENDS.iter().any(|end| key.to_lowercase().ends_with(end)) {
                "***".clone_into(value);
            }
        }
        toml::to_string(&masked)
    }
}

/// Names every value that its type refuses, by trying each key alone over the defaults, and puts the default in its place.
fn replace_bad_values(table: &mut toml::Table) -> Vec<String> {
    let Ok(defaults) = DEFAULTS.parse::<toml::Table>() else {
        return vec!["default.toml cannot be read".to_owned()];
    };
    let mut mistakes = Vec::new();
    let mut try_one = |path: &[&str], value: &mut toml::Value| {
        let mut alone = defaults.clone();
        let slot = match path {
            [key] => alone.get_mut(*key),
            [section, key] => alone.get_mut(*section).and_then(|section| section.get_mut(*key)),
            _ => None,
        };
        let Some(slot) = slot else { return };
        let default = std::mem::replace(slot, value.clone());
        if let Err(error) = alone.try_into::<Settings>() {
            // its message quotes the value, which may be a secret
            let message = if path.ends_with(&["options"]) { "every value must be a text in quotes" } else { error.message() };
            mistakes.push(format!("`{}`: {message}", path.join(".")));
            *value = default;
        }
    };
    for (key, value) in table.iter_mut() {
        match value {
            toml::Value::Table(section) => section.iter_mut().for_each(|(name, value)| try_one(&[key.as_str(), name], value)),
            value => try_one(&[key.as_str()], value),
        }
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)], set: &[&str]) -> Result<Settings, Mistakes> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let set: Vec<String> = set.iter().map(|text| (*text).to_owned()).collect();
        Settings::from_sources(Some(("loki.toml".to_owned(), Ok(file.to_owned()))), environment, &set, true)
    }

    #[test]
    fn later_sources_win() {
        let file = "data_dir = \"/f\"\ntopic_prefix = \"f-\"\n[decider]\nbatch_commands = 1\n";
        let settings = load(
            file,
            &[("LOKI__TOPIC_PREFIX", "e-"), ("LOKI__DECIDER__BATCH_COMMANDS", "2"), ("OTHER", "x")],
            &["decider.batch_commands=3"],
        )
        .unwrap();
        assert_eq!((settings.data_dir.to_str(), settings.topic_prefix.as_str(), settings.decider.batch_commands), (Some("/f"), "e-", 3));
    }

    #[test]
    fn all_mistakes_are_listed_at_once() {
        let file = "nonsense = 1\ndrain = \"soon\"\n[api]\nlisten = \"here\"\nspeed = 3\n[logs]\nfilter = \"loud=very\"\n\
                    [mysql]\nreader_url = \"mysql://u:hunter2@h\"\n[zookeeper]\nauth = \"alone\"\n\
                    [kafka.options]\nacks = \"0\"\n\"no.such\" = \"1\"\n";
        let mistakes =
            load(file, &[("LOKI__DECIDER__BATCH_COMMANDS", "many"), ("LOKI__NO__KEY", "1")], &["backends=paper", "x"]).unwrap_err().0;
        let expected = [
            "`nonsense`",
            "`api.speed`",
            "`decider.batch_commands` must be a whole number",
            "`no.key`",
            "KEY=VALUE",
            "`drain`",
            "`backends`",
            "`api.listen`",
            "`logs.filter`",
            "`mysql.reader_url` names no database",
            "`options.acks` cannot be set",
            "`options`: ",
            "`auth` must be",
        ];
        for part in expected {
            assert!(mistakes.iter().any(|mistake| mistake.contains(part)), "{part} in {mistakes:#?}");
        }
        assert_eq!(mistakes.len(), expected.len(), "{mistakes:#?}");
        assert!(!format!("{mistakes:?}").contains("hunter2"));
    }

    #[test]
    fn values_are_checked_together() {
        let mistakes =
            load("", &[("LOKI__API__LISTEN", "0.0.0.0:80"), ("LOKI__LOGS__FORMAT", "loud")], &["decider.batch_commands=0"]).unwrap_err().0;
        assert_eq!(mistakes.len(), 3, "{mistakes:#?}");
        assert!(load("", &[("LOKI__API__LISTEN", "0.0.0.0:80"), ("LOKI__API__TOKEN", "t")], &[]).is_ok());
        let open = load("", &[("LOKI__TELNET__LISTEN", "0.0.0.0:4242")], &[]).unwrap_err().0;
        assert!(open.len() == 1 && open[0].contains("telnet.open"), "{open:?}");
        assert!(load("", &[("LOKI__TELNET__LISTEN", "0.0.0.0:4242"), ("LOKI__TELNET__OPEN", "true")], &[]).is_ok());
        assert!(load("", &[("LOKI__TELNET__LISTEN", "")], &[]).is_ok());
        let agent = load("", &[], &[]).unwrap().agent;
        assert_eq!((agent.archive_max.0, agent.unpacked_max.0), (loki_domain::package::SIZE_MAX, 2 * loki_domain::package::SIZE_MAX));
        let set = ["releases_kept=1", "archive_max=0B", "unpacked_max=0B", "entries_max=0"].map(|set| format!("agent.{set}"));
        let mistakes = load("", &[], &set.each_ref().map(String::as_str)).unwrap_err().0;
        assert!(mistakes.len() == 4 && mistakes.iter().all(|mistake| mistake.starts_with("`agent.")), "{mistakes:?}");
    }

    #[test]
    fn lists_and_tables_come_from_the_environment_too() {
        let key = "00".repeat(32);
        let variables = [
            ("LOKI__AGENT__TASK_KEYS", &*format!("[\"{key}\"]")),
            ("LOKI__PROBER__URLS", "[\"http://a/\", \"http://b/\"]"),
            ("LOKI__ARTIFACTS__OPTIONS", "{ aws_region = \"eu\", aws_secret_access_key = \"hidden\" }"),
        ];
        let settings = load("", &variables, &[]).unwrap();
        assert_eq!((settings.agent.task_keys.as_slice(), settings.prober.urls.len()), ([key].as_slice(), 2));
        assert!(settings.artifacts.options["aws_region"] == "eu" && !settings.print().unwrap().contains("hidden"));
        let mistakes = load("", &[("LOKI__AGENT__TASK_KEYS", "00"), ("LOKI__PROBER__URLS", "http://a/")], &[]).unwrap_err().0;
        assert!(mistakes.len() == 2 && mistakes.iter().all(|mistake| mistake.contains("must be a list")), "{mistakes:?}");
        let mistakes = load("", &[("LOKI__AGENT__TASK_KEYS", "[\"00\"]")], &[]).unwrap_err().0;
        assert!(mistakes.len() == 1 && mistakes[0].contains("`agent.task_keys`"), "{mistakes:?}");
    }

    #[test]
    fn mistakes_quote_no_secret() {
        for (file, part) in [
            ("# a\n[api]\ntoken = hunter2\n", "loki.toml line 3: "),
            ("[kafka.options]\n\"sasl.password\" = 12345678\n", "`kafka.options`: every value must be a text"),
            ("[api]\ntoken = 12345678\n", "`api.token` must be a text"),
            ("[api]\ntoken = \"hunter2\\n\"\n", "`api.token` may have visible ASCII"),
            ("[api]\ntoken = \"***\"\n", "`api.token` is what is printed in its place"),
            ("[mysql]\nurl = \"hunter2\"\n", "`mysql.url` begins with neither"),
        ] {
            let mistakes = load(file, &[], &[]).unwrap_err().0;
            assert!(mistakes.len() == 1 && mistakes[0].contains(part), "{part} in {mistakes:?}");
            assert!(!mistakes[0].contains("hunter2") && !mistakes[0].contains("12345678"), "{mistakes:?}");
        }
    }

    #[test]
    fn the_settings_say_which_options_are_secrets() {
        let ends = SECRET_ENDS.map(|end| format!("`{end}`"));
        let (last, others) = ends.split_last().unwrap();
        let said = format!("end in {} or {last} are not printed", others.join(", "));
        // a comment over several lines
        let text = DEFAULTS.replace("\n# ", " ");
        assert!(text.contains(&said), "default.toml does not say `{said}`");
    }

    #[test]
    fn secrets_are_not_printed() {
        let options = r#"{ "sasl.password" = "hidden1", "sasl.mechanism" = "PLAIN" }"#;
        let settings = load(
            "",
            &[("LOKI__KAFKA__OPTIONS", options), ("LOKI__API__TOKEN", "hidden2"), ("LOKI__MYSQL__URL", "mysql://u:hidden3@h/d")],
            &[],
        )
        .unwrap();
        let printed = settings.print().unwrap();
        assert!(!printed.contains("hidden") && printed.contains("PLAIN"), "{printed}");
    }
}
