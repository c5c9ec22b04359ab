//! Signatures of minisign over archives: <https://jedisct1.github.io/minisign/>.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use minisign_verify::{PublicKey, Signature};

/// A public key, as its file holds it or as the one line of it that counts.
pub(crate) fn key(text: &str) -> Result<PublicKey, String> {
    let text = text.trim();
    let read = if text.contains('\n') { PublicKey::decode(text) } else { PublicKey::from_base64(text) };
    read.map_err(|error| format!("it is no public key of minisign ({error}): use what `minisign.pub` holds"))
}

/// Whether an archive is to be unpacked, by the key of this host and the signature that its package has.
pub(crate) fn check(archive: &Path, key_text: Option<&str>, signature: Option<&str>) -> Result<(), String> {
    let (key_text, signature) = match (key_text, signature) {
        (None, None) => return Ok(()),
        (None, Some(_)) => return Err("the package is signed by minisign, and this host knows no key: set `agent.minisign`".to_owned()),
        (Some(_), None) => return Err("this host takes only packages that are signed by minisign, and this one is not".to_owned()),
        (Some(key_text), Some(signature)) => (key_text, signature),
    };
    let key = key(key_text)?;
    let signature = Signature::decode(signature).map_err(|error| format!("the package's minisign signature cannot be read: {error}"))?;
    let mut verifier = key.verify_stream(&signature).map_err(|error| match error {
        minisign_verify::Error::UnexpectedKeyId => "the archive was signed by another minisign key than this host's".to_owned(),
        minisign_verify::Error::UnsupportedLegacyMode => {
            "the archive was signed in minisign's old way: sign it by minisign 0.10 or later".to_owned()
        }
        error => format!("the minisign signature cannot be checked: {error}"),
    })?;
    let mut file = File::open(archive).map_err(|error| error.to_string())?;
    let mut bytes = vec![0; 64 << 10];
    loop {
        match file.read(&mut bytes).map_err(|error| error.to_string())? {
            0 => break,
            read => verifier.update(bytes.get(..read).unwrap_or_default()),
        }
    }
    verifier.finalize().map_err(|_| "the archive is not what was signed by minisign".to_owned())
}
