//! What arrives, cut into lines, however it was cut on its way.

use loki_domain::Sample;

use super::line::{self, Asked, BYTES_MAX};

/// What a client has sent and was not looked at: at most one line that has not ended.
#[derive(Debug, Default)]
pub struct Lines {
    pub(super) buffer: Vec<u8>,
    /// The rest of a line that is too long.
    skipping: bool,
}

/// What whole lines asked for.
#[derive(Debug, Default, PartialEq)]
pub struct Said {
    pub samples: Vec<Sample>,
    /// To be sent back, before whatever becomes of the samples.
    pub answers: String,
    /// Points that are not taken.
    pub refused: usize,
    /// The client wants to go; what it sent afterwards is not looked at.
    pub exit: bool,
}

impl Lines {
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the lines that have ended. `closed`: nothing more will come, so the last one has ended as well.
    pub fn take(&mut self, closed: bool) -> Said {
        let mut said = Said::default();
        if closed && !self.buffer.is_empty() {
            self.buffer.push(b'\n');
        }
        let Some(end) = self.buffer.iter().rposition(|byte| *byte == b'\n') else {
            if self.buffer.len() > BYTES_MAX {
                self.buffer.clear();
                if !std::mem::replace(&mut self.skipping, true) {
                    said.too_long();
                }
            }
            return said;
        };
        let lines: Vec<u8> = self.buffer.drain(..=end).collect();
        let mut lines = lines[..lines.len() - 1].split(|byte| *byte == b'\n');
        if std::mem::take(&mut self.skipping) {
            lines.next();
        }
        for line in lines {
            said.take(line);
            if said.exit {
                break;
            }
        }
        said
    }
}

impl Said {
    fn take(&mut self, line: &[u8]) {
        if line.len() > BYTES_MAX {
            return self.too_long();
        }
        match line::read(&String::from_utf8_lossy(line)) {
            Asked::Put(sample) => self.samples.push(sample),
            Asked::Refused(text) => {
                self.refused += 1;
                self.answers.push_str(&text);
            }
            Asked::Told(text) => self.answers.push_str(&text),
            Asked::Exit => self.exit = true,
            Asked::Nothing => {}
        }
    }

    fn too_long(&mut self) {
        self.refused += 1;
        self.answers.push_str(&format!("error: a line has at most {BYTES_MAX} bytes\n"));
    }
}
