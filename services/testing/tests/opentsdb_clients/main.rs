//! Programs that speak OpenTSDB, unchanged: what Grafana asks is answered as by a real OpenTSDB, and what collectors send lies in the log.
//!
//! Grafana's data source is too large to run here: its requests are made from our dashboards as its three code lines make them. collectd is
//! the real program. Telegraf, vmctl and two libraries of Python were run once, and what they sent is in `recorded`.

mod collectors;
mod grafana;
mod sides;
