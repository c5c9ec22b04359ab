//! Reads the kernel's numbers, each round only those that are sent.
//!
//! Deliberately left out: network file systems, whose servers may hang; file systems in memory and those of containers, which are the host's own
//! disks once more; interfaces that are made for each container or virtual machine under ever new names, each of which would be a series for ever.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use loki_runtime::clock::Stopwatch;
use sysinfo::{Disk as Mounted, DiskRefreshKind, Disks, NetworkData, Networks, System};

use super::reading::{Disk, Interface, Moved, Reading, Room, Traffic};
use crate::error::Error;

/// Series of one host are bounded: with all of both it has some 600.
const DISKS_MAX: usize = 64;
const INTERFACES_MAX: usize = 32;

/// Beginnings of names that container engines and hypervisors give to their ends of a wire.
const PASSING_INTERFACES: [&str; 6] = ["veth", "cali", "lxc", "tap", "vnet", "ifb"];

/// File systems that are no device's and hold data all the same.
const WITHOUT_DEVICE: [&str; 4] = ["zfs", "btrfs", "bcachefs", "virtiofs"];

pub(super) struct Host {
    watch: Stopwatch,
    system: System,
    disks: Disks,
    networks: Networks,
    /// How many disks and interfaces were left out for their number: told once.
    left_out: (usize, usize),
}

impl Host {
    pub(super) fn open() -> Result<Self, Error> {
        let wrong = |error: sysinfo::Error| Error::Measure(error.to_string());
        Ok(Self {
            watch: Stopwatch::start(),
            system: System::new().map_err(wrong)?,
            disks: Disks::new().map_err(wrong)?,
            networks: Networks::new().map_err(wrong)?,
            left_out: (0, 0),
        })
    }

    pub(super) fn read(&mut self) -> Reading {
        let is_first = self.system.cpus().is_empty();
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.networks.refresh(true);
        let at = self.watch.elapsed();
        let (disks, interfaces) = (self.disks(), self.interfaces());
        let left_out = (disks.len().saturating_sub(DISKS_MAX), interfaces.len().saturating_sub(INTERFACES_MAX));
        if left_out != self.left_out {
            tracing::warn!(
                disks = left_out.0,
                interfaces = left_out.1,
                "this host has more than are measured: those last in order are left out"
            );
            self.left_out = left_out;
        }
        Reading {
            at,
            cpu: (!is_first).then(|| f64::from(self.system.global_cpu_usage())),
            load: System::load_average().ok().map(|load| [load.one, load.five, load.fifteen]),
            memory: Room { total: self.system.total_memory(), available: self.system.available_memory() },
            swap: Room { total: self.system.total_swap(), available: self.system.free_swap() },
            disks: disks.into_iter().take(DISKS_MAX).collect(),
            interfaces: interfaces.into_iter().take(INTERFACES_MAX).collect(),
            uptime: System::uptime().ok().map(Duration::from_secs),
            processes: processes(Path::new("/proc")),
        }
    }

    fn disks(&mut self) -> BTreeMap<String, Disk> {
        // how full a file system is, is asked only of those that are sent
        self.disks.refresh_specifics(true, DiskRefreshKind::nothing().with_io_usage());
        let mut shortest: HashMap<String, usize> = HashMap::new();
        for (index, disk) in self.disks.iter().enumerate().filter(|(_, disk)| is_real(disk)) {
            // a device that is mounted several times is sent once, where its path is shortest
            let device = disk.name().to_string_lossy().into_owned();
            let best = shortest.entry(device).or_insert(index);
            if length(disk) < length(&self.disks[*best]) {
                *best = index;
            }
        }
        let mut disks = BTreeMap::new();
        for index in shortest.into_values() {
            let disk = &mut self.disks[index];
            disk.refresh_specifics(DiskRefreshKind::nothing().with_storage());
            let room = Room { total: disk.total_space(), available: disk.available_space() };
            let usage = disk.usage();
            let moved = Moved { read: usage.total_read_bytes, written: usage.total_written_bytes };
            if room.total > 0 {
                let counted = moved != Moved::default();
                disks.insert(disk.mount_point().to_string_lossy().into_owned(), Disk { room, moved: counted.then_some(moved) });
            }
        }
        disks
    }

    fn interfaces(&self) -> BTreeMap<String, Interface> {
        let named = self.networks.iter().map(|(name, counted)| (name.to_string_lossy().into_owned(), counted));
        named.filter(|(name, _)| is_lasting(name)).map(|(name, counted)| (name, interface(counted))).collect()
    }
}

fn length(disk: &Mounted) -> (usize, &Path) {
    (disk.mount_point().as_os_str().len(), disk.mount_point())
}

fn is_real(disk: &Mounted) -> bool {
    let system = disk.file_system().to_string_lossy();
    is_real_file_system(&disk.name().to_string_lossy(), &system, disk.mount_point())
}

fn is_real_file_system(device: &str, system: &str, mount: &Path) -> bool {
    let is_device = device.starts_with("/dev/") && !device.starts_with("/dev/loop") && !system.starts_with("fuse");
    // a container's own root is no device
    is_device || WITHOUT_DEVICE.contains(&system) || mount == Path::new("/")
}

fn is_lasting(interface: &str) -> bool {
    interface != "lo" && !PASSING_INTERFACES.iter().any(|beginning| interface.starts_with(beginning))
}

fn interface(counted: &NetworkData) -> Interface {
    Interface {
        received: Traffic {
            bytes: counted.total_received(),
            packets: counted.total_packets_received(),
            errors: counted.total_errors_on_received(),
        },
        transmitted: Traffic {
            bytes: counted.total_transmitted(),
            packets: counted.total_packets_transmitted(),
            errors: counted.total_errors_on_transmitted(),
        },
    }
}

/// Folders whose names are numbers: reading what is in them would cost a hundred times as much.
fn processes(proc: &Path) -> Option<u64> {
    let names = std::fs::read_dir(proc).ok()?.flatten().map(|entry| entry.file_name());
    let count = names.filter(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit)).count();
    u64::try_from(count).ok().filter(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_file_systems_are_those_that_hold_data() {
        for (device, system, mount) in
            [("/dev/vda", "ext4", "/"), ("/dev/mapper/vg-lv", "xfs", "/srv"), ("tank/home", "zfs", "/home"), ("overlay", "overlay", "/")]
        {
            assert!(is_real_file_system(device, system, Path::new(mount)), "{device}");
        }
        for (device, system, mount) in [
            ("overlay", "overlay", "/var/lib/docker/overlay2/0f/merged"),
            ("/dev/loop3", "ext4", "/mnt/image"),
            ("lxcfs", "fuse.lxcfs", "/var/lib/lxcfs"),
            ("/dev/fuse", "fuse", "/mnt/fuse"),
            ("server:/export", "ceph", "/mnt/ceph"),
            ("tracefs", "tracefs", "/mnt/tracing"),
        ] {
            assert!(!is_real_file_system(device, system, Path::new(mount)), "{device}");
        }
    }

    #[test]
    fn interfaces_that_come_and_go_are_left_out() {
        assert!(["eth0", "enp3s0", "bond0", "docker0", "br-0a1b", "wg0"].into_iter().all(is_lasting));
        assert!(!["lo", "veth12ab", "cali0123", "vnet4", "tap0"].into_iter().any(is_lasting));
    }

    #[test]
    fn this_host_is_read() {
        let mut host = Host::open().unwrap();
        let first = host.read();
        assert_eq!(first.cpu, None);
        assert!(first.memory.total > 0 && first.memory.used() <= first.memory.total && first.uptime.is_some());
        assert!(first.disks.keys().any(|mount| mount == "/"), "{:?}", first.disks.keys());
        let second = host.read();
        assert!(second.cpu.is_some_and(|cpu| (0.0..=100.0).contains(&cpu)) && second.at > first.at);
        assert!(second.processes.is_some_and(|count| count > 0));
    }
}
