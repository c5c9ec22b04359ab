//! Reading and planning inventories, through the public interface. Each case is a small text and what must come of it.

mod ansible_ini;
mod ansible_json;
mod ansible_yaml;
mod csv;
mod examples;
mod hostile;
mod plan;
mod show;
