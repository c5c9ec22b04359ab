//! Headers of tar may be as long as they say, and are read into memory: so what is read between two files is bounded.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Long names and attributes of one entry, with room.
const HEADER_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Clone)]
pub(super) struct Budget(Rc<Cell<u64>>);

impl Default for Budget {
    fn default() -> Self {
        Self(Rc::new(Cell::new(HEADER_BYTES_MAX)))
    }
}

impl Budget {
    /// A header is read next.
    pub(super) fn header(&self) {
        self.0.set(HEADER_BYTES_MAX);
    }

    /// A file's bytes are read next, which are counted elsewhere.
    pub(super) fn data(&self) {
        self.0.set(u64::MAX);
    }

    pub(super) fn reader<R: Read>(&self, inner: R) -> impl Read + use<R> {
        Within { inner, left: self.clone() }
    }
}

struct Within<R> {
    inner: R,
    left: Budget,
}

impl<R: Read> Read for Within<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.0.get().checked_sub(read as u64) {
            Some(left) => self.left.0.set(left),
            None => return Err(io::Error::other("it has more than a mebibyte between two of its files")),
        }
        Ok(read)
    }
}
