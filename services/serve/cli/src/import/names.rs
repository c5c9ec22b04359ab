//! Which names, labels and addresses an import accepts. The decider judges again; refusing here names the line and the fix.

use std::net::IpAddr;

use loki_domain::{NodeName, NodePath, ServerName, Text, labels};

/// A node's name.
pub(crate) fn check_node(name: &str) -> Result<(), String> {
    name.parse::<NodeName>().map(drop).map_err(|error| format!("{}: {error}: rename it", quoted(name)))
}

/// A path from the root of the import: `/`, or `/` and names of nodes between slashes.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    if path.len() > 1 && (path.ends_with('/') || path.contains("//")) {
        return Err(format!("path {} has an empty name: write one `/` between names and none at the end", quoted(path)));
    }
    path.parse::<NodePath>().map(drop).map_err(|error| format!("path {}: {error}", quoted(path)))
}

/// Joins a path below another one.
pub(crate) fn join(under: &str, path: &str) -> String {
    match (under, path) {
        ("/", path) => path.to_owned(),
        (under, "/") => under.to_owned(),
        (under, path) => format!("{under}{path}"),
    }
}

/// A server's name in the lower case in which it is kept.
pub(crate) fn server(name: &str) -> Result<String, String> {
    let lower = name.to_ascii_lowercase();
    let Err(error) = lower.parse::<ServerName>() else { return Ok(lower) };
    let fix = match name {
        _ if name.starts_with("---") => "this looks like YAML: read it with `--format yaml`",
        _ if name.contains(':') => "give the host a name and write its address as `ansible_host`",
        _ => "rename it",
    };
    Err(format!("server {}: {error}: {fix}", quoted(name)))
}

/// A label's key.
pub(crate) fn check_label_key(key: &str) -> Result<(), String> {
    labels::check_key(key).map_err(|error| format!("label {}: {error}: rename it", quoted(key)))
}

/// A label's value. The text itself is never told.
pub(crate) fn check_label_value(key: &str, value: &str) -> Result<(), String> {
    check_text(value).map_err(|error| format!("value of label {}: {error}: shorten it to one line", quoted(key)))
}

/// An address: IPv4, IPv6 or a host name.
pub(crate) fn check_address(address: &str) -> Result<(), String> {
    if address.parse::<IpAddr>().is_ok() || server(address).is_ok() {
        return Ok(());
    }
    Err("address is neither an IP address nor a host name: write addresses separated by `;` or space".to_owned())
}

/// A line of text, such as an idc or a serial number.
pub(crate) fn check_text(text: &str) -> Result<(), String> {
    text.parse::<Text>().map(drop).map_err(|error| error.to_string())
}

/// A name of the file in back-ticks, shortened and with control characters escaped: it goes to a terminal.
pub(crate) fn quoted(name: &str) -> String {
    const SHOWN: usize = 80;
    let shown: String = name.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    let more = if name.chars().nth(SHOWN).is_some() { "…" } else { "" };
    format!("`{shown}{more}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_names() {
        let longest = "数".repeat(64);
        for good in ["web", "web-01_b", "电商", "Ünïcode", "0", longest.as_str()] {
            assert_eq!(check_node(good), Ok(()), "{good}");
        }
        let too_long = "a".repeat(65);
        for bad in ["", "a.b", "a b", "a/b", "a\u{7}", too_long.as_str()] {
            assert!(check_node(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn server_names_are_lower_cased() {
        assert_eq!(server("Web01.ACME.example").as_deref(), Ok("web01.acme.example"));
        assert_eq!(server("10.0.0.1").as_deref(), Ok("10.0.0.1"));
        let too_long = "a".repeat(254);
        for bad in ["", "-web", "_web", "web 1", "wéb", "::1", too_long.as_str()] {
            assert!(server(bad).is_err(), "{bad:?}");
        }
        assert!(server("::1").unwrap_err().contains("`ansible_host`"));
        assert!(server("---").unwrap_err().contains("`--format yaml`"));
    }

    #[test]
    fn paths() {
        for good in ["/", "/acme", "/acme/电商/web-1"] {
            assert_eq!(check_path(good), Ok(()), "{good}");
        }
        let deep = "/a".repeat(33);
        for bad in ["", "acme", "//", "/acme/", "/a//b", "/a b", deep.as_str()] {
            assert!(check_path(bad).is_err(), "{bad:?}");
        }
        assert_eq!(join("/", "/a"), "/a");
        assert_eq!(join("/acme", "/a"), "/acme/a");
        assert_eq!(join("/acme", "/"), "/acme");
        assert_eq!(join("/", "/"), "/");
    }

    #[test]
    fn labels() {
        assert_eq!(check_label_key("acme.io/tier-1_a"), Ok(()));
        for bad in ["", "a b", "ключ", &"k".repeat(64)] {
            assert!(check_label_key(bad).is_err(), "{bad:?}");
        }
        assert_eq!(check_label_value("k", &"é".repeat(256)), Ok(()));
        let error = check_label_value("k", &"é".repeat(257)).unwrap_err();
        assert!(!error.contains('é'), "{error}");
        assert!(check_label_value("k", "a\nb").is_err());
    }

    #[test]
    fn addresses() {
        for good in ["10.0.0.1", "2001:db8::1", "web1.acme.example"] {
            assert_eq!(check_address(good), Ok(()), "{good}");
        }
        for bad in ["", "10.0.0.1:22", "a b", "{{ ip }}"] {
            assert!(check_address(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn quoting_is_safe_for_a_terminal() {
        assert_eq!(quoted("a\u{1b}[2J"), "`a\\u{1b}[2J`");
        assert_eq!(quoted(&"a".repeat(200)).chars().count(), 83);
    }
}
