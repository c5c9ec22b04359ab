//! The inventories under `deploy/examples`.

use std::path::PathBuf;

use loki_cli::import::{Current, Inventory, Options, plan, read_file};

use crate::plan::apply;

#[path = "../../examples/acme_inventory/generate/mod.rs"]
mod generate;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../deploy/examples").join(name)
}

fn inventory(name: &str) -> Inventory {
    read_file(&path(name), None, Options::default()).expect("a good inventory").0
}

#[test]
fn files_are_what_their_program_writes() {
    for (name, text) in generate::files() {
        let file = std::fs::read_to_string(path(name)).expect("a file");
        assert!(file == text, "deploy/examples/{name} differs: run `cargo run -p loki-cli --example acme_inventory`");
    }
}

#[test]
fn ini_and_yaml_say_the_same() {
    assert_eq!(inventory("inventory.ini").without_lines(), inventory("inventory.yaml").without_lines());
}

#[test]
fn the_company_has_the_size_that_its_documentation_says() {
    let acme = inventory("inventory.ini");
    assert!((950..=1_050).contains(&acme.servers.len()), "{} servers", acme.servers.len());
    assert!((190..=230).contains(&acme.nodes.len()), "{} nodes", acme.nodes.len());
    assert!(
        acme.servers
            .iter()
            .all(|server| server.idc.is_some() && server.addresses.len() == 1 && !server.labels.contains_key("serial_number"))
    );
    let lab = inventory("inventory.csv");
    assert_eq!((lab.nodes.len(), lab.servers.len(), lab.mount_count()), (3, 27, 24));
}

#[test]
fn what_stays_out_is_told() {
    for name in ["inventory.ini", "inventory.yaml"] {
        let warnings = read_file(&path(name), None, Options::default()).expect("a good inventory").1;
        let told: Vec<&str> = warnings.iter().map(|warning| warning.message.as_str()).collect();
        let expected = [
            "variable `ansible_user` says how Ansible works on the host and is not imported",
            "variable `ansible_become_password` looks like a secret and is not imported",
        ];
        assert_eq!(told, expected, "{name}");
    }
}

#[test]
fn importing_both_files_and_all_twice() {
    let mut steps = 0;
    let mut current = Current::default();
    for name in ["inventory.ini", "inventory.yaml", "inventory.csv", "inventory.csv"] {
        let planned = plan(&inventory(name), &current, "/acme", name).expect("a plan");
        steps += planned.steps.len();
        current = crate::plan::apply_to(current, &planned.steps);
    }
    assert_eq!(steps, current.nodes.len() + current.servers.len() + current.mounts.len());
    assert_eq!(current.servers["payments-web02.sh1.acme.example"].idc.as_deref(), Some("sh1"));
    assert_eq!(current.nodes["/acme"]["company"], "acme");
    let canary = ("shop-web01.bj1.acme.example".to_owned(), "/acme/canary/shop_web_canary".to_owned());
    assert!(current.mounts.contains(&canary));
    let all = plan(&inventory("inventory.ini"), &Current::default(), "/acme", "").expect("a plan");
    assert!(apply(&all.steps).mounts.is_subset(&current.mounts));
}
