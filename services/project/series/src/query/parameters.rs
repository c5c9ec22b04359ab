//! The parameters of a URL, as browsers, scripts and clients that encode nothing send them.

use super::Problem;

#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// `a=b&c&a=d`, encoded with `%` and `+` or not.
    pub(crate) fn parse(query: &str) -> Result<Self, Problem> {
        let parts = query.split(['&', ';']).filter(|part| !part.is_empty());
        let pairs = parts.map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Ok((decode(name)?, decode(value)?))
        });
        pairs.collect::<Result<_, Problem>>().map(Self)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.last(name).is_some()
    }

    pub(crate) fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Of a parameter that is there several times, the last counts.
    pub(crate) fn last<'p>(&'p self, name: &'p str) -> Option<&'p str> {
        self.all(name).last()
    }

    pub(crate) fn required<'p>(&'p self, name: &'p str) -> Result<&'p str, Problem> {
        let value = self.last(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| Problem::bad(format!("Missing parameter <code>{name}</code>")))
    }
}

fn decode(text: &str) -> Result<String, Problem> {
    let wrong = || Problem::bad(format!("Bad query string: `%` in `{text}` is not followed by two hexadecimal digits"));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or_else(wrong);
                (digit()? << 4 | digit()?) as u8
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| Problem::bad(format!("Bad query string: `{text}` is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_and_encoded_are_the_same() {
        let raw = Parameters::parse("start=1h-ago&m=sum:a{b=*}&ms").unwrap();
        let encoded = Parameters::parse("start=1h-ago&m=sum%3Aa%7Bb%3D%2a%7D&ms=true").unwrap();
        assert_eq!(raw.last("m"), Some("sum:a{b=*}"));
        assert_eq!(raw.last("m"), encoded.last("m"));
        assert!(raw.has("ms") && encoded.has("ms") && !raw.has("arrays"));
    }

    #[test]
    fn several_of_one_name() {
        let parameters = Parameters::parse("m=a&m=b+c&&m=%C3%BC").unwrap();
        assert_eq!(parameters.all("m").collect::<Vec<_>>(), ["a", "b c", "ü"]);
        assert_eq!(parameters.last("m"), Some("ü"));
        assert_eq!(parameters.required("start").unwrap_err().message, "Missing parameter <code>start</code>");
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for wrong in ["a=%", "a=%1", "a=%zz", "a=%ff"] {
            assert_eq!(Parameters::parse(wrong).unwrap_err().status, 400, "{wrong}");
        }
    }
}
