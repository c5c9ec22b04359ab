//! What a command tells: what was asked for on standard output, all else on standard error.

pub(crate) mod ask;
mod live;
mod progress;
pub(crate) mod table;
pub(crate) mod text;

use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Write};

use serde::Serialize;

use self::live::Live;
use crate::exit::{Exit, Failure};

/// How to print what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Lines and columns for people
    Table,
    /// JSON for programs: one document, or one a line where it streams
    Json,
}

/// Where a command's output goes, and where its questions are answered.
pub struct Output {
    pub format: Format,
    pub quiet: bool,
    /// Somebody can be asked.
    asks: bool,
    /// Standard error is a terminal.
    draws: bool,
    /// The command goes on when nobody reads its results any more.
    outlives_reader: bool,
    /// What is drawn below everything else.
    live: Option<Live>,
    results: Box<dyn Write + Send>,
    notes: Box<dyn Write + Send>,
    answers: Box<dyn BufRead + Send>,
}

impl Output {
    /// The process's own streams.
    pub fn of_process(format: Format, quiet: bool) -> Self {
        Self {
            format,
            quiet,
            asks: io::stdin().is_terminal() && io::stderr().is_terminal(),
            draws: io::stderr().is_terminal(),
            outlives_reader: false,
            live: None,
            results: Box::new(io::stdout()),
            notes: Box::new(io::stderr()),
            answers: Box::new(io::BufReader::new(io::stdin())),
        }
    }

    /// Other streams, without a terminal.
    pub fn to(format: Format, results: Box<dyn Write + Send>, notes: Box<dyn Write + Send>) -> Self {
        let answers = Box::new(io::empty());
        Self { format, quiet: false, asks: false, draws: false, outlives_reader: false, live: None, results, notes, answers }
    }

    /// As if somebody was there and answered so.
    #[must_use]
    pub fn answered_by(mut self, answers: Box<dyn BufRead + Send>) -> Self {
        self.asks = true;
        self.answers = answers;
        self
    }

    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// From here on the command goes on without a reader, and silently: how it ends says more than what it tells.
    pub(crate) fn outlive_reader(&mut self) {
        self.outlives_reader = true;
    }

    /// Whether lines that change are seen.
    pub(crate) fn is_live(&self) -> bool {
        self.draws && !self.quiet
    }

    /// On a terminal these are its last lines from now on, below what is told meanwhile; none takes them away.
    pub(crate) fn live(&mut self, lines: Vec<String>) {
        match lines.is_empty() {
            true => self.live = None,
            false if self.is_live() => self.live.get_or_insert_with(Live::new).show(lines),
            false => {}
        }
    }

    /// A line of what was asked for.
    ///
    /// # Errors
    /// Nobody reads any more, or the disk is full.
    pub fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        self.text(&format!("{text}\n"))
    }

    /// The same, for a text that brings its line ends.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        let results = &mut self.results;
        match above(self.live.as_ref(), || results.write_all(text.as_bytes()).and_then(|()| results.flush())) {
            Err(error) if self.outlives_reader && error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(|error| unwritten(&error)),
        }
    }

    /// A JSON document on a line of its own.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub fn json(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|error| Failure::new(Exit::Failed, format!("cannot write JSON: {error}")))?;
        self.line(text)
    }

    /// Something that helps, and that `--quiet` silences.
    pub fn note(&mut self, text: impl Display) {
        if !self.quiet {
            self.error(text);
        }
    }

    /// What went wrong. When standard error is gone there is nobody left to tell.
    pub fn error(&mut self, text: impl Display) {
        let notes = &mut self.notes;
        let _ = above(self.live.as_ref(), || writeln!(notes, "{text}").and_then(|()| notes.flush()));
    }
}

fn above<T>(live: Option<&Live>, write: impl FnOnce() -> T) -> T {
    match live {
        Some(live) => live.above(write),
        None => write(),
    }
}

fn unwritten(error: &io::Error) -> Failure {
    match error.kind() {
        // `loki audit | head`: the reader has what it wanted
        io::ErrorKind::BrokenPipe => Failure::new(Exit::Ok, ""),
        _ => Failure::new(Exit::Failed, format!("cannot write to standard output: {error}")),
    }
}
