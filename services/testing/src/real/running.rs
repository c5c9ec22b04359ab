//! A backend of one's own, to be hurt.

use std::path::Path;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use super::backend::{Backend, Durability, Place};
use super::folder;
use super::process::{Signal, await_ready, await_some, signal, spawn_bound};
use crate::port;

/// How long an ordered stop may take before the process is killed.
const STOP_WITHIN: Duration = Duration::from_secs(30);
/// A port may be taken between choosing it and listening on it; then others are tried.
const TRIES: usize = 3;

/// A child process in a temporary folder, on ports that it keeps over restarts. Dropping it kills it and removes the folder; it also dies
/// with the process that started it.
pub struct Running {
    backend: &'static dyn Backend,
    place: Place,
    child: Option<Child>,
    needed: Option<Box<Running>>,
    _folder: TempDir,
}

/// A copy of a backend's data, made while it was stopped.
#[derive(Debug)]
pub struct Snapshot {
    folder: TempDir,
}

impl Running {
    /// Starts an empty one and returns when it serves.
    pub fn start(backend: &'static dyn Backend) -> Result<Self> {
        Self::start_with(backend, Durability::Process)
    }

    pub fn start_with(backend: &'static dyn Backend, durability: Durability) -> Result<Self> {
        Self::start_at(backend, durability, None)
    }

    /// One that its clients reach at this address, where something forwards to it.
    pub fn start_behind(backend: &'static dyn Backend, advertised: &str) -> Result<Self> {
        Self::start_at(backend, Durability::Process, Some(advertised))
    }

    fn start_at(backend: &'static dyn Backend, durability: Durability, advertised: Option<&str>) -> Result<Self> {
        let mut needed = backend.needs().map(|needed| Self::start_with(needed, durability).map(Box::new)).transpose()?;
        let mut tried = 1;
        loop {
            let mut running = Self::prepare(backend, durability, needed, advertised)?;
            match running.restart() {
                Err(error) if tried < TRIES && port_was_taken(&error) => {
                    tried += 1;
                    needed = running.needed.take();
                }
                Err(error) => return Err(error),
                Ok(()) => return Ok(running),
            }
        }
    }

    fn prepare(backend: &'static dyn Backend, durability: Durability, needed: Option<Box<Self>>, advertised: Option<&str>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(&format!("loki-{}-", backend.name())).tempdir()?;
        let place = Place {
            home: folder.path().to_owned(),
            ports: port::free(backend.ports())?,
            durability,
            needed: needed.as_ref().map(|needed| needed.address()),
            advertised: advertised.map(str::to_owned),
            shared: false,
        };
        backend.prepare(&place).with_context(|| format!("cannot prepare {}", backend.name()))?;
        Ok(Self { backend, place, child: None, needed, _folder: folder })
    }

    /// Where clients connect: `127.0.0.1:port`, the same for its whole life.
    pub fn address(&self) -> String {
        self.place.address()
    }

    /// The address as clients want it, such as `mysql://root@127.0.0.1:port`.
    pub fn url(&self) -> String {
        self.backend.url(&self.place)
    }

    pub fn port(&self) -> u16 {
        self.place.ports[0]
    }

    /// Its own folder: configuration, `log` and `data`.
    pub fn home(&self) -> &Path {
        &self.place.home
    }

    /// The backend that it stores into, such as OpenTSDB's HBase. What is done to one is not done to the other.
    pub fn needed(&mut self) -> Result<&mut Self> {
        self.needed.as_deref_mut().with_context(|| format!("{} needs no other backend", self.backend.name()))
    }

    /// The end of what it logged.
    pub fn log_tail(&self) -> String {
        self.place.log_tail()
    }

    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Asks it over its own protocol whether it serves.
    pub fn ask(&self) -> Result<String> {
        self.backend.ask(&self.place)
    }

    /// Starts it again, on the same port and data, and returns when it serves. A running one is stopped first.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        let mut child = spawn_bound(self.backend, &self.place)?;
        let ready = await_ready(self.backend, &self.place, || Ok(child.try_wait()?.map(|status| status.to_string())));
        self.child = Some(child);
        if ready.is_err() {
            self.kill()?;
        }
        ready.map(drop)
    }

    /// Asks it to end (SIGTERM) and waits. One that does not end in time is killed, and that is an error.
    pub fn stop(&mut self) -> Result<()> {
        let Some(child) = &mut self.child else { return Ok(()) };
        // A paused process would never see the order.
        signal(child.id(), Signal::Resume)?;
        signal(child.id(), Signal::Stop)?;
        let ended = await_some(STOP_WITHIN, || Ok(child.try_wait()?))?;
        if ended.is_none() {
            self.kill()?;
            bail!("{} did not stop within {STOP_WITHIN:?} and was killed", self.backend.name());
        }
        self.child = None;
        Ok(())
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Lets it stand still (SIGSTOP): connections stay open and nothing is answered.
    pub fn pause(&self) -> Result<()> {
        signal(self.pid()?, Signal::Pause)
    }

    /// Lets a paused one go on (SIGCONT).
    pub fn resume(&self) -> Result<()> {
        signal(self.pid()?, Signal::Resume)
    }

    pub fn pid(&self) -> Result<u32> {
        self.child.as_ref().map(Child::id).with_context(|| format!("{} is not running", self.backend.name()))
    }

    /// Copies its data; it must be stopped (or killed: then the copy is what a crash leaves).
    pub fn snapshot_data(&self) -> Result<Snapshot> {
        self.ensure_ended("copied")?;
        let folder = tempfile::Builder::new().prefix(&format!("loki-{}-copy-", self.backend.name())).tempdir()?;
        folder::copy(&self.place.data(), folder.path())?;
        Ok(Snapshot { folder })
    }

    /// Replaces its data by the copy, which can be used again; it must be stopped.
    pub fn restore_data(&self, snapshot: &Snapshot) -> Result<()> {
        self.ensure_ended("set back")?;
        folder::remove(&self.place.data())?;
        folder::copy(snapshot.folder.path(), &self.place.data())
    }

    fn ensure_ended(&self, what: &str) -> Result<()> {
        ensure!(self.child.is_none(), "{} is running: stop it before its data is {what}", self.backend.name());
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing better can be done about a failure here; the kernel kills the child when this process ends.
        drop(self.kill());
    }
}

fn port_was_taken(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains("in use")
}
