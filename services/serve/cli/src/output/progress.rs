//! How far long work is: a bar on a terminal, some lines elsewhere, nothing with `--quiet`.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Output;

/// Without a terminal a line is written for so many parts of the whole.
const LINES: u64 = 10;

const TEMPLATE: &str = "{msg} {wide_bar} {pos} of {len}, {per_sec}, {eta} left";

pub struct Progress {
    what: &'static str,
    total: u64,
    shown: Shown,
}

enum Shown {
    Bar(ProgressBar),
    /// How many tenths were told.
    Lines(u64),
    Nothing,
}

impl Output {
    /// Begins to show work of so many parts.
    pub fn progress(&self, what: &'static str, total: u64) -> Progress {
        let shown = match (self.quiet, self.draws) {
            (true, _) => Shown::Nothing,
            (false, true) => Shown::Bar(bar(what, total)),
            (false, false) => Shown::Lines(0),
        };
        Progress { what, total, shown }
    }
}

impl Progress {
    /// So many parts are done.
    pub fn at(&mut self, done: u64, out: &mut Output) {
        match &mut self.shown {
            Shown::Bar(bar) => bar.set_position(done),
            Shown::Lines(told) => {
                let tenths = (done * LINES).checked_div(self.total).unwrap_or(0);
                if tenths > *told {
                    *told = tenths;
                    out.note(format_args!("{}: {done} of {}", self.what, self.total));
                }
            }
            Shown::Nothing => {}
        }
    }

    /// The whole has another size than was thought.
    pub fn of(&mut self, total: u64) {
        self.total = total;
        if let Shown::Bar(bar) = &self.shown {
            bar.set_length(total);
        }
    }

    /// Takes the bar away, so that lines can be written below.
    pub fn end(self) {
        if let Shown::Bar(bar) = self.shown {
            bar.finish_and_clear();
        }
    }
}

fn bar(what: &'static str, total: u64) -> ProgressBar {
    // ten times a second is as often as an eye reads
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10)).with_message(what);
    match ProgressStyle::with_template(TEMPLATE) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_one() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
