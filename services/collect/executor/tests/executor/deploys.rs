//! Deploys that go well, and the order of what they do.

use loki_executor::{Accepted, Outcome, Step};
use loki_wire::fact::v1::deploy::Check;

use crate::host::{Host, Package, STEPS, document, failure, nothing, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_installed_replaced_and_gone_back_to() {
    let host = Host::new();
    let (one, two) = (Package::new("1.0"), Package::new("2.0"));
    assert_eq!(host.carry_out(&document(1, 1, one.wanted(&host))).await, Outcome::Succeeded);
    assert_eq!(host.told(), STEPS);
    assert_eq!(host.log(), ["1.0 prepare", "1.0 start", "1.0 test", "1.0 finish"]);
    assert_eq!(host.serves().as_deref(), Some("1.0"));
    assert_eq!(std::fs::read_to_string(host.web().join("current/etc/link")).unwrap(), "1.0");
    assert!(host.web().join("current/shared/log").is_file(), "what releases have in common is in each");

    assert_eq!(host.carry_out(&document(2, 1, two.wanted(&host))).await, Outcome::Succeeded);
    assert_eq!(host.log()[4..], ["2.0 prepare", "1.0 stop", "2.0 start", "2.0 test", "2.0 finish"]);
    assert_eq!(host.serves().as_deref(), Some("2.0"));

    // what is kept is not fetched again
    let back = one.wanted(&host);
    std::fs::remove_file(host.path().join("the archive of 1.0.tgz")).unwrap();
    assert_eq!(host.carry_out(&document(3, 1, back)).await, Outcome::Succeeded);
    assert_eq!(host.log()[9..], ["1.0 prepare", "2.0 stop", "1.0 start", "1.0 test", "1.0 finish"]);
    assert_eq!(host.serves().as_deref(), Some("1.0"));
    assert_eq!(std::fs::read_dir(host.path().join("root/.archives")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_only_asked_for_its_health() {
    let host = Host::new();
    let ill = Check::Command { command: "[ ! -e $LOKI_SHARED_DIR/ill ]".to_owned() };
    let package = Package::new("1.0").health(ill, 60, 3_000);
    assert_eq!(host.carry_out(&document(1, 1, package.wanted(&host))).await, Outcome::Succeeded);
    let log = host.log();
    host.told();
    assert_eq!(host.carry_out(&document(2, 1, package.wanted(&host))).await, Outcome::Succeeded);
    assert_eq!(host.told(), ["health"]);
    let ended = host.take(&document(2, 1, package.wanted(&host)));
    assert!(matches!(ended, Accepted::Ended(Outcome::Succeeded)), "{ended:?}");
    std::fs::write(host.shared("ill"), "").unwrap();
    let failed = host.carry_out(&document(3, 1, package.wanted(&host))).await;
    assert_eq!(failure(&failed).0, Step::Health);
    assert_eq!((host.log(), host.serves().as_deref()), (log, Some("1.0")), "nothing is stopped for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_serves_when_nothing_is_wanted() {
    let host = Host::new();
    assert_eq!(host.carry_out(&document(1, 1, nothing())).await, Outcome::Succeeded);
    assert_eq!(host.carry_out(&document(2, 1, Package::new("1.0").wanted(&host))).await, Outcome::Succeeded);
    host.told();
    assert_eq!(host.carry_out(&document(3, 1, nothing())).await, Outcome::Succeeded);
    assert_eq!(host.told(), ["stop", "switch", "prune"]);
    assert_eq!(host.log().last().map(String::as_str), Some("1.0 stop"));
    assert_eq!(host.serves(), None);
    assert!(host.web().join("current").symlink_metadata().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_is_not_good_gives_way_to_the_one_before() {
    let host = Host::new();
    let one = Package::new("1.0").command("[ -e $LOKI_SHARED_DIR/../current/etc/conf ]");
    assert_eq!(host.carry_out(&document(1, 1, one.wanted(&host))).await, Outcome::Succeeded);
    let cases = [
        ("prepare", Package::new("2.0").hook("prepare", "echo no luck; exit 3"), Step::Prepare, vec!["2.0 prepare"], "no luck"),
        (
            "start",
            Package::new("3.0").hook("start", "exit 4"),
            Step::Start,
            vec!["3.0 prepare", "1.0 stop", "3.0 start", "3.0 stop", "1.0 start"],
            "`start` ended with 4; `1.0` serves again",
        ),
        (
            "health",
            Package::new("4.0").health(Check::Command { command: "exit 1".to_owned() }, 10, 100),
            Step::Health,
            vec!["4.0 prepare", "1.0 stop", "4.0 start", "4.0 test", "4.0 stop", "1.0 start"],
            "`1.0` serves again",
        ),
        (
            "finish",
            Package::new("5.0").hook("finish", "exit 137"),
            Step::Finish,
            vec!["5.0 prepare", "1.0 stop", "5.0 start", "5.0 test", "5.0 finish", "5.0 stop", "1.0 start"],
            "`finish` ended with 137; `1.0` serves again",
        ),
    ];
    for (number, (name, package, step, lines, said)) in (2..).zip(cases) {
        let before = host.log().len();
        let outcome = host.carry_out(&document(number, 1, package.wanted(&host))).await;
        let (at, message) = failure(&outcome);
        assert!(at == step && message.ends_with(said), "{name}: {outcome:?}");
        assert_eq!(host.log()[before..], lines, "{name}");
        assert_eq!(host.serves().as_deref(), Some("1.0"), "{name}");
        // the same again is told, not done
        assert!(matches!(host.take(&document(number, 1, package.wanted(&host))), Accepted::Ended(found) if found == outcome));
    }
    let told = host.told();
    assert_eq!(told[told.len() - 3..], ["finish", "finish: `finish` ended with 137", "back"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_back_tells_when_it_fails() {
    let host = Host::new();
    let one = Package::new("1.0").hook("start", "[ ! -e $LOKI_SHARED_DIR/broken ] || exit 5");
    let two = Package::new("2.0").hook("test", "touch $LOKI_SHARED_DIR/broken; exit 1").hook("stop", "exit 9");
    let first = host.carry_out(&document(1, 1, two.wanted(&host))).await;
    assert_eq!(failure(&first), (Step::Test, "`test` ended with 1; nothing serves, as before"));
    assert_eq!(host.serves(), None);
    std::fs::remove_file(host.shared("broken")).unwrap();
    assert_eq!(host.carry_out(&document(2, 1, one.wanted(&host))).await, Outcome::Succeeded);
    let second = host.carry_out(&document(3, 1, two.wanted(&host))).await;
    assert!(failure(&second).1.ends_with("; the way back failed, nothing serves: `back-start` ended with 5"), "{second:?}");
    // it can be mended by the next one
    std::fs::remove_file(host.shared("broken")).unwrap();
    assert_eq!(host.carry_out(&document(4, 1, Package::new("3.0").wanted(&host))).await, Outcome::Succeeded);
    assert_eq!(host.serves().as_deref(), Some("3.0"));
}

/// As a disk that was full leaves it: neither the failure nor the way back is written down.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_failed_and_gone_back_does_not_go_on() {
    let host = Host::new();
    assert_eq!(host.carry_out(&document(1, 1, Package::new("1.0").wanted(&host))).await, Outcome::Succeeded);
    let package = Package::new("2.0").health(Check::Command { command: "[ -e $LOKI_SHARED_DIR/good ]".to_owned() }, 10, 100);
    let document = document(2, 1, package.wanted(&host));
    assert_eq!(failure(&host.carry_out(&document).await).0, Step::Health);
    let path = host.path().join("root/.tasks").join(run(2).to_string()).join("1/progress.json");
    let mut progress: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(progress["at"], "health");
    (progress["back"], progress["ended"]) = (().into(), ().into());
    std::fs::write(&path, progress.to_string()).unwrap();
    std::fs::write(host.shared("good"), "").unwrap();
    let outcome = host.carry_out(&document).await;
    let said = "another release serves than this task had switched to; `1.0` serves again";
    assert_eq!((failure(&outcome), host.serves().as_deref()), ((Step::Health, said), Some("1.0")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_has_to_stay_good() {
    let host = Host::new();
    // good twice, then ill once, then good
    let flaps = "n=$(($(cat $LOKI_SHARED_DIR/n 2>/dev/null || echo 0) + 1)); echo $n >$LOKI_SHARED_DIR/n; [ $n != 3 ]";
    let package = Package::new("1.0").health(Check::Command { command: flaps.to_owned() }, 200, 10_000);
    assert_eq!(host.carry_out(&document(1, 1, package.wanted(&host))).await, Outcome::Succeeded);
    let asked: u32 = std::fs::read_to_string(host.shared("n")).unwrap().trim().parse().unwrap();
    assert!(asked > 4, "{asked}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let listens = Package::new("2.0").health(Check::Tcp { port }, 30, 5_000);
    assert_eq!(host.carry_out(&document(2, 1, listens.wanted(&host))).await, Outcome::Succeeded);
    drop(listener);
    let silent = Package::new("3.0").health(Check::Tcp { port }, 10, 100);
    assert_eq!(failure(&host.carry_out(&document(3, 1, silent.wanted(&host))).await).0, Step::Health);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_releases_go() {
    let host = Host::with(|config| config.limits.kept = 2);
    for (number, version) in (1..).zip(["1", "2", "3", "4"]) {
        assert_eq!(host.carry_out(&document(number, 1, Package::new(version).wanted(&host))).await, Outcome::Succeeded);
    }
    let left = ["1", "2", "3", "4"].map(|version| host.web().join("releases").join(Package::new(version).id().to_string()).is_dir());
    assert_eq!(left, [false, false, true, true]);
}
