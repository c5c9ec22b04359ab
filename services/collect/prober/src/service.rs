//! Builds the prober's parts, and runs them until shutdown.

use std::sync::Arc;

use loki_client::{Client, Standing};
use loki_runtime::{Clock, Shutdown};
use loki_telemetry::Component;

use crate::config::{Config, Fixed};
use crate::controls::Controls;
use crate::error::Error;
use crate::means::Means;
use crate::probe::Probe;
use crate::rounds::Rounds;
use crate::samples::{Delivery, HttpSamples, Outbox, Samples};
use crate::target::Target;
use crate::targets::{Following, HttpTargets, Targets};
use crate::vantage;

pub struct Prober {
    vantage: Arc<str>,
    following: Following,
    /// Absent when there are none.
    controls: Option<Controls>,
    rounds: Rounds,
    outbox: Outbox,
    delivery: Delivery,
}

impl Prober {
    /// One that has both its targets and its samples over the API. Asks nobody.
    ///
    /// # Errors
    /// A setting is wrong, or this host has no name.
    pub fn new(config: Config, component: Component, clock: Clock) -> Result<Self, Error> {
        check(&config)?;
        let client = Client::new("loki-prober", &config.api, &config.token, config.api_timeout)?;
        let targets = config.node.clone().map(|node| HttpTargets::new(client.clone(), node, config.targets_max));
        let targets = targets.map(|targets| Box::new(targets) as Box<dyn Targets>);
        Self::with(config, targets, Arc::new(HttpSamples::new(client)), component, clock)
    }

    /// One that has them from elsewhere: `targets` besides the fixed ones; the API's address is not used.
    ///
    /// # Errors
    /// As above.
    pub fn with(
        config: Config,
        targets: Option<Box<dyn Targets>>,
        samples: Arc<dyn Samples>,
        component: Component,
        clock: Clock,
    ) -> Result<Self, Error> {
        check(&config)?;
        let wrong = |name: &str, why: loki_domain::Invalid| Error::Config(vec![format!("`{name}`: {why}")]);
        let fixed: Vec<Target> =
            config.fixed.iter().map(Fixed::target).collect::<Result<_, _>>().map_err(|invalid| wrong("fixed", invalid))?;
        let controls: Vec<Target> = (config.controls.iter().map(|url| Fixed::own(url).target()))
            .collect::<Result<_, _>>()
            .map_err(|invalid| wrong("controls", invalid))?;

        let vantage: Arc<str> = vantage::name(config.vantage.as_deref())?.into();
        let standing = Standing::new(component);
        let outbox = Outbox::new(config.queue_points_max);
        let probe = Arc::new(Probe::new(&config, clock.clone())?);
        let means = Means { probe, clock, vantage: vantage.clone(), outbox: outbox.clone() };

        let following = Following::new(fixed, targets, config.refresh, standing.part("targets", "the list of domains was not read yet"));
        let controls = (!controls.is_empty())
            .then(|| Controls::new(controls, config.every, means.clone(), standing.part("controls", "none was asked yet")));
        let vote = controls.as_ref().map(Controls::vote);
        let rounds = Rounds::new(config.every, config.concurrency_max, following.list(), means, vote);
        let delivery = Delivery::new(samples, outbox.clone(), config.drain, standing.part("samples", "not started yet"));
        Ok(Self { vantage, following, controls, rounds, outbox, delivery })
    }

    /// The tag `vantage` of all its samples.
    pub fn vantage(&self) -> &str {
        &self.vantage
    }

    /// Runs until shutdown; what was found by then is sent, within `drain`.
    ///
    /// # Errors
    /// A part cannot go on.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), Error> {
        let Self { vantage: _, following, controls, rounds, outbox, delivery } = self;
        let controls = async {
            if let Some(controls) = controls {
                controls.run(shutdown.clone()).await;
            }
        };
        // what is left is sent within `drain`, whatever ended the rest
        let ending = shutdown.child();
        let finding = async {
            let ended = tokio::select! {
                // both end at shutdown alone
                ended = rounds.run(shutdown.clone()) => ended,
                _ = async { tokio::join!(following.run(shutdown.clone()), controls) } => Ok(()),
            };
            outbox.close();
            ending.begin();
            ended
        };
        let (found, ()) = tokio::join!(finding, delivery.run(ending.clone()));
        found
    }
}

fn check(config: &Config) -> Result<(), Error> {
    let problems = config.problems();
    if problems.is_empty() { Ok(()) } else { Err(Error::Config(problems)) }
}
