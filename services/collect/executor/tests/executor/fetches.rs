//! Archives over networks that break off, stall and lie.

use loki_executor::{Outcome, Step};
use loki_runtime::{Secret, Shutdown, task};
use loki_wire::task::Wanted;

use crate::archive::Archive;
use crate::host::{Host, Package, document, failure, until};
use crate::server::{Answer, Server};

fn archive() -> Vec<u8> {
    // no zeros, which would be all that is in a compressed one
    let bytes: Vec<u8> = (0..60_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    Archive::new().file("version", b"1.0").file("bytes", &bytes).tar()
}

fn changed(wanted: Wanted, change: impl FnOnce(&mut loki_wire::task::Release)) -> Wanted {
    match wanted {
        Wanted::Release(mut release) => {
            change(&mut release);
            Wanted::Release(release)
        }
        other => other,
    }
}

/// What became of it, and from which byte each request asked. What served before does so until it is fetched as a whole.
async fn fetched(answers: impl IntoIterator<Item = Answer>) -> (Outcome, Vec<usize>) {
    let (host, bytes) = (Host::new(), archive());
    assert_eq!(host.carry_out(&document(200, 1, Package::new("0.9").wanted(&host))).await, Outcome::Succeeded);
    let log = host.log();
    let server = Server::begin(&bytes, answers).await;
    let outcome = host.carry_out(&document(1, 1, Package::new("1.0").at(&format!("{}/a.tar", server.url()), &bytes))).await;
    match outcome {
        Outcome::Succeeded => assert_eq!(host.serves().as_deref(), Some("1.0")),
        Outcome::Failed { .. } => assert_eq!((host.serves().as_deref(), host.log()), (Some("0.9"), log)),
    }
    (outcome, server.asked().into_iter().map(|(_, from, _)| from).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_off_or_stalls_is_gone_on_with() {
    let answers = [Answer::Cut(1_000), Answer::Status("503 Service Unavailable"), Answer::Stall(500)];
    assert_eq!(fetched(answers).await, (Outcome::Succeeded, vec![0, 1_000, 1_000, 1_500]));
    let (outcome, asked) = fetched([Answer::Cut(1), Answer::Cut(1), Answer::Cut(1), Answer::Cut(1)]).await;
    assert_eq!(failure(&outcome).0, Step::Fetch);
    assert_eq!(asked, [0, 1, 2, 3], "three times again, and no more");
    let (outcome, asked) = fetched([Answer::Status("404 Not Found")]).await;
    assert_eq!((failure(&outcome).1, asked.len()), ("the server answered 404 Not Found", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_are_no_archive() {
    let bytes = archive();
    let other = vec![b'x'; bytes.len()];
    // half of another file, then the rest of the right one: once more from the beginning
    let mut begun = Answer::Other(other[..500].to_vec());
    assert_eq!(fetched([begun.clone()]).await, (Outcome::Succeeded, vec![0, 500, 0]));
    let (outcome, asked) = fetched([begun.clone(), Answer::Whole, Answer::Other(other.clone())]).await;
    assert!(failure(&outcome).1.contains("SHA-256"), "{outcome:?}");
    assert_eq!(asked, [0, 500, 0]);
    let (outcome, asked) = fetched([Answer::Other(other.clone())]).await;
    assert!(failure(&outcome).1.contains("SHA-256"), "{outcome:?}");
    assert_eq!(asked, [0]);
    begun = Answer::Other([bytes, b"x".to_vec()].concat());
    let (outcome, asked) = fetched([begun]).await;
    assert!(failure(&outcome).1.contains("longer than"), "{outcome:?}");
    assert_eq!(asked, [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_ones_own_is_shown_the_token_and_no_other_is() {
    let bytes = archive();
    let (own, other) = (Server::begin(&bytes, []).await, Server::begin(&bytes, []).await);
    let host = Host::with(|config| (config.fetch.api, config.fetch.token) = (format!("{}/", own.url()), Secret::new("t0ken")));
    let wanted = Package::new("1.0").at("artifact", &bytes);
    let Wanted::Release(release) = &wanted else { panic!() };
    let path = format!("/v1/artifacts/{}", release.sha256);
    assert_eq!(host.carry_out(&document(1, 1, wanted)).await, Outcome::Succeeded);
    assert_eq!(own.asked(), [(path, 0, Some("Bearer t0ken".to_owned()))]);
    let wanted = Package::new("2.0").at(&format!("{}/a", other.url()), &bytes);
    assert_eq!(host.carry_out(&document(2, 1, wanted)).await, Outcome::Succeeded);
    assert_eq!(other.asked(), [("/a".to_owned(), 0, None)]);
    // what lies in S3 comes by way of the API, which has the keys
    let wanted = Package::new("3.0+b").at("s3://packages/web.tgz", &bytes);
    assert_eq!(host.carry_out(&document(3, 1, wanted)).await, Outcome::Succeeded);
    assert_eq!(own.asked().pop(), Some(("/v1/packages/web/3.0+b/archive".to_owned(), 0, Some("Bearer t0ken".to_owned()))));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_no_room_or_no_way_for_is_told_before_anything_is_done() {
    let bytes = archive();
    let full = Host::with(|config| config.limits.free_bytes_min = u64::MAX / 2);
    let no_room = full.carry_out(&document(1, 1, Package::new("1.0").wanted(&full))).await;
    assert!(failure(&no_room).1.starts_with("the disk has ") && failure(&no_room).1.ends_with("see `agent.free_min`"), "{no_room:?}");
    let small = Host::with(|config| config.limits.archive_bytes_max = 10);
    assert!(failure(&small.carry_out(&document(1, 1, Package::new("1.0").wanted(&small))).await).1.ends_with(": see `agent.archive_max`"));
    let host = Host::new();
    let missing = host.carry_out(&document(2, 1, Package::new("1.0").at("file:///no/such/file", &bytes))).await;
    assert!(failure(&missing).1.contains("cannot be copied"), "{missing:?}");
    let longer = changed(Package::new("1.0").wanted(&host), |release| release.size += 1);
    assert!(failure(&host.carry_out(&document(3, 1, longer)).await).1.contains("is no file of"));
    let refused = host.carry_out(&document(4, 1, Package::new("1.0").at("http://127.0.0.1:1/a", &bytes))).await;
    assert!(failure(&refused).1.starts_with("the archive could not be fetched"), "{refused:?}");
}

/// Of the readme of minisign-verify: the key, and what it has signed.
const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
const SIGNED: &str = "untrusted comment: signature from minisign secret key
RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=
trusted comment: timestamp:1556193335\tfile:test
y/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==";

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_minisign_has_not_signed_is_not_unpacked() {
    let host = Host::with(|config| config.minisign = Some(KEY.to_owned()));
    let unsigned = host.carry_out(&document(1, 1, Package::new("1.0").wanted(&host))).await;
    assert!(failure(&unsigned).1.contains("only packages that are signed"), "{unsigned:?}");
    let signed = |wanted: Wanted| changed(wanted, |release| release.minisign = Some(SIGNED.to_owned()));
    let other = host.carry_out(&document(2, 1, signed(Package::new("1.0").wanted(&host)))).await;
    assert_eq!(failure(&other), (Step::Fetch, "the archive is not what was signed by minisign"));
    // what was signed is no archive: that is found out one step later
    std::fs::write(host.path().join("test"), "test").unwrap();
    let right = signed(Package::new("1.0").at(&format!("file://{}", host.path().join("test").display()), b"test"));
    let right = host.carry_out(&document(3, 1, right)).await;
    assert_eq!(failure(&right), (Step::Unpack, "the archive is neither tar nor tar.gz"));
    let without = Host::new();
    let keyless = without.carry_out(&document(1, 1, signed(Package::new("1.0").wanted(&without)))).await;
    assert!(failure(&keyless).1.contains("set `agent.minisign`"), "{keyless:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_ends_a_fetch_that_goes_on_later() {
    let (host, bytes) = (Host::with(|config| config.fetch.stall = std::time::Duration::from_secs(60)), archive());
    let server = Server::begin(&bytes, [Answer::Stall(2_000)]).await;
    let document = document(1, 1, Package::new("1.0").at(&format!("{}/a", server.url()), &bytes));
    let (stop, executor, begun) = (Shutdown::new(), host.executor.clone(), host.task(&document));
    let stopped = stop.clone();
    let going = task::spawn("task", async move { executor.carry_out(&begun, |_, _| {}, &stopped).await });
    let parts = host.path().join("root/.archives");
    until("a part is there", || {
        let lengths = std::fs::read_dir(&parts).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
        lengths.sum::<u64>() == 2_000
    })
    .await;
    stop.begin();
    assert_eq!(going.await.unwrap(), None);
    assert_eq!(host.carry_out(&document).await, Outcome::Succeeded);
    assert_eq!(server.asked().iter().map(|(_, from, _)| *from).collect::<Vec<_>>(), [0, 2_000]);
}
