//! `loki migrate`: brings the databases' schemas to this version.

use loki_cli::Output;
use loki_mysql::MigrateError;

use super::unreached::{Unreached, need_real};
use crate::settings::Settings;

pub(crate) async fn migrate(settings: &Settings, out: &mut Output) -> anyhow::Result<()> {
    need_real(settings, "migrate")?;
    let mut applied = 0;
    for (config, migrate_url) in [
        (settings.mysql_migrate_config(), &settings.mysql.migrate_url),
        (settings.cdn_system_migrate_config(), &settings.cdn_system.migrate_url),
    ] {
        let section = config.database.section();
        let setting = format!("{section}.{}", if migrate_url.is_empty() { "url" } else { "migrate_url" });
        let store = Unreached { setting, value: place(config.url.expose()), command: "migrate" };
        let run = loki_mysql::migrate(&config).await.map_err(|error| {
            let away = matches!(error, MigrateError::Away(_));
            store.tell(error.into(), away, settings)
        })?;
        for name in &run {
            out.line(format_args!("applied {section}: {name}"))?;
        }
        applied += run.len();
    }
    if applied == 0 {
        out.line("the schema is up to date")?;
    }
    Ok(())
}

/// Where the store is, without the user and the password.
fn place(url: &str) -> String {
    match reqwest::Url::parse(url) {
        Ok(url) if url.has_host() => format!("{}:{}", url.host_str().unwrap_or_default(), url.port().unwrap_or(3306)),
        Ok(url) => url.path().to_owned(),
        Err(_) => "***".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_no_secret() {
        for (url, expected) in [
            ("mysql://u:hunter2@db.acme.example/loki", "db.acme.example:3306"),
            ("mysql://u:hunter2@[::1]:3307/loki?ssl-mode=REQUIRED", "[::1]:3307"),
            ("sqlite:/var/store.db", "/var/store.db"),
            ("sqlite:///var/store.db", "/var/store.db"),
            ("hunter2", "***"),
        ] {
            assert_eq!(place(url), expected);
        }
    }
}
