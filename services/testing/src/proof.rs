//! What `make proof` counts and measures. The same tests run in `make test` with smaller counts, and tell nobody.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A folder in which each test leaves what it found, a file each.
const FOLDER: &str = "LOKI_PROOF";

/// Whether `make proof` runs, and not `make test`.
pub fn is_running() -> bool {
    std::env::var_os(FOLDER).is_some()
}

/// A count that the environment can raise.
///
/// # Panics
/// When it is set to what is no number.
pub fn count<T: FromStr>(variable: &str, usual: T) -> T {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("`{variable}` is `{text}`, which is no number")),
        Err(_) => usual,
    }
}

/// Leaves a result: a line or a few of Markdown under this name.
///
/// # Panics
/// When it cannot be written.
pub fn tell(name: &str, result: &str) {
    if let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) {
        std::fs::create_dir_all(&folder).expect("a folder for results");
        std::fs::write(folder.join(format!("{name}.md")), format!("{result}\n")).expect("a result");
    }
}

/// Durations, said as median and maximum.
#[derive(Debug, Default)]
pub struct Spread(Vec<Duration>);

impl Spread {
    pub fn add(&mut self, took: Duration) {
        self.0.push(took);
        self.0.sort_unstable();
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = |took: Option<&Duration>| took.map_or(0.0, Duration::as_secs_f64);
        let (median, maximum) = (second(self.0.get(self.0.len() / 2)), second(self.0.last()));
        write!(f, "{median:.1} s (median), {maximum:.1} s (maximum)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_says_median_and_maximum() {
        let mut spread = Spread::default();
        for seconds in [3.0, 1.0, 2.0] {
            spread.add(Duration::from_secs_f64(seconds));
        }
        assert_eq!(spread.to_string(), "2.0 s (median), 3.0 s (maximum)");
    }
}
