//! What one probe has seen.

use std::fmt;
use std::time::Duration;

use loki_runtime::clock::Stopwatch;
use loki_runtime::task;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Dns,
    Connect,
    Tls,
    /// From the request to the head of the answer.
    FirstByte,
    Transfer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// The one that it is in, or ended in.
    pub(crate) phase: Phase,
    /// Those that have succeeded, in order.
    pub(crate) phases: Vec<(Phase, Duration)>,
    pub(crate) took: Duration,
    /// Known from the answer's head, also when the rest did not come.
    pub(crate) status: Option<u16>,
    /// When the leaf certificate expires, in seconds since 1970.
    pub(crate) expires: Option<i64>,
    pub(crate) end: Result<Content, Failure>,
}

/// A whole answer, or as much of it as is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) status: u16,
    /// Empty unless a text is looked for.
    pub(crate) body: Vec<u8>,
    pub(crate) is_cut: bool,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    Broken { phase: Phase, why: String },
    TimedOut { phase: Phase, within: Duration },
}

impl Phase {
    /// The value of the tag `phase`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::FirstByte => "first_byte",
            Self::Transfer => "transfer",
        }
    }
}

impl Report {
    pub(crate) fn begin() -> Self {
        let phase = Phase::Dns;
        let end = Err(Failure::TimedOut { phase, within: Duration::ZERO });
        Self { phase, phases: Vec::new(), took: Duration::ZERO, status: None, expires: None, end }
    }

    /// Goes through a phase; without a limit of its own it has the time that the whole has left.
    pub(super) async fn measure<T>(
        &mut self,
        phase: Phase,
        limit: Option<Duration>,
        going: impl Future<Output = Result<T, String>>,
    ) -> Result<T, Failure> {
        self.phase = phase;
        let watch = Stopwatch::start();
        let gone = match limit {
            Some(within) => task::timeout(within, going).await.ok_or(Failure::TimedOut { phase, within })?,
            None => going.await,
        };
        let value = gone.map_err(|why| Failure::Broken { phase, why })?;
        self.phases.push((phase, watch.elapsed()));
        Ok(value)
    }
}

impl Content {
    pub(crate) fn has(&self, text: &str) -> bool {
        // signs that are no UTF-8 are nobody's text
        String::from_utf8_lossy(&self.body).contains(text)
    }
}

impl Failure {
    /// In the same phase, in the same way.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Broken { phase: one, .. }, Self::Broken { phase: other, .. })
            | (Self::TimedOut { phase: one, .. }, Self::TimedOut { phase: other, .. }) => one == other,
            _ => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken { phase, why } => write!(f, "{}: {why}", phase.as_str()),
            Self::TimedOut { phase, within } => write!(f, "{}: not within {} ms", phase.as_str(), within.as_millis()),
        }
    }
}
