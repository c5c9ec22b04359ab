//! Which process a backend of the shared set is: its id alone could by now be another's.

use std::fs;
use std::path::Path;

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
}

impl Record {
    pub(super) fn new(pid: u32, place: &Place) -> Result<Self> {
        let (started, _) = look_up(pid).with_context(|| format!("process {pid} has ended at once:\n{}", place.log_tail()))?;
        Ok(Self { pid, started, ports: place.ports.clone() })
    }

    pub(super) fn write(&self, home: &Path) -> Result<()> {
        Ok(fs::write(home.join(FILE), self.to_text())?)
    }

    /// The record in `home`, if it is there and its process lives, in that folder: a copied record is not about the copy.
    pub(super) fn of_living(home: &Path) -> Result<Option<Self>> {
        let text = match fs::read_to_string(home.join(FILE)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("cannot read {}", home.join(FILE).display()))?,
        };
        let record = Self::from_text(&text).with_context(|| format!("{} is damaged: remove it", home.join(FILE).display()))?;
        Ok((record.is_alive() && record.lives_in(home)?).then_some(record))
    }

    pub(super) fn is_alive(&self) -> bool {
        // A zombie has ended; its parent has not noticed.
        look_up(self.pid).is_some_and(|(started, state)| started == self.started && state != 'Z' && state != 'X')
    }

    /// Backends start in their own folder; some then go into its `data`.
    fn lives_in(&self, home: &Path) -> Result<bool> {
        let home = home.canonicalize()?;
        Ok(fs::read_link(format!("/proc/{}/cwd", self.pid)).is_ok_and(|folder| folder.starts_with(home)))
    }

    fn to_text(&self) -> String {
        let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
        format!("{} {} {}\n", self.pid, self.started, ports.join(","))
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.split_whitespace();
        let pid = parts.next()?.parse().ok()?;
        let started = parts.next()?.parse().ok()?;
        let ports = parts.next()?.split(',').map(|port| port.parse().ok()).collect::<Option<_>>()?;
        Some(Self { pid, started, ports })
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
    use std::process::{Child, Command};

    use super::*;
    use crate::real::Durability;

    fn process_in(home: &Path) -> (Child, Record) {
        let child = Command::new("sleep").arg("60").current_dir(home).spawn().expect("a process");
        let place = Place {
            home: home.to_owned(),
            ports: vec![1, 2],
            durability: Durability::Process,
            needed: None,
            advertised: None,
            shared: true,
        };
        let record = Record::new(child.id(), &place).expect("a record");
        (child, record)
    }

    #[test]
    fn a_record_is_about_the_folder_its_process_lives_in_and_no_copy_of_it() {
        let (home, copy) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (mut child, record) = process_in(home.path());
        record.write(home.path()).expect("written");
        record.write(copy.path()).expect("written");
        let found = [home.path(), copy.path()].map(|folder| Record::of_living(folder).expect("read"));
        child.kill().expect("killed");
        child.wait().expect("waited");
        assert!(!record.is_alive());
        assert_eq!(found, [Some(record), None]);
    }

    #[test]
    fn another_process_of_the_same_id_is_not_meant() {
        let home = tempfile::tempdir().expect("a folder");
        let (mut child, mut record) = process_in(home.path());
        let before = record.is_alive();
        record.started -= 1;
        let after = record.is_alive();
        child.kill().expect("killed");
        child.wait().expect("waited");
        assert!(before && !after);
    }
}
