//! Hooks that hang, leave something behind, or print without end.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use loki_executor::{Outcome, Step};
use loki_runtime::clock::Stopwatch;
use loki_wire::task::Document;

use crate::host::{Host, Package, document, failure, lines, run, until};

fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").unwrap().contains("\nUid:\t0\t0\t")
}

fn is_running(pid_file: &Path) -> bool {
    let pid = std::fs::read_to_string(pid_file).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_hangs_is_ended_with_all_that_it_began() {
    let host = Host::new();
    assert_eq!(host.carry_out(&document(1, 1, Package::new("1.0").wanted(&host))).await, Outcome::Succeeded);
    let hangs = Package::new("2.0").hook("start", "sleep 600 & echo $! >$LOKI_SHARED_DIR/pid; echo waiting; wait");
    let outcome = host.carry_out(&Document { timeout_ms: 3_000, ..document(2, 1, hangs.wanted(&host)) }).await;
    assert_eq!(failure(&outcome), (Step::Start, "`start` had not ended when the task's time was over, and was killed; `1.0` serves again"));
    until("what it began is gone", || !is_running(&host.shared("pid"))).await;
    assert_eq!(host.serves().as_deref(), Some("1.0"));
    let output = host.executor.output(run(2)).unwrap();
    let start = output.iter().find(|output| output.step == "start").unwrap();
    assert_eq!(lines(&start.path)[0], "waiting");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_told_to_stop_is_not_started_again() {
    let host = Host::new();
    assert_eq!(host.carry_out(&document(1, 1, Package::new("1.0").wanted(&host))).await, Outcome::Succeeded);
    let slow = Package::new("2.0").hook("prepare", "sleep 600");
    let outcome = host.carry_out(&Document { timeout_ms: 1_500, ..document(2, 1, slow.wanted(&host)) }).await;
    assert_eq!(failure(&outcome).0, Step::Prepare);
    assert_eq!(host.log()[4..], ["2.0 prepare"]);
    assert_eq!(host.serves().as_deref(), Some("1.0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hook_leaves_behind_holds_up_nothing() {
    let host = Host::new();
    let leaves = "(while :; do echo still here; sleep 0.05; done) & echo $! >$LOKI_SHARED_DIR/pid; echo started";
    let package = Package::new("1.0").hook("start", leaves).hook("stop", "kill $(cat $LOKI_SHARED_DIR/pid)");
    let took = Stopwatch::start();
    assert_eq!(host.carry_out(&document(1, 1, package.wanted(&host))).await, Outcome::Succeeded);
    assert!(took.elapsed() < Duration::from_secs(10), "{:?}", took.elapsed());
    assert!(is_running(&host.shared("pid")), "it goes on, and its output is taken from it");
    assert_eq!(host.carry_out(&document(2, 1, Package::new("2.0").wanted(&host))).await, Outcome::Succeeded);
    until("it was stopped", || !is_running(&host.shared("pid"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_kept_from_its_beginning() {
    let host = Host::with(|config| config.output_bytes_max = 1_000);
    let prints = Package::new("1.0").hook("prepare", "head -c 100000000 /dev/zero | tr '\\0' x").hook("test", "echo fine; echo so >&2");
    assert_eq!(host.carry_out(&document(1, 1, prints.wanted(&host))).await, Outcome::Succeeded);
    let output = host.executor.output(run(1)).unwrap();
    let of = |step: &str| lines(&output.iter().find(|output| output.step == step).unwrap().path);
    assert_eq!(of("prepare"), ["x".repeat(1_000), "[99999000 bytes more were left out]".to_owned()]);
    assert_eq!(of("test"), ["fine", "so"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_get_what_they_are_promised_and_no_more() {
    let host = Host::new();
    let package = Package::new("1.0").hook("start", "env >$LOKI_SHARED_DIR/env; pwd >$LOKI_SHARED_DIR/pwd; cat >$LOKI_SHARED_DIR/stdin");
    assert_eq!(host.carry_out(&document(1, 1, package.wanted(&host))).await, Outcome::Succeeded);
    let environment = lines(&host.shared("env"));
    // a shell sets some of its own
    let names = environment.iter().filter_map(|line| line.split('=').next()).filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    let own = ["LOKI_PACKAGE", "LOKI_RELEASE", "LOKI_RELEASE_DIR", "LOKI_RUN", "LOKI_SERVER", "LOKI_SHARED_DIR", "LOKI_VERSION"];
    assert_eq!(names, [&["HOME", "LANG"][..], &own, &["PATH"]].concat());
    let release = host.web().join("releases").join(package.id().to_string());
    assert_eq!(lines(&host.shared("pwd")), [release.canonicalize().unwrap().display().to_string()]);
    assert_eq!(lines(&host.shared("stdin")), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_run_as_their_user() {
    let host = Host::new();
    let named = |version: &'static str, user: &str| {
        let mut package = Package::new(version)
            .hook("start", "id -un >>$LOKI_SHARED_DIR/log; echo seen; touch here etc/there; id -G >$LOKI_SHARED_DIR/groups");
        package.manifest.user = Some(user.to_owned());
        package
    };
    let missing = host.carry_out(&document(1, 1, named("1.0", "no-such-user").wanted(&host))).await;
    assert!(failure(&missing).1.contains("there is no user `no-such-user`"), "{missing:?}");
    let is_root = is_root();
    std::fs::set_permissions(host.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let other = if is_root { "nobody" } else { "root" };
    let other = host.carry_out(&document(2, 1, named("2.0", other).wanted(&host))).await;
    if is_root {
        assert_eq!(other, Outcome::Succeeded);
        assert_ne!(std::fs::read_to_string(host.shared("groups")).unwrap().split_whitespace().next(), Some("0"));
        assert_eq!(host.log(), ["2.0 prepare", "2.0 start", "nobody", "2.0 test", "2.0 finish"]);
        let output = host.executor.output(run(2)).unwrap();
        assert_eq!(lines(&output.iter().find(|output| output.step == "start").unwrap().path), ["seen"]);
    } else {
        assert!(failure(&other).1.contains("only an agent that runs as root"), "{other:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_shared_is_a_link_to_is_given_to_nobody() {
    let host = Host::new();
    std::fs::set_permissions(host.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let elsewhere = host.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::create_dir(host.web()).unwrap();
    symlink(&elsewhere, host.web().join("shared")).unwrap();
    let owner = elsewhere.metadata().unwrap().uid();
    let mut package = Package::new("1.0");
    package.manifest.user = is_root().then(|| "nobody".to_owned());
    package.manifest.hooks.clear();
    assert_eq!(host.carry_out(&document(1, 1, package.wanted(&host))).await, Outcome::Succeeded);
    assert_eq!(elsewhere.metadata().unwrap().uid(), owner);
    assert_ne!(is_root(), host.web().join("current/version").metadata().unwrap().uid() == owner, "the release is given all the same");
}
