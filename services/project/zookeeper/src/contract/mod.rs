//! The suite that every adapter must pass: each case is one promise of the ports, run against a [`World`] by [`tree_contract!`].
//!
//! Cases wait for conditions, bounded by [`PATIENCE`].

mod given;
mod reading;
mod rebuild;
mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_runner::{Projection, Stored};
use loki_wire::Fact;

pub use self::given::{Given, Writer, fold, log, mount, node, node_key, node_ref, server, servers_body};
pub use self::reading::*;
pub use self::rebuild::*;
pub use self::write::*;
use crate::port::TreeReader;

/// How long a case waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A store to be tested, empty at first.
#[async_trait]
pub trait World: Send + Sync {
    /// A writer of its own: another process.
    fn projection(&self) -> Box<dyn Projection<Item = Fact>>;

    /// A reader that follows the store.
    async fn reader(&self) -> Arc<dyn TreeReader>;

    /// What the store itself holds: lines `<kind>/<id> <json>`, sorted by key.
    async fn dump(&self) -> Option<(Stored, Vec<String>)>;

    /// Deletes everything, as an operator does.
    async fn empty(&self);
}

/// One test for each case. `$world` is a future of a [`World`].
#[macro_export]
macro_rules! tree_contract {
    ($world:expr) => {
        $crate::tree_contract! { @each $world;
            a_new_store_is_empty
            a_batch_moves_the_position_with_its_changes
            another_position_is_refused
            another_log_is_refused
            an_equal_position_moves_only_the_state
            a_batch_may_be_larger_than_one_write
            the_last_word_in_a_batch_holds
            facts_may_come_in_any_order
            a_dump_equals_a_fold
            of_two_writers_one_wins
            a_shadow_is_not_read_before_it_is_finished
            a_rebuild_leaves_nothing_behind
            a_refused_finish_changes_nothing
            a_rebuild_may_be_begun_again
            a_writer_learns_of_a_rebuild_by_another
            emptied_at_any_stage_it_is_filled_again
            a_store_that_is_being_filled_is_not_read
            a_reader_sees_whole_steps_only
            a_kept_answer_changes_with_what_it_shows
            a_reader_follows_a_rebuild
            a_rebuild_takes_no_answer_away
            a_log_that_was_set_back_is_followed
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
