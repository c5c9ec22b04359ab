//! A plan as text, for `--plan`.

use std::fmt::Write as _;

use super::{Plan, Step};

/// A kind of command and how the summary calls it.
const KINDS: [(&str, &str, &str); 5] = [
    ("node.create", "node to create", "nodes to create"),
    ("node.set", "node to label", "nodes to label"),
    ("server.register", "server to register", "servers to register"),
    ("server.update", "server to update", "servers to update"),
    ("server.mount", "mount", "mounts"),
];

impl Plan {
    /// The counts, and of each kind of command the first `examples` with their lines.
    #[must_use]
    pub fn render(&self, examples: usize) -> String {
        let mut out = String::new();
        for warning in &self.warnings {
            put(&mut out, format_args!("warning: {warning}\n"));
        }
        self.render_counts(&mut out);
        for (kind, _, many) in KINDS {
            let steps: Vec<&Step> = self.steps.iter().filter(|step| step.command_type == kind).collect();
            for step in steps.iter().take(examples) {
                put(&mut out, format_args!("{:>7}  {}\n", step.line, printable(&step.summary)));
            }
            if steps.len() > examples {
                put(&mut out, format_args!("      …  {} more {many}\n", steps.len() - examples));
            }
        }
        out
    }

    fn render_counts(&self, out: &mut String) {
        let counts = KINDS.map(|(kind, one, many)| {
            let count = self.steps.iter().filter(|step| step.command_type == kind).count();
            (count, if count == 1 { one } else { many })
        });
        let told: Vec<String> = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        if told.is_empty() {
            out.push_str("nothing to do");
        } else {
            put(out, format_args!("{} commands: {}", self.steps.len(), told.join(", ")));
        }
        let unchanged = self.unchanged;
        put(out, format_args!("; already there: {} nodes, {} servers, {} mounts\n", unchanged.nodes, unchanged.servers, unchanged.mounts));
        if !told.is_empty() {
            out.push_str("   line\n");
        }
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}

/// Labels of the state may hold anything: a terminal gets no control characters, and a line has an end.
fn printable(text: &str) -> String {
    const SHOWN: usize = 200;
    let mut shown: String = text.chars().take(SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
