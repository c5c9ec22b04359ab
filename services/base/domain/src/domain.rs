//! A domain: what is asked from outside whether it answers, the node that it belongs to, and what a good answer is.
//!
//! A host is a name or an IPv4 address, so that a process of this machine can be asked (`127.0.0.1:8470`). Names are what DNS carries: lower
//! case, other scripts as punycode. An IPv6 address has many spellings and no pattern that finds the canonical one; it has to have a name.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use smol_str::SmolStr;

use crate::name::text;
use crate::series::check_name;
use crate::{DomainId, Invalid, NodeId, Text};

/// The longest host with its port: DNS allows 253 for the host alone, of which nobody has used more than a part.
pub const HOST_MAX: usize = 253;
/// The longest path with its query.
pub const PATH_MAX: usize = 512;
/// How many statuses an expectation lists at most.
pub const STATUSES_MAX: usize = 16;
/// The longest that a good answer may take: well below the minute between two probes.
pub const WITHIN_MAX_MS: u32 = 30_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    pub id: DomainId,
    pub site: Site,
    pub node: NodeId,
    pub expect: Expectation,
}

/// Where it is asked, and by way of whom. Unique: two domains never have the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    pub name: Host,
    pub path: UrlPath,
    pub scheme: Scheme,
    pub vendor: Vendor,
}

impl Site {
    /// `https://shop.example/livez`.
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.name, self.path)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub const ALL: [Self; 2] = [Self::Http, Self::Https];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that is meant when none is written.
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scheme {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.as_str() == text)
            .ok_or_else(|| Invalid::new(format!("`{}` is no scheme: use http or https", text.escape_default())))
    }
}

/// A name of DNS or an IPv4 address, and a port where it is not the scheme's: `shop.example`, `127.0.0.1:8470`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(SmolStr);

text!(Host);

impl Host {
    /// The port, when one is written.
    pub fn port(&self) -> Option<u16> {
        self.0.split_once(':').and_then(|(_, port)| port.parse().ok())
    }
}

impl FromStr for Host {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if !(1..=HOST_MAX).contains(&text.len()) {
            return Err(Invalid::new(format!("a domain's name has 1 to {HOST_MAX} characters, this has {}", text.len())));
        }
        let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
        check_host(host)?;
        if let Some(port) = port
            && (port.starts_with(['0', '+']) || port.parse::<u16>().is_err())
        {
            return Err(Invalid::new(format!("`{}` is no port: write 1 to 65535", port.escape_default())));
        }
        Ok(Self(SmolStr::new(text)))
    }
}

fn check_host(host: &str) -> Result<(), Invalid> {
    if let Some(letter) = host.chars().find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-'))) {
        return Err(Invalid::new(format!(
            "`{}` may not be in a domain's name: use a-z, 0-9, `.` and `-`, and punycode (`xn--…`) for other scripts",
            letter.escape_default()
        )));
    }
    // as it is written: Rust reads no other spelling of an IPv4 address
    if host.parse::<Ipv4Addr>().is_ok() {
        return Ok(());
    }
    let is_label = |label: &str| (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
    if !host.split('.').all(is_label) {
        return Err(Invalid::new("each part of a domain's name has 1 to 63 characters and neither begins nor ends with `-`"));
    }
    let top = host.rsplit('.').next().unwrap_or_default();
    if !top.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(Invalid::new("a domain's name ends in a part that begins with a letter, or is an IPv4 address"));
    }
    Ok(())
}

/// What is asked for at the host: `/livez`, with a query if need be.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UrlPath(SmolStr);

text!(UrlPath);

impl FromStr for UrlPath {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if !text.starts_with('/') {
            return Err(Invalid::new("a domain's path begins with `/`"));
        }
        if text.len() > PATH_MAX {
            return Err(Invalid::new(format!("a domain's path has at most {PATH_MAX} characters, this has {}", text.len())));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "/?-._~!$&'()*+,;=:@%".contains(c);
        if let Some(letter) = text.chars().find(|c| !allowed(*c)) {
            return Err(Invalid::new(format!(
                "`{}` may not be in a domain's path: write it as `%` and two hexadecimal digits",
                letter.escape_default()
            )));
        }
        let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
        if !text.split('%').skip(1).all(is_escape) {
            return Err(Invalid::new("after `%` a domain's path has two hexadecimal digits"));
        }
        Ok(Self(SmolStr::new(text)))
    }
}

impl Default for UrlPath {
    fn default() -> Self {
        Self(SmolStr::new_static("/"))
    }
}

/// Who answers for the domain: a CDN's name, or `own`. It becomes a tag of samples, so it obeys their rules.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vendor(SmolStr);

text!(Vendor);

impl Vendor {
    /// One's own servers.
    pub const OWN: &str = "own";
}

impl FromStr for Vendor {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        check_name("a vendor", text)?;
        Ok(Self(SmolStr::new(text)))
    }
}

impl Default for Vendor {
    fn default() -> Self {
        Self(SmolStr::new_static(Self::OWN))
    }
}

/// What a good answer is. All of it must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    pub statuses: Statuses,
    /// A text that the body holds; `None`: any body.
    pub body: Option<Text>,
    pub within: Within,
}

/// A status of HTTP, `204`, or a whole class of them, `2xx`. Kept as it is written: three characters, whose order is the order of statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status([u8; 3]);

impl Status {
    pub fn matches(self, code: u16) -> bool {
        match self.0 {
            [digit, b'x', b'x'] => code / 100 == u16::from(digit - b'0'),
            digits => digits.iter().fold(0, |number, digit| 10 * number + u16::from(digit - b'0')) == code,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Status {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match *text.as_bytes() {
            [class @ b'1'..=b'5', b'x', b'x'] => Ok(Self([class, b'x', b'x'])),
            [a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9'] => Ok(Self([a, b, c])),
            _ => Err(Invalid::new(format!("`{}` is no status: write `200`, or `2xx` for a class", text.escape_default()))),
        }
    }
}

/// 1 to 16 statuses, of which one must match; in order, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses(Vec<Status>);

impl Statuses {
    pub fn new(mut statuses: Vec<Status>) -> Result<Self, Invalid> {
        if !(1..=STATUSES_MAX).contains(&statuses.len()) {
            return Err(Invalid::new(format!("1 to {STATUSES_MAX} statuses, these are {}", statuses.len())));
        }
        statuses.sort_unstable();
        statuses.dedup();
        Ok(Self(statuses))
    }

    pub fn matches(&self, code: u16) -> bool {
        self.0.iter().any(|status| status.matches(code))
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Status> {
        self.0.iter().copied()
    }
}

/// What counts as available: an answer, or the way to one.
impl Default for Statuses {
    fn default() -> Self {
        Self(vec![Status(*b"2xx"), Status(*b"3xx")])
    }
}

/// How long a good answer may take, 1 ms to 30 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Within(u32);

impl Within {
    pub fn new(ms: u32) -> Result<Self, Invalid> {
        if !(1..=WITHIN_MAX_MS).contains(&ms) {
            return Err(Invalid::new(format!("an answer may take 1 to {WITHIN_MAX_MS} milliseconds, this says {ms}")));
        }
        Ok(Self(ms))
    }

    pub fn ms(self) -> u32 {
        self.0
    }
}

/// Slower is down for whoever waits for a page.
impl Default for Within {
    fn default() -> Self {
        Self(10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let longest = format!("{}.x", [&"a".repeat(63); 3].map(String::as_str).join(".") + &format!(".{}", "b".repeat(59)));
        assert_eq!(longest.len(), HOST_MAX);
        for good in ["shop.example", "localhost", "xn--bcher-kva.example", "127.0.0.1:8470", "a-b.c1", "1.a", "a:1", "a:65535", &longest] {
            assert_eq!(good.parse::<Host>().map(|host| host.to_string()).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "Shop.example",
            "bücher.example",
            "a_b.example",
            "-a",
            "a-",
            ".a",
            "a.",
            "a..b",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "01.1.1.1",
            "a.1x",
            "[::1]",
            "::1",
            "a:",
            "a:0",
            "a:080",
            "a:+8",
            "a:65536",
            "a:1:2",
            ":80",
            "https://a",
            "a/b",
            &"a".repeat(64),
            &format!("{longest}x"),
        ] {
            assert!(bad.parse::<Host>().is_err(), "{bad}");
        }
        let port = |text: &str| text.parse::<Host>().unwrap().port();
        assert_eq!((port("a"), port("127.0.0.1:8470")), (None, Some(8470)));
    }

    #[test]
    fn paths() {
        for good in ["/", "/livez", "/a/b?c=d&e=%2F", "/~x:@!$'()*+,;", &format!("/{}", "a".repeat(PATH_MAX - 1))] {
            assert_eq!(good.parse::<UrlPath>().map(|path| path.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", "livez", "/a b", "/a#b", "/%", "/%2", "/%zz", "/é", "/a\n", &format!("/{}", "a".repeat(PATH_MAX))] {
            assert!(bad.parse::<UrlPath>().is_err(), "{bad}");
        }
        assert_eq!("/".parse(), Ok(UrlPath::default()));
    }

    #[test]
    fn statuses() {
        let statuses = |texts: &[&str]| Statuses::new(texts.iter().map(|text| text.parse().unwrap()).collect());
        let some = statuses(&["404", "2xx", "204", "404"]).unwrap();
        assert_eq!(some.iter().map(|status| status.to_string()).collect::<Vec<_>>(), ["204", "2xx", "404"]);
        assert_eq!([199, 200, 299, 300, 404, 405].map(|code| some.matches(code)), [false, true, true, false, true, false]);
        assert!(statuses(&[]).is_err() && statuses(&["2xx"; STATUSES_MAX + 1]).is_err());
        for bad in ["", "2", "20", "2x", "xx2", "6xx", "099", "600", "2XX", "2000"] {
            assert!(bad.parse::<Status>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_vendor_is_the_value_of_a_tag() {
        assert_eq!(Vendor::OWN.parse(), Ok(Vendor::default()));
        assert!("a:b".parse::<Vendor>().is_err() && "".parse::<Vendor>().is_err());
        assert!(Within::new(0).is_err() && Within::new(WITHIN_MAX_MS).is_ok() && Within::new(WITHIN_MAX_MS + 1).is_err());
    }
}
