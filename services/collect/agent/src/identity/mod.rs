//! What this machine says of itself; what it does not tell is left out.

mod addresses;
mod serial;

use std::collections::BTreeMap;

use loki_domain::ServerName;
use serde::Serialize;

use crate::error::Error;

/// The labels that are the agent's: it sets them, and no others.
pub(crate) const LABELS: [&str; 4] = ["os", "arch", "cores", "memory"];

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Identity {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) serial: Option<String>,
    pub(crate) addresses: Vec<String>,
    pub(crate) labels: BTreeMap<String, String>,
}

impl Identity {
    /// Reads it from the kernel's tables and the firmware's.
    pub(crate) fn read() -> Self {
        let cores = std::thread::available_parallelism().ok().map(|cores| cores.to_string());
        let memory = read("/proc/meminfo").as_deref().and_then(memory);
        let values = [Some(std::env::consts::OS.to_owned()), Some(std::env::consts::ARCH.to_owned()), cores, memory];
        let labels = LABELS.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
        Self {
            serial: serial::of(read("/sys/class/dmi/id/product_serial").as_deref(), read("/etc/machine-id").as_deref()),
            addresses: addresses::of(&read("/proc/net/fib_trie").unwrap_or_default(), &read("/proc/net/if_inet6").unwrap_or_default()),
            labels: labels.collect(),
        }
    }
}

/// The server's name: as it is set, else the host name in lower case.
pub(crate) fn server_name(set: Option<&str>) -> Result<ServerName, Error> {
    let name = match set {
        Some(name) => name.to_owned(),
        None => read("/proc/sys/kernel/hostname").or_else(|| read("/etc/hostname")).ok_or(Error::NoHostName)?.to_lowercase(),
    };
    name.parse().map_err(|why: loki_domain::Invalid| Error::HostName { name, why: why.to_string() })
}

/// The text of a file, unless it is missing or empty.
fn read(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// `MemTotal` in GiB.
fn memory(meminfo: &str) -> Option<String> {
    let kib: f64 = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(format!("{:.1} GiB", kib / 1_048_576.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_as_people_say_it() {
        assert_eq!(memory("MemTotal:        8053064 kB\nMemFree: 1 kB\n").as_deref(), Some("7.7 GiB"));
        assert!(memory("").is_none() && memory("MemTotal: much\n").is_none());
    }

    #[test]
    fn this_machine_tells_what_it_is() {
        let identity = Identity::read();
        assert_eq!(identity.labels.get("os").map(String::as_str), Some(std::env::consts::OS));
        assert!(identity.labels.keys().all(|label| LABELS.contains(&label.as_str())));
        assert_eq!(identity, Identity::read());
    }

    #[test]
    fn the_name_is_a_server_s() {
        assert_eq!(server_name(Some("web01.acme.example")).unwrap().as_str(), "web01.acme.example");
        assert!(server_name(Some("Web 01")).unwrap_err().to_string().contains("name this server by `server`"));
    }
}
