//! kill -9 in each step, and once more from the beginning: each hook has run once, and what serves is what should.
//!
//! The agent is this binary again, as a process of its own that carries out one document. It waits at the beginning of a step when it is told to,
//! and hooks wait in their middle; there it is killed.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use loki_executor::{Accepted, Executor, Outcome, Step};
use loki_runtime::Shutdown;
use loki_testing::shell::wait_for;
use loki_wire::task::{Document, Wanted};
use tokio::process::{Child, Command};

use crate::host::{Host, NOW_MS, Package, STEPS, config, document, failure, lines, signed, until};

/// The folder in which a process finds what it has to do.
const FOLDER: &str = "LOKI_TEST_EXECUTOR";
/// The step at the beginning of which it waits for ever.
const WAITS_AT: &str = "LOKI_TEST_EXECUTOR_WAITS_AT";

/// No test, but the agent's process, where it is told what to do.
#[tokio::test(flavor = "multi_thread")]
async fn agent() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let (folder, waits_at) = (Path::new(&folder), std::env::var(WAITS_AT).ok());
    let document: Document = serde_json::from_slice(&std::fs::read(folder.join("document")).unwrap()).unwrap();
    let (text, signature) = signed(&document);
    let executor = Executor::open(config(&folder.join("root"))).unwrap();
    let outcome = match executor.accept(&text, &signature, NOW_MS).unwrap() {
        Accepted::Ended(outcome) => outcome,
        Accepted::Open(task) => {
            let told = |step: Step, _: Option<&str>| {
                if waits_at.as_deref() == Some(step.as_str()) {
                    std::fs::write(folder.join("waits"), "").unwrap();
                    loop {
                        std::thread::sleep(Duration::from_secs(1));
                    }
                }
            };
            executor.carry_out(&task, told, &Shutdown::new()).await.unwrap()
        }
    };
    std::fs::write(folder.join("outcome"), serde_json::to_vec(&outcome).unwrap()).unwrap();
}

struct Agent {
    folder: PathBuf,
    child: Option<Child>,
}

impl Agent {
    /// On a host on which 1.0 serves.
    async fn new(document: impl FnOnce(&Host) -> Document) -> (Self, tempfile::TempDir) {
        let host = Host::new();
        assert_eq!(host.carry_out(&self::document(1, 1, Package::new("1.0").wanted(&host))).await, Outcome::Succeeded);
        let document = document(&host);
        std::fs::write(host.path().join("document"), serde_json::to_vec(&document).unwrap()).unwrap();
        std::fs::remove_file(host.shared("log")).unwrap();
        // its lock goes with it
        let Host { folder, executor, .. } = host;
        drop(executor);
        (Self { folder: folder.path().to_owned(), child: None }, folder)
    }

    fn begin(&mut self, waits_at: &str) {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["kills::agent", "--exact", "--test-threads=1", "--nocapture"])
            .env(FOLDER, &self.folder)
            .env(WAITS_AT, waits_at)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        self.child = Some(child.unwrap());
    }

    /// Once this file is there.
    async fn kill_at(&mut self, file: &str) {
        let mut child = self.child.take().unwrap();
        tokio::select! {
            () = until(file, || self.folder.join(file).exists()) => child.kill().await.unwrap(),
            ended = child.wait() => panic!("it has ended before it came to {file}: {ended:?}"),
        }
    }

    /// What became of it, of a process that nobody kills.
    async fn end(&mut self) -> Outcome {
        self.begin("");
        assert!(self.child.take().unwrap().wait().await.unwrap().success());
        serde_json::from_slice(&std::fs::read(self.folder.join("outcome")).unwrap()).unwrap()
    }

    fn log(&self) -> Vec<String> {
        lines(&self.folder.join("root/web/shared/log"))
    }

    fn serves(&self) -> String {
        std::fs::read_to_string(self.folder.join("root/web/current/version")).unwrap()
    }

    fn go(&self) {
        std::fs::write(self.folder.join("go"), "").unwrap();
    }
}

/// Says that it is in its middle, and waits there.
fn waits(host: &Host) -> String {
    let folder = host.path().display();
    let until_go = wait_for(&host.path().join("go"));
    format!("touch {folder}/waits; {until_go}; echo $LOKI_VERSION done >>$LOKI_SHARED_DIR/log")
}

/// One case beside the other: each of them waits most of the time.
async fn beside<T, F: Future<Output = ()> + Send + 'static>(cases: impl IntoIterator<Item = T>, case: impl Fn(T) -> F) {
    let running: Vec<_> = cases.into_iter().map(|one| loki_runtime::task::spawn("case", case(one))).collect();
    for one in running {
        one.await.unwrap();
    }
}

const GOOD: [&str; 5] = ["2.0 prepare", "1.0 stop", "2.0 start", "2.0 test", "2.0 finish"];
const BACK: [&str; 6] = ["2.0 prepare", "1.0 stop", "2.0 start", "2.0 test", "2.0 stop", "1.0 start"];

#[tokio::test(flavor = "multi_thread")]
async fn killed_when_a_step_begins() {
    beside(STEPS, |step| async move {
        let (mut agent, _folder) = Agent::new(|host| document(2, 1, Package::new("2.0").command("true").wanted(host))).await;
        agent.begin(step);
        agent.kill_at("waits").await;
        assert_eq!(agent.end().await, Outcome::Succeeded, "{step}");
        assert_eq!(agent.log(), GOOD, "{step}");
        assert_eq!(agent.serves(), "2.0", "{step}");
        assert_eq!(agent.end().await, Outcome::Succeeded, "{step}");
        assert_eq!(agent.log(), GOOD, "{step}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_when_nothing_is_wanted() {
    beside(["stop", "switch", "prune"], |step| async move {
        let (mut agent, _folder) = Agent::new(|_| document(2, 1, crate::host::nothing())).await;
        agent.begin(step);
        agent.kill_at("waits").await;
        assert_eq!(agent.end().await, Outcome::Succeeded, "{step}");
        assert_eq!(agent.log(), ["1.0 stop"], "{step}");
        assert!(!agent.folder.join("root/web/current").exists(), "{step}");
    })
    .await;
}

/// A unit has one name in all releases: to stop it for the one that is gone would stop the one that runs.
#[tokio::test(flavor = "multi_thread")]
async fn killed_when_a_unit_runs() {
    beside(["test", "finish"], |step| async move {
        let (mut agent, _folder) = Agent::new(|host| {
            crate::units::make_systemd(host);
            document(2, 1, crate::units::package("2.0").wanted(host))
        })
        .await;
        agent.begin(step);
        agent.kill_at("waits").await;
        assert_eq!(agent.end().await, Outcome::Succeeded, "{step}");
        assert_eq!(agent.log(), ["2.0 prepare", "1.0 stop", "2.0 test", "2.0 finish"], "{step}");
        assert_eq!(lines(&agent.folder.join("told")), ["reset-failed -- web.service", "start -- web.service"], "{step}");
    })
    .await;
}

/// The hook goes on; the next process waits for it, or finds that it has ended meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_hook() {
    beside((0..).zip(["prepare", "start", "test", "finish"]), |(number, hook)| async move {
        let (mut agent, _folder) = Agent::new(|host| document(2, 1, Package::new("2.0").hook(hook, &waits(host)).wanted(host))).await;
        agent.begin("");
        agent.kill_at("waits").await;
        if number % 2 == 0 {
            agent.go();
            until("the hook has ended", || agent.log().iter().any(|line| line == "2.0 done")).await;
            assert_eq!(agent.end().await, Outcome::Succeeded, "{hook}");
        } else {
            agent.begin("");
            agent.kill_at("waits").await;
            let going = agent.folder.join("go");
            let (outcome, ()) = tokio::join!(agent.end(), async {
                loki_runtime::task::sleep(Duration::from_millis(50)).await;
                std::fs::write(going, "").unwrap();
            });
            assert_eq!(outcome, Outcome::Succeeded, "{hook}");
        }
        let (done, run): (Vec<String>, Vec<String>) = agent.log().into_iter().partition(|line| line == "2.0 done");
        assert_eq!((done.len(), run), (1, GOOD.map(str::to_owned).to_vec()), "{hook}");
        assert_eq!(agent.serves(), "2.0", "{hook}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_the_way_back() {
    beside(["back", "back-stop", "test"], |step| async move {
        let (mut agent, _folder) = Agent::new(|host| {
            let package = Package::new("2.0");
            let package = match step {
                "back-stop" => package.hook("test", "exit 1").hook("stop", &waits(host)),
                "test" => package.hook("test", &format!("{}; exit 1", waits(host))),
                _ => package.hook("test", "exit 1"),
            };
            document(2, 1, package.wanted(host))
        })
        .await;
        agent.begin(if step == "back" { "back" } else { "" });
        agent.kill_at("waits").await;
        agent.go();
        let outcome = agent.end().await;
        assert_eq!(failure(&outcome), (Step::Test, "`test` ended with 1; `1.0` serves again"), "{step}");
        let log: Vec<String> = agent.log().into_iter().filter(|line| line != "2.0 done").collect();
        assert_eq!(log, BACK, "{step}");
        assert_eq!(agent.serves(), "1.0", "{step}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_back_has_its_time_after_the_agent_was_down() {
    beside(["back", "back-stop"], |step| async move {
        let (mut agent, _folder) = Agent::new(|host| {
            let package = Package::new("2.0").hook("test", "exit 1");
            let package = if step == "back" { package } else { package.hook("stop", &waits(host)) };
            document(2, 1, package.wanted(host))
        })
        .await;
        agent.begin(if step == "back" { "back" } else { "" });
        agent.kill_at("waits").await;
        let path = agent.folder.join("root/.tasks").join(crate::host::run(2).to_string()).join("1/progress.json");
        let mut progress: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        progress["back"]["since_ms"] = (NOW_MS - 3_600_000).into();
        std::fs::write(&path, progress.to_string()).unwrap();
        agent.go();
        let outcome = agent.end().await;
        assert_eq!(failure(&outcome), (Step::Test, "`test` ended with 1; `1.0` serves again"), "{step}");
        assert_eq!(agent.log().into_iter().filter(|line| line != "2.0 done").collect::<Vec<_>>(), BACK, "{step}");
    })
    .await;
}

/// Nobody knows how far it was: it is not run again.
#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_was_killed_too_is_not_run_again() {
    let (mut agent, _folder) = Agent::new(|host| {
        let lines = format!("echo $PPID >{}/wrapper; {}", host.path().display(), waits(host));
        document(2, 1, Package::new("2.0").hook("start", &lines).wanted(host))
    })
    .await;
    agent.begin("");
    agent.kill_at("waits").await;
    let stat = std::fs::read_to_string(agent.folder.join("wrapper")).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", stat.trim())).unwrap();
    // the group of the hook, as the machine's administrator would end it
    let group: i32 = stat.rsplit_once(") ").unwrap().1.split(' ').nth(2).unwrap().parse().unwrap();
    let killed = std::process::Command::new("/bin/sh").args(["-c", &format!("kill -9 -{group}")]).status().unwrap();
    assert!(killed.success());
    let outcome = agent.end().await;
    assert_eq!(failure(&outcome), (Step::Start, "`start` was killed before it ended; `1.0` serves again"));
    assert_eq!(agent.log(), ["2.0 prepare", "1.0 stop", "2.0 start", "2.0 stop", "1.0 start"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_killed_with_nobody_running_it_twice() {
    let (mut agent, _folder) = Agent::new(|host| {
        let script = format!("echo x >>{}/count; {}", host.path().display(), waits(host).replace("$LOKI_SHARED_DIR", ".."));
        document(2, 1, Wanted::Script { script, user: None, output_bytes_max: 100 })
    })
    .await;
    agent.begin("script");
    agent.kill_at("waits").await;
    std::fs::remove_file(agent.folder.join("waits")).unwrap();
    agent.begin("");
    agent.kill_at("waits").await;
    agent.go();
    assert_eq!(agent.end().await, Outcome::Succeeded);
    assert_eq!(lines(&agent.folder.join("count")), ["x"]);
}

/// At any instant, not at one that was chosen: many files are unpacked meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_unpacks() {
    let (mut agent, _folder) = Agent::new(|host| {
        let archive = (0..1_000).fold(crate::archive::Archive::new().file("version", b"2.0"), |archive, number| {
            archive.file(&format!("files/{}/{number}", number % 50), b"some bytes")
        });
        let (path, bytes) = (host.path().join("2.0.tgz"), archive.gzip());
        std::fs::write(&path, &bytes).unwrap();
        document(2, 1, Package::new("2.0").at(&format!("file://{}", path.display()), &bytes))
    })
    .await;
    let unpacking = format!("root/web/releases/.{}.new", Package::new("2.0").id());
    for part in ["version", "files/7/7", "files/49/999"] {
        // one that is too late finds it done
        agent.begin("prepare");
        let is_done = || agent.folder.join("waits").exists() || agent.folder.join(&unpacking).join(part).exists();
        until(part, is_done).await;
        agent.child.take().unwrap().kill().await.unwrap();
    }
    assert_eq!(agent.end().await, Outcome::Succeeded);
    assert_eq!((agent.log(), agent.serves().as_str()), (GOOD.map(str::to_owned).to_vec(), "2.0"));
    let files = (0..1_000).filter(|number| agent.folder.join(format!("root/web/current/files/{}/{number}", number % 50)).is_file());
    assert_eq!(files.count(), 1_000);
    assert_eq!(std::fs::read_dir(agent.folder.join("root/web/releases")).unwrap().count(), 2);
}

/// At any instant, again and again, each time a little later than the time before.
#[tokio::test(flavor = "multi_thread")]
async fn killed_wherever_it_is() {
    beside(["2.0", "3.0"], |version| async move {
        let (mut agent, _folder) = Agent::new(|host| {
            let package = Package::new("2.0").command("true");
            document(2, 1, if version == "2.0" { package } else { package.hook("finish", "exit 1") }.wanted(host))
        })
        .await;
        for later in 1.. {
            agent.begin("");
            let mut child = agent.child.take().unwrap();
            loki_runtime::task::timeout(Duration::from_millis(later * 3), child.wait()).await;
            child.kill().await.unwrap();
            if agent.folder.join("outcome").exists() {
                break;
            }
        }
        let outcome = agent.end().await;
        if version == "2.0" {
            assert_eq!((outcome, agent.log(), agent.serves().as_str()), (Outcome::Succeeded, GOOD.map(str::to_owned).to_vec(), "2.0"));
        } else {
            assert_eq!(failure(&outcome), (Step::Finish, "`finish` ended with 1; `1.0` serves again"));
            assert_eq!(agent.log(), [&GOOD[..], &BACK[4..]].concat());
            assert_eq!(agent.serves(), "1.0");
        }
    })
    .await;
}
