//! One probe: what a visitor's first request would meet, in phases that are measured one by one.
//!
//! Nothing is kept from one probe to the next: no connection, no TLS session, no answer of DNS but what the system keeps. A first visitor has
//! none of them either, and each would hide a phase.

mod connect;
mod dns;
mod http;
mod report;
mod tls;

use std::time::Duration;

use loki_runtime::clock::Stopwatch;
use loki_runtime::{Clock, task};

pub(crate) use self::report::{Content, Failure, Phase, Report};
use self::tls::Tls;
use crate::config::Config;
use crate::error::Error;
use crate::target::Target;

pub(crate) struct Probe {
    tls: Tls,
    timeout: Duration,
    phase_timeout: Duration,
}

impl Probe {
    /// Reads the authorities' file.
    pub(crate) fn new(config: &Config, clock: Clock) -> Result<Self, Error> {
        let tls = Tls::new(config.ca_file.as_deref(), clock)?;
        Ok(Self { tls, timeout: config.timeout, phase_timeout: config.phase_timeout })
    }

    /// Ends in time, whatever the target does.
    pub(crate) async fn run(&self, target: &Target) -> Report {
        let mut report = Report::begin();
        let watch = Stopwatch::start();
        // boxed: with hyper and rustls in it, it is large
        let ended = task::timeout(self.timeout, Box::pin(self.visit(target, &mut report))).await;
        report.took = watch.elapsed();
        report.end = ended.unwrap_or(Err(Failure::TimedOut { phase: report.phase, within: self.timeout }));
        report
    }

    async fn visit(&self, target: &Target, report: &mut Report) -> Result<Content, Failure> {
        let limit = self.phase_timeout;
        let addresses = match dns::literal(target.host(), target.port()) {
            Some(address) => vec![address],
            None => report.measure(Phase::Dns, Some(limit), dns::lookup(target.host(), target.port())).await?,
        };
        let stream = report.measure(Phase::Connect, Some(limit), connect::connect(&addresses, limit)).await?;
        if !target.is_https() {
            return http::ask(stream, target, report).await;
        }
        let handshake = self.tls.handshake(target.host());
        let shaken = report.measure(Phase::Tls, Some(limit), handshake.run(stream)).await;
        // also of a certificate that is not trusted
        report.expires = handshake.expires();
        http::ask(shaken?, target, report).await
    }
}
