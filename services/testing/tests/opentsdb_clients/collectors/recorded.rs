//! Requests as they were recorded: `recorded/README.md` says by which program.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;

/// A request of HTTP/1.1.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) method: String,
    pub(super) target: String,
    headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl Recorded {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// The requests of a file, one after the other.
pub(super) fn requests(name: &str) -> Vec<Recorded> {
    let mut rest = Bytes::from(fs::read(place(name)).unwrap());
    let mut found = Vec::new();
    while !rest.is_empty() {
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n").expect("the end of a head");
        let head = String::from_utf8(rest.split_to(end).to_vec()).unwrap();
        drop(rest.split_to(4));
        let mut lines = head.split("\r\n");
        // raw braces are allowed in a target, spaces are not
        let [method, target, "HTTP/1.1"] = lines.next().unwrap().split(' ').collect::<Vec<_>>()[..] else { panic!("{head}") };
        let headers = lines.map(|line| line.split_once(": ").unwrap()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut request = Recorded { method: method.to_owned(), target: target.to_owned(), headers, body: Bytes::new() };
        request.body = rest.split_to(request.header("Content-Length").map_or(0, |length| length.parse().unwrap()));
        found.push(request);
    }
    assert!(!found.is_empty(), "{name} is empty");
    found
}

/// The lines of a telnet connection.
pub(super) fn lines(name: &str) -> String {
    fs::read_to_string(place(name)).unwrap()
}

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/opentsdb_clients/recorded").join(name)
}
