//! Digests: of a command's data (is a repeated id the same request?) and of an outcome (the chain).

use std::fmt::Write;

use sha2::{Digest as _, Sha256};

pub type Digest = [u8; 32];

pub fn sha256(parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

pub fn to_hex(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(digest.len() * 2), |mut text, byte| {
        // writing to a String cannot fail
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

pub fn from_hex(text: &str) -> Option<Digest> {
    let bytes = text.as_bytes();
    if bytes.len() != 64 {
        return None;
    }
    let mut digest = [0u8; 32];
    for (byte, pair) in digest.iter_mut().zip(bytes.chunks_exact(2)) {
        let digit = |letter: u8| (letter as char).to_digit(16).filter(|_| !letter.is_ascii_uppercase());
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_reads_back() {
        let digest = sha256(&[b"loki", b"", b"!"]);
        assert_eq!(from_hex(&to_hex(&digest)), Some(digest));
        assert_eq!(digest, sha256(&[b"loki!"]));
        assert_eq!(from_hex("00"), None);
        assert_eq!(from_hex(&"G".repeat(64)), None);
        assert_eq!(from_hex(&"A".repeat(64)), None);
    }
}
