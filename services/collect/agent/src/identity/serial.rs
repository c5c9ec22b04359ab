//! A serial number: the firmware's if it is a real one, else a hash of the machine's id.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What firmware says that was never told its serial number.
const PLACEHOLDERS: [&str; 14] = [
    "none",
    "default",
    "default string",
    "empty",
    "invalid",
    "n/a",
    "not applicable",
    "not available",
    "not specified",
    "system serial number",
    "to be filled by o.e.m.",
    "unknown",
    "123456789",
    "0123456789",
];

/// Longer ones are no serial numbers.
const CHARS_MAX: usize = 64;

/// Of this application: another one's hash of the same machine is another.
const APPLICATION: [u8; 16] = *b"loki-ops/machine";

pub(super) fn of(product: Option<&str>, machine_id: Option<&str>) -> Option<String> {
    let product = product.filter(|text| is_serial(text)).map(str::to_owned);
    product.or_else(|| machine_id.and_then(of_machine_id))
}

fn is_serial(text: &str) -> bool {
    let known = text.to_lowercase();
    let all_alike = text.chars().all(|c| text.starts_with(c) || c.is_whitespace() || c == '-');
    !all_alike && text.chars().count() <= CHARS_MAX && !text.contains(char::is_control) && !PLACEHOLDERS.contains(&known.as_str())
}

/// The machine's id is confidential (machine-id(5)): what is published is a hash with it as the key, as `sd_id128_get_machine_app_specific` makes
/// one.
fn of_machine_id(text: &str) -> Option<String> {
    let id = u128::from_str_radix(text, 16).ok().filter(|id| *id != 0 && text.len() == 32)?;
    let hash = hmac_sha256(&id.to_be_bytes(), &APPLICATION)?;
    Some(hash[..16].iter().map(|byte| format!("{byte:02x}")).collect())
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> Option<[u8; 32]> {
    // a key of any length is taken
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    hmac.update(message);
    Some(hmac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_no_placeholder() {
        for serial in ["PF2ABCDE", "VMware-56 4d 12 34", "4CE0460D0G", "0000-1"] {
            assert_eq!(of(Some(serial), None).as_deref(), Some(serial));
        }
        for no in [
            "None",
            "To be filled by O.E.M.",
            "To Be Filled By O.E.M.",
            "0",
            "00000000",
            "0000-0000",
            "xxxxxxx",
            "Default string",
            "0123456789",
            "-",
            ".",
            "",
            "AB\u{7}C",
            &"x1".repeat(40),
        ] {
            assert_eq!(of(Some(no), None), None, "{no}");
        }
    }

    #[test]
    fn the_machine_s_id_is_told_to_nobody() {
        let id = "0123456789abcdef0123456789abcdef";
        let told = of(Some("None"), Some(id)).unwrap();
        assert!(told.len() == 32 && told != id && of(None, Some(id)).as_ref() == Some(&told), "{told}");
        // as `printf loki-ops/machine | openssl dgst -sha256 -mac hmac -macopt hexkey:<id>` says
        assert_eq!(told, "4d25a8bf5b359dff812f5200da9abcbf");
        assert_ne!(of(None, Some("0123456789abcdef0123456789abcdee")).unwrap(), told);
        for no in ["", "uninitialized", "00000000000000000000000000000000", "0123"] {
            assert_eq!(of(None, Some(no)), None, "{no}");
        }
    }

    #[test]
    fn the_hash_is_that_of_rfc_4231() {
        let hex =
            |key: &[u8], message: &[u8]| hmac_sha256(key, message).unwrap().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&[0x0b; 20], b"Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        assert_eq!(hex(b"Jefe", b"what do ya want for nothing?"), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(hex(&[0xaa; 20], &[0xdd; 50]), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
        let long = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(hex(&[0xaa; 131], long), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }
}
