//! `results`: puts what `make proof` found into the README of the tests.

use std::path::Path;
use std::{env, fs};

use anyhow::{Context, Result, ensure};

const BEGIN: &str = "<!-- results: written by make proof -->\n";
const END: &str = "<!-- end of results -->\n";

fn main() -> Result<()> {
    let (folder, day) = (env::args_os().nth(1), env::args().nth(2));
    let (folder, day) = folder.zip(day).context("usage: results <folder of results> <day>")?;
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("no results in {}", Path::new(&folder).display()))? {
        found.push(entry?.path());
    }
    found.sort();
    let texts = found.iter().map(fs::read_to_string).collect::<Result<Vec<_>, _>>()?;
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(&readme)?;
    fs::write(&readme, with(&text, &day, &texts)?)?;
    Ok(())
}

/// The text with these results in the place of older ones.
fn with(text: &str, day: &str, results: &[String]) -> Result<String> {
    ensure!(!results.is_empty(), "there are no results");
    let begin = text.find(BEGIN).context("the README has no place for results")? + BEGIN.len();
    let end = text[begin..].find(END).context("the place for results has no end")? + begin;
    let results: Vec<&str> = results.iter().map(|result| result.trim()).collect();
    Ok(format!("{}\nRun on {day}.\n\n{}\n\n{}", &text[..begin], results.join("\n\n"), &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_take_the_place_of_older_ones() {
        let text = format!("before\n{BEGIN}old\n{END}after\n");
        let expected = format!("before\n{BEGIN}\nRun on today.\n\none\n\ntwo\n\n{END}after\n");
        assert_eq!(with(&text, "today", &["one\n".to_owned(), "two\n".to_owned()]).unwrap(), expected);
        assert!(with("no place", "today", &["one".to_owned()]).is_err());
        assert!(with(&text, "today", &[]).is_err());
    }
}
