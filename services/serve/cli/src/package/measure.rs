//! What is said of an archive: its digest, and how many bytes it has.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use loki_domain::Sha256;
use sha2::Digest as _;

use crate::exit::Failure;

pub(super) fn measure(path: &Path) -> Result<(Sha256, u64), Failure> {
    let wrong = |error: std::io::Error| Failure::usage(format!("cannot read the archive `{}`: {error}", path.display()));
    let mut file = File::open(path).map_err(wrong)?;
    let (mut digest, mut size, mut buffer) = (sha2::Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer).map_err(wrong)? {
            0 => return Ok((Sha256(digest.finalize().into()), size)),
            read => {
                digest.update(&buffer[..read]);
                size += read as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_measured() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "abc").unwrap();
        let (sha256, size) = measure(&path).unwrap();
        // FIPS 180-4's example
        assert_eq!(sha256.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(size, 3);
        assert!(measure(&folder.path().join("b")).unwrap_err().message.contains("cannot read the archive"));
    }
}
