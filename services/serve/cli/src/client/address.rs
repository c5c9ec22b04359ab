//! The API's address as people write it.

use reqwest::Url;

use crate::exit::Failure;

/// `http://host:port`, `https://host`, or `host:port` for short; a path is kept as a prefix.
pub(crate) fn read(text: &str) -> Result<Url, Failure> {
    let wrong = |why: &str| Failure::usage(format!("`--api`: `{}` {why}, write it as `http://127.0.0.1:8470`", text.escape_default()));
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&full).map_err(|error| wrong(&format!("is no address ({error})")))?;
    match url.scheme() {
        "http" | "https" => {}
        _ => return Err(wrong("is not HTTP")),
    }
    if !url.has_host() || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must be a host and a port"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, url) in [
            ("http://127.0.0.1:8470", "http://127.0.0.1:8470/"),
            ("localhost:8470", "http://localhost:8470/"),
            ("loki.acme.example", "http://loki.acme.example/"),
            ("https://loki.acme.example", "https://loki.acme.example/"),
            ("http://[::1]:8470/cell1/", "http://[::1]:8470/cell1/"),
        ] {
            assert_eq!(read(text).unwrap().as_str(), url);
        }
        for bad in ["", "http://", "https://", "ftp://a", "http://a?b=c", "http://user:pass@a", "http://a b"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn loopback() {
        for (text, expected) in [("127.0.0.1:1", true), ("[::1]:1", true), ("localhost", true), ("10.0.0.1", false), ("a.example", false)] {
            assert_eq!(loki_client::address::is_loopback(&read(text).unwrap()), expected, "{text}");
        }
    }
}
