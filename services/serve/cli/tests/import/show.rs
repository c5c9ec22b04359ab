//! Inventories, problems and warnings as text, so that a case reads like the file that it is about.

use loki_cli::import::{Format, Inventory, Options, read};

/// An inventory: `LINE node PATH labels`, `LINE server NAME fields labels @PATH:LINE`.
pub(crate) fn inventory(inventory: &Inventory) -> String {
    let mut out = String::new();
    for node in &inventory.nodes {
        out.push_str(&format!("{} node {}", node.line, node.path));
        node.labels.iter().for_each(|(key, value)| out.push_str(&format!(" {key}={value}")));
        out.push('\n');
    }
    for server in &inventory.servers {
        out.push_str(&format!("{} server {}", server.line, server.name));
        for (field, value) in [("serial", &server.serial), ("idc", &server.idc)] {
            value.iter().for_each(|value| out.push_str(&format!(" {field}:{value}")));
        }
        server.addresses.iter().for_each(|address| out.push_str(&format!(" {address}")));
        server.labels.iter().for_each(|(key, value)| out.push_str(&format!(" {key}={value}")));
        server.mounts.iter().for_each(|mount| out.push_str(&format!(" @{}:{}", mount.path, mount.line)));
        out.push('\n');
    }
    out
}

/// The text must read as `expected`, without warnings.
pub(crate) fn check(format: Format, text: &str, expected: &str) {
    check_warned(format, text, expected, &[]);
}

/// The text must read as `expected` and give these warnings.
pub(crate) fn check_warned(format: Format, text: &str, expected: &str, warnings: &[&str]) {
    let (found, warned) = match read(text.as_bytes(), format, Options::default()) {
        Ok(found) => found,
        Err(problems) => panic!("problems {problems:#?} in\n{text}"),
    };
    assert_eq!(inventory(&found).trim(), lines(expected), "in\n{text}");
    let warned: Vec<String> = warned.iter().map(ToString::to_string).collect();
    assert_eq!(warned, warnings, "in\n{text}");
}

/// The text must be refused with these problems; each expected text is a part of the problem's.
pub(crate) fn check_refused(format: Format, text: &str, expected: &[&str]) {
    let problems = match read(text.as_bytes(), format, Options::default()) {
        Ok((found, _)) => panic!("no problem in\n{text}\nbut\n{}", inventory(&found)),
        Err(problems) => problems,
    };
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), expected.len(), "{told:#?} in\n{text}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.contains(expected), "{told}\nlacks\n{expected}\nin\n{text}");
    }
}

/// Lines without the indentation of the test's source.
pub(crate) fn lines(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}
