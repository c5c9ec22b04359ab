//! The shared set: processes that outlive the command that started them, each with a record of what it is.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use super::backend::{Backend, Durability, Place};
use super::process::{Signal, await_ready, await_some, signal, spawn_detached};
use super::shared::env_file;
use super::{ROWS, all, folder, record::Record, stack_dir};
use crate::port;

/// How long one that runs may take to answer before another is started in its place.
const KEEP_WITHIN: Duration = Duration::from_secs(10);
/// How long a killed process may take to be gone.
const END_WITHIN: Duration = Duration::from_secs(20);

/// One backend of the shared set, as found.
#[derive(Debug)]
pub struct State {
    pub name: &'static str,
    /// None when it is not running.
    pub pid: Option<u32>,
    pub url: String,
    /// What it answered, or why it did not.
    pub answer: Result<String>,
}

/// Starts what is not running, empty; keeps what serves. Returns when all serve, and writes their addresses to `target/stack/env`.
pub fn up() -> Result<Vec<State>> {
    let _lock = lock()?;
    let started: Vec<Result<Vec<State>>> = thread::scope(|scope| {
        let threads = ROWS.map(|row| scope.spawn(move || start_row(row)));
        threads.map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked")))).into_iter().collect()
    });
    let states: Vec<State> = started.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    let addresses: Vec<_> = all().zip(&states).map(|(backend, state)| (backend.variable(), state.url.clone())).collect();
    let new = stack_dir().join("env.new");
    fs::write(&new, env_file(&addresses))?;
    fs::rename(new, stack_dir().join("env"))?;
    Ok(states)
}

/// Stops what [`up`] started, and nothing else, and removes its data. Returns the names of those that ran.
pub fn down() -> Result<Vec<&'static str>> {
    let _lock = lock()?;
    drop(fs::remove_file(stack_dir().join("env")));
    let stopped: Vec<Result<Vec<&'static str>>> = thread::scope(|scope| {
        let threads = ROWS.map(|row| scope.spawn(move || end_row(row)));
        threads.map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked")))).into_iter().collect()
    });
    Ok(stopped.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// Asks each.
pub fn status() -> Result<Vec<State>> {
    all().map(state_of).collect()
}

fn state_of(backend: &dyn Backend) -> Result<State> {
    let home = home(backend);
    let Some(record) = Record::of_living(&home)? else {
        return Ok(State { name: backend.name(), pid: None, url: String::new(), answer: Err(anyhow!("not running")) });
    };
    let place = Place { home, ports: record.ports, durability: Durability::Process, needed: None, advertised: None, shared: true };
    Ok(State { name: backend.name(), pid: Some(record.pid), url: backend.url(&place), answer: backend.ask(&place) })
}

fn start_row(row: &[&dyn Backend]) -> Result<Vec<State>> {
    let mut states: Vec<State> = Vec::new();
    for backend in row {
        let needed = states.last().map(|state| state.url.clone());
        states.push(keep_or_start(*backend, needed)?);
    }
    Ok(states)
}

/// One that stores into another is ended before it.
fn end_row(row: &[&dyn Backend]) -> Result<Vec<&'static str>> {
    let mut ended = Vec::new();
    for backend in row.iter().rev() {
        if end(&home(*backend))? {
            ended.push(backend.name());
        }
    }
    Ok(ended)
}

fn keep_or_start(backend: &dyn Backend, needed: Option<String>) -> Result<State> {
    // A busy one takes its time to answer, and is not to be killed for it.
    let found = await_some(KEEP_WITHIN, || {
        let state = state_of(backend)?;
        Ok((state.pid.is_none() || state.answer.is_ok()).then_some(state))
    })?;
    if let Some(state) = found.filter(|state| state.answer.is_ok()) {
        return Ok(state);
    }
    let home = home(backend);
    end(&home)?;
    fs::create_dir_all(&home)?;
    let place =
        Place { home, ports: port::free(backend.ports())?, durability: Durability::Process, needed, advertised: None, shared: true };
    backend.prepare(&place).with_context(|| format!("cannot prepare {}", backend.name()))?;
    let pid = spawn_detached(backend, &place)?;
    let record = Record::new(pid, &place)?;
    record.write(&place.home)?;
    let ended = || Ok((!record.is_alive()).then(|| format!("process {pid}")));
    let answer = await_ready(backend, &place, ended)?;
    Ok(State { name: backend.name(), pid: Some(pid), url: backend.url(&place), answer: Ok(answer) })
}

/// Ends the process that the record in `home` names, if it still is that process, and removes the folder. Says whether it ran.
fn end(home: &Path) -> Result<bool> {
    let living = Record::of_living(home)?;
    if let Some(record) = &living {
        // What it stores goes with it: to let it put that in order first would only take time.
        signal(record.pid, Signal::Kill)?;
        let ended = await_some(END_WITHIN, || Ok((!record.is_alive()).then_some(())))?;
        ended.with_context(|| format!("process {} does not end", record.pid))?;
    }
    folder::remove(home)?;
    Ok(living.is_some())
}

fn home(backend: &dyn Backend) -> PathBuf {
    stack_dir().join("run").join(backend.name())
}

/// One `up` or `down` at a time.
fn lock() -> Result<File> {
    fs::create_dir_all(stack_dir())?;
    let file = File::create(stack_dir().join("lock"))?;
    file.lock().context("cannot lock `target/stack/lock`")?;
    Ok(file)
}
