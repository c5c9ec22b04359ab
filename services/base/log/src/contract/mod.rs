//! The suite that every log must pass: each case is one promise of [`crate::port`], run against a [`World`] by [`log_contract!`].
//!
//! Cases name no adapter and count no offsets that transaction markers could shift. They wait for conditions, bounded by [`PATIENCE`].

mod append;
mod cleanup;
mod given;
mod members;
mod reading;
mod topics;
mod transactions;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use self::append::*;
pub use self::cleanup::*;
pub use self::members::*;
pub use self::reading::*;
pub use self::topics::*;
pub use self::transactions::*;
use crate::port::Log;
use crate::record::Partition;
use crate::topic::Topic;

/// How long a case waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A log to be tested, empty at first.
#[async_trait]
pub trait World: Send + Sync {
    fn log(&self) -> Arc<dyn Log>;

    /// The log as another client sees it; for a log of one process it is the same.
    async fn another(&self) -> Arc<dyn Log>;

    /// Closes all clients and connects again.
    async fn reopen(&self);

    /// A name that no other test uses.
    fn topic(&self, name: &str) -> Topic;

    /// Lets the log's own time pass.
    async fn pass(&self, time: Duration);

    /// Called before anything is written to a topic whose cleanup is tested.
    async fn hurry_cleanup(&self, topic: &Topic);

    /// Gives cleanup a chance. It may append a record with the key [`FILLER`]. Called again until the case sees what it waits for.
    async fn clean(&self, partition: &Partition);
}

/// The key of records that only make the log start a new segment.
pub const FILLER: &str = "@filler";

/// One test for each case. `$world` is a future of a [`World`].
#[macro_export]
macro_rules! log_contract {
    ($world:expr) => {
        $crate::log_contract! { @each $world;
            offsets_count_up_in_the_order_of_the_append
            concurrent_appends_keep_their_own_order
            a_record_comes_back_byte_for_byte
            a_record_over_the_limit_is_too_large
            a_compacted_topic_wants_keys
            an_unknown_topic_is_named
            times_are_given_by_the_log_or_kept
            what_was_acknowledged_survives_reopening
            a_reader_is_told_the_end_once
            a_waiting_reader_is_woken_by_an_append
            an_empty_wait_ends_in_time
            a_dropped_read_loses_nothing
            a_reader_goes_where_it_is_sent
            a_time_becomes_an_offset
            a_position_outside_the_log_is_refused
            bounds_follow_the_appends
            a_commit_shows_records_and_position_together
            a_transaction_leaves_no_note
            an_abort_leaves_nothing
            an_open_transaction_is_invisible
            others_append_while_a_transaction_is_open
            many_transactions_follow_each_other
            a_second_writer_fences_the_first
            a_dropped_writer_blocks_nobody_for_long
            the_only_member_gets_all_partitions
            a_member_starts_where_it_is_told
            a_paused_partition_goes_on_where_it_stopped
            a_second_member_takes_over_when_the_first_leaves
            a_second_member_takes_over_when_the_first_is_dropped
            no_partition_has_two_holders
            a_committed_position_is_seen_from_outside
            a_note_is_kept_with_the_position
            members_are_counted_from_outside
            a_member_is_woken_by_an_append
            compaction_keeps_the_newest_of_each_key
            removals_go_after_their_time
            young_records_are_not_compacted
            retention_moves_the_start
            topics_are_created_and_altered
            a_plan_changes_nothing
            partitions_are_never_changed
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
