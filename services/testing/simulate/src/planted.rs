//! `planted`: puts known bugs into a copy of the sources, one after the other, and has courses find each. What no seed finds is an error.
//!
//! Each bug is a patch in the folder `planted`, which begins with what is wrong with it. What is compiled is Loki as it is, with one fault. The
//! first build takes some minutes.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs, io};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;

/// Puts known bugs into a copy of the sources and shows which seed finds each.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only bugs whose name contains this.
    #[arg(default_value = "")]
    name: String,
    /// So many seeds are tried.
    #[arg(long, default_value_t = 300)]
    seeds: u64,
    /// How many things happen in each course.
    #[arg(long, default_value_t = 120)]
    steps: usize,
}

/// What is compiled, below the root.
const SOURCES: [&str; 7] = ["Cargo.toml", "Cargo.lock", ".cargo", "services", "schemas", "topics", "migrations"];

struct Bug {
    name: String,
    patch: PathBuf,
    /// What is wrong.
    what: String,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let root = root()?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder));
    let copy = target.join("planted");
    // a folder of its own: cargo tells packages apart by where they lie in their workspace, and would take what was compiled with a bug for Loki
    let built = copy.join("target");
    copy_sources(&root, &copy)?;
    let bugs: Vec<Bug> = bugs(&root)?.into_iter().filter(|bug| bug.name.contains(&arguments.name)).collect();
    ensure!(!bugs.is_empty(), "no bug is named like `{}`", arguments.name);
    tell("| bug | what is wrong | seed | what was seen |");
    tell("| --- | --- | ---: | --- |");
    let mut missed = Vec::new();
    for bug in &bugs {
        apply(&copy, &bug.patch, &[])?;
        let found = build(&copy, &built).and_then(|()| find(&built, arguments));
        apply(&copy, &bug.patch, &["--reverse"])?;
        match found.with_context(|| format!("with `{}`", bug.name))? {
            Some((seed, seen)) => tell(&format!("| `{}` | {} | {seed} | {seen} |", bug.name, bug.what)),
            None => missed.push(bug.name.as_str()),
        }
    }
    ensure!(missed.is_empty(), "{} seeds did not find {}", arguments.seeds, missed.join(", "));
    Ok(())
}

fn root() -> Result<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").canonicalize().context("the sources are not where this was built")
}

/// In the order of their names.
fn bugs(root: &Path) -> Result<Vec<Bug>> {
    let mut bugs = Vec::new();
    for entry in fs::read_dir(root.join("services/testing/simulate/planted"))? {
        let patch = entry?.path();
        let text = fs::read_to_string(&patch).with_context(|| patch.display().to_string())?;
        let name = patch.file_stem().context("a name")?.to_string_lossy().into_owned();
        let what = text.lines().next().unwrap_or_default().to_owned();
        ensure!(!what.is_empty() && !what.starts_with("---"), "`{name}` does not begin with what is wrong");
        bugs.push(Bug { name, patch, what });
    }
    bugs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(bugs)
}

/// What a copy of before still had planted is gone with it.
fn copy_sources(root: &Path, copy: &Path) -> Result<()> {
    if let Err(error) = fs::remove_dir_all(copy.join("services"))
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error.into());
    }
    fs::create_dir_all(copy)?;
    for source in SOURCES.map(|name| root.join(name)).iter().filter(|source| source.exists()) {
        copy_tree(source, &copy.join(source.file_name().context("a name")?)).with_context(|| source.display().to_string())?;
    }
    Ok(())
}

/// As new files: by an older time cargo would take what it compiled of one with a bug for what it is without.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_tree(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    fs::copy(from, to).map(drop)
}

/// As if there were no repository around it.
fn apply(copy: &Path, patch: &Path, options: &[&str]) -> Result<()> {
    let above = copy.parent().unwrap_or(copy);
    let output = Command::new("git")
        .arg("apply")
        .args(options)
        .arg(patch)
        .current_dir(copy)
        .env("GIT_CEILING_DIRECTORIES", above)
        .output()
        .context("`git` is missing: install it")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} does not fit the sources any more, make it again: {said}", patch.display());
    Ok(())
}

fn build(copy: &Path, built: &Path) -> Result<()> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "-p", "loki-simulate", "--bin", "simulate"]);
    let output = cargo.current_dir(copy).env("CARGO_TARGET_DIR", built).output().context("`cargo` is missing")?;
    ensure!(output.status.success(), "it does not compile: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The first seed that finds it, and what it says.
fn find(built: &Path, arguments: &Arguments) -> Result<Option<(u64, String)>> {
    let Arguments { seeds, steps, .. } = arguments;
    let mut simulate = Command::new(built.join("debug/simulate"));
    simulate.args(["--seeds", &seeds.to_string(), "--steps", &steps.to_string(), "--first"]);
    let output = simulate.output().context("`simulate` does not run")?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().find_map(|line| line.strip_prefix("FAILED seed ")) {
        Some(failure) => {
            let (seed, seen) = failure.split_once([',', ':']).context("no seed")?;
            // long values are for whoever runs the seed
            let seen: String = seen.trim().chars().take(120).collect();
            Ok(Some((seed.parse()?, seen.replace('|', "/"))))
        }
        None if output.status.success() => Ok(None),
        None => bail!("`simulate` failed: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

#[expect(clippy::print_stdout, reason = "its result")]
fn tell(line: &str) {
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_can_be_planted() {
        let root = root().unwrap();
        let bugs = bugs(&root).unwrap();
        assert!(bugs.len() >= 9, "{}", bugs.len());
        for bug in bugs {
            apply(&root, &bug.patch, &["--check"]).unwrap();
        }
    }
}
