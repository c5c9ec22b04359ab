//! Files that ask for more than there is: refused quickly, never a panic, never the memory of the machine.

use loki_cli::import::{Format, Options, limits, plan, read};
use proptest::prelude::*;

use crate::show;

#[test]
fn ranges_are_counted_before_they_are_expanded() {
    let refused = |text: &str, problem| show::check_refused(Format::AnsibleIni, text, &[problem]);
    refused("h[1:999999999999]\n", "line 1: inventory has more than 100000 hosts in one range");
    refused("h[1:99999]-[1:99999]\n", "line 1: inventory has more than 100000 hosts in one range");
    refused("a[1:60000]\nb[1:60000]\n", "line 2: inventory has more than 100000 hosts");
    refused(&"h[1:99999]\n".repeat(11), "line 11: inventory has more than 1000000 mounts");
    let wide = format!("h[1:90000] {}\n", (0..60).map(|n| format!("l{n}={} ", "x".repeat(250))).collect::<String>());
    refused(&wide, "line 1: inventory has more than 268435456 bytes of labels");
    show::check_refused(Format::AnsibleYaml, "a: {hosts: {'h[1:999999999999]': }}", &["hosts in one range"]);
}

/// Each group has two parents, so the last one has 2^n places.
#[test]
fn places_of_groups_are_counted_before_they_are_made() {
    let mut text = String::from("[g0]\n[h0]\n");
    for n in 0..24 {
        let next = n + 1;
        text.push_str(&format!("[g{n}:children]\ng{next}\nh{next}\n[h{n}:children]\ng{next}\nh{next}\n[g{next}]\n[h{next}]\n"));
    }
    show::check_refused(Format::AnsibleIni, &text, &["inventory has more than 100000 nodes"]);
}

#[test]
fn trees_are_not_deeper_than_the_domain_allows() {
    let text: String = (0..40).map(|n| format!("[g{n}]\n[g{n}:children]\ng{}\n", n + 1)).collect();
    show::check_refused(Format::AnsibleIni, &format!("{text}[g40]\n"), &["a path has at most 32 names"]);
}

#[test]
fn a_long_chain_of_groups_needs_no_stack() {
    let mut text: String = (0..50_000).map(|n| format!("[g{n}:children]\ng{}\n", n + 1)).collect();
    text.push_str("[g50000:children]\ng0\n");
    show::check_refused(Format::AnsibleIni, &text, &["line 100002: groups contain each other"]);
}

#[test]
fn alias_bombs_are_refused() {
    let mut bomb = String::from("a: &a0 {k: v}\n");
    for n in 1..40 {
        let old = n - 1;
        bomb.push_str(&format!("b{n}: &a{n} {{x: *a{old}, y: *a{old}, z: *a{old}}}\n"));
    }
    let problems = read(bomb.as_bytes(), Format::AnsibleYaml, Options::default()).unwrap_err();
    assert!(problems[0].message.starts_with("file has more entries, nesting or copies by aliases"), "{problems:?}");
    assert!(problems[0].line > 0, "{problems:?}");
    let deep = format!("a: {}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(read(deep.as_bytes(), Format::AnsibleYaml, Options::default()).is_err());
    let own = "a: &a\n  hosts: *a\n";
    assert!(read(own.as_bytes(), Format::AnsibleYaml, Options::default()).is_err());
}

#[test]
fn bytes_that_are_no_text_are_told_with_their_line() {
    for format in [Format::AnsibleIni, Format::AnsibleYaml, Format::Csv] {
        let problems = read(b"a\nb\xff\n", format, Options::default()).unwrap_err();
        assert_eq!(problems[0].to_string(), "line 2: text is not UTF-8: save the file in that encoding");
        let problems = read(&vec![b'#'; limits::FILE_BYTES + 1], format, Options::default()).unwrap_err();
        assert_eq!(problems[0].to_string(), "file is larger than 64 MiB: split it");
    }
}

#[test]
fn every_problem_of_a_bad_file_is_bounded() {
    let problems = read("?\n".repeat(100_000).as_bytes(), Format::AnsibleIni, Options::default()).unwrap_err();
    assert_eq!(problems.last().unwrap().to_string(), "99800 more problems are not listed");
}

/// The pieces of inventories, in any order.
fn soup(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    let piece = prop_oneof![4 => proptest::sample::select(pieces).prop_map(str::to_owned), 1 => "\\PC{0,6}"];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

const INI: &[&str] = &[
    "\n",
    "[",
    "]",
    "a",
    "b",
    ":children]",
    ":vars]",
    "[a]\n",
    "[b:children]\n",
    "a\n",
    "h[1:3]",
    "h[01:",
    "k=v ",
    "=",
    "'",
    "\"",
    "\\",
    "#",
    "password=x ",
    "{'a': [1]}",
    "ansible_host=10.0.0.1 ",
];
const YAML: &[&str] = &[
    "\n",
    "  ",
    "    ",
    "a:",
    "all:",
    "hosts:",
    "children:",
    "vars:",
    "h[1:3]:",
    "\n  ",
    "\n    ",
    "&a ",
    "*a",
    "<<: ",
    "!vault ",
    "|",
    "[",
    "]",
    "{",
    "}",
    "---\n",
    "k: v",
    "'",
    "1.10",
    "~",
];
const CSV: &[&str] =
    &["path,server,serial,addresses,idc,label.a\n", "path,server\n", ",", "\n", "\"", "/a", "/a/b", "w1", "10.0.0.1", "#", "\r\n", " "];

/// Whatever reads without a problem can be planned, and planning the result of the plan plans nothing.
fn reads(text: &str, format: Format) {
    let Ok((inventory, _)) = read(text.as_bytes(), format, Options { lenient: true }) else { return };
    assert!(inventory.servers.len() <= limits::SERVERS && inventory.nodes.len() <= limits::NODES);
    let planned = plan(&inventory, &Default::default(), "/root", "").expect("what can be read can be planned");
    let after = crate::plan::apply(&planned.steps);
    let again = plan(&inventory, &after, "/root", "").expect("what can be read can be planned");
    assert!(again.steps.is_empty(), "{:#?} in\n{text}", again.steps);
}

proptest! {
    #[test]
    fn ini_never_panics(text in soup(INI)) {
        reads(&text, Format::AnsibleIni);
    }

    #[test]
    fn yaml_never_panics(text in soup(YAML)) {
        reads(&text, Format::AnsibleYaml);
    }

    #[test]
    fn csv_never_panics(text in soup(CSV)) {
        reads(&text, Format::Csv);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for format in [Format::AnsibleIni, Format::AnsibleYaml, Format::Csv] {
            let _ = read(&bytes, format, Options::default());
        }
    }
}
