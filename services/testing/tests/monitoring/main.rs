//! How the platform itself is watched: rules, dashboard and runbooks name what there is, and Prometheus' own tool takes them.
//!
//! `services/testing/stack/install.sh promtool` installs the tool. No Prometheus runs.

mod dashboard;
mod declared;
mod given;
mod promtool;
mod query;
mod rules;
mod runbooks;
