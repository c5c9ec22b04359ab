//! `loki all` opens one port, as the kernel's own tables tell.

use std::collections::BTreeSet;

use crate::loki::{Running, free_address};

/// Where a process listens for TCP connections: `0100007F:2116`, as the kernel writes it, of both families.
fn listening(pid: u32) -> BTreeSet<String> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    // a descriptor may be closed while it is looked at
    let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let sockets: BTreeSet<String> =
        targets.filter_map(|target| Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect();
    let mut found = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        // a kernel without IPv6 has no such table
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            // sl, local address, remote address, state (0A: listening), four more, uid, timeout, inode
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields[3] == "0A" && sockets.contains(fields[9]) {
                found.insert(fields[1].to_owned());
            }
        }
    }
    found
}

/// `127.0.0.1:port` as the kernel writes it.
fn of_loopback(address: &str) -> String {
    let port: u16 = address.rsplit_once(':').unwrap().1.parse().unwrap();
    format!("0100007F:{port:04X}")
}

#[tokio::test]
async fn all_listens_on_the_port_of_the_api_only() {
    let home = tempfile::tempdir().unwrap();
    // another address than the API's, which it would open if it opened any
    let telemetry = free_address();
    let mut loki = Running::start(home.path(), "all", &[("LOKI__TELEMETRY__LISTEN", &telemetry)]);
    loki.ready().await;
    assert_eq!(listening(loki.pid()), BTreeSet::from([of_loopback(&loki.address)]));
    // health and metrics are on it
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(loki.get(path).await.map(|(status, _)| status), Some(200), "{path}");
    }
}
