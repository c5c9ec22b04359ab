//! Which process a backend of the shared set is: its id alone could by now be another's.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::backend::Place;

const FILE: &str = "process";

/// A process as it was when it started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) pid: u32,
    /// In the kernel's ticks since the machine started: with the id it names one process.
    started: u64,
    pub(super) ports: Vec<u16>,
    /// The folder it runs in: a copied record is not about the copy.
    home: PathBuf,
}

impl Record {
    pub(super) fn new(pid: u32, place: &Place) -> Result<Self> {
        let (started, _) = look_up(pid).with_context(|| format!("process {pid} has ended at once:\n{}", place.log_tail()))?;
        Ok(Self { pid, started, ports: place.ports.clone(), home: place.home.clone() })
    }

    pub(super) fn write(&self, home: &Path) -> Result<()> {
        Ok(fs::write(home.join(FILE), self.to_text())?)
    }

    /// The record in `home`, if it is there and its process lives.
    pub(super) fn of_living(home: &Path) -> Result<Option<Self>> {
        let text = match fs::read_to_string(home.join(FILE)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("cannot read {}", home.join(FILE).display()))?,
        };
        let record = Self::from_text(&text).with_context(|| format!("{} is damaged: remove it", home.join(FILE).display()))?;
        Ok((record.home == home && record.is_alive()).then_some(record))
    }

    pub(super) fn is_alive(&self) -> bool {
        // A zombie has ended; its parent has not noticed.
        look_up(self.pid).is_some_and(|(started, state)| started == self.started && state != 'Z' && state != 'X')
    }

    fn to_text(&self) -> String {
        let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
        format!("{} {} {} {}", self.pid, self.started, ports.join(","), self.home.display())
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, ' ');
        let pid = parts.next()?.parse().ok()?;
        let started = parts.next()?.parse().ok()?;
        let ports = parts.next()?.split(',').map(|port| port.parse().ok()).collect::<Option<_>>()?;
        Some(Self { pid, started, ports, home: PathBuf::from(parts.next()?) })
    }
}

/// When the process started and its state, from `/proc`.
fn look_up(pid: u32) -> Option<(u64, char)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name, in parentheses, may hold anything; the state follows it, the start is the 22nd field.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((fields.nth(18)?.parse().ok()?, state))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::real::Durability;

    fn of_this_process(home: &Path) -> Record {
        let place = Place { home: home.to_owned(), ports: vec![1, 2], durability: Durability::Process };
        Record::new(std::process::id(), &place).expect("a record")
    }

    #[test]
    fn a_record_is_read_as_written_and_only_where_it_was_written() {
        let (home, copy) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let record = of_this_process(home.path());
        record.write(home.path()).expect("written");
        record.write(copy.path()).expect("written");
        assert_eq!(Record::of_living(home.path()).expect("read"), Some(record));
        assert_eq!(Record::of_living(copy.path()).expect("read"), None);
    }

    #[test]
    fn another_process_of_the_same_id_is_not_meant() {
        let mut record = of_this_process(Path::new("/somewhere"));
        assert!(record.is_alive());
        record.started -= 1;
        assert!(!record.is_alive());
    }
}
