//! A token: who may have deploys and scripts carried out, on which part of the tree, and until when.
//!
//! A token's secret is the seed of a signing key, and never enters the log: what is kept is the public half, with which anybody can check what
//! the token has signed, and nobody can sign.

use std::fmt;
use std::str::FromStr;

use smol_str::SmolStr;

use crate::name::{PLAIN_MAX, check_plain, text, words};
use crate::{Invalid, NodeId, TokenId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub id: TokenId,
    /// Unique.
    pub name: TokenName,
    /// It covers this node and all under it; `None`: everything.
    pub node: Option<NodeId>,
    pub uses: Uses,
    pub key: PublicKey,
    /// From then on it covers nothing.
    pub expires_ms: Option<i64>,
}

impl Token {
    pub fn is_expired(&self, at_ms: i64) -> bool {
        self.expires_ms.is_some_and(|expires_ms| at_ms >= expires_ms)
    }
}

/// `ci-shop`: a-z, 0-9, `.`, `_`, `-`; 1 to 63 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenName(SmolStr);

text!(TokenName);

impl FromStr for TokenName {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        check_plain(text, PLAIN_MAX, "a token's name")?;
        Ok(Self(SmolStr::new(text)))
    }
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Use {
    /// Packages, templates, and runs that deploy.
    Deploy,
    /// Runs of scripts, which may do anything that their user may.
    Script,
    /// Making and removing tokens.
    Grant,
}

impl Use {
    pub const ALL: [Self; 3] = [Self::Deploy, Self::Script, Self::Grant];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Script => "script",
            Self::Grant => "grant",
        }
    }
}

words!(Use, "use of a token: use deploy, script or grant");

/// At least one use, each once, in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uses(Vec<Use>);

impl Uses {
    pub fn new(uses: impl IntoIterator<Item = Use>) -> Result<Self, Invalid> {
        let mut uses: Vec<Use> = uses.into_iter().collect();
        uses.sort_unstable();
        uses.dedup();
        match uses.is_empty() {
            true => Err(Invalid::new("a token is for something: name at least one of deploy, script and grant")),
            false => Ok(Self(uses)),
        }
    }

    pub fn has(&self, one: Use) -> bool {
        self.0.contains(&one)
    }

    pub fn iter(&self) -> impl Iterator<Item = Use> {
        self.0.iter().copied()
    }
}

/// Of Ed25519; written as 64 digits in base 16. Whether it is a point of the curve is found out when it is used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// Of Ed25519; written as 128 digits in base 16.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; 64]);

/// SHA-256; written as 64 digits in base 16.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(pub [u8; 32]);

macro_rules! hex {
    ($name:ident, $what:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
        impl FromStr for $name {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                read_hex(text).map(Self).ok_or_else(|| Invalid::new(concat!($what, " of the digits 0-9 and a-f")))
            }
        }
    };
}

hex!(PublicKey, "a public key has 64");
hex!(Signature, "a signature has 128");
hex!(Sha256, "a SHA-256 has 64");

/// In lower case: what has one meaning has one spelling.
fn read_hex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * BYTES {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_a_set() {
        let uses = Uses::new([Use::Script, Use::Deploy, Use::Script]).unwrap();
        assert_eq!(uses.iter().collect::<Vec<_>>(), [Use::Deploy, Use::Script]);
        assert!(uses.has(Use::Script) && !uses.has(Use::Grant));
        assert!(Uses::new([]).is_err());
        for one in Use::ALL {
            assert_eq!(one.as_str().parse(), Ok(one));
        }
    }

    #[test]
    fn digits_read_back_as_written() {
        let key = PublicKey(std::array::from_fn(|at| (at * 7 + 200) as u8));
        assert_eq!(key.to_string().parse(), Ok(key));
        let text = key.to_string();
        for bad in ["", "0", &text[1..], &format!("{text}00"), &text.to_uppercase(), &text.replace('c', "g")] {
            assert!(bad.parse::<PublicKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_ends_when_it_says() {
        let name = "ci".parse().unwrap();
        let uses = Uses::new([Use::Deploy]).unwrap();
        let token = Token { id: TokenId::MIN, name, node: None, uses, key: PublicKey([0; 32]), expires_ms: Some(10) };
        assert!(!token.is_expired(9) && token.is_expired(10));
        assert!(!Token { expires_ms: None, ..token }.is_expired(i64::MAX));
    }
}
