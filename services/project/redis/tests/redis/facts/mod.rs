//! Servers by node: the suite of the tree's writers, and that the answers are those of the tree.

mod answers;
mod hurt;
mod looped;
mod world;

use self::world::Facts;

/// One test for each case of the tree's suite that asks for no tree.
macro_rules! cases {
    ($($case:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                loki_zookeeper::contract::$case(&Facts::new()).await;
            }
        )*
    };
}

cases! {
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
    a_kept_answer_changes_with_what_it_shows
}
