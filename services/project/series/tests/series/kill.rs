//! What was acknowledged is there after a kill, whatever the process was doing: putting, merging, or opening.
//!
//! The child is this test again, told by a variable where its store is. It puts for ever and prints what was acknowledged; the parent kills it
//! and compares, twenty times over the same store.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use loki_domain::{Sample, Series};
use loki_series::{Options, Store};
use tempfile::tempdir;

use crate::given::{HOUR, instant, sample, series};

const ROUNDS: i64 = 20;
const SERIES: i64 = 50;
const FOLDER: &str = "LOKI_SERIES_KILL_FOLDER";
const FROM: &str = "LOKI_SERIES_KILL_FROM";
/// Longer than twenty opened stores take on a busy machine; the parent waits for lines, not for time.
const PATIENCE: Duration = Duration::from_secs(60);

fn options() -> Options {
    Options { fresh_points_max: 1_000, ..Options::default() }
}

fn of(number: i64) -> Series {
    series(&format!("kill{{host=h{number}}}"))
}

/// The samples of one step: one of each series, one that is late, and one that replaces what another step put.
fn samples(step: i64) -> Vec<Sample> {
    let mut samples: Vec<Sample> =
        (0..SERIES).map(|number| sample(&of(number), HOUR + step * 10_000, (step * SERIES + number) as f64)).collect();
    samples.push(sample(&of(step % SERIES), HOUR + step * 10_000 - 5_001, step as f64));
    samples.push(sample(&of(0), HOUR - 60_000, step as f64));
    samples
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    if let Ok(folder) = env::var(FOLDER) {
        put_until_killed(Path::new(&folder), env::var(FROM).expect("where to begin").parse().expect("a step"));
    }
    let folder = tempdir().unwrap();
    let mut acknowledged = -1;
    for round in 0..ROUNDS {
        acknowledged = run_and_kill(folder.path(), acknowledged + 1, round);
        let store = Store::open(folder.path(), options()).unwrap();
        check(&store, acknowledged);
    }
    assert!(acknowledged > ROUNDS, "hardly anything was put");
}

fn put_until_killed(folder: &Path, from: i64) -> ! {
    let store = Store::open(folder, options()).expect("the child's store");
    let mut out = std::io::stdout();
    for step in from.. {
        store.put(&samples(step)).expect("put");
        writeln!(out, "acknowledged {step}").and_then(|()| out.flush()).expect("the parent listens");
    }
    unreachable!("there are always more steps")
}

/// Returns the last step that was acknowledged before the kill.
fn run_and_kill(folder: &Path, from: i64, round: i64) -> i64 {
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "kill::what_was_acknowledged_survives_a_kill", "--nocapture"])
        .envs([(FOLDER, folder.as_os_str()), (FROM, from.to_string().as_ref())])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let steps = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("acknowledged ").and_then(|step| step.parse().ok()));
        for step in steps {
            if sender.send(step).is_err() {
                return;
            }
        }
    });
    // a different number of steps each time, so that kills meet puts and merges at different places
    let mut last = from - 1;
    for _ in 0..=round * 7 % 31 {
        last = receiver.recv_timeout(PATIENCE).expect("the child puts");
    }
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    reader.join().unwrap();
    receiver.try_iter().last().unwrap_or(last)
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // it has ended already unless the test failed
        let _ended = self.0.kill();
        let _waited = self.0.wait();
    }
}

fn check(store: &Store, acknowledged: i64) {
    let mut wanted = Vec::new();
    let mut expected = Vec::new();
    for sample in (0..=acknowledged).flat_map(samples) {
        // replaced by every later step, perhaps by one that was not acknowledged
        if sample.at != instant(HOUR - 60_000) {
            wanted.push((sample.series, sample.at));
            expected.push(Some(sample.value));
        }
    }
    assert_eq!(store.find(&wanted).unwrap(), expected);
    let replaced = store.find(&[(of(0), instant(HOUR - 60_000))]).unwrap()[0].expect("it was put").get();
    assert!(replaced >= acknowledged as f64, "{replaced} is older than {acknowledged}");
}
