//! `loki all --this-machine`: the machine that runs it becomes the first server of the tree, by the same commands that anyone would send.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use loki_runtime::Secret;
use serde_json::{Value, json};

/// Registers this machine under `/machines`. Safe to repeat: what is there already stays.
pub(crate) async fn register(api: SocketAddr, token: &Secret) -> anyhow::Result<()> {
    let name = read("/proc/sys/kernel/hostname").or_else(|| read("/etc/hostname")).context("the host name is not known")?.to_lowercase();
    let commands = [
        ("node.create", json!({ "path": "/machines" })),
        ("server.register", server(&name)),
        ("server.mount", json!({ "server": name, "node": "/machines" })),
    ];
    let client = loki_cli::client::plain().timeout(Duration::from_secs(15)).build()?;
    for (kind, data) in commands {
        let mut request =
            client.post(format!("http://{api}/v1/commands?wait=10s")).json(&json!({ "type": kind, "actor": "this-machine", "data": data }));
        if !token.is_empty() {
            request = request.bearer_auth(token.expose());
        }
        let answer: Value = request.send().await?.json().await?;
        match (answer["outcome"].as_str(), answer["code"].as_str()) {
            (Some("accepted"), _) | (Some("rejected"), Some("already_exists")) => {}
            _ => bail!("`{kind}` was answered {answer}"),
        }
    }
    tracing::info!(server = %name, node = "/machines", "this machine is registered");
    Ok(())
}

/// What this machine says of itself; what it does not tell is left out.
fn server(name: &str) -> Value {
    let mut labels = json!({ "os": std::env::consts::OS, "arch": std::env::consts::ARCH });
    if let Ok(cores) = std::thread::available_parallelism() {
        labels["cores"] = cores.to_string().into();
    }
    if let Some(memory) = read("/proc/meminfo").as_deref().and_then(memory) {
        labels["memory"] = memory.into();
    }
    let mut addresses = ipv4(&read("/proc/net/fib_trie").unwrap_or_default());
    addresses.extend(ipv6(&read("/proc/net/if_inet6").unwrap_or_default()));
    addresses.truncate(ADDRESSES_MAX);
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let mut server = json!({ "name": name, "state": "online", "addresses": addresses, "labels": labels });
    if let Some(serial) = read("/etc/machine-id") {
        server["serial"] = serial.into();
    }
    server
}

/// A machine full of containers has hundreds.
const ADDRESSES_MAX: usize = 16;

fn read(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// `MemTotal` in GiB.
fn memory(meminfo: &str) -> Option<String> {
    let kib: f64 = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(format!("{:.1} GiB", kib / 1_048_576.0))
}

/// The local addresses of the kernel's routing trie: a line `|-- 10.0.0.5`, below it `/32 host LOCAL`.
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
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.1.0.0\n        /24 link UNICAST\n     |-- 10.1.0.7\n        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\nLocal:\n     |-- 10.1.0.7\n        /32 host LOCAL\n";
        assert_eq!(ipv4(trie), ["10.1.0.7".parse::<IpAddr>().unwrap()]);
        let interfaces = "00000000000000000000000000000001 01 80 10 80 lo\n20010db8000000000000000000000005 02 40 00 80 eth0\nfe800000000000000000000000000005 02 40 20 80 eth0\n";
        assert_eq!(ipv6(interfaces), ["2001:db8::5".parse::<IpAddr>().unwrap()]);
        assert_eq!(memory("MemTotal:        8053064 kB\nMemFree: 1 kB\n").as_deref(), Some("7.7 GiB"));
        assert!(ipv4("").is_empty() && ipv6("x").is_empty() && memory("").is_none());
    }
}
