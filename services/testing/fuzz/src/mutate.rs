//! Makes bad bytes of good ones, as broken senders, old clients and people with bad intentions do.

use loki_core::generate::Random;

/// What takes the place of a word of JSON.
const WORDS: [&str; 16] = [
    "null",
    "true",
    "-0",
    "1e999",
    "-1",
    "0.1e-400",
    "18446744073709551616",
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"../../etc/passwd\"",
    "[]",
    "{}",
    "[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]",
    "\"NaN\"",
    "\"\u{202e}\u{feff}\"",
];

/// One to three changes.
pub fn mutated(random: &mut Random, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + random.below(3) {
        change(random, &mut bytes);
    }
    bytes
}

fn change(random: &mut Random, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        bytes.extend((0..random.below(40)).map(|_| random.below(256) as u8));
        return;
    }
    let at = random.below(bytes.len());
    match random.below(8) {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << random.below(8),
        2 => bytes[at] = random.below(256) as u8,
        3 => bytes.insert(at, random.below(256) as u8),
        4 => drop(bytes.drain(at..(at + 1 + random.below(20)).min(bytes.len()))),
        5 => {
            let part = bytes[at..(at + 1 + random.below(200)).min(bytes.len())].to_vec();
            let place = random.below(bytes.len());
            bytes.splice(place..place, part);
        }
        6 => word(random, bytes, at),
        // far more of it than anybody needs
        _ => {
            let part = vec![bytes[at]; 1 << (4 + random.below(15))];
            bytes.splice(at..at, part);
        }
    }
}

/// Another word in the place of the one that begins behind the next colon or comma.
fn word(random: &mut Random, bytes: &mut Vec<u8>, at: usize) {
    let Some(begin) = bytes[at..].iter().position(|byte| b":,[".contains(byte)).map(|begin| at + begin + 1) else { return };
    let end = bytes[begin..].iter().position(|byte| b",}]".contains(byte)).map_or(bytes.len(), |end| begin + end);
    bytes.splice(begin..end, random.one(&WORDS).bytes());
}
