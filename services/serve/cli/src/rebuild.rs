//! `loki rebuild`: builds a store anew from the log.

use crate::duration::Time;
use crate::exit::{Exit, Failure};
use crate::operations::{Built, Operations, Store};
use crate::output::Output;

const HELP: &str = "\
Examples:
  loki rebuild zookeeper
  loki rebuild mysql --yes --timeout 1h

Everything in the store that comes from the log is written anew, beside what is there or in its place; whoever asks meanwhile is \
answered as before or 503, never less than the truth. The other stores do not notice. It ends when the new entries are read; \
interrupting it does not stop the rebuild.";

/// Build a store anew from the log
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Options {
    /// Which store
    #[arg(value_enum)]
    pub store: Store,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// How long to wait for its end
    #[arg(long, default_value = "30m", value_name = "TIME")]
    pub timeout: Time,
}

impl Options {
    pub(crate) async fn run(self, out: &mut Output, operations: &dyn Operations) -> Result<Exit, Failure> {
        let name = self.store.name();
        if !out.confirms(self.yes, &format!("build `{name}` anew from the log?"))? {
            return Ok(Exit::Ok);
        }
        let mut progress = out.progress("rebuilding", 0);
        let mut show = |Built { done, of }: Built| {
            progress.of(of);
            progress.at(done, out);
        };
        let rebuilt = loki_runtime::task::timeout(self.timeout.0, operations.rebuild(self.store, &mut show)).await;
        progress.end();
        let since_ms = rebuilt.unwrap_or_else(|| {
            let message = format!("`{name}` is not built after {}: the rebuild goes on without this command", self.timeout);
            Err(Failure::new(Exit::Timeout, message))
        })?;
        if out.is_json() {
            let since = since_ms.map(|ms| serde_json::json!({ "since_ms": ms }));
            let mut line = serde_json::json!({ "store": name, "rebuilt": true });
            if let (Some(line), Some(serde_json::Value::Object(since))) = (line.as_object_mut(), since) {
                line.extend(since);
            }
            out.json(&line)?;
        } else {
            match since_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()) {
                Some(since) => out.line(format_args!("{name} is rebuilt from what the log holds since {since:.3}"))?,
                None => out.line(format_args!("{name} is rebuilt"))?,
            }
        }
        Ok(Exit::Ok)
    }
}
