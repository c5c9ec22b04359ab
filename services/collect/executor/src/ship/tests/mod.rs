//! Attempts whose files are written by hand, in the order in which hooks and the executor write them.

mod walk;

use std::io::Write;
use std::path::PathBuf;

use loki_domain::ServerId;
use loki_wire::fact::v1::deploy::Manifest;
use loki_wire::task::Release;
use tempfile::TempDir;

use super::*;
use crate::journal::Ended;
use crate::task::Outcome;
use crate::{durable, prune};

const HOOK_BYTES_MAX: u64 = 100_000;

struct Host {
    _root: TempDir,
    layout: Layout,
}

fn run(number: u8) -> RunId {
    RunId::from_digest(&[number; 32])
}

fn release() -> Wanted {
    let manifest = Manifest { hooks: Default::default(), user: None, unit: None, health: None };
    let text = String::new;
    Wanted::Release(Box::new(Release {
        name: text(),
        release: text(),
        version: text(),
        url: text(),
        sha256: text(),
        size: 1,
        minisign: None,
        manifest,
    }))
}

impl Host {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self { layout: Layout::make(root.path()).unwrap(), _root: root }
    }

    /// An attempt that has begun.
    fn begin(&self, number: u8, wanted: Wanted) -> PathBuf {
        let document =
            Document { run: run(number).to_string(), server: ServerId::MIN.to_string(), attempt: 1, expires_ms: 9, timeout_ms: 9, wanted };
        journal::keep(&self.layout, run(number), &document).unwrap();
        let folder = self.layout.attempt(run(number), 1);
        Progress::default().write(&folder).unwrap();
        folder
    }
}

fn own(folder: &Path, step: &str) -> PathBuf {
    let own = folder.join(format!("{step}.0/own"));
    std::fs::create_dir_all(&own).unwrap();
    own
}

/// A hook writes this.
fn print(folder: &Path, step: &str, bytes: &[u8]) {
    let out = File::options().create(true).append(true).open(own(folder, step).join("out"));
    out.unwrap().write_all(bytes).unwrap();
}

/// The hook has ended; `note` follows what it has written.
fn keep(folder: &Path, step: &str, note: &str) {
    let mut bytes = std::fs::read(own(folder, step).join("out")).unwrap_or_default();
    bytes.truncate(HOOK_BYTES_MAX as usize);
    bytes.extend(note.bytes());
    durable::write(&folder.join(format!("{step}.log")), &bytes).unwrap();
    durable::remove(&own(folder, step).join("out")).unwrap();
}

fn end(folder: &Path, at_ms: i64) {
    Progress { ended: Some(Ended { at_ms, outcome: Outcome::Succeeded }), ..Progress::default() }.write(folder).unwrap();
}

/// The next chunk, and that it is handed out once more.
fn chunk(folder: &Path) -> Chunk {
    let Unshipped::Chunk(chunk) = next(folder, HOOK_BYTES_MAX).unwrap() else { panic!("there is none") };
    assert_eq!(next(folder, HOOK_BYTES_MAX).unwrap(), Unshipped::Chunk(chunk.clone()));
    chunk
}

/// Step, offset, text and whether it is the last, of the chunk that is shipped then.
fn ship(folder: &Path) -> (&'static str, u64, String, bool) {
    let chunk = chunk(folder);
    shipped(folder, &chunk).unwrap();
    (chunk.step, chunk.offset, chunk.text(), chunk.is_last)
}

fn is(step: &'static str, offset: u64, text: &str, is_last: bool) -> (&'static str, u64, String, bool) {
    (step, offset, text.to_owned(), is_last)
}

#[test]
fn what_is_printed_is_shipped_while_it_is_and_after() {
    let host = Host::new();
    let folder = host.begin(1, release());
    assert_eq!(next(&folder, HOOK_BYTES_MAX).unwrap(), Unshipped::NothingYet);
    durable::write(&folder.join("unpack.log"), b"cleared\n").unwrap();
    assert_eq!(ship(&folder), is("unpack", 0, "cleared\n", false));
    print(&folder, "start", b"one\n");
    assert_eq!(ship(&folder), is("start", 8, "one\n", false));
    assert_eq!(next(&folder, HOOK_BYTES_MAX).unwrap(), Unshipped::NothingYet);
    print(&folder, "start", b"two\n");
    let two = chunk(&folder);
    // what comes meanwhile comes with the next one
    print(&folder, "start", b"three\n");
    keep(&folder, "start", "[5 bytes more were left out]\n");
    assert_eq!(chunk(&folder), two);
    assert_eq!(ship(&folder), is("start", 12, "two\n", false));
    shipped(&folder, &two).unwrap();
    assert_eq!(ship(&folder), is("start", 16, "three\n[5 bytes more were left out]\n", false));
    print(&folder, "test", b"");
    assert_eq!(next(&folder, HOOK_BYTES_MAX).unwrap(), Unshipped::NothingYet);
    keep(&folder, "test", "");
    print(&folder, "back-stop", b"back\n");
    keep(&folder, "back-stop", "");
    print(&folder, "back-start", b"there\n");
    keep(&folder, "back-start", "");
    end(&folder, 1);
    let offset = 16 + "three\n[5 bytes more were left out]\n".len() as u64;
    assert_eq!(ship(&folder), is("back-stop", offset, "back\n", false));
    assert_eq!(ship(&folder), is("back-start", offset + 5, "there\n", true));
    assert_eq!(next(&folder, HOOK_BYTES_MAX).unwrap(), Unshipped::Done);
    assert!(is_done(&folder).unwrap());
}

#[test]
fn the_end_is_told_also_where_nothing_is_left_to_tell() {
    let host = Host::new();
    let script = Wanted::Script { script: "true".to_owned(), user: None, output_bytes_max: 4 };
    let (folder, silent, empty) = (host.begin(1, script.clone()), host.begin(2, release()), host.begin(3, script));
    // no more of a script's output is read than it may have
    print(&folder, "script", b"all that");
    assert_eq!(ship(&folder), is("script", 0, "all ", false));
    end(&folder, 3);
    assert_eq!(ship(&folder), is("script", 4, "", true));
    end(&silent, 2);
    end(&empty, 1);
    let waiting = [(run(3), 1), (run(2), 1)];
    assert_eq!(ended(&host.layout).unwrap(), waiting);
    assert_eq!(ship(&silent), is("fetch", 0, "", true));
    assert_eq!(ship(&empty), is("script", 0, "", true));
    assert_eq!(ended(&host.layout).unwrap(), []);
    assert_eq!(next(&host.layout.attempt(run(4), 1), HOOK_BYTES_MAX).unwrap(), Unshipped::Done, "it is not there");
}

#[test]
fn what_is_given_up_is_done() {
    let host = Host::new();
    let folder = host.begin(1, release());
    print(&folder, "start", b"one\n");
    let one = chunk(&folder);
    end(&folder, 1);
    give_up(&folder).unwrap();
    shipped(&folder, &one).unwrap();
    assert_eq!((next(&folder, HOOK_BYTES_MAX).unwrap(), ended(&host.layout).unwrap()), (Unshipped::Done, vec![]));
    give_up(&host.layout.attempt(run(2), 1)).unwrap();
}

#[test]
fn what_is_removed_meanwhile_shifts_nothing() {
    let host = Host::new();
    let folder = host.begin(1, release());
    for (step, letter) in [("prepare", b'a'), ("stop", b'b'), ("start", b'c'), ("test", b'd')] {
        print(&folder, step, &vec![letter; CHUNK_BYTES_MAX + 1]);
        keep(&folder, step, "");
    }
    end(&folder, 1);
    let log = |step: &str| folder.join(format!("{step}.log"));
    assert_eq!(ship(&folder).1, 0);
    // of the first a byte is lost, of the second all
    std::fs::remove_file(log("prepare")).unwrap();
    std::fs::remove_file(log("stop")).unwrap();
    let (step, offset, ..) = ship(&folder);
    assert_eq!((step, offset), ("start", CHUNK_BYTES_MAX as u64));
    // of this one a byte was sent, and nobody knows whether it was taken
    let sent = chunk(&folder);
    assert_eq!(sent.bytes, b"c");
    std::fs::remove_file(log("start")).unwrap();
    let after = chunk(&folder);
    assert_eq!((after.step, after.offset), ("test", sent.offset + 1));
    std::fs::remove_file(log("test")).unwrap();
    assert_eq!(ship(&folder), is("test", after.offset + after.bytes.len() as u64, "", true));
    assert_eq!(next(&folder, HOOK_BYTES_MAX).unwrap(), Unshipped::Done);
}

#[test]
fn what_is_shipped_is_removed_first() {
    let host = Host::new();
    for (number, at_ms) in [(1, 1), (2, 2), (3, 3)] {
        let folder = host.begin(number, release());
        print(&folder, "start", &[b'x'; 100]);
        keep(&folder, "start", "");
        end(&folder, at_ms);
    }
    let left = || [1, 2, 3].map(|number| host.layout.attempt(run(number), 1).join("start.log").exists());
    ship(&host.layout.attempt(run(2), 1));
    prune::remove_outputs(&host.layout, 200, 3);
    assert_eq!(left(), [true, false, true]);
    // for more than the newest there is no room
    prune::remove_outputs(&host.layout, 50, 3);
    assert_eq!(left(), [false, false, true]);
    ship(&host.layout.attempt(run(3), 1));
    prune::remove_outputs(&host.layout, 50, 3);
    assert_eq!(left(), [false, false, false]);
}

#[test]
fn characters_stay_whole() {
    let host = Host::new();
    let folder = host.begin(1, release());
    // the border is within the last "ä"
    let text = "x".repeat(CHUNK_BYTES_MAX - 1) + "ä";
    print(&folder, "start", text.as_bytes());
    let first = chunk(&folder);
    assert!(first.is_full() && first.bytes.len() == CHUNK_BYTES_MAX - 1);
    shipped(&folder, &first).unwrap();
    // the rest of this one may still come
    print(&folder, "start", &"€".as_bytes()[..2]);
    let (_, offset, text, _) = ship(&folder);
    assert_eq!((offset, text.as_str()), (CHUNK_BYTES_MAX as u64 - 1, "ä"));
    assert_eq!(next(&folder, HOOK_BYTES_MAX).unwrap(), Unshipped::NothingYet);
    print(&folder, "start", &"€".as_bytes()[2..]);
    print(&folder, "start", b"\xff\x80-\xf0\x9f");
    assert_eq!(ship(&folder).2, "€\u{fffd}\u{fffd}-");
    // and of this one it did not
    keep(&folder, "start", "");
    end(&folder, 1);
    assert_eq!(ship(&folder), is("start", CHUNK_BYTES_MAX as u64 + 7, "\u{fffd}", true));
}

#[test]
fn only_files_of_a_hook_s_user_are_read() {
    let host = Host::new();
    let folder = host.begin(1, release());
    let path = own(&folder, "start").join("out");
    std::os::unix::fs::symlink("/proc/self/status", &path).unwrap();
    assert_eq!(next(&folder, HOOK_BYTES_MAX).unwrap(), Unshipped::NothingYet);
    std::fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    assert_eq!(next(&folder, HOOK_BYTES_MAX).unwrap(), Unshipped::NothingYet);
    std::fs::remove_file(&path).unwrap();
    File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let mut bytes = 0;
    while let Unshipped::Chunk(chunk) = next(&folder, HOOK_BYTES_MAX).unwrap() {
        bytes += chunk.bytes.len() as u64;
        shipped(&folder, &chunk).unwrap();
    }
    assert_eq!(bytes, HOOK_BYTES_MAX);
}
