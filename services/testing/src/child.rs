//! Processes that the kernel kills when this one dies, however it dies: a killed test leaves nothing behind.

use std::ffi::OsStr;
use std::process::{Child, Command};
use std::sync::{LazyLock, mpsc};
use std::thread;

use anyhow::{Context, Result};

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
