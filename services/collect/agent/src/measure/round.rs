//! When to measure and when to send: functions of the clock's reading.

use std::time::Duration;

/// The next instant to measure at: a multiple of `every`, and not so soon after the `last` that rates are noise.
pub(super) fn due(now: i64, last: i64, every: Duration) -> i64 {
    let every = ms(every);
    let next = |after: i64| after.div_euclid(every).saturating_add(1).saturating_mul(every);
    let due = next(now);
    // the sleep ended a little early, or this is the first round; a clock that was set back says nothing of the last
    let too_soon = last <= now && due - last < every / 2 || due == last;
    if too_soon { next(due) } else { due }
}

/// How many multiples of `every` lie between the two.
pub(super) fn missed(last: i64, due: i64, every: Duration) -> u64 {
    let every = ms(every);
    u64::try_from(due.div_euclid(every) - last.div_euclid(every) - 1).unwrap_or(0)
}

/// How long after measuring a host sends: always the same for one host, and spread over a quarter of the round for a fleet.
pub(super) fn spread(server: &str, every: Duration) -> Duration {
    // FNV-1a: any function that tells names apart will do
    let hash = server.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (every / 4).mul_f64((hash % 1_000) as f64 / 1_000.0)
}

fn ms(every: Duration) -> i64 {
    i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVERY: Duration = Duration::from_secs(10);

    #[test]
    fn rounds_are_those_of_the_wall_clock() {
        for (now, last, expected) in [
            (1_000_003_000, 1_000_000_000, 1_000_010_000),
            // woken at the very instant, a little early, late
            (1_000_010_000, 1_000_010_000, 1_000_020_000),
            (1_000_009_999, 1_000_010_000, 1_000_020_000),
            (1_000_013_000, 1_000_010_000, 1_000_020_000),
            // the agent began shortly before a round
            (1_000_009_700, 1_000_009_000, 1_000_020_000),
            // it hung, and the clock was set back
            (1_000_055_000, 1_000_010_000, 1_000_060_000),
            (1_000_001_000, 1_000_900_000, 1_000_010_000),
        ] {
            assert_eq!(due(now, last, EVERY), expected, "{now} after {last}");
        }
        assert_eq!(missed(1_000_010_000, 1_000_020_000, EVERY), 0);
        assert_eq!(missed(1_000_010_000, 1_000_060_000, EVERY), 4);
        assert_eq!(missed(1_000_900_000, 1_000_010_000, EVERY), 0);
    }

    #[test]
    fn a_fleet_is_spread_over_a_quarter_of_the_round() {
        let spreads: Vec<Duration> = (0..1_000).map(|number| spread(&format!("web{number:04}"), EVERY)).collect();
        assert!(spreads.iter().all(|spread| *spread < EVERY / 4));
        let early = spreads.iter().filter(|spread| **spread < EVERY / 8).count();
        assert!((400..600).contains(&early), "{early}");
        assert_eq!(spread("web01", EVERY), spread("web01", EVERY));
    }

    proptest! {
        #[test]
        fn the_next_round_is_soon_and_never_twice(now in 0..4_000_000_000_000_i64, ago in -30_000..30_000_i64, every in 1..60_000_u64) {
            let (last, every) = (now - ago, Duration::from_millis(every));
            let due = due(now, last, every);
            let step = ms(every);
            prop_assert!(due % step == 0 && due > now && due != last && due <= now + 2 * step);
        }
    }
}
