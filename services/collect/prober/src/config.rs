//! What the prober needs to know.

use std::path::PathBuf;
use std::time::Duration;

use loki_domain::domain::Vendor;
use loki_domain::{Invalid, NodePath};
use loki_runtime::Secret;

use crate::target::Target;
use crate::vantage;

/// Targets that settings name; more of them belong into the tree.
const FIXED_MAX: usize = 1_000;
/// All controls are asked at once.
const CONTROLS_MAX: usize = 16;
/// Points of one target at one probe, at most: the queue must hold those of a few.
const QUEUE_POINTS_MIN: usize = 100;

#[derive(Debug, Clone)]
pub struct Config {
    /// Where the API is, `http://127.0.0.1:8470`.
    pub api: String,
    /// Empty: no token is sent.
    pub token: Secret,
    /// The place that is looked from, in the tag `vantage`; absent: the host name.
    pub vantage: Option<String>,
    /// The domains under this node are probed, `/` for all; absent: none but the fixed ones.
    pub node: Option<String>,
    /// Probed whatever the API says.
    pub fixed: Vec<Fixed>,
    /// What is available whenever this vantage is well connected. While more than half of them are not, no availability is written.
    pub controls: Vec<String>,
    /// How often each target is probed; whole seconds.
    pub every: Duration,
    /// How long a whole probe may take.
    pub timeout: Duration,
    /// How long looking up the name, connecting and the TLS handshake may take, each. The answer has what is left of `timeout`.
    pub phase_timeout: Duration,
    /// How many targets are probed at the same time.
    pub concurrency_max: usize,
    /// How often the list of domains is read.
    pub refresh: Duration,
    /// How many domains are taken from the API.
    pub targets_max: usize,
    /// Certificates of authorities (PEM) that are trusted besides Mozilla's list, which is built in: what visitors trust, on every vantage alike.
    pub ca_file: Option<PathBuf>,
    /// How long one request to the API may take.
    pub api_timeout: Duration,
    /// Points that wait for the API; then the oldest are dropped, and counted.
    pub queue_points_max: usize,
    /// How long the last points may take at shutdown.
    pub drain: Duration,
}

/// A target of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// `http://127.0.0.1:8470/livez`.
    pub url: String,
    /// The tag `vendor`.
    pub vendor: String,
}

impl Fixed {
    /// One of our own.
    pub fn own(url: impl Into<String>) -> Self {
        Self { url: url.into(), vendor: Vendor::OWN.to_owned() }
    }

    pub(crate) fn target(&self) -> Result<Target, Invalid> {
        Target::at(&self.url, &self.vendor)
    }
}

impl Config {
    pub fn new(api: impl Into<String>) -> Self {
        Self {
            api: api.into(),
            token: Secret::default(),
            vantage: None,
            node: Some("/".to_owned()),
            fixed: Vec::new(),
            controls: Vec::new(),
            every: Duration::from_secs(60),
            // no domain may be expected to take longer than 30 s
            timeout: Duration::from_secs(35),
            phase_timeout: Duration::from_secs(10),
            // of targets that do not answer at all, so many occupy their places for `phase_timeout` each: 1,500 in a period
            concurrency_max: 256,
            refresh: Duration::from_secs(30),
            targets_max: 20_000,
            ca_file: None,
            api_timeout: Duration::from_secs(10),
            // an hour of some 140 targets, in some 25 MiB
            queue_points_max: 75_000,
            drain: Duration::from_secs(5),
        }
    }

    /// What is wrong with it, field by field.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = loki_client::address::problems(&self.api, &self.token);
        if let Some(why) = self.vantage.as_deref().and_then(vantage::problem) {
            problems.push(format!("`vantage`: {why}"));
        }
        if let Some(Err(why)) = self.node.as_deref().map(str::parse::<NodePath>) {
            problems.push(format!("`node`: {why}"));
        }
        problems.extend(self.fixed.iter().filter_map(|fixed| Some(format!("`fixed`: {}", fixed.target().err()?))));
        problems.extend(self.controls.iter().filter_map(|url| Some(format!("`controls`: {}", Fixed::own(url).target().err()?))));
        for (name, length, max) in [("fixed", self.fixed.len(), FIXED_MAX), ("controls", self.controls.len(), CONTROLS_MAX)] {
            if length > max {
                problems.push(format!("`{name}` has at most {max} entries"));
            }
        }
        if self.every.is_zero() || self.every.subsec_nanos() > 0 {
            problems.push("`every` must be whole seconds, at least one".to_owned());
        }
        for (name, duration) in
            [("timeout", self.timeout), ("phase_timeout", self.phase_timeout), ("refresh", self.refresh), ("api_timeout", self.api_timeout)]
        {
            if duration.as_millis() == 0 {
                problems.push(format!("`{name}` must be at least a millisecond"));
            }
        }
        for (name, number, min) in [
            ("concurrency_max", self.concurrency_max, 1),
            ("targets_max", self.targets_max, 1),
            ("queue_points_max", self.queue_points_max, QUEUE_POINTS_MIN),
        ] {
            if number < min {
                problems.push(format!("`{name}` must be at least {min}"));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named_all_at_once() {
        let good = Config { fixed: vec![Fixed::own("http://127.0.0.1:8470/livez")], ..Config::new("http://127.0.0.1:8470") };
        assert_eq!(good.problems(), Vec::<String>::new());
        let config = Config {
            token: Secret::new("a\nb"),
            vantage: Some("bei jing".to_owned()),
            node: Some("acme".to_owned()),
            fixed: vec![Fixed::own("livez")],
            controls: vec!["https://".to_owned()],
            every: Duration::from_millis(1_500),
            timeout: Duration::ZERO,
            concurrency_max: 0,
            queue_points_max: 1,
            ..Config::new("ftp://a")
        };
        let problems = config.problems();
        let named = ["api", "token", "vantage", "node", "fixed", "controls", "every", "timeout", "concurrency_max", "queue_points_max"];
        assert_eq!(problems.len(), named.len(), "{problems:?}");
        assert!(problems.iter().zip(named).all(|(problem, name)| problem.starts_with(&format!("`{name}`"))), "{problems:?}");
        assert!(!format!("{config:?}{problems:?}").contains("a\\nb"));
    }
}
