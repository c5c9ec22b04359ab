//! The samples of a reading. Every one has the tag `host`, the server's name.
//!
//! | metric | further tag | unit |
//! | --- | --- | --- |
//! | `host.up` | | 1 while the agent runs |
//! | `host.uptime` | | seconds since the host started |
//! | `host.cpu.usage` | | percent of all processors since the round before, 0 to 100 |
//! | `host.load.1m` `host.load.5m` `host.load.15m` | | tasks that run or wait |
//! | `host.processes` | | processes |
//! | `host.memory.total` `.used` `.available` | | bytes; used is all that is not available |
//! | `host.memory.usage` | | percent, 0 to 100 |
//! | `host.swap.total` `.used` | | bytes |
//! | `host.swap.usage` | | percent; only where there is swap |
//! | `host.disk.total` `.used` `.available` | `mount` | bytes; available to others than root |
//! | `host.disk.usage` | `mount` | percent, 0 to 100 |
//! | `host.disk.read.bytes` `host.disk.write.bytes` | `mount` | bytes per second of the device |
//! | `host.network.receive.bytes` `host.network.transmit.bytes` | `interface` | bytes per second |
//! | `host.network.receive.packets` `host.network.transmit.packets` | `interface` | packets per second |
//! | `host.network.receive.errors` `host.network.transmit.errors` | `interface` | errors per second |
//!
//! Rates are over the time between two readings; the first reading, an interface that is new and a counter that began anew have none.

use std::time::Duration;

use loki_domain::sample::{Instant, Value};
use loki_domain::{Sample, Series, ServerName, Tags};

use super::names::tag_value;
use super::rate::per_second;
use super::reading::{Disk, Interface, Reading, Room, Traffic};

/// Gathers the samples of one instant.
struct Samples<'n> {
    host: &'n str,
    at: Instant,
    gathered: Vec<Sample>,
}

/// `at_ms`: the instant that they are dated at, in milliseconds since 1970.
pub(super) fn points(server: &ServerName, at_ms: i64, before: Option<&Reading>, now: &Reading) -> Vec<Sample> {
    // a clock before 1970 or after 2286 dates nothing
    let Some(at) = super::instant(at_ms) else { return Vec::new() };
    let mut samples = Samples { host: server.as_str(), at, gathered: Vec::with_capacity(64) };
    let whole = None;
    samples.add("host.up", whole, Some(1.0));
    samples.add("host.uptime", whole, now.uptime.map(|uptime| uptime.as_secs_f64()));
    samples.add("host.cpu.usage", whole, now.cpu);
    for (index, metric) in ["host.load.1m", "host.load.5m", "host.load.15m"].into_iter().enumerate() {
        samples.add(metric, whole, now.load.map(|load| load[index]));
    }
    samples.add("host.processes", whole, now.processes.map(|count| count as f64));
    samples.room("host.memory", whole, now.memory, true);
    samples.room("host.swap", whole, now.swap, false);
    let passed = before.map_or(Duration::ZERO, |before| now.at.saturating_sub(before.at));
    for (mount, disk) in &now.disks {
        samples.disk(mount, before.and_then(|before| before.disks.get(mount)), disk, passed);
    }
    for (name, interface) in &now.interfaces {
        if let Some(before) = before.and_then(|before| before.interfaces.get(name)) {
            samples.interface(name, before, interface, passed);
        }
    }
    samples.gathered
}

type Tag<'t> = Option<(&'t str, &'t str)>;

impl Samples<'_> {
    fn add(&mut self, metric: &str, tag: Tag<'_>, value: Option<f64>) {
        let Some(Ok(value)) = value.map(Value::new) else { return };
        let tags = Tags::new([("host", self.host)].into_iter().chain(tag));
        // the names are those of this file, and the values are made to fit
        if let (Ok(metric), Ok(tags)) = (metric.parse(), tags) {
            self.gathered.push(Sample { series: Series::new(metric, tags), at: self.at, value });
        }
    }

    fn room(&mut self, metric: &str, tag: Tag<'_>, room: Room, tells_available: bool) {
        self.add(&format!("{metric}.total"), tag, Some(room.total as f64));
        self.add(&format!("{metric}.used"), tag, Some(room.used() as f64));
        self.add(&format!("{metric}.available"), tag, tells_available.then_some(room.available as f64));
        self.add(&format!("{metric}.usage"), tag, room.usage());
    }

    fn disk(&mut self, mount: &str, before: Option<&Disk>, now: &Disk, passed: Duration) {
        let mount = tag_value(mount);
        let tag = Some(("mount", mount.as_str()));
        self.room("host.disk", tag, now.room, true);
        if let (Some(before), Some(now)) = (before.and_then(|before| before.moved), now.moved) {
            self.add("host.disk.read.bytes", tag, per_second(before.read, now.read, passed));
            self.add("host.disk.write.bytes", tag, per_second(before.written, now.written, passed));
        }
    }

    fn interface(&mut self, name: &str, before: &Interface, now: &Interface, passed: Duration) {
        let name = tag_value(name);
        let tag = Some(("interface", name.as_str()));
        let directions: [(&str, &Traffic, &Traffic); 2] =
            [("receive", &before.received, &now.received), ("transmit", &before.transmitted, &now.transmitted)];
        for (direction, before, now) in directions {
            let counters =
                [("bytes", before.bytes, now.bytes), ("packets", before.packets, now.packets), ("errors", before.errors, now.errors)];
            for (counted, before, now) in counters {
                self.add(&format!("host.network.{direction}.{counted}"), tag, per_second(before, now, passed));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::reading::Moved;
    use super::*;

    const AT: i64 = 1_700_000_010_000;

    fn reading(at: u64, counted: u64) -> Reading {
        let traffic = |bytes| Traffic { bytes, packets: bytes / 10, errors: 0 };
        Reading {
            at: Duration::from_secs(at),
            cpu: Some(12.5),
            load: Some([0.5, 0.25, 0.125]),
            memory: Room { total: 1_000, available: 250 },
            disks: BTreeMap::from([(
                "/my disk".to_owned(),
                Disk { room: Room { total: 100, available: 40 }, moved: Some(Moved { read: counted, written: 2 * counted }) },
            )]),
            interfaces: BTreeMap::from([("eth0".to_owned(), Interface { received: traffic(counted), transmitted: traffic(3 * counted) })]),
            uptime: Some(Duration::from_secs(77)),
            processes: Some(9),
            ..Reading::default()
        }
    }

    fn told(before: Option<&Reading>, now: &Reading) -> Vec<String> {
        let samples = points(&"web01".parse().unwrap(), AT, before, now);
        samples.iter().map(|sample| format!("{} {} {}", sample.series, sample.at, sample.value)).collect()
    }

    #[test]
    fn the_first_reading_has_no_rates() {
        let first = Reading { cpu: None, ..reading(0, 0) };
        let expected = [
            "host.up{host=web01} 1700000010 1.0",
            "host.uptime{host=web01} 1700000010 77.0",
            "host.load.1m{host=web01} 1700000010 0.5",
            "host.load.5m{host=web01} 1700000010 0.25",
            "host.load.15m{host=web01} 1700000010 0.125",
            "host.processes{host=web01} 1700000010 9.0",
            "host.memory.total{host=web01} 1700000010 1000.0",
            "host.memory.used{host=web01} 1700000010 750.0",
            "host.memory.available{host=web01} 1700000010 250.0",
            "host.memory.usage{host=web01} 1700000010 75.0",
            "host.swap.total{host=web01} 1700000010 0.0",
            "host.swap.used{host=web01} 1700000010 0.0",
            "host.disk.total{host=web01,mount=/my_20disk} 1700000010 100.0",
            "host.disk.used{host=web01,mount=/my_20disk} 1700000010 60.0",
            "host.disk.available{host=web01,mount=/my_20disk} 1700000010 40.0",
            "host.disk.usage{host=web01,mount=/my_20disk} 1700000010 60.0",
        ];
        assert_eq!(told(None, &first), expected);
    }

    #[test]
    fn rates_are_over_the_time_between_two_readings() {
        let told = told(Some(&reading(10, 1_000)), &reading(14, 3_000));
        for expected in [
            "host.cpu.usage{host=web01} 1700000010 12.5",
            "host.disk.read.bytes{host=web01,mount=/my_20disk} 1700000010 500.0",
            "host.disk.write.bytes{host=web01,mount=/my_20disk} 1700000010 1000.0",
            "host.network.receive.bytes{host=web01,interface=eth0} 1700000010 500.0",
            "host.network.receive.packets{host=web01,interface=eth0} 1700000010 50.0",
            "host.network.receive.errors{host=web01,interface=eth0} 1700000010 0.0",
            "host.network.transmit.bytes{host=web01,interface=eth0} 1700000010 1500.0",
        ] {
            assert!(told.iter().any(|line| line == expected), "{expected} is not among {told:#?}");
        }
    }

    #[test]
    fn an_interface_that_was_made_again_has_no_rates_for_a_round() {
        let is_traffic = |line: &String| line.starts_with("host.network");
        assert_eq!(told(Some(&reading(10, 3_000)), &reading(20, 10)).iter().filter(|line| is_traffic(line)).count(), 2, "errors stay at 0");
        let without = Reading { interfaces: BTreeMap::new(), ..reading(10, 1) };
        assert!(!told(Some(&without), &reading(20, 10)).iter().any(|line| is_traffic(&line.clone())));
    }

    /// The table above is what is sent.
    #[test]
    fn the_table_names_every_metric() {
        let table: String = include_str!("points.rs").lines().filter(|line| line.starts_with("//! |")).collect();
        let now = Reading { swap: Room { total: 10, available: 5 }, ..reading(20, 20) };
        for sample in points(&"web01".parse().unwrap(), AT, Some(&reading(10, 10)), &now) {
            let metric = sample.series.metric.to_string();
            let short = format!("`.{}`", metric.rsplit('.').next().unwrap());
            assert!(table.contains(&format!("`{metric}`")) || table.contains(&short), "{metric}");
        }
    }
}
