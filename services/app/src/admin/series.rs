//! `loki series check`: instants that hold two values, written by others than Loki.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use loki_cli::Output;
use loki_domain::Metric;
use loki_opentsdb::{OpenTsdb, OpenTsdbConfig, check};
use loki_runtime::Clock;
use loki_wire::envelope::{read_time, write_time};
use serde_json::json;

use crate::settings::{self, Settings};

const HELP: &str = "\
Examples:
  loki series check domain.availability --from 20d
  loki series check host.cpu.usage --from 2026-11-20T00:00:00Z --to 2026-11-21T00:00:00Z

With `backends = \"real\"` the daemons of `opentsdb.addresses` are asked themselves. Each line is an hour of a series over which every query fails; \
deploy/runbooks/opentsdb-fsck.md says how it is repaired. Exits 1 when there is one.";

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Find hours of a metric that cannot be read, because others have written two values for one instant.
    #[command(after_help = HELP)]
    Check {
        metric: String,
        /// Since when: a time, or how long ago, as `20d`.
        #[arg(long, value_name = "TIME")]
        from: String,
        /// Until when; now when absent.
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
    },
}

pub(crate) async fn run(settings: &Settings, action: Action, out: &mut Output) -> anyhow::Result<ExitCode> {
    let Action::Check { metric, from, to } = action;
    let metric: Metric = metric.parse().context("`METRIC`")?;
    let now_ms = Clock::system().now_ms();
    let from_ms = time("--from", &from, now_ms)?;
    let to_ms = to.map_or(Ok(now_ms), |to| time("--to", &to, now_ms))?;
    let config = if settings.backends == settings::Backends::Real {
        settings.opentsdb_config()
    } else {
        OpenTsdbConfig::new([format!("http://{}", settings.api.listen)])
    };
    let reader = OpenTsdb::new(config, Clock::system())?;
    let conflicts = check(&reader, &metric, from_ms, to_ms, |_| ()).await?;
    for conflict in &conflicts {
        let (hour, series) = (write_time(conflict.hour_ms), conflict.series.as_ref().map(ToString::to_string));
        if out.is_json() {
            out.json(&json!({ "hour": hour, "series": series, "said": conflict.said }))?;
        } else {
            out.line(format_args!("{hour}  {}", series.unwrap_or_else(|| format!("{metric}: {}", conflict.said))))?;
        }
    }
    if conflicts.is_empty() {
        out.note(format_args!("every hour of {metric} can be read"));
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

/// A time, or how long ago.
fn time(flag: &str, text: &str, now_ms: i64) -> anyhow::Result<i64> {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let ago = units.iter().find_map(|(unit, seconds)| text.strip_suffix(unit)?.parse::<u32>().ok().map(|count| u64::from(count) * seconds));
    if let Some(seconds) = ago {
        return Ok(now_ms.saturating_sub(i64::try_from(Duration::from_secs(seconds).as_millis()).unwrap_or(i64::MAX)));
    }
    match read_time(text) {
        Ok(ms) => Ok(ms),
        Err(_) => {
            bail!("`{flag}` is a time such as `2026-11-26T00:00:00Z`, or how long ago, such as `20d`, not `{}`", text.escape_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_absolute_or_ago() {
        assert_eq!(time("--from", "2h", 10_000_000).unwrap(), 2_800_000);
        assert_eq!(time("--from", "1970-01-01T00:00:01Z", 0).unwrap(), 1_000);
        for wrong in ["", "d", "2w", "yesterday", "-1d"] {
            assert!(time("--from", wrong, 0).unwrap_err().to_string().contains("--from"), "{wrong}");
        }
    }
}
