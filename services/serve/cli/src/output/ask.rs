//! A question before something that is not easily taken back.

use std::io::{BufRead as _, Read as _, Write as _};

use super::Output;
use crate::exit::Failure;

/// A longer answer is no answer.
const ANSWER_BYTES: u64 = 256;

impl Output {
    /// Whether to go on: yes with `--yes`, as answered on a terminal, and without either a mistake in usage.
    ///
    /// # Errors
    /// There is nobody to ask.
    pub(crate) fn confirms(&mut self, yes: bool, question: &str) -> Result<bool, Failure> {
        if yes {
            return Ok(true);
        }
        if !self.asks {
            return Err(Failure::usage("there is no terminal to ask at: say `--yes`"));
        }
        let unasked = |error: std::io::Error| Failure::usage(format!("cannot ask ({error}): say `--yes`"));
        write!(self.notes, "{question} [y/N] ").and_then(|()| self.notes.flush()).map_err(unasked)?;
        let mut answer = String::new();
        self.answers.by_ref().take(ANSWER_BYTES).read_line(&mut answer).map_err(unasked)?;
        let yes = matches!(answer.trim(), "y" | "Y" | "yes");
        if !yes {
            self.error("nothing was done");
        }
        Ok(yes)
    }
}
