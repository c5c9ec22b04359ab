//! What settings say to each backend's adapter, and what that adapter would refuse of them.

use std::path::Path;

use loki_log::kafka;
use loki_mysql::Database;
use loki_runtime::Secret;

use super::Settings;

impl Settings {
    pub(crate) fn kafka_config(&self) -> kafka::Config {
        let options = self.kafka.options.iter().map(|(key, value)| (key.clone(), Secret::new(value.clone()))).collect();
        kafka::Config { options, ..kafka::Config::new(&self.kafka.brokers) }
    }

    pub(crate) fn redis_config(&self) -> loki_redis::Config {
        loki_redis::Config {
            url: self.redis.url.clone(),
            prefix: format!("{}{}", self.redis.prefix, self.topic_prefix),
            ..loki_redis::Config::new("")
        }
    }

    pub(crate) fn opentsdb_config(&self) -> loki_opentsdb::OpenTsdbConfig {
        let addresses = self.opentsdb.addresses.split(',').map(str::trim).filter(|address| !address.is_empty());
        loki_opentsdb::OpenTsdbConfig::new(addresses)
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

    /// The database of domains as its projector's user sees it.
    pub(crate) fn cdn_system_config(&self) -> loki_mysql::Config {
        self.cdn_system_at(&[&self.cdn_system.url], self.mysql_config())
    }

    /// As the API's user sees it.
    pub(crate) fn cdn_system_reader_config(&self) -> loki_mysql::Config {
        self.cdn_system_at(&[&self.cdn_system.reader_url, &self.cdn_system.url], self.mysql_reader_config())
    }

    /// As the user of `loki migrate` sees it.
    pub(crate) fn cdn_system_migrate_config(&self) -> loki_mysql::Config {
        self.cdn_system_at(&[&self.cdn_system.migrate_url, &self.cdn_system.url], self.mysql_migrate_config())
    }

    /// The first of these that is given, or the place beside the other database.
    fn cdn_system_at(&self, urls: &[&Secret], other: loki_mysql::Config) -> loki_mysql::Config {
        let given = urls.iter().find(|url| !url.is_empty());
        let url = given.map_or_else(|| beside(&other.url), |url| Secret::clone(url));
        loki_mysql::Config { url, ..other }.of(Database::CdnSystem)
    }

    /// All that the adapters would refuse, by setting.
    pub(super) fn refused_by_adapters(&self) -> Vec<String> {
        let mut mistakes: Vec<String> = self.kafka_config().mistakes().iter().map(|mistake| format!("`kafka`: {mistake}")).collect();
        let urls = [("url", &self.mysql.url), ("reader_url", &self.mysql.reader_url), ("migrate_url", &self.mysql.migrate_url)];
        // what `loki config` has printed can be read back; whoever connects with it is told then
        for (key, url) in urls.iter().copied().filter(|(key, url)| !url.is_masked() && (*key == "url" || !url.is_empty())) {
            // the other fields are named by their own settings
            let wrong = self.mysql_at(url).check().into_iter().find(|mistake| mistake.field == "url");
            mistakes.extend(wrong.map(|mistake| format!("`mysql.{key}` {}", mistake.message)));
        }
        if !self.redis.url.is_masked() {
            mistakes.extend(self.redis_config().problems().iter().map(|problem| format!("`redis`: {problem}")));
        }
        mistakes.extend(self.opentsdb_config().problems().iter().map(|problem| format!("`opentsdb`: {problem}")));
        let given =
            [("url", &self.cdn_system.url), ("reader_url", &self.cdn_system.reader_url), ("migrate_url", &self.cdn_system.migrate_url)];
        for (key, url) in given.into_iter().filter(|(_, url)| !url.is_masked() && !url.is_empty()) {
            let wrong = self.mysql_at(url).check().into_iter().find(|mistake| mistake.field == "url");
            mistakes.extend(wrong.map(|mistake| format!("`cdn_system.{key}` {}", mistake.message)));
            if urls.iter().any(|(_, other)| other.expose() == url.expose()) {
                mistakes.push(format!("`cdn_system.{key}` names the database of `mysql`: it needs one of its own"));
            }
        }
        mistakes.extend(self.zookeeper_config().problems().iter().map(|problem| format!("`zookeeper`: {problem}")));
        mistakes
    }
}

/// The place of `cdn_system` beside this one. What is no address stays as it is, and is refused as such.
fn beside(url: &Secret) -> Secret {
    let text = url.expose();
    if let Some(file) = text.strip_prefix("sqlite:") {
        return Secret::new(format!("sqlite:{}", Path::new(file).with_file_name("cdn_system.db").display()));
    }
    let Ok(mut parsed) = reqwest::Url::parse(text) else { return url.clone() };
    match parsed.path().trim_start_matches('/') {
        "" => return url.clone(),
        "loki" => parsed.set_path("cdn_system"),
        other => parsed.set_path(&format!("{other}_cdn_system")),
    }
    Secret::new(parsed.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cdn_system_lies_beside_the_other_database() {
        for (url, expected) in [
            ("mysql://u@h:3307/loki", "mysql://u@h:3307/cdn_system"),
            ("mysql://u:p%2F@h/east?ssl-mode=REQUIRED", "mysql://u:p%2F@h/east_cdn_system?ssl-mode=REQUIRED"),
            ("sqlite:/var/loki/store.db", "sqlite:/var/loki/cdn_system.db"),
            ("mysql://u@h", "mysql://u@h"),
            ("***", "***"),
        ] {
            assert_eq!(beside(&Secret::new(url)).expose(), expected);
        }
    }
}
