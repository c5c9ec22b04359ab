//! What is probed: a site, what is expected of it, and the tags of its series.

use std::fmt;

use loki_domain::domain::{Expectation, Host, Scheme, Site, Statuses, UrlPath, Vendor, Within};
use loki_domain::{Invalid, Tags};

use crate::naming::tag_value;

/// Valid: it can be asked for, and its samples have names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    site: Site,
    expectation: Expectation,
    tags: Tags,
}

impl Target {
    pub fn new(site: Site, expectation: Expectation) -> Result<Self, Invalid> {
        let (domain, path) = (tag_value(site.name.as_str()), tag_value(site.path.as_str()));
        let mut tags = vec![("domain", domain.as_str()), ("vendor", site.vendor.as_str())];
        if path != "/" {
            tags.push(("path", path.as_str()));
        }
        if site.scheme == Scheme::Http {
            tags.push(("scheme", site.scheme.as_str()));
        }
        let tags = Tags::new(tags)?;
        Ok(Self { site, expectation, tags })
    }

    /// By its address, `http://127.0.0.1:8470/livez`, and with the usual expectation.
    ///
    /// # Errors
    /// It is no such address, or no such vendor.
    pub fn at(url: &str, vendor: &str) -> Result<Self, Invalid> {
        let wrong = |why: String| Invalid(format!("`{}` {why}", url.escape_default()));
        let (scheme, rest) =
            url.split_once("://").ok_or_else(|| wrong("is no address: write it as `https://www.acme.example/path`".to_owned()))?;
        let (name, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let part = |invalid: Invalid| wrong(format!("cannot be probed: {invalid}"));
        let site = Site {
            name: name.parse::<Host>().map_err(part)?,
            path: path.parse::<UrlPath>().map_err(part)?,
            scheme: scheme.parse().map_err(part)?,
            vendor: vendor.parse::<Vendor>().map_err(part)?,
        };
        Self::new(site, Expectation { statuses: Statuses::default(), body: None, within: Within::default() })
    }

    /// All but the vantage. They are the target: who has the same is the same.
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    pub(crate) fn expectation(&self) -> &Expectation {
        &self.expectation
    }

    pub(crate) fn is_https(&self) -> bool {
        self.site.scheme == Scheme::Https
    }

    /// A name or an address, without a port.
    pub(crate) fn host(&self) -> &str {
        let name = self.authority();
        name.split_once(':').map_or(name, |(host, _)| host)
    }

    pub(crate) fn port(&self) -> u16 {
        self.site.name.port().unwrap_or(self.site.scheme.port())
    }

    /// As the header `Host` has it.
    pub(crate) fn authority(&self) -> &str {
        self.site.name.as_str()
    }

    /// With the query; as the first line of a request has it.
    pub(crate) fn path(&self) -> &str {
        self.site.path.as_str()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.site.url())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(url: &str) -> Vec<String> {
        let target = Target::at(url, Vendor::OWN).unwrap();
        target.tags().iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn tags_tell_what_is_not_the_usual() {
        assert_eq!(tags("https://www.acme.example"), ["domain=www.acme.example", "vendor=own"]);
        assert_eq!(
            tags("http://127.0.0.1:8470/livez?deep=1"),
            ["domain=127.0.0.1_8470", "path=/livez_deep_1", "scheme=http", "vendor=own"]
        );
        // long paths differ at their ends
        let long = |end| tags(&format!("https://a/{}{end}", "x".repeat(400)));
        assert_ne!(long("1"), long("2"));
    }

    #[test]
    fn where_it_is() {
        let one = Target::at("http://127.0.0.1:8470/x?y=1", Vendor::OWN).unwrap();
        assert_eq!((one.host(), one.port(), one.authority(), one.path()), ("127.0.0.1", 8470, "127.0.0.1:8470", "/x?y=1"));
        let other = Target::at("https://a.example", Vendor::OWN).unwrap();
        assert_eq!((other.host(), other.port(), other.authority(), other.path()), ("a.example", 443, "a.example", "/"));
        assert_eq!(one.to_string(), "http://127.0.0.1:8470/x?y=1");
    }

    #[test]
    fn what_can_be_no_target() {
        for (url, why) in [
            ("livez", "is no address"),
            ("ftp://a", "no scheme"),
            ("https://", "1 to 253 characters"),
            ("https://a?b", "`?` may not be"),
            ("https://user@a", "`@` may not be"),
            ("https://a/#b", "`#` may not be"),
        ] {
            let told = Target::at(url, Vendor::OWN).unwrap_err().to_string();
            assert!(told.contains(why), "{told}");
        }
        assert!(Target::at("https://a", "").is_err());
    }
}
