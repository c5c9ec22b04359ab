//! The suite that the store must pass on every database: each case is one promise of `loki_runner::Projection` or of [`crate::port`], run
//! against a [`World`] by [`mysql_contract!`].

mod deploys;
mod domains;
mod dump;
mod emptied;
mod given;
mod history;
mod nodes;
mod readiness;
mod rebuild;
mod runs;
mod servers;
mod step;
mod task_logs;
mod texts;

use async_trait::async_trait;

pub use self::domains::*;
pub use self::dump::*;
pub use self::emptied::*;
pub use self::history::*;
pub use self::nodes::*;
pub use self::readiness::*;
pub use self::rebuild::*;
pub use self::runs::*;
pub use self::servers::*;
pub use self::step::*;
pub use self::task_logs::*;
pub use self::texts::*;
use crate::Config;

/// A database to be tested, without any table at first: `loki`, or in the cases about domains `cdn_system`.
#[async_trait]
pub trait World: Send + Sync {
    /// The projector's settings.
    fn config(&self) -> Config;

    /// Runs a statement as an operator would, with the database's own tools.
    async fn run(&self, sql: &str);

    /// Empties the store as a whole, with the database's own tools.
    async fn empty(&self);

    /// The names of all tables, sorted.
    async fn tables(&self) -> Vec<String>;

    /// What the database says about a table: columns, keys, indexes; the table's own name left out.
    async fn shape(&self, table: &str) -> String;
}

/// One test for each case. `$world` is a future of a [`World`].
#[macro_export]
macro_rules! mysql_contract {
    ($world:expr) => {
        $crate::mysql_contract! { @each $world;
            a_new_store_has_no_position
            a_batch_moves_data_and_position
            a_batch_from_elsewhere_is_refused
            a_batch_of_another_log_is_refused
            a_batch_that_changes_nothing_is_done
            an_empty_batch_moves_state_and_time
            a_batch_that_fails_leaves_nothing
            of_two_writers_one_is_refused
            only_the_last_change_of_an_entity_counts
            facts_come_in_any_order
            a_large_batch_is_applied
            texts_come_back_as_they_were
            names_differ_by_case_and_spaces
            a_rebuild_replaces_everything_at_once
            a_finish_elsewhere_is_refused
            a_rebuild_begun_anew_begins_empty
            a_rebuild_resumes_after_a_swap_was_interrupted
            projections_are_rebuilt_alone
            all_ways_make_the_same_tables
            nothing_is_left_of_a_rebuild
            two_members_may_rebuild_at_once
            a_store_without_position_is_empty
            a_store_without_a_table_is_empty
            a_forgotten_store_is_filled_anew
            a_forgotten_store_can_be_given_up
            an_emptied_store_is_made_again
            a_batch_into_an_emptied_store_is_refused
            another_schema_version_is_refused
            tables_of_others_are_left_alone
            a_schema_without_version_is_made_again
            migrating_twice_does_nothing
            a_store_that_is_being_filled_is_not_read
            a_store_behind_is_not_read
            a_store_that_was_set_back_is_not_read
            a_position_of_another_stream_is_invalid
            too_many_questions_are_told_so
            who_waits_is_woken
            who_waits_too_long_is_told_why
            nodes_are_found_by_id_and_path
            a_node_says_from_where_it_inherits
            children_come_in_pages
            memberships_of_a_node
            servers_are_found_by_id_and_name
            a_server_says_where_it_is_mounted
            servers_come_in_pages
            servers_are_filtered
            tokens_come_in_pages
            packages_are_found_by_name_and_version
            a_node_has_the_nearest_templates
            runs_come_newest_first_and_are_filtered
            a_run_says_what_came_of_it
            a_server_is_told_its_signed_open_tasks
            an_outcome_of_each_kind_comes_back
            outcomes_are_found_by_id
            the_audit_is_newest_first_in_pages
            the_audit_is_filtered
            the_past_is_as_it_was
            two_moments_differ_by_entities
            versions_of_an_entity_come_in_pages
            what_a_command_wrote_can_be_undone
            what_is_there_now_is_told_by_key
            a_dump_equals_a_fold
            a_dump_of_the_history_equals_the_outcomes
            a_dump_shows_columns_that_differ
            chunks_of_a_log_come_in_order_and_once
            of_logs_stays_what_is_new_and_fits
            domains_are_found_by_their_node
            domains_come_in_pages
            of_all_facts_only_domains_and_nodes_are_kept
            domains_are_rebuilt_as_the_state_is
            domains_are_not_read_before_they_are_there
            all_ways_make_the_same_tables_of_domains
            databases_are_not_mixed_up
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
