//! `loki all --this-machine`: the machine that runs it becomes the first server of the tree, by the same commands that anyone would send.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use loki_cli::Client;
use loki_cli::client::{NewCommand, new_id};
use loki_runtime::Secret;
use loki_wire::digest;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

/// How long each command may take to be decided.
const OUTCOME_WAIT: Duration = Duration::from_secs(10);

/// Registers this machine under `/machines`. Safe to repeat: what is there already stays.
pub(crate) async fn register(api: SocketAddr, token: &Secret) -> anyhow::Result<()> {
    let name = read("/proc/sys/kernel/hostname").or_else(|| read("/etc/hostname")).context("the host name is not known")?.to_lowercase();
    let commands = [
        ("node.create", json!({ "path": "/machines" })),
        ("server.register", server(&name)),
        ("server.mount", json!({ "server": name, "node": "/machines" })),
    ];
    // the operators' client: it passes by a proxy of the environment, and asks on while there is no outcome
    let token = (!token.is_empty()).then_some(token);
    let client = Client::new(format!("http://{api}").parse()?, token, None)?;
    for (kind, data) in commands {
        let (id, data) = (new_id(), to_raw_value(&data)?);
        let command = NewCommand { id: &id, kind, actor: Some("this-machine"), expires: None, data: &data };
        let outcome = client.emit(&command, Some(OUTCOME_WAIT)).await?;
        if !outcome.is_accepted() && outcome.code.as_deref() != Some("already_exists") {
            bail!("`{kind}` was answered: {outcome}");
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
    let product = read("/sys/class/dmi/id/product_serial").filter(|serial| is_serial(serial));
    if let Some(serial) = product.or_else(|| read("/etc/machine-id").as_deref().and_then(of_machine_id)) {
        server["serial"] = serial.into();
    }
    server
}

/// What firmware says that was never told its serial number.
const PLACEHOLDERS: [&str; 13] = [
    "none",
    "default",
    "default string",
    "empty",
    "invalid",
    "n/a",
    "not applicable",
    "not available",
    "not specified",
    "system serial number",
    "to be filled by o.e.m.",
    "unknown",
    "123456789",
];

fn is_serial(text: &str) -> bool {
    let known = text.to_lowercase();
    let all_alike = text.chars().all(|c| text.starts_with(c) || c.is_whitespace() || c == '-');
    !all_alike && text.len() <= 64 && !PLACEHOLDERS.contains(&known.as_str()) && known != "0123456789"
}

/// Of this application: another one's hash of the same machine is another.
const APPLICATION: [u8; 16] = *b"loki-ops/machine";

/// The machine's id is confidential (machine-id(5)): what is published is a hash with it as the key, as `sd_id128_get_machine_app_specific` makes one.
fn of_machine_id(text: &str) -> Option<String> {
    let id = u128::from_str_radix(text, 16).ok().filter(|id| *id != 0 && text.len() == 32)?;
    Some(digest::to_hex(&hmac_sha256(&id.to_be_bytes(), &APPLICATION)[..16]))
}

/// RFC 2104, for a key that is no longer than a block.
fn hmac_sha256(key: &[u8; 16], message: &[u8]) -> digest::Digest {
    let padded = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    digest::sha256(&[&padded(0x5c), &digest::sha256(&[&padded(0x36), message])])
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
    fn a_serial_number_is_no_placeholder_and_no_secret() {
        for serial in ["PF2ABCDE", "VMware-56 4d 12 34", "4CE0460D0G", "0000-1"] {
            assert!(is_serial(serial), "{serial}");
        }
        for no in [
            "None",
            "To be filled by O.E.M.",
            "To Be Filled By O.E.M.",
            "0",
            "00000000",
            "0000-0000",
            "xxxxxxx",
            "Default string",
            "0123456789",
            "-",
            ".",
        ] {
            assert!(!is_serial(no), "{no}");
        }
        let id = "0123456789abcdef0123456789abcdef";
        let told = of_machine_id(id).unwrap();
        assert!(told.len() == 32 && told != id && of_machine_id(id).as_ref() == Some(&told), "{told}");
        assert_ne!(of_machine_id("0123456789abcdef0123456789abcdee").unwrap(), told);
        for no in ["", "uninitialized", "00000000000000000000000000000000", "0123"] {
            assert_eq!(of_machine_id(no), None, "{no}");
        }
        // as `openssl dgst -sha256 -mac hmac` says
        let hash = hmac_sha256(&[0x0b; 16], b"Hi There");
        assert_eq!(digest::to_hex(&hash), "492ce020fe2534a5789dc3848806c78f4f6711397f08e7e7a12ca5a4483c8aa6");
    }

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
