//! Signatures of Ed25519 over exact bytes.
//!
//! What is signed is the pre-authentication encoding of DSSE 1.0 (<https://github.com/secure-systems-lab/dsse>): `DSSEv1`, the length and the
//! text of the payload's type, the length of the payload and the payload, with blanks between. A signed command's payload is five lines, each
//! ended by a line feed: actor, id, type, `expires` in milliseconds since 1970, and the SHA-256 of the data in base 16. So a signature is for
//! one command, which is done once: its id is remembered for as long as it may come again.

use std::fmt;
use std::str::FromStr;

use loki_domain::{Invalid, PublicKey, Signature, TokenName};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::digest::{from_hex, sha256, to_hex};
use crate::envelope::Envelope;
use crate::error::{At, Error};

/// The payload's type of a command.
const COMMAND: &str = "application/vnd.loki.command.v1";
/// What a secret begins with, so that a scanner for leaked secrets knows it.
const PREFIX: &str = "loki_";

/// The secret half of a key, `loki_` and 64 digits in base 16. Nothing shows it but [`Secret::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Of 32 random bytes.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(seed)
    }

    /// A new one; `None` when the system gives no random bytes.
    pub fn random() -> Option<Self> {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).ok()?;
        Some(Self(seed))
    }

    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", to_hex(&self.0))
    }

    pub fn public(&self) -> PublicKey {
        let mut key = [0; 32];
        if let Some(pair) = self.pair() {
            key.copy_from_slice(pair.public_key().as_ref());
        }
        PublicKey(key)
    }

    /// Signs a payload of a type.
    pub fn sign(&self, kind: &str, payload: &[u8]) -> Signature {
        let mut signature = [0; 64];
        if let Some(pair) = self.pair() {
            signature.copy_from_slice(pair.sign(&encoded(kind, payload)).as_ref());
        }
        Signature(signature)
    }

    /// `None` never: every 32 bytes are a seed.
    fn pair(&self) -> Option<Ed25519KeyPair> {
        Ed25519KeyPair::from_seed_unchecked(&self.0).ok()
    }

    /// Signs a command in the name of the token that has this secret. It has to have an id and an end.
    pub fn sign_command(&self, token: &TokenName, envelope: &mut Envelope) -> Result<(), Error> {
        envelope.keyid = Some(token.to_string());
        envelope.signature = Some(self.sign(COMMAND, &payload(envelope)?).to_string());
        Ok(())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl FromStr for Secret {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let digits = text.strip_prefix(PREFIX).and_then(from_hex);
        digits.map(Self).ok_or_else(|| Invalid(format!("a token's secret is `{PREFIX}` and 64 of 0-9 and a-f")))
    }
}

/// A command's signature, which may be anybody's until it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    pub token: TokenName,
    signature: Signature,
    payload: Vec<u8>,
}

impl Signed {
    /// What an envelope says of its signature; `None` for a command that is not signed.
    pub fn read(envelope: &Envelope) -> Result<Option<Self>, Error> {
        let (token, signature) = match (&envelope.keyid, &envelope.signature) {
            (None, None) => return Ok(None),
            (Some(token), Some(signature)) => (token.parse().at("keyid")?, signature.parse().at("signature")?),
            (Some(_), None) => return Err(missing("signature")),
            (None, Some(_)) => return Err(missing("keyid")),
        };
        Ok(Some(Self { token, signature, payload: payload(envelope)? }))
    }

    pub fn is_of(&self, key: &PublicKey) -> bool {
        is_signed(COMMAND, &self.payload, &self.signature, key)
    }
}

/// Whether a payload of a type was signed by whoever has the secret half of a key.
pub fn is_signed(kind: &str, payload: &[u8], signature: &Signature, key: &PublicKey) -> bool {
    UnparsedPublicKey::new(&ED25519, key.0).verify(&encoded(kind, payload), &signature.0).is_ok()
}

fn encoded(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

fn payload(envelope: &Envelope) -> Result<Vec<u8>, Error> {
    let id = envelope.id.as_ref().ok_or_else(|| missing("id"))?;
    let expires_ms = envelope.expires_ms.ok_or_else(|| missing("expires"))?;
    let digest = to_hex(&sha256(&[&envelope.data]));
    Ok(format!("{}\n{id}\n{}\n{expires_ms}\n{digest}\n", envelope.actor, envelope.kind).into_bytes())
}

fn missing(field: &'static str) -> Error {
    Error::Envelope { field, message: "is missing: a signed command has `id`, `expires`, `keyid` and `signature`".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed() -> (Secret, Envelope) {
        let secret = Secret::new([7; 32]);
        let mut envelope = Envelope::new("run.pause", br#"{"run":"7rvn000000000001"}"#.as_slice());
        (envelope.id, envelope.expires_ms) = (Some("ci-1".to_owned()), Some(1_764_201_600_000));
        "ci".clone_into(&mut envelope.actor);
        secret.sign_command(&"ci-shop".parse().unwrap(), &mut envelope).unwrap();
        (secret, envelope)
    }

    #[test]
    fn a_signature_is_for_one_command_by_one_key() {
        let (secret, envelope) = signed();
        let is_of = |envelope: &Envelope| Signed::read(envelope).unwrap().unwrap().is_of(&secret.public());
        let read = Signed::read(&envelope).unwrap().unwrap();
        assert!(read.token.as_str() == "ci-shop" && read.is_of(&secret.public()));
        assert!(!read.is_of(&Secret::new([8; 32]).public()) && !read.is_of(&PublicKey([0; 32])) && !read.is_of(&PublicKey([255; 32])));
        let changes: [fn(&mut Envelope); 5] = [
            |envelope| envelope.id = Some("ci-2".to_owned()),
            |envelope| "run.stop".clone_into(&mut envelope.kind),
            |envelope| "bob".clone_into(&mut envelope.actor),
            |envelope| envelope.expires_ms = Some(1_764_201_600_001),
            |envelope| envelope.data = br#"{"run":"7rvn000000000002"}"#.as_slice().into(),
        ];
        for change in changes {
            let mut changed = envelope.clone();
            change(&mut changed);
            assert!(!is_of(&changed), "{changed:?}");
        }
        let again = Envelope::read(Some(&envelope.data), &envelope.headers()).unwrap();
        assert!(is_of(&again), "it goes through the log");
    }

    #[test]
    fn a_signature_that_is_not_whole_names_what_is_missing() {
        let (_, envelope) = signed();
        let field = |envelope: Envelope| Signed::read(&envelope).unwrap_err().field().map(str::to_owned);
        assert_eq!(field(Envelope { id: None, ..envelope.clone() }).as_deref(), Some("id"));
        assert_eq!(field(Envelope { expires_ms: None, ..envelope.clone() }).as_deref(), Some("expires"));
        assert_eq!(field(Envelope { keyid: None, ..envelope.clone() }).as_deref(), Some("keyid"));
        assert_eq!(field(Envelope { signature: None, ..envelope.clone() }).as_deref(), Some("signature"));
        assert_eq!(field(Envelope { signature: Some("ab".to_owned()), ..envelope.clone() }).as_deref(), Some("signature"));
        assert_eq!(Signed::read(&Envelope { keyid: None, signature: None, ..envelope }), Ok(None));
    }

    #[test]
    fn random_secrets_differ() {
        let (one, other) = (Secret::random().unwrap(), Secret::random().unwrap());
        assert!(one != other && one.public() != other.public());
    }

    /// The first test vector of RFC 8032, section 7.1: the key; and that a secret is never shown by chance.
    #[test]
    fn a_secret_reads_back_and_is_not_shown() {
        let text = "loki_9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let secret: Secret = text.parse().unwrap();
        assert_eq!(secret.reveal(), text);
        assert_eq!(secret.public().to_string(), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(format!("{secret:?}"), "Secret(***)");
        for bad in ["", "loki_", &text[1..], &text[..60], &text.to_uppercase()] {
            assert!(bad.parse::<Secret>().is_err(), "{bad}");
        }
    }
}
