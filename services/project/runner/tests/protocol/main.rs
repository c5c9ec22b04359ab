//! The loop's protocol, case by case, against a log and a store that fail on command; then at random; then on the embedded log.

mod batches;
mod compacted;
mod entering;
mod group;
mod log_faults;
mod notes;
mod random;
mod restored;
mod sqlite;
mod stopped;
mod store_faults;
mod world;
