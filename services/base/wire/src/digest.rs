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
    text.parse::<loki_domain::Sha256>().ok().map(|digest| digest.0)
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
