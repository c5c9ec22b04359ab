//! Processes: started so that they die with their owner, signalled, waited for within bounds.

use std::fs::OpenOptions;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::backend::{Backend, Place};
use crate::child;

/// How long a backend may take until it serves.
const READY_WITHIN: Duration = Duration::from_secs(180);
/// How long one question to a backend may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How often a condition of another process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Starts a process that outlives this one, in a group of its own: a Ctrl-C in this terminal does not reach it.
pub(super) fn spawn_detached(backend: &dyn Backend, place: &Place) -> Result<u32> {
    let child = logged(backend.command(place)?, place)?.process_group(0).spawn().context("cannot start the process")?;
    Ok(child.id())
}

/// The command in its folder, with its output appended to its log.
fn logged(mut command: Command, place: &Place) -> Result<Command> {
    let log = OpenOptions::new().create(true).append(true).open(place.log())?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).current_dir(&place.home);
    Ok(command)
}

/// Starts a child that dies with this process.
pub(super) fn spawn_bound(backend: &dyn Backend, place: &Place) -> Result<Child> {
    let command = backend.command(place)?;
    let mut bound = child::bound(command.get_program())?;
    bound.args(command.get_args());
    child::spawn(logged(bound, place)?)
}

/// Asks until the backend serves. `ended` says how the process ended, if it did.
pub(super) fn await_ready(backend: &dyn Backend, place: &Place, mut ended: impl FnMut() -> Result<Option<String>>) -> Result<String> {
    let started = Instant::now();
    loop {
        let refusal = match backend.ask(place) {
            Ok(answer) => return Ok(answer),
            Err(refusal) => refusal,
        };
        if let Some(how) = ended()? {
            bail!("{} ended while starting ({how}); its log ends with:\n{}", backend.name(), place.log_tail());
        }
        if started.elapsed() > READY_WITHIN {
            bail!("{} does not serve after {READY_WITHIN:?} ({refusal:#}); its log ends with:\n{}", backend.name(), place.log_tail());
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Looks again and again until `condition` gives a value; none when it did not within the bound.
pub(super) fn await_some<T>(within: Duration, mut condition: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
    let started = Instant::now();
    loop {
        if let Some(value) = condition()? {
            return Ok(Some(value));
        }
        if started.elapsed() > within {
            return Ok(None);
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// A connection whose every step is bounded.
pub(super) fn connect(address: &str) -> Result<TcpStream> {
    let address: SocketAddr = address.parse().with_context(|| format!("`{address}` is no address"))?;
    let stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    Ok(stream)
}

/// What can be sent to a backend's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGTERM: end in order.
    Stop,
    /// SIGKILL: end at once.
    Kill,
    /// SIGSTOP: stand still.
    Pause,
    /// SIGCONT: go on.
    Resume,
}

pub(super) fn signal(pid: u32, signal: Signal) -> Result<()> {
    use rustix::process::{Pid, Signal as Number, kill_process};
    let number = match signal {
        Signal::Stop => Number::TERM,
        Signal::Kill => Number::KILL,
        Signal::Pause => Number::STOP,
        Signal::Resume => Number::CONT,
    };
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw).with_context(|| format!("{pid} is no process id"))?;
    kill_process(process, number).with_context(|| format!("cannot send {signal:?} to process {pid}"))
}
