//! A process that may be another's by its number: who it is, whether it lives, and its end.

use std::io;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

use crate::durable;

/// The leader of a group of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pid: i32,
    /// In ticks since the machine was started: with that a number that is given again is told from the first.
    started: u64,
    boot: String,
}

impl Process {
    /// One that runs, and is not waited for before this returns.
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).map_err(io::Error::other)?;
        let (started, _) = stat(pid).ok_or_else(|| io::Error::other("the process of the hook is not there"))?;
        Ok(Self { pid, started, boot: boot() })
    }

    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        durable::read_json(path)
    }

    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        durable::write_json(path, self)
    }

    pub(super) fn is_alive(&self) -> bool {
        self.boot == boot() && stat(self.pid).is_some_and(|(started, state)| started == self.started && !matches!(state, 'Z' | 'X'))
    }

    /// Ends it and all that it has begun, but what has a session of its own.
    pub(super) fn kill_group(&self) {
        // the number of a group is given to nobody while one of it lives; a process of that number that is not this one is no leader of it
        let is_another = self.boot != boot() || stat(self.pid).is_some_and(|(started, _)| started != self.started);
        let Some(group) = Pid::from_raw(self.pid).filter(|_| !is_another) else { return };
        // it has ended by itself
        let _gone: Result<(), _> = kill_process_group(group, Signal::KILL);
    }
}

/// When it was started, and its state.
fn stat(pid: i32) -> Option<(u64, char)> {
    read_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn read_stat(text: &str) -> Option<(u64, char)> {
    // the name may hold anything, also blanks and brackets
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    Some((fields.get(19)?.parse().ok()?, fields.first()?.chars().next()?))
}

/// Another one after each start of the machine.
fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|text| text.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_number_and_its_start() {
        let this = Process::of(std::process::id()).unwrap();
        assert!(this.is_alive());
        assert!(!Process { started: this.started + 1, ..this.clone() }.is_alive());
        assert!(!Process { boot: "other".to_owned(), ..this }.is_alive());
        let text = "7 (a) b) S 1 7 7 0 -1 4194304 98 0 0 0 0 0 0 0 20 0 1 0 4242 2637824 258 1844";
        assert_eq!(read_stat(text), Some((4_242, 'S')));
    }
}
