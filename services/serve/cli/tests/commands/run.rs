//! Runs one command as the binary would.

use std::io::{Cursor, Write};
use std::sync::{Arc, Mutex};

use clap::Parser;
use loki_cli::client::Patience;
use loki_cli::{Command, Common, Exit, Operations, Output, Session};

#[derive(Parser)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What a command left behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) err: String,
}

#[derive(Clone, Default)]
pub(crate) struct Caught(Arc<Mutex<Vec<u8>>>);

impl Caught {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Caught {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A reader that has gone, as in `loki audit | head`.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One run, to be changed before it starts.
pub(crate) struct Run<'r> {
    cli: Cli,
    answers: Option<&'r str>,
    patience: Option<Patience>,
    unread: bool,
    operations: Option<&'r dyn Operations>,
    pub(crate) out: Caught,
}

impl<'r> Run<'r> {
    pub(crate) fn new(api: &str, arguments: &[&str]) -> Self {
        let all = ["loki", "--api", api].into_iter().chain(arguments.iter().copied());
        let cli = Cli::try_parse_from(all).unwrap_or_else(|error| panic!("{error}"));
        Self { cli, answers: None, patience: None, unread: false, operations: None, out: Caught::default() }
    }

    /// Somebody sits before a terminal and answers so.
    pub(crate) fn answered(self, answers: &'r str) -> Self {
        Self { answers: Some(answers), ..self }
    }

    pub(crate) fn patience(self, patience: Patience) -> Self {
        Self { patience: Some(patience), ..self }
    }

    /// Nobody reads what it tells.
    pub(crate) fn unread(self) -> Self {
        Self { unread: true, ..self }
    }

    pub(crate) fn operations(self, operations: &'r dyn Operations) -> Self {
        Self { operations: Some(operations), ..self }
    }

    pub(crate) async fn ran(self) -> Ran {
        let err = Caught::default();
        let results: Box<dyn Write + Send> = if self.unread { Box::new(Closed) } else { Box::new(self.out.clone()) };
        let mut out = Output::to(self.cli.common.output, results, Box::new(err.clone()));
        out.quiet = self.cli.common.quiet;
        if let Some(answers) = self.answers {
            out = out.answered_by(Box::new(Cursor::new(answers.to_owned())));
        }
        let mut client = self.cli.common.client().unwrap();
        if let Some(patience) = self.patience {
            *client.patience() = patience;
        }
        let exit = self.cli.command.run_in(&mut Session { client, out }, self.operations).await;
        Ran { exit, out: self.out.text(), err: err.text() }
    }
}

pub(crate) async fn loki(api: &str, arguments: &[&str]) -> Ran {
    Run::new(api, arguments).ran().await
}

/// A command must print exactly this and be content.
pub(crate) async fn check(api: &str, arguments: &[&str], out: &str) {
    let ran = loki(api, arguments).await;
    assert_eq!(ran.err, "", "{arguments:?}");
    assert_eq!(ran.out, out, "{arguments:?}");
    assert_eq!(ran.exit, Exit::Ok, "{arguments:?}");
}

/// What the parser itself says, or `None` when it takes the arguments.
pub(crate) fn refused(arguments: &[&str]) -> Option<String> {
    let all = ["loki"].into_iter().chain(arguments.iter().copied());
    Cli::try_parse_from(all).err().map(|error| error.to_string())
}
