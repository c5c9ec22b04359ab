//! Tells the API what this machine is, and looks now and then whether the API still knows it.
//!
//! Each pass compares (`plan`) and does only what is missing, so that a pass may be broken off and repeated at any point. A command that was
//! rejected is not sent again until something has changed: every command is kept for ever.

mod plan;
mod rejected;
mod said;

use std::time::Duration;

use loki_client::{Client, Failure, Part};
use loki_domain::ServerName;
use loki_runtime::{Backoff, Shutdown, task};
use loki_telemetry::fields;
use serde_json::{Value, json};

use self::plan::{Changes, Plan, Step};
use self::rejected::Rejected;
use self::said::Said;
use crate::commands::{Commands, Outcome};
use crate::config::Config;
use crate::error::Error;
use crate::identity::Identity;
use crate::metrics;

/// Between two tries while the API is away.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(60));

pub(crate) struct Registration {
    commands: Commands,
    name: ServerName,
    node: Option<String>,
    refresh: Duration,
    said: Said,
    rejected: Rejected,
    /// What was last found doubtful: told once.
    doubt: Option<String>,
    announced: bool,
    part: Part,
}

impl Registration {
    pub(crate) fn new(config: &Config, client: Client, name: ServerName, part: Part) -> Self {
        Self {
            commands: Commands::new(client),
            name,
            node: config.node.clone(),
            refresh: config.refresh,
            said: Said::in_folder(&config.spool_dir),
            rejected: Rejected::default(),
            doubt: None,
            announced: false,
            part,
        }
    }

    /// Goes on until shutdown.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Result<(), Error> {
        let mut backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
        // a fleet that is started together does not look together
        let mut calm = Backoff::new(self.refresh, self.refresh);
        loop {
            let identity = task::spawn_blocking("identity", Identity::read).await.map_err(|_| Error::Panicked("identity"))?;
            let Some(passed) = shutdown.unless(self.pass(&identity)).await else { return Ok(()) };
            let wait = match passed {
                Ok(()) => {
                    self.part.ready();
                    backoff.reset();
                    calm.step()
                }
                Err(failure) => {
                    metrics::failed("register");
                    self.part.failed(format!("`{}` cannot be registered: {failure}", self.name));
                    backoff.step().max(failure.retry_after())
                }
            };
            if shutdown.unless(task::sleep(wait)).await.is_none() {
                return Ok(());
            }
        }
    }

    async fn pass(&mut self, identity: &Identity) -> Result<(), Failure> {
        let known = self.commands.server(self.name.as_str()).await?;
        self.rejected.forget_old();
        let Plan { steps, doubt } = plan::plan(known.as_ref(), identity, self.said.addresses(), self.node.is_some());
        let mut is_ours = doubt.is_none();
        self.tell(doubt);
        for step in steps {
            match step {
                Step::Register => is_ours &= self.register(identity).await?,
                Step::Update(changes) => self.update(changes).await?,
                // not without a server
                Step::Mount if is_ours => self.mount().await?,
                Step::Mount => {}
            }
        }
        metrics::registered(is_ours);
        if is_ours && !self.announced {
            self.announced = true;
            tracing::info!(server = %self.name, node = self.node.as_deref(), "this machine is registered");
        }
        Ok(())
    }

    /// Whether there is such a server now.
    async fn register(&mut self, identity: &Identity) -> Result<bool, Failure> {
        let mut data = json!(identity);
        (data["name"], data["state"]) = (self.name.as_str().into(), "online".into());
        let Some(outcome) = self.ask_with_serial("server.register", data).await? else { return Ok(false) };
        if outcome.is_accepted() {
            self.said.say(&identity.addresses);
        }
        // or registered by somebody else a moment ago: the next pass compares
        Ok(is_done(&outcome) && outcome.field.as_deref() != Some("serial"))
    }

    async fn update(&mut self, changes: Changes) -> Result<(), Failure> {
        let mut data = json!(changes);
        data["server"] = self.name.as_str().into();
        let outcome = self.ask_with_serial("server.update", data).await?;
        if let Some(addresses) = changes.addresses.filter(|_| outcome.is_some_and(|outcome| outcome.is_accepted())) {
            self.said.say(&addresses);
        }
        Ok(())
    }

    async fn mount(&mut self) -> Result<(), Failure> {
        let Some(node) = self.node.clone() else { return Ok(()) };
        let made = self.ask("node.create", &json!({ "path": node, "parents": true })).await?;
        if made.as_ref().is_some_and(is_done) {
            self.ask("server.mount", &json!({ "server": self.name.as_str(), "node": node })).await?;
        }
        Ok(())
    }

    /// The serial number is left out when another server has it: clones of one image have one machine id, and what several machines have names
    /// none of them.
    async fn ask_with_serial(&mut self, kind: &str, mut data: Value) -> Result<Option<Outcome>, Failure> {
        let outcome = self.ask(kind, &data).await?;
        let is_taken = outcome.as_ref().is_none_or(|outcome| outcome.is_there_already() && outcome.field.as_deref() == Some("serial"));
        let without = data.as_object_mut().and_then(|data| data.remove("serial"));
        // `server` alone changes nothing
        if is_taken && without.is_some() && data.as_object().is_some_and(|data| data.len() > 1) {
            return self.ask(kind, &data).await;
        }
        Ok(outcome)
    }

    /// Sends a command, unless it was rejected before: then there is no outcome.
    async fn ask(&mut self, kind: &str, data: &Value) -> Result<Option<Outcome>, Failure> {
        if self.rejected.has(kind, data) {
            return Ok(None);
        }
        let outcome = self.commands.command(kind, data).await?;
        if !is_done(&outcome) || outcome.field.as_deref() == Some("serial") {
            let (code, why) = (outcome.code.as_deref().unwrap_or_default(), outcome.message.as_deref().unwrap_or_default());
            tracing::warn!(server = %self.name, { fields::COMMAND_TYPE } = kind, code, why, "a command of the agent was rejected");
            self.rejected.add(kind, data);
        }
        Ok(Some(outcome))
    }

    fn tell(&mut self, doubt: Option<String>) {
        if let Some(why) = doubt.as_ref().filter(|_| doubt != self.doubt) {
            tracing::warn!(server = %self.name, %why, "what the API knows of this server is left as it is");
        }
        self.doubt = doubt;
    }
}

fn is_done(outcome: &Outcome) -> bool {
    outcome.is_accepted() || outcome.is_there_already()
}
