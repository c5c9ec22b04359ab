//! Archives, made entry by entry: also such as no tool would make.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

pub(crate) struct Archive(Builder<Vec<u8>>);

impl Archive {
    pub(crate) fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    pub(crate) fn file(self, name: &str, bytes: &[u8]) -> Self {
        self.entry(name, EntryType::Regular, None, 0o644, bytes)
    }

    pub(crate) fn mode(self, name: &str, mode: u32) -> Self {
        self.entry(name, EntryType::Regular, None, mode, b"x")
    }

    pub(crate) fn link(self, name: &str, target: &str) -> Self {
        self.entry(name, EntryType::Symlink, Some(target), 0o777, b"")
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(name, EntryType::Link, Some(target), 0o644, b"")
    }

    pub(crate) fn kind(self, name: &str, kind: EntryType) -> Self {
        self.entry(name, kind, None, 0o644, b"")
    }

    /// A header with the letters as they are, which the crate would not write.
    fn entry(mut self, name: &str, kind: EntryType, target: Option<&str>, mode: u32, bytes: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name.as_bytes());
        if let Some(target) = target {
            old.linkname[..target.len()].copy_from_slice(target.as_bytes());
        }
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(1_700_000_000);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        self.0.append(&header, bytes).unwrap();
        self
    }

    /// A name that is so long, of which the header says nothing else.
    pub(crate) fn long_name(mut self, bytes: usize) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::GNULongName);
        header.set_size(bytes as u64);
        header.set_cksum();
        self.0.append(&header, vec![b'a'; bytes].as_slice()).unwrap();
        self
    }

    pub(crate) fn tar(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }

    pub(crate) fn gzip(self) -> Vec<u8> {
        gzip(&self.tar())
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
