//! Ids: 80 bits, written as 16 letters of Crockford's base 32. They derive from the command that created the entity.

use std::fmt;
use std::str::FromStr;

use crate::Invalid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LETTERS: usize = 16;

fn write(bits: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut letters = [0u8; LETTERS];
    for (i, letter) in letters.iter_mut().enumerate() {
        *letter = ALPHABET[((bits >> (5 * (LETTERS - 1 - i))) & 31) as usize];
    }
    f.write_str(std::str::from_utf8(&letters).map_err(|_| fmt::Error)?)
}

fn read(text: &str) -> Result<u128, Invalid> {
    if text.len() != LETTERS {
        return Err(Invalid::new(format!("an id has {LETTERS} letters, this has {}", text.len())));
    }
    text.bytes().try_fold(0u128, |bits, letter| match VALUES[letter as usize] {
        NO_LETTER => Err(Invalid::new("an id has only the letters 0-9 and a-z without i, l, o, u")),
        value => Ok(bits << 5 | u128::from(value)),
    })
}

/// A small number, written as ids are.
pub(crate) struct Numbered(pub(crate) u32);

impl fmt::Display for Numbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(u128::from(self.0), f)
    }
}

impl FromStr for Numbered {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        u32::try_from(read(text)?).map(Self).map_err(|_| Invalid::new("the number is too large"))
    }
}

const NO_LETTER: u8 = u8::MAX;

/// What each byte stands for: ids are read for every record, and searching the alphabet for each letter showed in profiles.
const VALUES: [u8; 256] = {
    let mut values = [NO_LETTER; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        values[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    values
};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// The smallest id: where a walk in id order begins.
            pub const MIN: Self = Self(0);
            /// The largest.
            pub const MAX: Self = Self((1 << 80) - 1);

            /// Takes the first 80 bits of a digest.
            pub fn from_digest(digest: &[u8; 32]) -> Self {
                let mut bits = [0u8; 16];
                bits[6..].copy_from_slice(&digest[..10]);
                Self(u128::from_be_bytes(bits))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write(self.0, f)
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
                read(text).map(Self)
            }
        }
    };
}

id!(
    /// A node of the service tree. A rename or a move keeps it.
    NodeId
);
id!(
    /// A server. Its name may come back with another machine; its id does not.
    ServerId
);
id!(
    /// A membership rule.
    MembershipId
);
id!(
    /// A domain. Another node or another expectation keeps it; another name, path, scheme or vendor is another domain.
    DomainId
);
id!(
    /// A token.
    TokenId
);
id!(
    /// One version of a package, and the release that it becomes on a host.
    PackageId
);
id!(
    /// A template on a node.
    TemplateId
);
id!(
    /// A run of a job.
    RunId
);
id!(
    /// A log: random, written by the decider's very first transaction, and different in every new log.
    LogId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_written() {
        let mut digest = [0u8; 32];
        for (i, byte) in digest.iter_mut().enumerate() {
            *byte = (i * 37 + 11) as u8;
        }
        let id = NodeId::from_digest(&digest);
        assert_eq!(id.to_string().len(), 16);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(NodeId::MIN.to_string(), "0000000000000000");
        assert!("0123".parse::<NodeId>().is_err());
        assert!("000000000000000u".parse::<NodeId>().is_err());
        assert!("00000000000000Z0".parse::<NodeId>().is_err());
    }

    #[test]
    fn text_order_is_id_order() {
        let low = NodeId(31);
        let high = NodeId(32);
        assert!(low < high && low.to_string() < high.to_string());
    }
}
