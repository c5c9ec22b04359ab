//! JSON, written directly: an answer has millions of numbers, and a tree of them would be made only to be written.
//!
//! Floats are written as OpenTSDB writes them, which is Java's way: the shortest digits that read back as the same number, with a point in
//! them, and an exponent below 0.001 and from ten million on.

use std::io::Write;

#[derive(Default)]
pub(crate) struct Json {
    bytes: Vec<u8>,
}

impl Json {
    pub(crate) fn raw(&mut self, json: &str) -> &mut Self {
        self.bytes.extend_from_slice(json.as_bytes());
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes.push(b'"');
        for byte in text.bytes() {
            match byte {
                b'"' => self.bytes.extend_from_slice(b"\\\""),
                b'\\' => self.bytes.extend_from_slice(b"\\\\"),
                b'\n' => self.bytes.extend_from_slice(b"\\n"),
                b'\r' => self.bytes.extend_from_slice(b"\\r"),
                b'\t' => self.bytes.extend_from_slice(b"\\t"),
                0..0x20 => {
                    const HEX: &[u8; 16] = b"0123456789abcdef";
                    self.bytes.extend_from_slice(b"\\u00");
                    self.bytes.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
                }
                other => self.bytes.push(other),
            }
        }
        self.bytes.push(b'"');
        self
    }

    pub(crate) fn whole(&mut self, number: i64) -> &mut Self {
        // writing into memory does not fail
        let _written = write!(self.bytes, "{number}");
        self
    }

    /// A number, or the text `"NaN"`.
    pub(crate) fn float(&mut self, number: f64) -> &mut Self {
        if number.is_nan() {
            return self.raw("\"NaN\"");
        }
        let size = number.abs();
        if size == 0.0 || (1e-3..1e7).contains(&size) {
            let _written = write!(self.bytes, "{number:?}");
            return self;
        }
        let start = self.bytes.len();
        let _written = write!(self.bytes, "{number:e}");
        let written = &self.bytes[start..];
        if let Some(exponent) = written.iter().position(|byte| *byte == b'e') {
            let has_point = written[..exponent].contains(&b'.');
            self.bytes[start + exponent] = b'E';
            if !has_point {
                self.bytes.splice(start + exponent..start + exponent, *b".0");
            }
        }
        self
    }

    /// Parts with commas between them.
    pub(crate) fn list<T>(&mut self, parts: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) -> &mut Self {
        for (index, part) in parts.into_iter().enumerate() {
            if index > 0 {
                self.bytes.push(b',');
            }
            write(self, part);
        }
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(number: f64) -> String {
        let mut json = Json::default();
        json.float(number);
        String::from_utf8(json.into_bytes()).unwrap()
    }

    #[test]
    fn floats_are_written_as_java_does() {
        for (number, text) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (-2.5, "-2.5"),
            (0.001, "0.001"),
            (0.00099, "9.9E-4"),
            (9_999_999.5, "9999999.5"),
            (1e7, "1.0E7"),
            (1.234e10, "1.234E10"),
            (-1e300, "-1.0E300"),
            (f64::NAN, "\"NaN\""),
        ] {
            assert_eq!(written(number), text);
        }
    }

    proptest! {
        #[test]
        fn floats_read_back(number in any::<f64>().prop_filter("finite", |number| number.is_finite())) {
            let read: f64 = serde_json::from_str(&written(number)).unwrap();
            prop_assert!((read - number).abs() <= number.abs() * 1e-15);
        }

        #[test]
        fn texts_read_back(text in any::<String>()) {
            let mut json = Json::default();
            json.text(&text);
            prop_assert_eq!(serde_json::from_slice::<String>(&json.into_bytes()).unwrap(), text);
        }
    }
}
