//! Archives that are not what a release is: each is refused, and leaves nothing behind; what serves is not touched.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use loki_executor::{Outcome, Step};
use tar::EntryType;

use crate::archive::{Archive, gzip};
use crate::host::{Host, Package, document, failure, lines, run};

async fn unpacked(host: &Host, number: u8, bytes: &[u8]) -> Outcome {
    let path = host.path().join("archive");
    std::fs::write(&path, bytes).unwrap();
    let wanted = Package::new("1.0").at(&format!("file://{}", path.display()), bytes);
    host.carry_out(&document(number, 1, wanted)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_belong_into_a_release_is_refused() {
    let host = Host::with(|config| {
        config.limits.unpacked_bytes_max = 1 << 20;
        config.limits.entries_max = 20;
    });
    assert_eq!(host.carry_out(&document(200, 1, Package::new("0.9").wanted(&host))).await, Outcome::Succeeded);
    let log = host.log();
    let serves = |name: &str| {
        assert_eq!(std::fs::read_dir(host.web().join("releases")).unwrap().count(), 1, "{name}");
        assert_eq!((host.serves().as_deref(), host.log()), (Some("0.9"), log.clone()), "{name}");
    };
    let many = (0..21).fold(Archive::new(), |archive, number| archive.file(&number.to_string(), b""));
    let zeros = vec![0; 2 << 20];
    let ok = || Archive::new().file("version", b"x").file("d/e/f", b"x");
    let cases = [
        ("parent", ok().file("../../../../out", b"x"), "`../../../../out` leads out of the release"),
        ("inner parent", ok().file("d/../../out", b"x"), "leads out"),
        ("absolute", ok().file("/tmp/loki-out", b"x"), "`/tmp/loki-out` leads out"),
        ("link out", ok().link("l", "../../shared/log"), "the link `l` leads out"),
        ("absolute link", ok().link("l", "/etc/passwd"), "the link `l` leads out"),
        ("link by a link", ok().link("d/e/top", "../..").link("l", "d/e/top/.."), "the link `l` leads out"),
        ("through a link", ok().link("l", "d/e").file("l/x", b"x"), "`l` above it is a link"),
        ("through a link out", Archive::new().link("l", "../..").file("l/x", b"x"), "`l` above it is a link"),
        ("folder over a link", ok().link("l", "../..").kind("l", EntryType::Directory), "`l` above it is a link"),
        ("hard link out", ok().hard_link("l", "../../../shared/log"), "the link `l` leads out"),
        ("hard link to a link", ok().link("a", "version").hard_link("l", "a"), "no file"),
        ("hard link through a link", ok().link("a", "d/e").hard_link("l", "a/f"), "behind a link"),
        ("block device", ok().kind("l", EntryType::Block), "device"),
        ("character device", ok().kind("l", EntryType::Char), "device"),
        ("pipe", ok().kind("l", EntryType::Fifo), "pipe"),
        ("unknown kind", ok().kind("l", EntryType::new(b'Z')), "kind 'Z'"),
        ("too many", many, "more than 20 entries: see `agent.entries_max`"),
        ("too deep", ok().file(&"d/".repeat(21), b""), "more than 20 entries: see `agent.entries_max`"),
        ("bomb", ok().file("zeros", &zeros), "more than 1048576 bytes: see `agent.unpacked_max`"),
        ("long name", ok().long_name(3 << 20), "more than a mebibyte"),
    ];
    for (number, (name, archive, said)) in (1..).zip(cases) {
        let outcome = unpacked(&host, number, &archive.gzip()).await;
        let (step, message) = failure(&outcome);
        assert!(step == Step::Unpack && message.contains(said), "{name}: {message}");
        serves(name);
    }
    let no_tar = unpacked(&host, 101, &gzip(b"hello")).await;
    assert_eq!(failure(&no_tar).0, Step::Unpack, "{no_tar:?}");
    assert!(failure(&unpacked(&host, 102, b"hello").await).1.contains("neither tar nor tar.gz"));
    let cut = ok().file("more", &zeros[..9_000]).gzip();
    assert_eq!(failure(&unpacked(&host, 103, &cut[..cut.len() / 2]).await).0, Step::Unpack);
    assert!(!std::path::Path::new("/tmp/loki-out").exists());
    serves("what is no archive");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_release_may_have_is_as_it_was() {
    let host = Host::new();
    let archive = Archive::new()
        .kind("./bin/", EntryType::Directory)
        .mode("./bin/plain", 0o755)
        .mode("./bin/root", 0o6755)
        .link("./bin/link", "plain")
        .hard_link("./bin/hard", "bin/plain")
        .file("version", b"old")
        .file("version", b"1.0")
        .file("shared", b"its own");
    assert_eq!(unpacked(&host, 1, &archive.tar()).await, Outcome::Succeeded);
    let release = host.web().join("current");
    let mode = |name: &str| release.join(name).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("bin/plain"), mode("bin/root"), mode("bin")), (0o755, 0o755, 0o755));
    assert_eq!(release.join("bin/hard").metadata().unwrap().ino(), release.join("bin/link").metadata().unwrap().ino());
    assert_eq!(release.join("version").metadata().unwrap().mtime(), 1_700_000_000);
    assert_eq!(host.serves().as_deref(), Some("1.0"), "the last of a name counts");
    assert_eq!(std::fs::read(release.join("shared")).unwrap(), b"its own");
    let output = host.executor.output(run(1)).unwrap();
    let noted = output.iter().find(|output| output.step == "unpack").unwrap();
    assert_eq!(lines(&noted.path), ["the setuid or setgid bits of 1 files were cleared"]);
}
