//! `loki migrate`: brings the database's schema to this version.

use crate::backends;
use crate::settings::Settings;

#[expect(clippy::print_stdout, reason = "what the command is for")]
pub(crate) async fn migrate(settings: &Settings) -> anyhow::Result<()> {
    let applied = loki_mysql::migrate(&backends::migrating(settings)?).await?;
    for name in &applied {
        println!("applied {name}");
    }
    if applied.is_empty() {
        println!("the schema is up to date");
    }
    Ok(())
}
