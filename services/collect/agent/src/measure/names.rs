//! Names of file systems and interfaces as values of tags.

use std::fmt::Write;

use loki_domain::series::NAME_CHARS_MAX;

/// What may not be in a tag's value is written as `_` and the two hexadecimal digits of each of its bytes, so that two names stay two.
pub(super) fn tag_value(name: &str) -> String {
    let mut value = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/') {
            value.push(char::from(byte));
        } else {
            // writing to a String cannot fail
            let _ = write!(value, "_{byte:02x}");
        }
    }
    value.truncate(NAME_CHARS_MAX);
    value
}

#[cfg(test)]
mod tests {
    use loki_domain::Tags;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn most_names_stay_as_they_are() {
        for name in ["/", "/var/lib/loki", "eth0", "enp3s0f1", "br-5f3a"] {
            assert_eq!(tag_value(name), name);
        }
        assert_eq!(tag_value("/mnt/my disk"), "/mnt/my_20disk");
        assert_eq!(tag_value("eth0:1"), "eth0_3a1");
        assert_eq!(tag_value("支"), "_e6_94_af");
    }

    proptest! {
        #[test]
        fn every_name_becomes_one_that_a_series_takes(name in ".{1,400}") {
            let value = tag_value(&name);
            prop_assert!(Tags::new([("mount", value.as_str())]).is_ok(), "{value}");
        }
    }
}
