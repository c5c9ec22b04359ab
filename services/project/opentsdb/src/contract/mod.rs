//! The suite that every adapter must pass: each case is one promise of the ports, run against a [`World`] by [`series_contract!`].
//!
//! A store may be shared with others: each case has a metric of its own. Instants are of the last days, as a store need not look back further.

mod answers;
mod cases;
mod memory;

use std::sync::Arc;

use async_trait::async_trait;
use loki_domain::{Instant, Metric, Sample, Series, Tags, Value};

pub use self::answers::reads_answer;
pub use self::cases::*;
pub use self::memory::{Faults, MemoryStore};
use crate::port::{SeriesReader, SeriesStore};

/// A store to be tested.
#[async_trait]
pub trait World: Send + Sync {
    fn store(&self) -> Arc<dyn SeriesStore>;

    /// `None`: the adapter answers no questions.
    fn reader(&self) -> Option<Arc<dyn SeriesReader>>;

    /// The current time.
    fn now_ms(&self) -> i64;

    /// A metric that nobody has used.
    fn metric(&self) -> Metric;
}

/// One test for each case. `$world` is a future of a [`World`].
#[macro_export]
macro_rules! series_contract {
    ($world:expr) => {
        $crate::series_contract! { @each $world;
            what_was_put_is_found
            a_point_is_found_at_exactly_its_instant
            values_come_back_as_they_were
            putting_again_changes_nothing
            what_was_never_stored_is_not_there
            many_points_are_found_in_one_call
            series_that_differ_in_several_tags_are_all_found
            the_newest_point_is_told
            a_series_without_points_has_no_newest
            readers_answer_what_was_put
            readers_change_nothing
        }
    };
    (@each $world:expr; $($case:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let world = $world.await;
                $crate::contract::$case(&world).await;
            }
        )*
    };
}

/// A series of a metric.
pub fn series(metric: &Metric, tags: &[(&str, &str)]) -> Series {
    Series::new(metric.clone(), Tags::new(tags.iter().copied()).expect("tags of the suite"))
}

/// A point of a series.
pub fn sample(series: &Series, ms: i64, value: f64) -> Sample {
    Sample { series: series.clone(), at: at(ms), value: Value::new(value).expect("a finite number") }
}

/// The instant at this millisecond.
pub fn at(ms: i64) -> Instant {
    let sent = if ms % 1_000 == 0 { ms / 1_000 } else { ms };
    Instant::new(sent).expect("an instant of these years")
}
