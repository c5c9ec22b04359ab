//! What others named, as the value of a tag: signs that a series may not have become `_`.

use loki_domain::series::NAME_CHARS_MAX;

/// Digits of a hash at the end of a name that is too long.
const HASH_CHARS: usize = 16;

/// Valid as the value of a tag unless `text` is empty. What is too long is cut, and ends in a hash of the whole: long paths differ at their ends.
pub(crate) fn tag_value(text: &str) -> String {
    let mut value: String = text.chars().map(|letter| if is_allowed(letter) { letter } else { '_' }).collect();
    if let Some((cut, _)) = value.char_indices().nth(NAME_CHARS_MAX) {
        let kept = value[..cut].char_indices().nth(NAME_CHARS_MAX - HASH_CHARS - 1).map_or(cut, |(kept, _)| kept);
        value.truncate(kept);
        value.push_str(&format!("_{:016x}", hash(text.as_bytes())));
    }
    value
}

/// The rule of [`loki_domain::series`].
fn is_allowed(letter: char) -> bool {
    let latin = letter.is_alphabetic() && u32::from(letter) <= 0xff;
    letter.is_ascii_alphanumeric() || latin || matches!(letter, '-' | '_' | '.' | '/')
}

/// FNV-1a, and the finish of murmur3, without which neighbours stay neighbours. The same on every machine and in every version.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use loki_domain::Tags;

    use super::*;

    #[test]
    fn names_as_they_are_sent() {
        for (text, value) in [
            ("www.acme.example", "www.acme.example"),
            ("127.0.0.1:8470", "127.0.0.1_8470"),
            ("[::1]:80", "___1__80"),
            ("/search?q=a b", "/search_q_a_b"),
            ("支付", "__"),
        ] {
            assert_eq!(tag_value(text), value, "{text}");
        }
    }

    #[test]
    fn long_names_stay_apart() {
        let long = "/é".repeat(200);
        let (one, other) = (tag_value(&format!("{long}1")), tag_value(&format!("{long}2")));
        assert_eq!(one.chars().count(), NAME_CHARS_MAX);
        assert!(one != other && one[..300] == other[..300]);
        let fits = "a".repeat(NAME_CHARS_MAX);
        assert_eq!(tag_value(&fits), fits);
    }

    proptest::proptest! {
        #[test]
        fn whatever_it_is_it_can_be_a_tag(text in "\\PC{1,300}") {
            proptest::prop_assert!(Tags::new([("domain", tag_value(&text).as_str())]).is_ok());
        }
    }
}
