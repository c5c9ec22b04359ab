//! Builds the agent's parts, and runs them until shutdown.

use loki_client::{Client, Standing};
use loki_domain::ServerName;
use loki_runtime::{Clock, Shutdown};
use loki_telemetry::Component;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::deliver::Delivery;
use crate::error::Error;
use crate::identity;
use crate::measure::Measuring;
use crate::register::Registration;
use crate::spool::Spool;
use crate::tasks::{Bells, Tasks};

/// Rounds that are measured and not yet taken to be sent: a request takes less time than a round, so that one waits at most, and a few more cost
/// nothing.
const ROUNDS_WAITING: usize = 4;

pub struct Agent {
    server: ServerName,
    /// Absent when this server is not to be registered.
    registration: Option<Registration>,
    measuring: Measuring,
    delivery: Delivery,
    /// Absent when this host carries out nothing.
    tasks: Option<Tasks>,
}

impl Agent {
    /// Opens the spool; asks nobody.
    ///
    /// # Errors
    /// A setting is wrong, this host has no name that a server may have, or the spool is another process'.
    pub fn new(config: Config, component: Component, clock: Clock) -> Result<Self, Error> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(Error::Config(problems));
        }
        let server = identity::server_name(config.server.as_deref())?;
        let client = Client::new("loki-agent", &config.api, &config.token, config.timeout)?;
        let spool = Spool::open(&config.spool_dir, config.spool_bytes_max)?;

        // ready means that the API has this server and takes its samples
        let standing = Standing::new(component);
        let (sender, batches) = mpsc::channel(ROUNDS_WAITING);
        let registration =
            config.register.then(|| Registration::new(&config, client.clone(), server.clone(), standing.part("register", "not done yet")));
        let tasks = config.deploys.clone().map(|deploys| {
            let part = standing.part("tasks", "none was asked for yet");
            Tasks::new(&config, deploys, client.clone(), server.clone(), clock.clone(), part)
        });
        let measuring = Measuring::new(&config, server.clone(), clock, sender, standing.part("measure", "not done yet"));
        let delivery = Delivery::new(&config, client, spool, batches, standing.part("samples", "none was sent yet"));
        Ok(Self { server, registration, measuring, delivery, tasks })
    }

    /// Has a bell tell when there are tasks, instead of a question that waits at the API.
    #[must_use]
    pub fn with_bells(mut self, bells: Bells) -> Self {
        self.tasks = self.tasks.map(|tasks| tasks.with_bells(bells));
        self
    }

    /// The name that this machine goes by, also in the tag `host`.
    pub fn server(&self) -> &str {
        self.server.as_str()
    }

    /// Runs until shutdown; what was measured by then is sent, or spooled.
    ///
    /// # Errors
    /// A part cannot go on.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), Error> {
        let register = async {
            match self.registration {
                Some(registration) => registration.run(shutdown.clone()).await,
                None => Ok(()),
            }
        };
        let tasks = async {
            match self.tasks {
                Some(tasks) => tasks.run(shutdown.clone()).await,
                None => Ok(()),
            }
        };
        // delivery ends when measuring has, and all is sent or spooled
        let parts = tokio::try_join!(register, tasks, self.measuring.run(shutdown.clone()), self.delivery.run(shutdown.clone()));
        parts.map(|_| ())
    }
}
