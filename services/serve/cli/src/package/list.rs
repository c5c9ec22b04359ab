//! `loki package list` and `loki package show`.

use loki_domain::{PackageName, Version};
use loki_wire::fact::v1::deploy::Package;
use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::flags::Session;
use crate::output::table::Table;
use crate::output::text::printable_lines;

/// List versions of packages
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Only of this package
    name: Option<PackageName>,
}

/// Show a version of a package
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    name: PackageName,
    version: Version,
}

impl Options {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let request = session.client.get(&["v1", "packages"]).with("name", self.name.as_ref());
        if session.out.is_json() {
            let packages = session.client.list::<Value>(&request, usize::MAX).await?;
            session.out.json(&packages)?;
            return Ok(Exit::Ok);
        }
        let packages = session.client.list::<Package>(&request, usize::MAX).await?;
        let mut table = Table::new(["NAME", "VERSION", "BRANCH", "SIZE", "SHA256", "WITHDRAWN", "URL"]);
        for package in packages.items {
            let sha256 = package.sha256.chars().take(12).collect();
            let (branch, withdrawn) = (package.branch.unwrap_or_default(), package.withdrawn.unwrap_or_default());
            table.row([package.name, package.version, branch, package.size.to_string(), sha256, withdrawn, package.url]);
        }
        session.out.text(&table.render())?;
        Ok(Exit::Ok)
    }
}

impl Show {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let (name, version) = (self.name.to_string(), self.version.to_string());
        let answer = session.client.send(&session.client.get(&["v1", "packages", &name, &version])).await?;
        if session.out.is_json() {
            session.out.json(&answer.raw()?)?;
            return Ok(Exit::Ok);
        }
        // its manifest is nested: JSON that people can read
        let package: Value = answer.json()?;
        let text = serde_json::to_string_pretty(&package).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        session.out.text(&format!("{}\n", printable_lines(&text)))?;
        Ok(Exit::Ok)
    }
}
