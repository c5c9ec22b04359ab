//! How far the output of an attempt is shipped: `shipped.json` beside its journal.

use std::io;
use std::path::Path;

use loki_wire::task::Wanted;
use serde::{Deserialize, Serialize};

use crate::durable;

/// What one step prints, in the order in which steps run. The way back comes after all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Part {
    /// Prints nothing; a deploy begins there.
    Fetch,
    Unpack,
    Prepare,
    Stop,
    Start,
    Test,
    Finish,
    Script,
    BackStop,
    BackStart,
}

impl Part {
    pub(super) const ALL: [Self; 10] = [
        Self::Fetch,
        Self::Unpack,
        Self::Prepare,
        Self::Stop,
        Self::Start,
        Self::Test,
        Self::Finish,
        Self::Script,
        Self::BackStop,
        Self::BackStart,
    ];

    /// As its files are named.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Unpack => "unpack",
            Self::Prepare => "prepare",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Test => "test",
            Self::Finish => "finish",
            Self::Script => "script",
            Self::BackStop => "back-stop",
            Self::BackStart => "back-start",
        }
    }

    /// Whose file this is: `start.log`, or `start.0` for the folder of its hook.
    pub(super) fn of(file: &str) -> Option<Self> {
        let (name, _) = file.split_once('.')?;
        Self::ALL.into_iter().find(|part| part.as_str() == name)
    }

    /// From there on: each of these, and the ones after it.
    pub(super) fn from(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |part| *part >= self)
    }
}

/// The position is that of a part and within it: what is removed from the host meanwhile shifts nothing that comes after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Where in the attempt's stream the part begins.
    pub(super) begins: u64,
    /// The last of which something was sent, else the first that the attempt has.
    pub(super) step: Part,
    /// How much of the part is shipped.
    pub(super) offset: u64,
    /// The chunk that comes next. Written before anybody gets it: then it stays the same until it is shipped.
    pub(super) sending: Option<Sending>,
    /// All is shipped, or nobody will ever take it.
    pub(super) is_done: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sending {
    pub(super) bytes: usize,
    pub(super) is_last: bool,
}

impl Mark {
    /// Before anything is shipped.
    pub(super) fn first(wanted: &Wanted) -> Self {
        let step = match wanted {
            Wanted::Release(_) => Part::Fetch,
            Wanted::Nothing { .. } => Part::Stop,
            Wanted::Script { .. } => Part::Script,
        };
        Self { begins: 0, step, offset: 0, sending: None, is_done: false }
    }

    pub(super) fn read(attempt: &Path) -> io::Result<Option<Self>> {
        durable::read_json(&attempt.join("shipped.json"))
    }

    pub(super) fn write(&self, attempt: &Path) -> io::Result<()> {
        durable::write_json(&attempt.join("shipped.json"), self)
    }

    /// Where a part that is not before this one begins, and how much of it is shipped.
    pub(super) fn at(&self, step: Part) -> (u64, u64) {
        if step == self.step { (self.begins, self.offset) } else { (self.begins + self.offset, 0) }
    }

    /// Past what was being sent.
    pub(super) fn past(&self, sending: Sending) -> Self {
        Self { offset: self.offset + sending.bytes as u64, sending: None, ..self.clone() }
    }
}
