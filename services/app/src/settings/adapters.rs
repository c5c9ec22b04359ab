//! What settings say to each backend's adapter, and what that adapter would refuse of them.

use loki_log::kafka;
use loki_runtime::Secret;

use super::Settings;

impl Settings {
    pub(crate) fn kafka_config(&self) -> kafka::Config {
        let options = self.kafka.options.iter().map(|(key, value)| (key.clone(), Secret::new(value.clone()))).collect();
        kafka::Config { options, ..kafka::Config::new(&self.kafka.brokers) }
    }

    pub(crate) fn zookeeper_config(&self) -> loki_zookeeper::Config {
        loki_zookeeper::Config {
            chroot: self.zookeeper.chroot.clone(),
            session_timeout: self.zookeeper.session_timeout.0,
            auth: self.zookeeper.auth.clone(),
            ..loki_zookeeper::Config::new(&self.zookeeper.servers)
        }
    }

    /// The relational store as its projectors' user sees it.
    pub(crate) fn mysql_config(&self) -> loki_mysql::Config {
        self.mysql_at(&self.mysql.url)
    }

    /// As the API's user sees it.
    pub(crate) fn mysql_reader_config(&self) -> loki_mysql::Config {
        self.mysql_at(if self.mysql.reader_url.is_empty() { &self.mysql.url } else { &self.mysql.reader_url })
    }

    /// As the user of `loki migrate` sees it.
    pub(crate) fn mysql_migrate_config(&self) -> loki_mysql::Config {
        self.mysql_at(if self.mysql.migrate_url.is_empty() { &self.mysql.url } else { &self.mysql.migrate_url })
    }

    fn mysql_at(&self, url: &Secret) -> loki_mysql::Config {
        loki_mysql::Config { url: url.clone(), connections_max: self.mysql.connections, ..loki_mysql::Config::default() }
    }

    /// All that the adapters would refuse, by setting.
    pub(super) fn refused_by_adapters(&self) -> Vec<String> {
        let mut mistakes: Vec<String> = self.kafka_config().mistakes().iter().map(|mistake| format!("`kafka`: {mistake}")).collect();
        let urls = [("url", &self.mysql.url), ("reader_url", &self.mysql.reader_url), ("migrate_url", &self.mysql.migrate_url)];
        // what `loki config` has printed can be read back; whoever connects with it is told then
        for (key, url) in urls.into_iter().filter(|(key, url)| !url.is_masked() && (*key == "url" || !url.is_empty())) {
            // the other fields are named by their own settings
            let wrong = self.mysql_at(url).check().into_iter().find(|mistake| mistake.field == "url");
            mistakes.extend(wrong.map(|mistake| format!("`mysql.{key}` {}", mistake.message)));
        }
        mistakes.extend(self.zookeeper_config().problems().iter().map(|problem| format!("`zookeeper`: {problem}")));
        mistakes
    }
}
