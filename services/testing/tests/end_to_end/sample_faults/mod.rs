//! Samples on the real set: good ones, bad ones, repeats and contradictions in every spelling, half of them past the API, while sinks and OpenTSDB
//! are killed with -9 ten times. Each good point is stored once with the first value that the log has, each bad one is one dead letter, and no query
//! ever meets two values at one instant, however often the log is read again.
//!
//! `given` makes the points, `ingest` sends them, `site` is what is killed, and `model` tells from the log what must have become of it.

mod given;
mod ingest;
mod model;
mod site;

use std::time::{SystemTime, UNIX_EPOCH};

use loki_testing::proof;

use self::given::Generator;
use self::ingest::{Ingest, Instants};
use self::model::{Cells, Dead, Expected};
use self::site::Site;

const SEED: u64 = 0x5a3e;
const ROUNDS: usize = 10;
/// Every rule is met dozens of times, and it takes some two minutes on two cores, of which the kills take one and a half; `make proof` has 200,000 by
/// this variable.
const POINTS: usize = 40_000;
const POINTS_VARIABLE: &str = "LOKI_TEST_POINTS";
/// Records that the sinks finish between two kills, at least.
const STEP: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn each_point_is_stored_once_whatever_is_killed() {
    let points = proof::count(POINTS_VARIABLE, POINTS);
    let mut site = Site::start().await;
    let ingest = Ingest::start(&site, Generator::new(SEED, points, site.partitions, now_ms()), points);
    let done = tokio::sync::watch::Sender::new(false);
    let asking = tokio::spawn(site::ask(site.platform.another_client(), done.subscribe()));
    for round in 0..ROUNDS {
        let before = site.committed().await;
        ingest.release(points * (round + 1) / (ROUNDS + 1));
        site.progress(before + STEP).await;
        site.kill(round).await;
    }
    let good = ingest.end().await;
    site.settled().await;
    done.send_replace(true);
    let answered = asking.await.unwrap();
    assert!(answered > 50, "{answered} queries were answered");

    let expected = check(&site, "after the kills").await;
    met(&expected, &good, points);
    // twice more: by the sinks, which know nothing any more, and by the operators' command
    site.rewind().await;
    site.settled().await;
    check(&site, "after the sinks have read everything again").await;
    site.platform.expect(&["rebuild", "opentsdb", "--yes"]);
    site.platform.verify();
    check(&site, "after it was put again").await;
    site.fsck();
    proof::tell(
        "samples",
        &format!(
            "samples of all kinds, {points} points, {ROUNDS} kills: each stored once or dead once ({} dead, {} repeated, {} misplaced), also after reading \
             everything again and `loki rebuild opentsdb`; `loki verify` clean, `fsck` finds nothing",
            expected.dead.len(),
            expected.repeats,
            expected.misplaced
        ),
    );
}

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// What is stored and what is dead is what the log says.
async fn check(site: &Site, when: &str) -> Expected {
    let expected = Expected::of(site).await;
    assert_eq!(differences(&expected.cells, &site.stored().await), Vec::<String>::new(), "{when}");
    assert_eq!(letters(&expected.dead, &model::letters(site).await), Vec::<String>::new(), "{when}");
    assert_eq!(letters(&expected.dead, &site.platform.api.letters().await), Vec::<String>::new(), "{when}, as listed");
    assert_eq!(site.failed_queries().await, 0, "{when}");
    expected
}

/// Nothing that was acknowledged is missing in the log, and no rule was left out.
fn met(expected: &Expected, good: &Instants, points: usize) {
    let lost: Vec<_> = good.iter().filter(|(series, at_ms)| !expected.cells[series].contains_key(at_ms)).take(10).collect();
    assert!(lost.is_empty() && expected.points() > points * 8 / 10, "{} of {points} points, lost {lost:?}", expected.points());
    let share = |per_ten_thousand: usize| points * per_ten_thousand / 10_000;
    for (code, least) in [
        ("bad_json", 1),
        ("schema_violation", share(2)),
        ("invalid", share(10)),
        ("conflict", share(20)),
        ("too_old", share(2)),
        ("ahead_of_log", share(2)),
    ] {
        assert!(expected.of_code(code) >= least, "{} letters of {code}", expected.of_code(code));
    }
    assert!(expected.repeats > share(200) && expected.misplaced > share(20), "{} {}", expected.repeats, expected.misplaced);
}

fn differences(expected: &Cells, stored: &Cells) -> Vec<String> {
    let series = expected.keys().chain(stored.keys().filter(|series| !expected.contains_key(*series)));
    let of = |cells: &Cells, series: &String| cells.get(series).cloned().unwrap_or_default();
    let each = series.flat_map(|series| {
        let (expected, stored) = (of(expected, series), of(stored, series));
        let extra = stored.iter().filter(|(at_ms, _)| !expected.contains_key(at_ms));
        let extra: Vec<String> = extra.map(|(at_ms, value)| format!("{series} {at_ms} {value:?} is too many")).collect();
        let wrong = expected.iter().filter(|(at_ms, value)| stored.get(at_ms) != Some(value));
        let wrong = wrong.map(|(at_ms, value)| format!("{series} {at_ms} is {:?}, not {value:?}", stored.get(at_ms)));
        wrong.chain(extra).collect::<Vec<_>>()
    });
    each.take(20).collect()
}

fn letters(expected: &Dead, found: &Dead) -> Vec<String> {
    let missing = expected.iter().filter(|(id, code)| found.get(*id) != Some(code));
    let missing = missing.map(|(id, code)| format!("{id} is {:?}, not {code}", found.get(id)));
    let extra = found.iter().filter(|(id, _)| !expected.contains_key(*id)).map(|(id, code)| format!("{id} {code} is too many"));
    missing.chain(extra).take(20).collect()
}
