//! Processes: started so that they die with their owner, signalled, waited for within bounds.

use std::fs::OpenOptions;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::backend::{Backend, Place};
use super::folder::program;

/// How long a backend may take until it serves.
const READY_WITHIN: Duration = Duration::from_secs(60);
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

/// Starts a child that the kernel kills when this process dies, however it dies.
pub(super) fn spawn_bound(backend: &dyn Backend, place: &Place) -> Result<Child> {
    let bound = logged(bind_to_parent(&backend.command(place)?)?, place)?;
    let (answer, child) = mpsc::channel();
    SPAWNER.send((bound, answer)).ok().context("the thread that starts processes has ended")?;
    child.recv().context("the thread that starts processes has ended")?.context("cannot start the process")
}

/// The kernel counts the death of the *thread* that started the child: this one lives as long as the process.
static SPAWNER: LazyLock<mpsc::Sender<(Command, mpsc::Sender<std::io::Result<Child>>)>> = LazyLock::new(|| {
    let (orders, inbox) = mpsc::channel::<(Command, mpsc::Sender<std::io::Result<Child>>)>();
    thread::spawn(move || {
        for (mut command, answer) in inbox {
            // Whoever asked may be gone; its child then dies with this process.
            drop(answer.send(command.spawn()));
        }
    });
    orders
});

/// The same command behind `setpriv --pdeathsig KILL`, which becomes the command: the process id is the backend's.
fn bind_to_parent(command: &Command) -> Result<Command> {
    let mut bound = Command::new(program("setpriv")?);
    bound.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
    Ok(bound)
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
