//! Rates of counters over the time that has really passed.

use std::time::Duration;

/// Per second. `None` when the counter has begun anew (an interface was made again, a device replaced) or no time has passed: such a round has no
/// rate, and a wrong one would be believed.
pub(super) fn per_second(before: u64, now: u64, passed: Duration) -> Option<f64> {
    let seconds = passed.as_secs_f64();
    if seconds <= 0.0 {
        return None;
    }
    now.checked_sub(before).map(|more| more as f64 / seconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_rate_is_over_the_time_that_has_passed() {
        assert_eq!(per_second(100, 600, Duration::from_secs(10)), Some(50.0));
        assert_eq!(per_second(100, 600, Duration::from_millis(500)), Some(1_000.0));
        assert_eq!(per_second(100, 100, Duration::from_secs(10)), Some(0.0));
        assert_eq!(per_second(100, 600, Duration::ZERO), None);
    }

    proptest! {
        #[test]
        fn a_counter_that_began_anew_has_no_rate(before in any::<u64>(), now in any::<u64>(), ms in 1..100_000_u64) {
            match per_second(before, now, Duration::from_millis(ms)) {
                Some(rate) => prop_assert!(now >= before && rate >= 0.0 && rate.is_finite()),
                None => prop_assert!(now < before),
            }
        }
    }
}
