//! The machine's own addresses, from the kernel's tables: no library and no name service is asked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A machine full of containers has hundreds.
const ADDRESSES_MAX: usize = 16;

/// `fib_trie` and `if_inet6` are files of `/proc/net`.
pub(super) fn of(fib_trie: &str, if_inet6: &str) -> Vec<String> {
    ipv4(fib_trie).into_iter().chain(ipv6(if_inet6)).take(ADDRESSES_MAX).map(|address| address.to_string()).collect()
}

/// The local addresses of the routing trie: a line `|-- 10.0.0.5`, below it `/32 host LOCAL`.
fn ipv4(trie: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let mut last = None;
    for line in trie.lines().map(str::trim) {
        if let Some(leaf) = line.strip_prefix("|-- ") {
            last = leaf.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL"
            && let Some(address) = last.filter(|address| !address.is_loopback() && !address.is_link_local()).map(IpAddr::V4)
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    found
}

/// Global ones only: `<address> <index> <prefix length> <scope> <flags> <device>`, all in hexadecimal, scope 00.
fn ipv6(interfaces: &str) -> Vec<IpAddr> {
    let global = |line: &str| {
        let mut fields = line.split_whitespace();
        let address = u128::from_str_radix(fields.next()?, 16).ok()?;
        (fields.nth(2)? == "00").then(|| IpAddr::V6(Ipv6Addr::from(address)))
    };
    interfaces.lines().filter_map(global).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_tables_are_read() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.1.0.0\n        /24 link UNICAST\n     |-- 10.1.0.7\n        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 169.254.3.4\n        /32 host LOCAL\nLocal:\n     |-- 10.1.0.7\n        /32 host LOCAL\n";
        let interfaces = "00000000000000000000000000000001 01 80 10 80 lo\n20010db8000000000000000000000005 02 40 00 80 eth0\nfe800000000000000000000000000005 02 40 20 80 eth0\n";
        assert_eq!(of(trie, interfaces), ["10.1.0.7", "2001:db8::5"]);
        assert!(of("", "x").is_empty());
    }

    #[test]
    fn there_are_not_too_many() {
        let trie: String = (0..100).map(|last| format!("|-- 10.0.0.{last}\n/32 host LOCAL\n")).collect();
        assert_eq!(of(&trie, "").len(), ADDRESSES_MAX);
    }
}
