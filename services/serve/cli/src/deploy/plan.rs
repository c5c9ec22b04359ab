//! `loki deploy plan`: which servers a run would have, and in which batches.

use std::collections::BTreeSet;

use loki_domain::run::{BATCHES_MAX, SERVERS_MAX};
use loki_domain::{Batches, NodePath, job::TemplateName};
use loki_wire::fact::v1::deploy::{Settings as Given, Template};
use serde::{Deserialize, Serialize};

use super::settings::Settings;
use crate::exit::{Exit, Failure};
use crate::flags::Session;
use crate::output::text::count;

/// Show in which batches a run would go
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The node; the servers of those below belong to it
    node: NodePath,
    /// The nearest template of this name
    #[arg(long, default_value = "standard-deploy", value_name = "NAME")]
    template: TemplateName,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Deserialize)]
struct Servers {
    servers: Vec<Server>,
}

#[derive(Debug, Deserialize)]
struct Server {
    name: String,
    state: String,
}

#[derive(Debug, Deserialize)]
struct Templates {
    items: Vec<Placed>,
}

#[derive(Debug, Deserialize)]
struct Placed {
    template: Template,
    path: String,
}

#[derive(Debug, Serialize)]
struct Plan {
    node: String,
    servers: usize,
    failures: String,
    batches: Vec<Vec<String>>,
}

impl Options {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let client = &session.client;
        let request = client.get(&["v1", "servers"]).with("node", Some(&self.node)).with("recursive", Some(true));
        let Servers { servers } = client.send(&request).await?.json()?;
        let Templates { items } = client.send(&client.get(&["v1", "templates"]).with("node", Some(&self.node))).await?.json()?;
        let placed = items.into_iter().find(|placed| placed.template.name == self.template.as_str());
        if placed.is_none() && !matches!(self.template.as_str(), "standard-deploy" | "script") {
            let message = format!("no template `{}` holds for `{}`", self.template.as_str(), self.node);
            return Err(Failure::new(Exit::NotFound, message));
        }
        let from = placed.as_ref().map(|placed| placed.path.clone());
        let plan = self.plan(servers, placed.map(|placed| placed.template.settings).unwrap_or_default())?;
        if session.out.is_json() {
            session.out.json(&plan)?;
            return Ok(Exit::Ok);
        }
        if let Some(from) = from {
            session.out.line(format_args!("template {} of {from}", self.template.as_str()))?;
        }
        let batches = count(plan.batches.len(), "batch").replace("batchs", "batches");
        session.out.line(format_args!("{} in {batches}; at most {} may fail", count(plan.servers, "server"), plan.failures))?;
        for (number, servers) in plan.batches.iter().enumerate() {
            session.out.line(format_args!("{:>4}  {:>5}  {}", number + 1, servers.len(), shown(servers)))?;
        }
        Ok(Exit::Ok)
    }

    /// As the decider does it: canaries first, then the others by name.
    fn plan(&self, servers: Vec<Server>, template: Given) -> Result<Plan, Failure> {
        let mut online: BTreeSet<String> =
            servers.into_iter().filter(|server| server.state == "online").map(|server| server.name).collect();
        if online.is_empty() {
            return Err(Failure::new(Exit::NotFound, format!("no online server is under `{}`", self.node)));
        }
        let unreadable = |field: &str, why: &dyn std::fmt::Display| Failure::new(Exit::Failed, format!("the template's `{field}`: {why}"));
        let batches: Batches = match (&self.settings.batches, &template.batches) {
            (Some(batches), _) => batches.clone(),
            (None, Some(text)) => text.parse().map_err(|why| unreadable("batches", &why))?,
            (None, None) => Batches::one_by_one(),
        };
        let canaries = match self.settings.canaries.is_empty() {
            true => template.canaries.unwrap_or_default(),
            false => self.settings.canaries.iter().map(ToString::to_string).collect(),
        };
        let mut ordered = Vec::with_capacity(online.len());
        for canary in canaries {
            if !online.remove(&canary) {
                return Err(Failure::new(Exit::NotFound, format!("no online server `{canary}` is under `{}`", self.node)));
            }
            ordered.push(canary);
        }
        ordered.extend(online);
        let failures = self.settings.failures.map(|failures| failures.to_string()).or(template.failures).unwrap_or_else(|| "0".to_owned());
        let servers = ordered.len();
        let sizes = batches.sizes(servers);
        check(servers, sizes.len())?;
        let mut rest = ordered.into_iter();
        let batches = sizes.into_iter().map(|size| rest.by_ref().take(size).collect()).collect();
        Ok(Plan { node: self.node.to_string(), servers, failures, batches })
    }
}

/// What a start would be rejected for.
fn check(servers: usize, batches: usize) -> Result<(), Failure> {
    let message = if servers > SERVERS_MAX {
        format!("a run has at most {SERVERS_MAX} servers, and these are {servers}: start one for each node below")
    } else if batches > BATCHES_MAX {
        format!("a run has at most {BATCHES_MAX} batches, and these are {batches}: make them larger, such as `--batches 25%`")
    } else {
        return Ok(());
    };
    Err(Failure::new(Exit::Failed, message))
}

fn shown(servers: &[String]) -> String {
    match servers {
        [] => String::new(),
        [one] => one.clone(),
        [first, second] => format!("{first}, {second}"),
        [first, .., last] => format!("{first} … {last}"),
    }
}
