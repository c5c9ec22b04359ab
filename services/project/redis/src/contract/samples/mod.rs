//! The promises of the samples' ports.

mod given;
mod reading;
mod window;
mod write;

use std::sync::Arc;

use async_trait::async_trait;

pub use self::given::{Writer, filter, log, sample, steps};
pub use self::reading::*;
pub use self::window::*;
pub use self::write::*;
use crate::samples::SamplesStore;

/// The partitions of every world.
pub const PARTITIONS: u32 = 3;

/// A store of [`PARTITIONS`] partitions to be tested, empty at first.
#[async_trait]
pub trait SamplesWorld: Send + Sync {
    /// The store as another process has it.
    fn store(&self) -> Arc<dyn SamplesStore>;

    /// Deletes everything, as an operator does.
    async fn empty(&self);

    /// How many series and hosts a partition holds, those included that are too old and not yet removed.
    async fn size(&self, partition: u32) -> (usize, usize);
}

/// One test for each case. `$world` is a future of a [`SamplesWorld`].
#[macro_export]
macro_rules! samples_contract {
    ($world:expr) => {
        $crate::samples_contract! { @each $world;
            a_new_partition_is_empty
            a_step_moves_the_position_with_its_values
            another_position_is_refused
            another_log_is_refused
            a_step_without_values_moves_the_rest
            a_partition_is_begun_where_it_was_seen
            of_two_writers_one_wins
            partitions_do_not_mix
            emptied_it_takes_nothing
            only_a_later_value_replaces
            what_is_older_than_the_window_is_not_there
            an_expired_value_gives_way
            a_record_may_be_older_than_the_window
            nothing_grows_without_bound
            a_host_is_heard_in_any_partition
            tags_are_compared_as_wholes
            pages_are_complete
            there_is_no_answer_while_one_partition_is_filled
            a_log_that_was_set_back_is_followed
            what_is_below_its_floor_is_not_read
            random_steps_end_as_in_memory
        }
    };
    (@each $world:expr; $($case:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let world = $world.await;
                $crate::contract::samples::$case(&world).await;
            }
        )*
    };
}
