//! House rules as tests: what the documents say is so, and what nobody should have to say in a review twice.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every file that is or would be checked in.
fn files() -> Vec<PathBuf> {
    let output = Command::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let files: Vec<PathBuf> = String::from_utf8(output.stdout).unwrap().lines().map(PathBuf::from).collect();
    assert!(files.contains(&PathBuf::from("README.md")), "the list of files was not read");
    files.into_iter().filter(|file| root().join(file).is_file()).collect()
}

fn with_extension(extension: &str) -> Vec<(PathBuf, String)> {
    let chosen = files().into_iter().filter(|file| file.extension().is_some_and(|found| found == extension));
    chosen.map(|file| (file.clone(), fs::read_to_string(root().join(&file)).unwrap())).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Names of the files in a folder, without their extension.
fn names(folder: &str, extension: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    entries.filter_map(|name| name.strip_suffix(extension).map(str::to_owned)).collect()
}

/// The targets of a document's links, without code blocks.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut code = false;
    for line in text.lines() {
        code ^= line.trim_start().starts_with("```");
        if !code {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            found.extend(targets.map(|(target, _)| target.to_owned()));
        }
    }
    found
}

#[test]
fn links_resolve() {
    let mut broken = Vec::new();
    let mut looked = 0;
    for (file, text) in with_extension("md") {
        for link in links(&text).iter().filter(|link| !link.contains("://") && !link.starts_with('#')) {
            looked += 1;
            let target = link.split('#').next().unwrap();
            if !root().join(file.parent().unwrap()).join(target).exists() {
                broken.push(format!("{}: {link}", file.display()));
            }
        }
    }
    assert!(looked > 50, "only {looked} links were found");
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<_> = with_extension("rs").into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(file, _)| file).collect();
    assert!(silent.is_empty(), "no `//!` on top of {silent:#?}");
}

#[test]
fn nothing_is_left_lying_about() {
    // put together here, so that this file does not hold them
    let banned =
        [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["db", "g!("].concat(), ["to", "do!("].concat(), ["#[ig", "nore"].concat()];
    let found: Vec<String> = (with_extension("rs").into_iter())
        .flat_map(|(file, text)| {
            let hits = banned.iter().filter(|word| text.contains(word.as_str()));
            hits.map(|word| format!("{}: {word}", file.display())).collect::<Vec<_>>()
        })
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn names_say_what_is_in_them() {
    let vague = ["manager", "managers", "helper", "helpers", "util", "utils", "common"];
    let found: Vec<PathBuf> = (files().into_iter())
        .filter(|file| file.starts_with("services"))
        .filter(|file| file.iter().any(|part| Path::new(part).file_stem().is_some_and(|stem| vague.iter().any(|name| stem == *name))))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_crate_is_on_the_map() {
    let map = read("services/README.md");
    let manifests = files().into_iter().filter(|file| file.starts_with("services") && file.ends_with("Cargo.toml"));
    let crates: Vec<String> =
        manifests.map(|file| file.parent().unwrap().strip_prefix("services").unwrap().display().to_string()).collect();
    assert!(crates.len() > 12, "{crates:?}");
    let workspace = read("Cargo.toml");
    for name in crates {
        // what belongs to the tests is in services/testing/README.md
        let mapped = name.starts_with("testing/") || map.contains(&format!("[`{name}`]"));
        assert!(mapped, "services/README.md has no row for `{name}`");
        assert!(workspace.contains(&format!("\"services/{name}\"")), "Cargo.toml has no member `services/{name}`");
    }
}

#[test]
fn every_topic_is_on_the_map() {
    let rows: BTreeSet<String> = (read("services/README.md").lines())
        .filter_map(|line| line.strip_prefix("| `loki.")?.split_once('`').map(|(name, _)| format!("loki.{name}")))
        .collect();
    assert_eq!(rows, names("topics", ".toml"));
}

/// Operators' commands that open a topic themselves are readers of it, and no others: access lists follow from `read_by`. What services read is
/// recorded where they are tested.
#[test]
fn operators_are_named_by_the_topics_that_their_commands_read() {
    let read_by_operators: BTreeSet<String> = (names("topics", ".toml").into_iter())
        .filter(|name| {
            let topic: toml::Table = read(&format!("topics/{name}.toml")).parse().unwrap();
            topic["contract"]["read_by"].as_array().unwrap().iter().any(|reader| reader.as_str() == Some("operator"))
        })
        .collect();
    let commands = with_extension("rs").into_iter().filter(|(file, _)| file.starts_with("services/app/src/admin"));
    let opened: BTreeSet<String> = commands
        .flat_map(|(_, text)| {
            let fields = text
                .split("topics.")
                .skip(1)
                .map(|rest| rest.split(|c: char| !c.is_ascii_lowercase() && c != '_').next().unwrap().to_owned());
            fields.collect::<Vec<_>>()
        })
        .filter(|field| ["commands", "facts", "outcomes", "samples", "task_logs", "dead"].contains(&field.as_str()))
        .map(|field| format!("loki.{}", field.replace('_', "-")))
        .collect();
    assert_eq!(read_by_operators, opened);
}

#[test]
fn services_have_the_files_that_the_map_promises() {
    let promised = [
        ("collect/agent", "config error metrics service"),
        ("collect/executor", "config error"),
        ("collect/intake", "error metrics"),
        ("collect/prober", "config error metrics service"),
        ("decide/decider", "config error metrics service"),
        ("decide/clock", "config error metrics service"),
        ("project/runner", "config error metrics runner"),
        ("project/mysql", "config error metrics port contract read write"),
        ("project/zookeeper", "config error metrics port contract read zookeeper"),
        ("project/redis", "config error metrics contract"),
        ("project/series", "config error"),
        ("project/opentsdb", "config error metrics port contract read service"),
        ("serve/api", "config error metrics service"),
    ];
    for (name, files) in promised {
        for file in files.split(' ') {
            let place = root().join("services").join(name).join("src").join(file);
            assert!(place.is_dir() || place.with_extension("rs").is_file(), "`{name}` has no `{file}`");
        }
    }
}

#[test]
fn every_schema_is_carried_by_a_topic() {
    let declared: BTreeSet<String> = (names("topics", ".toml").iter())
        .flat_map(|name| {
            let topic: toml::Table = read(&format!("topics/{name}.toml")).parse().unwrap();
            let schemas = topic["contract"]["schemas"].as_array().unwrap().clone();
            schemas.into_iter().map(|schema| schema.as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(declared, names("schemas", ".json"));
    let published: BTreeSet<String> = loki_wire::schema::published().iter().map(|published| published.name.to_owned()).collect();
    assert_eq!(published, declared);
}

/// `loki …` in the documents' code is a subcommand that exists.
#[test]
fn subcommands_in_the_documents_exist() {
    let known = subcommands();
    let mut used = BTreeSet::new();
    for (file, text) in with_extension("md") {
        for command in commands(&text) {
            let word = command.split(|c: char| !c.is_ascii_lowercase()).next().unwrap().to_owned();
            if !word.is_empty() {
                assert!(known.contains(&word), "{}: there is no `loki {word}`", file.display());
                used.insert(word);
            }
        }
    }
    let silent: Vec<_> = known.difference(&used).collect();
    assert!(silent.is_empty(), "no document names {silent:?}");
}

/// What follows `loki ` where it is a command: at the beginning of inline code, or of a line of a shell's block (after variables).
fn commands(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut fenced, mut shell) = (false, false);
    for line in text.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            fenced = !fenced;
            shell = matches!(language, "sh" | "console");
        } else if shell && fenced {
            let mut rest = line.strip_prefix("$ ").unwrap_or(line);
            while let Some((_, after)) = rest.split_once(' ').filter(|(word, _)| word.contains('=')) {
                rest = after;
            }
            found.extend(rest.strip_prefix("loki "));
        } else if !fenced {
            found.extend(line.split('`').skip(1).step_by(2).filter_map(|code| code.strip_prefix("loki ")));
        }
    }
    found
}

/// The variants of the binary's and the client's enums of commands, in the words of the command line.
fn subcommands() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for path in ["services/app/src/arguments.rs", "services/serve/cli/src/command.rs"] {
        let text = read(path);
        let body = text.split_once("enum Command {").unwrap().1.split("\n}").next().unwrap();
        let variants =
            body.lines().filter_map(|line| line.strip_prefix("    ")).filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
        let words = variants.map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap().to_lowercase());
        known.extend(words.filter(|word| word != "client"));
    }
    assert!(known.contains("all") && known.contains("verify") && known.len() > 12, "{known:?}");
    known
}

/// A comment above each setting.
#[test]
fn settings_are_explained() {
    let text = read("services/app/default.toml");
    let mut explained = false;
    for line in text.lines() {
        match line.split_once(" = ") {
            _ if line.starts_with('#') => explained = true,
            Some((key, _)) => {
                assert!(explained, "`{key}` has no comment in default.toml");
                explained = false;
            }
            None => explained = false,
        }
    }
    text.parse::<toml::Table>().unwrap();
}

/// Names of settings that documents mention as `LOKI__A__B` are keys of default.toml.
#[test]
fn settings_in_the_documents_exist() {
    let settings: toml::Table = read("services/app/default.toml").parse().unwrap();
    let mut looked = 0;
    for (file, text) in with_extension("md") {
        for rest in text.split("LOKI__").skip(1) {
            let name: String = rest.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
            let mut parts = name.trim_end_matches('_').to_lowercase().split("__").map(str::to_owned).collect::<Vec<_>>().into_iter();
            let first = parts.next().unwrap();
            if first == "a" || first == "section" {
                continue;
            }
            looked += 1;
            let found = settings.get(&first).is_some_and(|value| parts.all(|part| value.get(&part).is_some()));
            assert!(found, "{}: default.toml has no `LOKI__{name}`", file.display());
        }
    }
    assert!(looked > 5, "only {looked} settings were found");
}

#[test]
fn metrics_have_the_prefix() {
    let mut looked = 0;
    for (file, text) in with_extension("rs").into_iter().filter(|(file, _)| file.ends_with("metrics.rs") && file.starts_with("services")) {
        let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        let ends = ["_total", "_seconds", "_records", "_bytes"];
        for name in code.split('"').skip(1).step_by(2).filter(|text| text.contains('_') && !text.contains(' ')) {
            if ends.iter().any(|end| name.ends_with(end)) {
                looked += 1;
                assert!(name.starts_with("lokiops_"), "{}: `{name}`", file.display());
            }
        }
    }
    assert!(looked > 20, "only {looked} metrics were found");
}
