//! Where the API is, and the token that it is shown.

use loki_runtime::Secret;
use reqwest::Url;
use reqwest::header::HeaderValue;

/// The API's address: a path is kept as a prefix.
///
/// # Errors
/// What is wrong with it, for the one who wrote it.
pub fn address(text: &str) -> Result<Url, String> {
    let wrong = |why: &str| format!("`{}` {why}: write it as `http://127.0.0.1:8470`", text.escape_default());
    let url = Url::parse(text).map_err(|error| wrong(&format!("is no address ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("is not HTTP"));
    }
    if !url.has_host() || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must be a host and a port"));
    }
    Ok(url)
}

/// The header for a token; `None` for an empty one.
///
/// # Errors
/// It cannot be sent; the text does not hold it.
pub fn bearer(token: &Secret) -> Result<Option<HeaderValue>, String> {
    if token.is_empty() {
        return Ok(None);
    }
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
        .map_err(|_| "it has characters that no HTTP header takes: make another one".to_owned())?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// What is wrong with these two settings, field by field.
pub fn problems(api: &str, token: &Secret) -> Vec<String> {
    let api = address(api).err().map(|why| format!("`api`: {why}"));
    api.into_iter().chain(bearer(token).err().map(|why| format!("`token`: {why}"))).collect()
}

/// Whether a proxy in the environment must be passed by: it cannot know this machine's loopback.
pub fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["http://127.0.0.1:8470", "https://loki.acme.example", "http://[::1]:8470/cell1/"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["", "127.0.0.1:8470", "ftp://a", "http://", "http://a?b=c", "http://user:pass@a"] {
            assert!(address(bad).is_err(), "{bad}");
        }
        for (text, expected) in
            [("http://127.0.0.1:1", true), ("http://[::1]:1", true), ("http://localhost", true), ("http://10.0.0.1", false)]
        {
            assert_eq!(is_loopback(&address(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn a_token_is_in_no_complaint() {
        let problems = problems("a", &Secret::new("se\ncret"));
        assert_eq!(problems.len(), 2);
        assert!(problems[1].starts_with("`token`") && !problems[1].contains("cret"), "{problems:?}");
        assert_eq!(bearer(&Secret::default()), Ok(None));
    }
}
