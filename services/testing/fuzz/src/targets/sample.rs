//! Records of the samples' topic.

use std::cell::RefCell;

use bytes::Bytes;
use loki_domain::Sample;
use loki_wire::sample::{self, READER_BYTES_MAX, Reader};

thread_local! {
    static READER: RefCell<Reader> = RefCell::new(Reader::new(READER_BYTES_MAX));
}

/// The reader that remembers series says the same as the one that does not, and what is good is written and read again the same.
pub(crate) fn sample(input: &[u8]) {
    let value = Bytes::copy_from_slice(input);
    // with the header of those that Loki has written itself, and without
    let (_, written) = sample::write([]);
    for headers in [Vec::new(), written] {
        let read = sample::read(Some(&value), &headers);
        let remembering = READER.with_borrow_mut(|reader| reader.read(Some(&value), &headers));
        assert_eq!(format!("{read:?}"), format!("{remembering:?}"));
        let good: Vec<Sample> = read.into_iter().flatten().flatten().collect();
        if good.is_empty() {
            continue;
        }
        let (value, headers) = sample::write(good.iter());
        let again: Vec<Sample> = sample::read(Some(&value), &headers).unwrap().into_iter().map(Result::unwrap).collect();
        assert_eq!(again, good);
    }
}
