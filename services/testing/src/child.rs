//! Processes that the kernel kills when this one dies, however it dies: a killed test leaves nothing behind.

use std::ffi::OsStr;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::real::program;

/// The program behind `setpriv --pdeathsig KILL`, which becomes the program: the process id is its own. For [`spawn`].
pub fn bound(name: impl AsRef<OsStr>) -> Result<Command> {
    let mut bound = Command::new(program("setpriv")?);
    bound.args(["--pdeathsig", "KILL", "--"]).arg(name);
    Ok(bound)
}

/// Starts what [`bound`] began.
pub fn spawn(command: Command) -> Result<Child> {
    let (answer, child) = mpsc::channel();
    SPAWNER.send((command, answer)).ok().context("the thread that starts processes has ended")?;
    child.recv().context("the thread that starts processes has ended")?.context("cannot start the process")
}

/// What a program says that reads nothing. One that has not ended by itself within `limit` is killed, and that is an error with what it had said.
pub fn output(command: &mut Command, limit: Duration) -> Result<Output> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.with_context(|| format!("cannot run {command:?}"))?;
    let pid = rustix::process::Pid::from_child(&child);
    let (ended, end) = mpsc::channel::<()>();
    let guard = thread::spawn(move || {
        let is_late = end.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout);
        if is_late {
            // it may have ended just now
            let _may_have_ended = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        is_late
    });
    let output = child.wait_with_output();
    drop(ended);
    let is_late = guard.join().ok().context("the thread that bounds a command has panicked")?;
    let output = output.with_context(|| format!("cannot read what {command:?} says"))?;
    let said = || format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(!is_late || output.status.success(), "{command:?} was killed after {limit:?}, having said: {}", said());
    Ok(output)
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
