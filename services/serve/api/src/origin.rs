//! Requests that a browser sends on behalf of somebody else's page, which the person in front of it never asked for.
//!
//! A page of any site can post to an address of this machine, and with a name of its own that suddenly means this machine it can read the answers
//! as well. Browsers tell both: by `Origin`, and by the name in `Host`. Other clients send no `Origin`, and the address that they were given.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use loki_runtime::Secret;

use crate::problem::Problem;

/// Whether only names of this machine are answered: it listens on loopback, and no token keeps strangers away.
pub(crate) fn is_for_this_machine(listen: SocketAddr, token: &Secret) -> bool {
    token.is_empty() && listen.ip().to_canonical().is_loopback()
}

/// Refuses a host name that is not this machine's; a request without one comes from no browser.
pub(crate) fn foreign_host(headers: &HeaderMap) -> Option<Problem> {
    let foreign = headers.get_all(header::HOST).iter().map(|value| value.to_str().unwrap_or_default()).find(|host| !is_loopback(host))?;
    let detail = format!(
        "`Host` is `{}`, and without `api.token` only this machine is answered: ask `localhost` or a loopback address, or set `api.token`",
        foreign.escape_default()
    );
    Some(Problem::new(StatusCode::MISDIRECTED_REQUEST, "foreign_host", detail).field("Host"))
}

/// Refuses what would change something when a page of another site sent it.
pub(crate) fn cross_site(request: &Request) -> Option<Problem> {
    if request.method().is_safe() {
        return None;
    }
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let origins = request.headers().get_all(header::ORIGIN).iter().map(|value| value.to_str().unwrap_or_default());
    let foreign = origins.into_iter().find(|origin| !is_of(origin, host))?;
    let detail = format!(
        "`Origin` is `{}`, another site than `{}`, and pages of other sites may change nothing: leave the header out, or send from the API's own address",
        foreign.escape_default(),
        host.escape_default()
    );
    Some(Problem::new(StatusCode::FORBIDDEN, "cross_site", detail).field("Origin"))
}

/// A name or an address, and perhaps a port.
fn is_loopback(host: &str) -> bool {
    let (name, rest) = match host.strip_prefix('[') {
        Some(address) => address.split_once(']').unwrap_or_default(),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port = rest.strip_prefix(':').unwrap_or(if rest.is_empty() { "0" } else { rest });
    let is_own = name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    is_own && port.bytes().all(|digit| digit.is_ascii_digit())
}

/// Whether a page of this origin came from this host. The scheme does not count: a proxy may speak TLS in front of the API.
fn is_of(origin: &str, host: &str) -> bool {
    let Some((scheme, of_page)) = origin.split_once("://") else { return false };
    let default_port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    let bare = |authority: &'_ str| authority.strip_suffix(default_port).unwrap_or(authority).to_ascii_lowercase();
    !host.is_empty() && bare(of_page) == bare(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine() {
        for own in
            ["localhost", "LocalHost:8470", "127.0.0.1", "127.0.0.1:8470", "127.8.9.1:1", "[::1]", "[::1]:8470", "[::ffff:127.0.0.1]:80"]
        {
            assert!(is_loopback(own), "{own}");
        }
        for foreign in [
            "",
            "evil.example",
            "evil.example:8470",
            "localhost.evil.example:8470",
            "127.0.0.1.evil.example",
            "0.0.0.0:8470",
            "10.0.0.1",
            "::1",
            "a b",
            "localhost:8470@evil.example",
            "localhost:80:80",
            "[::1",
            "[::1]x",
            "[::1].evil.example",
        ] {
            assert!(!is_loopback(foreign), "{foreign}");
        }
    }

    #[test]
    fn an_origin_is_the_apis_own_or_not() {
        for (origin, host) in [
            ("http://127.0.0.1:8470", "127.0.0.1:8470"),
            ("http://LOCALHOST:8470", "localhost:8470"),
            ("http://[::1]:8470", "[::1]:8470"),
            ("https://loki.acme.example", "loki.acme.example"),
            ("https://loki.acme.example", "loki.acme.example:443"),
        ] {
            assert!(is_of(origin, host), "{origin} {host}");
        }
        for (origin, host) in [
            ("https://evil.example", "127.0.0.1:8470"),
            ("http://127.0.0.1:3000", "127.0.0.1:8470"),
            ("http://localhost:8470", "127.0.0.1:8470"),
            ("https://loki.acme.example:444", "loki.acme.example"),
            ("null", "127.0.0.1:8470"),
            ("null", "null"),
            ("", ""),
            ("http://", ""),
        ] {
            assert!(!is_of(origin, host), "{origin} {host}");
        }
    }

    #[test]
    fn only_loopback_without_a_token_is_for_this_machine_alone() {
        let (none, some) = (Secret::new(""), Secret::new("secret"));
        assert!(is_for_this_machine("127.0.0.1:8470".parse().unwrap(), &none));
        assert!(is_for_this_machine("[::1]:8470".parse().unwrap(), &none));
        assert!(!is_for_this_machine("127.0.0.1:8470".parse().unwrap(), &some));
        assert!(!is_for_this_machine("0.0.0.0:8470".parse().unwrap(), &none));
    }
}
