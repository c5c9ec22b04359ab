//! The embedded set under load that goes on, killed with -9 now and then: everything that was acknowledged is there, and what the process takes of the
//! machine stays what it was.

use std::path::Path;
use std::time::{Duration, Instant};

use loki_core::generate::Random;
use loki_testing::proof;

use crate::ledger::{Load, Rates};
use crate::platform::{Platform, REMEMBERED_BYTES};

/// `make proof` has half an hour.
const SECONDS: u64 = 15;
const VARIABLE: &str = "LOKI_TEST_SOAK_SECONDS";
const RATES: Rates = Rates { commands: 50, points: 500 };
const PROOF_RATES: Rates = Rates { commands: 200, points: 2_000 };
/// Longest wait between two looks, and how often there is a kill between two.
const LOOKS: u64 = 15;
const KILLS_EVERY: u64 = 3;
/// What the end may have more than the middle.
const MORE: f64 = 1.15;

/// What a process has of the machine.
#[derive(Debug, Clone, Copy)]
struct Taken {
    resident: u64,
    descriptors: usize,
    /// Of all files in its data folder, and what was acknowledged by then.
    disk: u64,
    commands: usize,
    acknowledged: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_set_takes_no_more_as_time_passes() {
    let seconds = proof::count(VARIABLE, SECONDS);
    let rates = if proof::is_running() { PROOF_RATES } else { RATES };
    let mut platform = Platform::embedded().await;
    let mut random = Random::new(0x50a5);
    let load = Load::start(&platform.api, rates);
    let (started, mut kills, mut taken) = (Instant::now(), 0, Vec::new());
    for look in 1..=LOOKS {
        let until = Duration::from_secs_f64(seconds as f64 * look as f64 / LOOKS as f64);
        if look % KILLS_EVERY == 0 {
            // at any moment of what is left of it
            tokio::time::sleep(until.saturating_sub(started.elapsed()).mul_f64(random.below(50) as f64 / 100.0)).await;
            platform.kill("all");
            platform.start("all").await;
            kills += 1;
        }
        tokio::time::sleep(until.saturating_sub(started.elapsed())).await;
        let (commands, points) = load.acknowledged();
        let now = taken_by(&platform, commands, points);
        println!("after {:.0} s: {now:?}", started.elapsed().as_secs_f64());
        taken.push(now);
    }
    let ledger = load.end().await;
    platform.api.settled().await;
    platform.verify();
    assert_eq!(ledger.differences(&platform.api).await, Vec::<String>::new());
    let (middle, end) = (taken[taken.len() / 2], taken[taken.len() - 1]);
    let is_flat = |middle: u64, end: u64| end as f64 <= middle as f64 * MORE;
    // over seconds caches still fill
    if proof::is_running() {
        let remembered = (end.commands - middle.commands) as u64 * REMEMBERED_BYTES;
        assert!(is_flat(middle.resident, end.resident.saturating_sub(remembered)), "{taken:?}");
    }
    assert!(is_flat(middle.descriptors as u64 + 20, end.descriptors as u64), "{taken:?}");
    let each = |taken: Taken| taken.disk / taken.acknowledged.max(1) as u64;
    assert!(is_flat(each(middle) + 20, each(end)), "{taken:?}");
    let text = format!(
        "embedded set, {seconds} s of load, {kills} kill -9: {} commands and {} points acknowledged, none lost or double; resident {} MB halfway, {} MB at the \
         end, answers to {} more ids among them; descriptors {}, {}; bytes on disk for each command or point {}, {}",
        ledger.commands(),
        ledger.points(),
        middle.resident >> 20,
        end.resident >> 20,
        end.commands - middle.commands,
        middle.descriptors,
        end.descriptors,
        each(middle),
        each(end)
    );
    proof::tell("soak", &text);
}

fn taken_by(platform: &Platform, commands: usize, points: usize) -> Taken {
    let process = Path::new("/proc").join(platform.id("all").to_string());
    let status = std::fs::read_to_string(process.join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024;
    let descriptors = std::fs::read_dir(process.join("fd")).unwrap().count();
    Taken { resident, descriptors, disk: size(&platform.data()), commands, acknowledged: commands + points }
}

fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    // files come and go meanwhile
    entries.map(|entry| if entry.path().is_dir() { size(&entry.path()) } else { entry.metadata().map_or(0, |file| file.len()) }).sum()
}
