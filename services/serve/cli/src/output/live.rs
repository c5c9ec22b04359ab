//! The last lines of a terminal, which change while everything else goes by above them.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line is cut where the terminal ends.
const TEMPLATE: &str = "{wide_msg}";

/// Lines that are drawn until it is dropped.
pub(super) struct Live {
    all: MultiProgress,
    lines: Vec<ProgressBar>,
}

impl Live {
    pub(super) fn new() -> Self {
        // ten times a second is as often as an eye reads
        Self { all: MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)), lines: Vec::new() }
    }

    /// Draws these lines instead of those before.
    pub(super) fn show(&mut self, texts: Vec<String>) {
        while self.lines.len() > texts.len() {
            if let Some(line) = self.lines.pop() {
                self.all.remove(&line);
            }
        }
        for (number, text) in texts.into_iter().enumerate() {
            if number == self.lines.len() {
                self.lines.push(self.all.add(line()));
            }
            self.lines[number].set_message(text);
        }
    }

    /// Writes something that stays, above the lines.
    pub(super) fn above<T>(&self, write: impl FnOnce() -> T) -> T {
        self.all.suspend(write)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.lines.iter().for_each(ProgressBar::finish_and_clear);
    }
}

fn line() -> ProgressBar {
    let line = ProgressBar::no_length();
    match ProgressStyle::with_template(TEMPLATE) {
        Ok(style) => line.with_style(style),
        Err(_) => line,
    }
}
