//! The Helm chart: rendered with its defaults and with each file of `helm/loki-ops/ci`, it is what a cluster and Loki itself accept.
//!
//! `services/testing/stack/install.sh helm` installs helm. No cluster is needed: where the chart asks one, a few lines play its part.

mod cluster;
mod hooks;
mod manifest;
mod monitoring;
mod pods;
mod render;
mod resources;
mod settings;
mod values;
