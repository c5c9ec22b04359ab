//! What can be said of a run: each flag goes before the template, and that before what holds by itself.

use loki_domain::{Batches, ServerName, Version, job::Failures, job::OnFailure, package::PackageName};
use serde_json::{Map, Value, json};

use crate::duration::Time;
use crate::exit::Failure;

/// A longer script is a package.
const SCRIPT_BYTES: u64 = 64 << 10;

#[derive(Debug, Clone, clap::Args)]
pub(super) struct Settings {
    /// What is deployed
    #[arg(long, value_name = "NAME")]
    package: Option<PackageName>,
    /// Its version
    #[arg(long)]
    version: Option<Version>,
    /// With the template `script`: lines for a shell, `@FILE` for those of a file
    #[arg(long, value_name = "LINES")]
    script: Option<String>,
    /// With the template `script`: who runs it on the host
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Sizes of the batches, the last one repeated: `3`, `25%`, `+2` or `*2` as many as before; one by one when nothing is said
    #[arg(long, value_name = "SIZES")]
    pub(super) batches: Option<Batches>,
    /// How many servers may fail, `3` or `10%`; none when nothing is said
    #[arg(long, value_name = "COUNT")]
    pub(super) failures: Option<Failures>,
    /// What happens when more fail: `pause`, `roll_back` or `stop`; pause when nothing is said
    #[arg(long, value_name = "WHAT")]
    on_failure: Option<OnFailure>,
    /// Between two batches; 10 s when nothing is said
    #[arg(long, value_name = "TIME")]
    pause: Option<Time>,
    /// That a server has for its part; 10 min when nothing is said
    #[arg(long, value_name = "TIME")]
    timeout: Option<Time>,
    /// That may pass without any server getting done; half a minute more than the timeout, and than 10 min, when nothing is said
    #[arg(long, value_name = "TIME")]
    progress: Option<Time>,
    /// Somebody has to approve it before it begins
    #[arg(long)]
    approval: bool,
    /// This server comes first; may be given several times
    #[arg(long = "canary", value_name = "SERVER")]
    pub(super) canaries: Vec<ServerName>,
}

impl Settings {
    /// As the command has them.
    pub(super) fn json(&self) -> Result<Value, Failure> {
        let ms = |time: Option<Time>| time.map(|time| json!(u64::try_from(time.0.as_millis()).unwrap_or(u64::MAX)));
        let text = |text: Option<String>| text.map(Value::String);
        let all = [
            ("package", text(self.package.as_ref().map(ToString::to_string))),
            ("version", text(self.version.as_ref().map(ToString::to_string))),
            ("script", text(self.script.as_deref().map(script).transpose()?)),
            ("user", text(self.user.clone())),
            ("batches", text(self.batches.as_ref().map(ToString::to_string))),
            ("failures", text(self.failures.map(|failures| failures.to_string()))),
            ("on_failure", text(self.on_failure.map(|what| what.to_string()))),
            ("pause_ms", ms(self.pause)),
            ("timeout_ms", ms(self.timeout)),
            ("progress_ms", ms(self.progress)),
            ("approval", self.approval.then_some(Value::Bool(true))),
            ("canaries", (!self.canaries.is_empty()).then(|| self.canaries.iter().map(ToString::to_string).collect())),
        ];
        let given: Map<String, Value> = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        Ok(Value::Object(given))
    }
}

fn script(argument: &str) -> Result<String, Failure> {
    let Some(path) = argument.strip_prefix('@') else { return Ok(argument.to_owned()) };
    let wrong = |error: std::io::Error| Failure::usage(format!("`--script`: cannot read `{path}`: {error}"));
    let length = std::fs::metadata(path).map_err(wrong)?.len();
    if length > SCRIPT_BYTES {
        return Err(Failure::usage(format!("`--script`: `{path}` has {length} bytes, at most {SCRIPT_BYTES} may be: make it a package")));
    }
    std::fs::read_to_string(path).map_err(wrong)
}
