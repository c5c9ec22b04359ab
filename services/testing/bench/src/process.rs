//! Somebody's process: started, listened to, stopped still, let go on, and what of the machine it uses.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use loki_runtime::clock::Stopwatch;
use loki_runtime::task;
use loki_testing::child;
use rustix::process::{Pid, Signal, kill_process};

const END_WITHIN: Duration = Duration::from_secs(30);
/// How long it may take to say what is waited for.
const SAY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// It dies with this process, and when it is dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

/// The binary `loki`, which is built into the same folder as this program.
pub(crate) fn loki() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("loki");
    anyhow::ensure!(program.is_file(), "{} is not there: `make bench` builds it first", program.display());
    Ok(program)
}

impl Process {
    /// Its output goes into `log`.
    pub(crate) fn start(program: &Path, arguments: &[&str], environment: &[(&str, String)], log: &Path) -> Result<Self> {
        let file = std::fs::File::options().create(true).append(true).open(log)?;
        let mut command = child::bound(program)?;
        command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        Ok(Self { child: child::spawn(command)?, log: log.to_owned() })
    }

    /// An error when it has ended, with what it said.
    pub(crate) fn check(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        anyhow::bail!("it ended with {status}: {}", self.said())
    }

    /// The end of its log.
    pub(crate) fn said(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Waits for a line with these words, and gives what follows them in it.
    pub(crate) async fn says(&mut self, words: &str) -> Result<String> {
        let watch = Stopwatch::start();
        loop {
            let said = std::fs::read_to_string(&self.log)?;
            // a line without its end may be half a line
            let mut lines = said.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            if let Some((_, rest)) = lines.find_map(|line| line.split_once(words)) {
                return Ok(rest.to_owned());
            }
            self.check()?;
            anyhow::ensure!(watch.elapsed() < SAY_WITHIN, "it does not say `{words}`: {}", self.said());
            task::sleep(LOOK_EVERY).await;
        }
    }

    /// It stands still, with its connections open.
    pub(crate) fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    pub(crate) fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// How long it has had a processor, in itself and for itself in the kernel, threads that have ended included.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let stat = self.proc("stat")?;
        // what is before the last parenthesis is a name, in which anything may be
        let fields: Vec<&str> = stat.rsplit_once(')').context("no stat of a process")?.1.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).context("no stat of a process");
        let ticks = ticks(11)? + ticks(12)?;
        Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    }

    /// How many bytes of the machine's memory it has now, those of its files that are mapped included.
    pub(crate) fn memory(&self) -> Result<u64> {
        self.kibibytes("VmRSS:")
    }

    /// The most that it ever had.
    pub(crate) fn memory_peak(&self) -> Result<u64> {
        self.kibibytes("VmHWM:")
    }

    fn kibibytes(&self, name: &str) -> Result<u64> {
        let status = self.proc("status")?;
        let kibibytes = status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Ok(kibibytes.context("no memory of a process")? << 10)
    }

    /// Asks it to end, and waits; one that does not end is killed.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let watch = Stopwatch::start();
        while self.child.try_wait()?.is_none() {
            anyhow::ensure!(watch.elapsed() < END_WITHIN, "it does not end: {}", self.said());
            task::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    fn proc(&self, file: &str) -> Result<String> {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).context("it has ended")
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let process = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process id")?;
        Ok(kill_process(process, signal)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // one that has ended cannot be killed, which is as good
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
