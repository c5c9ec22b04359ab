//! Packages that are units of systemd, on a host that has it.

use std::os::unix::fs::PermissionsExt;

use loki_executor::{Outcome, Step};

use crate::host::{Host, Package, document, failure, lines};

/// Makes systemd of a host: a `systemctl` that writes down what it is told, and refuses to start: once where a file says so, and where a unit has
/// crashed too often until that is forgotten. Nothing is to be forgotten of any other.
pub(crate) fn make_systemd(host: &Host) {
    let lines = "#!/bin/sh
cd \"${0%/*}\"
echo \"$@\" >>told
case $1 in
    reset-failed) rm crashed ;;
    start) if [ -e crashed ]; then echo start request repeated too quickly >&2; exit 1; fi
        if [ -e refuses ]; then rm refuses; echo job failed >&2; exit 1; fi ;;
esac
";
    std::fs::create_dir(host.path().join("systemd")).unwrap();
    std::fs::write(host.path().join("systemctl"), lines).unwrap();
    std::fs::set_permissions(host.path().join("systemctl"), PermissionsExt::from_mode(0o755)).unwrap();
}

pub(crate) fn package(version: &'static str) -> Package {
    let mut package = Package::new(version);
    package.manifest.unit = Some("web.service".to_owned());
    package
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_is_told_in_the_place_of_hooks() {
    let host = Host::new();
    make_systemd(&host);
    assert_eq!(host.carry_out(&document(1, 1, package("1.0").wanted(&host))).await, Outcome::Succeeded);
    assert_eq!(host.carry_out(&document(2, 1, package("2.0").wanted(&host))).await, Outcome::Succeeded);
    let told = host.path().join("told");
    assert_eq!(lines(&told), ["reset-failed", "start", "stop", "reset-failed", "start"].map(|verb| format!("{verb} -- web.service")));
    assert_eq!(host.log(), ["1.0 prepare", "1.0 test", "1.0 finish", "2.0 prepare", "2.0 test", "2.0 finish"]);
    std::fs::write(host.path().join("refuses"), "").unwrap();
    let outcome = host.carry_out(&document(3, 1, package("3.0").wanted(&host))).await;
    assert_eq!(failure(&outcome), (Step::Start, "`systemctl start web.service` has failed: job failed; `2.0` serves again"));
    let verbs = ["stop", "reset-failed", "start", "stop", "reset-failed", "start"];
    assert_eq!(lines(&told)[5..], verbs.map(|verb| format!("{verb} -- web.service")));
    assert_eq!(host.serves().as_deref(), Some("2.0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_crashed_too_often_is_started_again() {
    let host = Host::new();
    make_systemd(&host);
    assert_eq!(host.carry_out(&document(1, 1, package("1.0").wanted(&host))).await, Outcome::Succeeded);
    let crashes = package("2.0").hook("test", &format!("touch {}; exit 1", host.path().join("crashed").display()));
    let outcome = host.carry_out(&document(2, 1, crashes.wanted(&host))).await;
    assert_eq!(failure(&outcome), (Step::Test, "`test` ended with 1; `1.0` serves again"));
}
