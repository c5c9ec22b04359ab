//! What a host says at one moment: numbers alone, so that samples are a function of two readings.

use std::collections::BTreeMap;
use std::time::Duration;

/// What cannot be read is absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Reading {
    /// Since the host was first read.
    pub(super) at: Duration,
    /// Percent of all processors since the reading before; absent in the first.
    pub(super) cpu: Option<f64>,
    /// Over 1, 5 and 15 minutes.
    pub(super) load: Option<[f64; 3]>,
    pub(super) memory: Room,
    pub(super) swap: Room,
    /// By where they are mounted.
    pub(super) disks: BTreeMap<String, Disk>,
    /// By name.
    pub(super) interfaces: BTreeMap<String, Interface>,
    pub(super) uptime: Option<Duration>,
    pub(super) processes: Option<u64>,
}

/// Bytes. What is available may be used at once, caches that can be given up included.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Room {
    pub(super) total: u64,
    pub(super) available: u64,
}

impl Room {
    pub(super) fn used(self) -> u64 {
        self.total.saturating_sub(self.available)
    }

    /// Percent; `None` of nothing.
    pub(super) fn usage(self) -> Option<f64> {
        (self.total > 0).then(|| self.used() as f64 / self.total as f64 * 100.0)
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Disk {
    pub(super) room: Room,
    /// Bytes since the host started; absent where the kernel does not count them.
    pub(super) moved: Option<Moved>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Moved {
    pub(super) read: u64,
    pub(super) written: u64,
}

/// Since the interface was made.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Interface {
    pub(super) received: Traffic,
    pub(super) transmitted: Traffic,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Traffic {
    pub(super) bytes: u64,
    pub(super) packets: u64,
    pub(super) errors: u64,
}
