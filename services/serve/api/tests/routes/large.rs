//! What the client does with a tree that has too many nodes for one answer of this API.

use std::io::Write;
use std::sync::{Arc, Mutex};

use clap::Parser;
use loki_cli::{Command, Common, Exit, Output, Session};
use serde_json::{Value, json};

use crate::cell::{Cell, Setting};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Default)]
struct Caught(Arc<Mutex<Vec<u8>>>);

impl Caught {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Caught {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a command prints: what was asked for, and what else there is to tell.
async fn loki(cell: &Cell, arguments: &[&str]) -> (String, String) {
    let api = format!("http://{}", cell.client.address);
    let cli = Cli::try_parse_from(["loki", "--api", &api].iter().chain(arguments)).unwrap_or_else(|error| panic!("{error}"));
    let (out, err) = (Caught::default(), Caught::default());
    let output = Output::to(cli.common.output, Box::new(out.clone()), Box::new(err.clone()));
    let mut session = Session { client: cli.common.client().unwrap(), out: output };
    let exit = cli.command.run_in(&mut session, None).await;
    assert_eq!(exit, Exit::Ok, "{arguments:?}: {}", err.text());
    (out.text(), err.text())
}

fn paths(node: &Value, found: &mut Vec<String>) {
    found.push(node["path"].as_str().unwrap().to_owned());
    node["children"].as_array().unwrap().iter().for_each(|child| paths(child, found));
}

/// Flat, so that no part of it is small enough for one answer: `/` alone has more children than that.
#[tokio::test]
async fn a_large_inventory_is_imported_twice_and_shown() {
    let cell = Cell::start_with(Setting { nodes_max: 20, ..Setting::default() }).await;
    let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    let mut csv = "path,server,label.tier\n".to_owned();
    for number in 100..140 {
        csv.push_str(&format!("/n{number},,\n/n{number}/below,s{number},front\n"));
    }
    std::fs::write(file.path(), csv).unwrap();
    let import = ["tree", "import", file.path().to_str().unwrap(), "--quiet"];
    let (told, _) = loki(&cell, &import).await;
    assert_eq!(told, "160 commands: 160 accepted, 0 rejected; already there: 0 nodes, 0 servers, 0 mounts\n");
    cell.settled().await;
    let (told, _) = loki(&cell, &import).await;
    assert_eq!(told, "nothing to do; already there: 80 nodes, 40 servers, 40 mounts\n");

    let (shown, note) = loki(&cell, &["tree", "show"]).await;
    assert_eq!(shown.lines().count(), 81, "{shown}");
    assert!(
        shown.starts_with("/\n├─ n100\n│  └─ below  1 server\n├─ n101\n") && shown.ends_with("└─ n139\n   └─ below  1 server\n"),
        "{shown}"
    );
    assert!(note.contains("read in parts"), "{note}");
    let (shown, _) = loki(&cell, &["tree", "show", "-o", "json"]).await;
    let mut found = Vec::new();
    let tree: Value = serde_json::from_str(&shown).unwrap();
    paths(&tree, &mut found);
    assert_eq!((found.len(), &tree["id"], &tree["children"][0]["children"][0]["servers"]), (81, &json!(null), &json!(1)));
    let (shown, _) = loki(&cell, &["tree", "show", "--depth", "1"]).await;
    assert_eq!(shown.lines().count(), 41, "{shown}");
    // one that fits is one answer
    let (shown, note) = loki(&cell, &["tree", "show", "/n100"]).await;
    assert_eq!((shown.as_str(), note.as_str()), ("/n100\n└─ below  1 server\n", ""));
}
