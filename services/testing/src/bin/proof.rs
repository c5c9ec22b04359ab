//! `proof`: runs the tests of faults with the counts of the environment, and puts what they found into the README of the tests. A part that
//! fails holds up no other, and leaves no result.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs, io};

use anyhow::{Context, Result, ensure};

const USAGE: &str = "usage: proof <folder of results> <day> [part …]";
const BEGIN: &str = "<!-- results: written by make proof -->\n";
const END: &str = "<!-- end of results -->\n";

/// Results of a part have names that begin with its own.
struct Part {
    name: &'static str,
    /// Behind `cargo test --locked --workspace`; empty for the bugs that are planted.
    arguments: &'static [&'static str],
}

const fn part(name: &'static str, arguments: &'static [&'static str]) -> Part {
    Part { name, arguments }
}

/// What tells times has the machine for itself.
const ALONE: [Part; 4] = [
    part("rounds", &["--test", "end_to_end", "--", "--nocapture", "--test-threads=1", "rounds"]),
    part("lines", &["--test", "end_to_end", "--", "--nocapture", "--test-threads=1", "lines"]),
    part("samples", &["--test", "end_to_end", "--", "--nocapture", "--test-threads=1", "sample_faults"]),
    part("hostile", &["--test", "end_to_end", "--", "--nocapture", "--test-threads=1", "hostile_share"]),
];
/// What only takes long runs beside all that do not need the machine for themselves.
const BESIDE: Part = part("soak", &["--test", "end_to_end", "--", "--nocapture", "--test-threads=1", "soak"]);
const THEN: [Part; 4] = [
    part("seeds", &["--test", "seeds", "--", "--nocapture"]),
    part("half", &["--test", "sink", "--", "--nocapture", "half"]),
    part("fuzz", &["--test", "corpus", "--test", "routes", "--", "--nocapture", "every_target", "whatever_is_asked"]),
    part("planted", &[]),
];

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let folder = PathBuf::from(arguments.next().context(USAGE)?);
    let today = folder.join(arguments.next().context(USAGE)?);
    let wanted: Vec<String> = arguments.collect();
    let names = || ALONE.iter().chain([&BESIDE]).chain(&THEN).map(|part| part.name);
    if let Some(unknown) = wanted.iter().find(|name| !names().any(|known| known == *name)) {
        anyhow::bail!("there is no part `{unknown}`, but {}", names().collect::<Vec<_>>().join(", "));
    }
    let is_wanted = |part: &Part| wanted.is_empty() || wanted.iter().any(|name| name == part.name);
    fs::create_dir_all(&today)?;
    let mut failed = Vec::new();
    let mut run = |part: &Part| -> Result<()> {
        if is_wanted(part) && !part.end(part.begin(&folder, &today)?, &folder)? {
            failed.push(part.name);
        }
        Ok(())
    };
    ALONE.iter().try_for_each(&mut run)?;
    let beside = if is_wanted(&BESIDE) { Some(BESIDE.begin(&folder, &today)?) } else { None };
    let then = THEN.iter().try_for_each(&mut run);
    if let Some(beside) = beside
        && !BESIDE.end(beside, &folder)?
    {
        failed.push(BESIDE.name);
    }
    then?;
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(&readme)?;
    fs::write(&readme, with(&text, &results(&folder)?)?)?;
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

impl Part {
    fn begin(&self, folder: &Path, today: &Path) -> Result<Child> {
        self.forget(folder)?;
        tell(&format!("proof: {}", self.name));
        let mut command = if self.arguments.is_empty() {
            let mut planted = Command::new(env::current_exe()?.with_file_name("planted"));
            planted.stdout(Stdio::from(fs::File::create(today.join("planted.md"))?));
            planted
        } else {
            let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo.args(["test", "--locked", "--workspace"]).args(self.arguments);
            cargo
        };
        command.env("LOKI_PROOF", today).spawn().with_context(|| format!("`{}` does not begin", self.name))
    }

    fn end(&self, mut child: Child, folder: &Path) -> Result<bool> {
        let passed = child.wait()?.success();
        if !passed {
            self.forget(folder)?;
        }
        tell(&format!("proof: {} {}", self.name, if passed { "passed" } else { "FAILED" }));
        Ok(passed)
    }

    fn forget(&self, folder: &Path) -> Result<()> {
        for result in files(folder)?.iter().filter(|result| is_named_like(result, self.name)) {
            fs::remove_file(result)?;
        }
        Ok(())
    }
}

fn is_named_like(result: &Path, part: &str) -> bool {
    result.file_stem().is_some_and(|stem| stem.to_string_lossy().starts_with(part))
}

/// What lies in the folders of the days, in order.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for day in fs::read_dir(folder)? {
        for file in fs::read_dir(day?.path())? {
            files.push(file?.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Under each day what was found then.
fn results(folder: &Path) -> Result<String> {
    let mut results = String::new();
    let mut day = None;
    for file in files(folder)? {
        let text = fs::read_to_string(&file)?;
        if text.trim().is_empty() {
            continue;
        }
        if day.as_deref() != file.parent() {
            day = file.parent().map(Path::to_owned);
            let name = day.as_ref().and_then(|day| day.file_name()).context("a day")?;
            results += &format!("\nRun on {}:\n", name.to_string_lossy());
        }
        results += &format!("\n{}\n", text.trim());
    }
    Ok(results)
}

/// The text with these results in the place of older ones.
fn with(text: &str, results: &str) -> Result<String> {
    let begin = text.find(BEGIN).context("the README has no place for results")? + BEGIN.len();
    let end = text[begin..].find(END).context("the place for results has no end")? + begin;
    Ok(format!("{}{results}\n{}", &text[..begin], &text[end..]))
}

#[expect(clippy::print_stderr, reason = "how far it is")]
fn tell(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_take_the_place_of_older_ones() {
        let folder = tempfile::tempdir().unwrap();
        for (day, name, text) in [("2", "b", "three\n"), ("1", "c", "two"), ("1", "a", "one\n"), ("2", "a", "\n")] {
            fs::create_dir_all(folder.path().join(day)).unwrap();
            fs::write(folder.path().join(day).join(format!("{name}.md")), text).unwrap();
        }
        let text = format!("before\n{BEGIN}old\n{END}after\n");
        let expected = format!("before\n{BEGIN}\nRun on 1:\n\none\n\ntwo\n\nRun on 2:\n\nthree\n\n{END}after\n");
        assert_eq!(with(&text, &results(folder.path()).unwrap()).unwrap(), expected);
        assert!(with("no place", "").is_err());
    }

    #[test]
    fn a_part_knows_its_results() {
        assert!(is_named_like(Path::new("day/hostile_records.md"), "hostile"));
        assert!(!is_named_like(Path::new("day/lines.md"), "hostile"));
    }
}
