//! What reading a file found: problems, which stop the import, and warnings, which say what was left out.
//!
//! All of a file's problems are told at once, each with its line. Neither ever quotes a variable's value: it may be a
//! secret that somebody called by another name.

use std::collections::BTreeMap;
use std::fmt;

use super::limits;

/// A mistake in the file. Nothing is imported while there is one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub struct Problem {
    /// Line of the file, from 1; 0 is the file as a whole.
    pub line: u32,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => out.write_str(&self.message),
            line => write!(out, "line {line}: {}", self.message),
        }
    }
}

/// Something of the file that is not imported.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// The first line that it is about, from 1; 0 is the file as a whole.
    pub line: u32,
    pub message: String,
    /// In how many places of the file; the same thing is told once.
    pub times: usize,
}

impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(out, "line {}: ", self.line)?;
        }
        out.write_str(&self.message)?;
        match self.times {
            0 | 1 => Ok(()),
            times => write!(out, " ({times} places)"),
        }
    }
}

/// Collects both while a file is read, bounded.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Label violations are warnings and the label is left out.
    lenient: bool,
    problems: Vec<Problem>,
    untold_problems: usize,
    warnings: BTreeMap<String, (u32, usize)>,
    untold_warnings: usize,
}

impl Findings {
    pub(crate) fn new(lenient: bool) -> Self {
        Self { lenient, ..Self::default() }
    }

    pub(crate) fn problem(&mut self, line: u32, message: impl Into<String>) {
        if self.problems.len() < limits::FINDINGS {
            self.problems.push(Problem { line, message: message.into() });
        } else {
            self.untold_problems += 1;
        }
    }

    pub(crate) fn warning(&mut self, line: u32, message: impl Into<String>) {
        let message = message.into();
        let told = self.warnings.len();
        match self.warnings.get_mut(&message) {
            Some((_, times)) => *times += 1,
            None if told < limits::FINDINGS => {
                self.warnings.insert(message, (line, 1));
            }
            None => self.untold_warnings += 1,
        }
    }

    /// A label that cannot be imported: a problem, or a warning when the caller is lenient.
    pub(crate) fn label(&mut self, line: u32, message: impl fmt::Display) {
        if self.lenient {
            self.warning(line, format!("{message}: the label is left out"));
        } else {
            self.problem(line, format!("{message}, or leave such labels out with `--lenient`"));
        }
    }

    /// Nothing was found that stops the import.
    pub(crate) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    pub(crate) fn finish(mut self) -> Result<Vec<Warning>, Vec<Problem>> {
        if !self.problems.is_empty() {
            self.problems.sort();
            if self.untold_problems > 0 {
                let message = format!("{} more problems are not listed", self.untold_problems);
                self.problems.push(Problem { line: 0, message });
            }
            return Err(self.problems);
        }
        let mut warnings: Vec<Warning> =
            self.warnings.into_iter().map(|(message, (line, times))| Warning { line, message, times }).collect();
        warnings.sort();
        if self.untold_warnings > 0 {
            let message = format!("{} more warnings are not listed", self.untold_warnings);
            warnings.push(Warning { line: 0, message, times: 1 });
        }
        Ok(warnings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_one_text_are_told_once() {
        let mut findings = Findings::new(false);
        findings.warning(7, "`a` is left out");
        findings.warning(9, "`a` is left out");
        findings.warning(3, "`b` is left out");
        let told: Vec<String> = findings.finish().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(told, ["line 3: `b` is left out", "line 7: `a` is left out (2 places)"]);
    }

    #[test]
    fn problems_are_sorted_by_line_and_bounded() {
        let mut findings = Findings::new(false);
        for line in (1..=limits::FINDINGS as u32 + 5).rev() {
            findings.problem(line, "wrong");
        }
        let problems = findings.finish().unwrap_err();
        assert_eq!(problems.len(), limits::FINDINGS + 1);
        assert!(problems.windows(2).take(limits::FINDINGS - 1).all(|pair| pair[0].line < pair[1].line));
        assert_eq!(problems.last().unwrap().to_string(), "5 more problems are not listed");
    }

    #[test]
    fn a_bad_label_is_a_problem_unless_lenient() {
        let mut strict = Findings::new(false);
        strict.label(2, "bad");
        assert_eq!(strict.finish().unwrap_err().len(), 1);
        let mut lenient = Findings::new(true);
        lenient.label(2, "bad");
        assert_eq!(lenient.finish().unwrap()[0].to_string(), "line 2: bad: the label is left out");
    }
}
