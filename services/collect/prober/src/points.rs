//! A report as samples; which there are is said in the crate's own table.

use std::time::Duration;

use loki_domain::sample::{Instant, Value};
use loki_domain::{Invalid, Sample, Series, Tags};

use crate::probe::Report;
use crate::target::Target;

const AVAILABILITY: &str = "domain.availability";
const RESPONSE_TIME: &str = "domain.responsetime";
const PHASE_TIME: &str = "domain.phase.time";
const STATUS: &str = "domain.status";
const TLS_EXPIRY: &str = "domain.tls.expiry";
const VANTAGE_OK: &str = "domain.vantage.ok";

/// `at`: milliseconds since 1970; `available`: absent when nothing is said of it.
///
/// # Errors
/// A name or a time is none that a sample may have.
pub(crate) fn of_report(target: &Target, vantage: &str, at: i64, report: &Report, available: Option<bool>) -> Result<Vec<Sample>, Invalid> {
    let tags: Vec<(&str, &str)> = target.tags().iter().chain([("vantage", vantage)]).collect();
    let mut samples = Vec::new();
    let mut add = |metric: &str, phase: Option<&'static str>, value: f64| -> Result<(), Invalid> {
        samples.push(sample(metric, tags.iter().copied().chain(phase.map(|phase| ("phase", phase))), at, value)?);
        Ok(())
    };
    if let Some(available) = available {
        add(AVAILABILITY, None, one_if(available))?;
    }
    if report.end.is_ok() {
        add(RESPONSE_TIME, None, ms(report.took))?;
    }
    for (phase, took) in &report.phases {
        add(PHASE_TIME, Some(phase.as_str()), ms(*took))?;
    }
    if let Some(status) = report.status {
        add(STATUS, None, f64::from(status))?;
    }
    if let Some(expires) = report.expires {
        add(TLS_EXPIRY, None, expires.saturating_sub(at / 1_000) as f64)?;
    }
    Ok(samples)
}

/// Whether a vantage has a vote.
///
/// # Errors
/// As above.
pub(crate) fn of_vantage(vantage: &str, at: i64, is_ok: bool) -> Result<Sample, Invalid> {
    sample(VANTAGE_OK, [("vantage", vantage)].into_iter(), at, one_if(is_ok))
}

fn sample<'t>(metric: &str, tags: impl Iterator<Item = (&'t str, &'t str)>, at: i64, value: f64) -> Result<Sample, Invalid> {
    let series = Series::new(metric.parse()?, Tags::new(tags)?);
    Ok(Sample { series, at: Instant::new(if at % 1_000 == 0 { at / 1_000 } else { at })?, value: Value::new(value)? })
}

fn one_if(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

/// In microseconds' steps: what is below is the machine's noise.
fn ms(took: Duration) -> f64 {
    took.as_micros() as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Content, Failure, Phase};

    const AT: i64 = 1_700_000_000_000;

    fn told(report: &Report, available: Option<bool>) -> Vec<String> {
        let target = Target::at("https://a.example/x", "own").unwrap();
        let samples = of_report(&target, "bj", AT, report, available).unwrap();
        samples.iter().map(|sample| format!("{} {} {}", sample.series, sample.at, sample.value)).collect()
    }

    #[test]
    fn a_whole_answer() {
        let report = Report {
            took: Duration::from_micros(12_345),
            phases: vec![(Phase::Dns, Duration::from_millis(1)), (Phase::FirstByte, Duration::from_millis(2))],
            status: Some(200),
            expires: Some(1_700_086_400),
            end: Ok(Content { status: 200, body: Vec::new(), is_cut: false }),
            ..Report::begin()
        };
        let tags = "domain=a.example,path=/x,";
        assert_eq!(
            told(&report, Some(true)),
            [
                format!("domain.availability{{{tags}vantage=bj,vendor=own}} 1700000000 1.0"),
                format!("domain.responsetime{{{tags}vantage=bj,vendor=own}} 1700000000 12.345"),
                format!("domain.phase.time{{{tags}phase=dns,vantage=bj,vendor=own}} 1700000000 1.0"),
                format!("domain.phase.time{{{tags}phase=first_byte,vantage=bj,vendor=own}} 1700000000 2.0"),
                format!("domain.status{{{tags}vantage=bj,vendor=own}} 1700000000 200.0"),
                format!("domain.tls.expiry{{{tags}vantage=bj,vendor=own}} 1700000000 86400.0"),
            ]
        );
        assert!(told(&report, None).iter().all(|sample| !sample.starts_with(AVAILABILITY)));
    }

    #[test]
    fn what_was_not_seen_is_no_point() {
        let failure = Failure::Broken { phase: Phase::Tls, why: "expired".to_owned() };
        let report = Report { expires: Some(1_699_999_990), end: Err(failure), ..Report::begin() };
        let told = told(&report, Some(false));
        assert!(told.len() == 2 && told[0].ends_with(" 0.0") && told[1].ends_with(" -10.0"), "{told:?}");
    }

    #[test]
    fn the_vantage_alone() {
        let sample = of_vantage("bj", AT, false).unwrap();
        assert_eq!(format!("{} {} {}", sample.series, sample.at, sample.value), "domain.vantage.ok{vantage=bj} 1700000000 0.0");
    }
}
