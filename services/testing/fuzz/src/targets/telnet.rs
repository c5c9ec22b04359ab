//! Lines of a collector.

use loki_intake::telnet::{Lines, Said};

/// However the bytes are cut on their way, the same is taken and answered.
pub(crate) fn telnet(input: &[u8]) {
    let whole = said(input.chunks(input.len().max(1)));
    // a byte at a time, unless that takes too long
    let few = 1 + input.len() / 1_000;
    assert_eq!(said(input.chunks(few)), whole);
    assert_eq!(said(input.chunks(7 * few)), whole);
    assert!(whole.answers.is_empty() || whole.answers.ends_with('\n'), "{whole:?}");
}

fn said<'i>(chunks: impl Iterator<Item = &'i [u8]>) -> Said {
    let (mut lines, mut all) = (Lines::default(), Said::default());
    for chunk in chunks {
        lines.push(chunk);
        add(&mut all, lines.take(false));
        if all.exit {
            return all;
        }
    }
    add(&mut all, lines.take(true));
    all
}

fn add(all: &mut Said, said: Said) {
    all.samples.extend(said.samples);
    all.answers.push_str(&said.answers);
    all.refused += said.refused;
    all.exit |= said.exit;
}
