//! What a probe means for availability.
//!
//! `domain.availability` is (2xx + 3xx) / (all − 4xx): an answer by 4xx is the visitor's mistake and says nothing of the domain, in either
//! direction. Somebody who expects such a status has made it say something.

use std::fmt;
use std::time::Duration;

use loki_domain::domain::Expectation;

use crate::probe::{Failure, Report};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Available,
    Unavailable(Reason),
    /// No point is written.
    NotCounted,
}

/// Why it is not available, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// There was no whole answer.
    Failed(Failure),
    Status(u16),
    /// The text that is expected is not there; `cut`: there was more of it than is read.
    Body {
        cut: bool,
    },
    Slow {
        took: Duration,
        within: Duration,
    },
}

pub(crate) fn judge(report: &Report, expectation: &Expectation) -> Verdict {
    let content = match &report.end {
        Ok(content) => content,
        Err(failure) => return Verdict::Unavailable(Reason::Failed(failure.clone())),
    };
    let status = content.status;
    if !expectation.statuses.matches(status) {
        let is_visitors_mistake = (400..500).contains(&status);
        return if is_visitors_mistake { Verdict::NotCounted } else { Verdict::Unavailable(Reason::Status(status)) };
    }
    if expectation.body.as_ref().is_some_and(|text| !content.has(text.as_str())) {
        return Verdict::Unavailable(Reason::Body { cut: content.is_cut });
    }
    let within = Duration::from_millis(expectation.within.ms().into());
    if report.took > within {
        return Verdict::Unavailable(Reason::Slow { took: report.took, within });
    }
    Verdict::Available
}

impl Reason {
    /// Whether another probe failed alike: told once.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Failed(one), Self::Failed(other)) => one.is_like(other),
            (Self::Status(one), Self::Status(other)) => one == other,
            (Self::Body { .. }, Self::Body { .. }) | (Self::Slow { .. }, Self::Slow { .. }) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => write!(f, "{failure}"),
            Self::Status(status) => write!(f, "it answers {status}"),
            Self::Body { cut: false } => f.write_str("its body has not the text that is expected"),
            Self::Body { cut: true } => f.write_str("the first MiB of its body has not the text that is expected"),
            Self::Slow { took, within } => write!(f, "it took {} ms, and is expected within {} ms", took.as_millis(), within.as_millis()),
        }
    }
}

#[cfg(test)]
mod tests {
    use loki_domain::domain::{Statuses, Within};

    use super::*;
    use crate::probe::{Content, Phase};

    fn report(end: Result<Content, Failure>) -> Report {
        Report { took: Duration::from_millis(200), end, ..Report::begin() }
    }

    fn answered(status: u16) -> Report {
        report(Ok(Content { status, body: b"<h1>welcome</h1>".to_vec(), is_cut: false }))
    }

    fn expecting(statuses: &[&str], body: Option<&str>, within: u32) -> Expectation {
        let statuses = match statuses {
            [] => Statuses::default(),
            some => Statuses::new(some.iter().map(|status| status.parse().unwrap()).collect()).unwrap(),
        };
        Expectation { statuses, body: body.map(|body| body.parse().unwrap()), within: Within::new(within).unwrap() }
    }

    #[test]
    fn the_rule_of_status_codes() {
        for (status, expected, verdict) in [
            (200, &[][..], Verdict::Available),
            (204, &[], Verdict::Available),
            (301, &[], Verdict::Available),
            (404, &[], Verdict::NotCounted),
            (500, &[], Verdict::Unavailable(Reason::Status(500))),
            (600, &[], Verdict::Unavailable(Reason::Status(600))),
            (200, &["200"], Verdict::Available),
            (204, &["200"], Verdict::Unavailable(Reason::Status(204))),
            (404, &["200"], Verdict::NotCounted),
            (401, &["401", "403"], Verdict::Available),
            (404, &["4xx"], Verdict::Available),
            (200, &["401", "403"], Verdict::Unavailable(Reason::Status(200))),
            (503, &["503"], Verdict::Available),
        ] {
            assert_eq!(judge(&answered(status), &expecting(expected, None, 1_000)), verdict, "{status} where {expected:?} is expected");
        }
    }

    #[test]
    fn what_else_can_be_expected() {
        let of = |body, within| judge(&answered(200), &expecting(&[], body, within));
        assert_eq!(of(Some("welcome"), 200), Verdict::Available);
        assert_eq!(of(Some("goodbye"), 200), Verdict::Unavailable(Reason::Body { cut: false }));
        assert!(matches!(of(None, 199), Verdict::Unavailable(Reason::Slow { .. })));
    }

    #[test]
    fn no_whole_answer_is_none() {
        let failure = Failure::Broken { phase: Phase::Transfer, why: "connection reset".to_owned() };
        let verdict = judge(&report(Err(failure.clone())), &expecting(&["4xx"], None, 1_000));
        assert_eq!(verdict, Verdict::Unavailable(Reason::Failed(failure)));
    }
}
