//! CSV with a header: one row for each mount of a server, or for a node.
//!
//! ```csv
//! path,server,serial,addresses,idc,label.tier,label.rack
//! /shop/web,,,,,front,
//! /shop/web,web01,SN-1,10.0.0.1;2001:db8::1,bj1,,r7
//! /canary,web01,,,,,
//! ,spare01,SN-9,,bj1,,r9
//! ```
//!
//! - `path` is a node of the tree below `--under`; it and the nodes above it are made. A row without `server` describes the node.
//! - `server` is mounted on `path`; several rows of one server are several mounts, and one without `path` mounts it nowhere.
//! - `serial`, `addresses` (separated by `;` or space), `idc` and `label.<key>` are told in one row of the server, or equally in all.
//! - An empty cell says nothing. Columns may come in any order; only `path` or `server` must be there. Lines that begin with `#` are
//!   skipped.

use std::collections::HashMap;

use ::csv::{ReaderBuilder, StringRecord};

use super::attributes::{self, Attributes};
use super::findings::Findings;
use super::groups::{LimitPassed, bounded};
use super::inventory::{Inventory, Mount, Node, Server};
use super::limits;
use super::names::{self, quoted};
use super::secrets;
use super::value::Value;

/// Most columns of a header.
const COLUMNS: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Column {
    Path,
    Server,
    Serial,
    Addresses,
    Idc,
    Label(String),
    /// A secret or a mistake in the header that was told.
    Skipped,
}

/// Reads a whole file; `None` when a problem was told.
pub(crate) fn read(text: &str, findings: &mut Findings) -> Option<Inventory> {
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).comment(Some(b'#')).trim(::csv::Trim::All).from_reader(text.as_bytes());
    let mut rows = Rows::default();
    let mut columns: Option<Vec<Column>> = None;
    let mut record = StringRecord::new();
    loop {
        let start = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
        let line = rows.line_at(text, start);
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) => {
                findings.problem(line, format!("row cannot be read: {error}"));
                return None;
            }
        }
        match &columns {
            None => columns = Some(header(&record, line, findings)?),
            Some(columns) => rows.row(columns, &record, line, findings).ok()?,
        }
    }
    if columns.is_none() {
        findings.problem(0, "file has no header: write `path,server,serial,addresses,idc` as the first line");
    }
    let inventory = rows.inventory(findings);
    findings.is_clean().then_some(inventory)
}

fn header(record: &StringRecord, line: u32, findings: &mut Findings) -> Option<Vec<Column>> {
    bounded("columns", 0, record.len(), COLUMNS, line, findings).ok()?;
    // Without either it is a row of values, of which none must be told.
    if !record.iter().any(|name| matches!(name, "path" | "server")) {
        findings.problem(line, "header has neither `path` nor `server`: the first line must name the columns, separated by commas");
        return None;
    }
    let mut columns = Vec::with_capacity(record.len());
    for name in record {
        let column = match name {
            "path" => Column::Path,
            "server" => Column::Server,
            "serial" => Column::Serial,
            "addresses" => Column::Addresses,
            "idc" => Column::Idc,
            _ => match name.strip_prefix("label.") {
                Some(key) => label_column(key, line, findings),
                None => {
                    let known = "known are `path`, `server`, `serial`, `addresses`, `idc` and `label.<key>`, separated by commas";
                    findings.problem(line, format!("column {} is unknown: {known}", quoted(name)));
                    Column::Skipped
                }
            },
        };
        if column != Column::Skipped && columns.contains(&column) {
            findings.problem(line, format!("column {} is there twice: remove one", quoted(name)));
        }
        columns.push(column);
    }
    findings.is_clean().then_some(columns)
}

fn label_column(key: &str, line: u32, findings: &mut Findings) -> Column {
    if let Some(withheld) = secrets::withheld(key, &Value::Null) {
        findings.warning(line, format!("column {} {} and is not imported", quoted(key), withheld.reason()));
        return Column::Skipped;
    }
    match names::check_label_key(key) {
        Ok(()) => Column::Label(key.to_owned()),
        Err(error) => {
            findings.label(line, error);
            Column::Skipped
        }
    }
}

#[derive(Default)]
struct Rows {
    inventory: Inventory,
    nodes: HashMap<String, usize>,
    servers: HashMap<String, usize>,
    mounts: usize,
    /// The byte up to which line breaks were counted, and how many there were.
    counted: (usize, u32),
}

/// The cells of a row.
#[derive(Default)]
struct Row<'r> {
    path: &'r str,
    server: &'r str,
    attributes: Attributes,
}

impl Rows {
    /// The line of the record that begins at or behind `start`: the reader's own count stops before blank and comment lines.
    fn line_at(&mut self, text: &str, start: usize) -> u32 {
        let (mut at, mut breaks) = self.counted;
        let passed = text.as_bytes().get(at..start).unwrap_or_default();
        breaks += count_breaks(passed);
        at = start.max(at);
        while let Some(line) = text.get(at..).and_then(|rest| rest.split_inclusive('\n').next()) {
            let skipped = line.starts_with('#') || line.trim_end_matches(['\n', '\r']).is_empty();
            if !skipped {
                break;
            }
            at += line.len();
            breaks += count_breaks(line.as_bytes());
        }
        self.counted = (at, breaks);
        breaks.saturating_add(1)
    }

    fn row(&mut self, columns: &[Column], record: &StringRecord, line: u32, findings: &mut Findings) -> Result<(), LimitPassed> {
        if record.iter().all(str::is_empty) {
            return Ok(());
        }
        if record.len() != columns.len() {
            let (found, expected) = (record.len(), columns.len());
            findings.problem(line, format!("row has {found} cells, the header {expected}: quote cells that hold a comma"));
            return Ok(());
        }
        let row = cells(columns, record, line, findings);
        if let Err(error) = if row.path.is_empty() { Ok(()) } else { names::check_path(row.path) } {
            findings.problem(line, format!("`path`: {error}"));
            return Ok(());
        }
        match (row.path, row.server) {
            ("", "") => {
                findings.problem(line, "row has neither `path` nor `server`: write at least one");
                Ok(())
            }
            (path, "") => self.node(path, &row.attributes, line, findings),
            _ => self.server(&row, line, findings),
        }
    }

    /// The node of a path, with the labels of a row that describes it.
    fn node(&mut self, path: &str, attributes: &Attributes, line: u32, findings: &mut Findings) -> Result<(), LimitPassed> {
        let Attributes { labels, idc, serial, addresses, .. } = attributes;
        if idc.is_some() || serial.is_some() || !addresses.is_empty() {
            let message = "row has no `server`, so `serial`, `addresses` and `idc` must be empty: a node has labels only";
            findings.problem(line, message);
        }
        let place = self.node_place(path, line, findings)?;
        let node = &mut self.inventory.nodes[place];
        for (key, value) in labels {
            match node.labels.get(key) {
                Some(known) if known != value => tell_contradiction("node", path, key, node.line, line, findings),
                _ => drop(node.labels.insert(key.clone(), value.clone())),
            }
        }
        Ok(())
    }

    fn node_place(&mut self, path: &str, line: u32, findings: &mut Findings) -> Result<usize, LimitPassed> {
        if let Some(&place) = self.nodes.get(path) {
            return Ok(place);
        }
        let place = self.inventory.nodes.len();
        bounded("nodes", place, 1, limits::NODES, line, findings)?;
        self.nodes.insert(path.to_owned(), place);
        self.inventory.nodes.push(Node { path: path.to_owned(), line, ..Node::default() });
        Ok(place)
    }

    fn server(&mut self, row: &Row<'_>, line: u32, findings: &mut Findings) -> Result<(), LimitPassed> {
        let name = match names::server(row.server) {
            Ok(name) => name,
            Err(error) => {
                findings.problem(line, format!("`server`: {error}"));
                return Ok(());
            }
        };
        let place = match self.servers.get(&name) {
            Some(&place) => place,
            None => {
                let place = self.inventory.servers.len();
                bounded("servers", place, 1, limits::SERVERS, line, findings)?;
                self.inventory.servers.push(Server { name: name.clone(), line, ..Server::default() });
                self.servers.insert(name, place);
                place
            }
        };
        merge(&mut self.inventory.servers[place], &row.attributes, line, findings);
        if !row.path.is_empty() {
            bounded("mounts", self.mounts, 1, limits::MOUNTS, line, findings)?;
            self.mounts += 1;
            self.node_place(row.path, line, findings)?;
            self.inventory.servers[place].mounts.push(Mount { path: row.path.to_owned(), line });
        }
        Ok(())
    }

    fn inventory(self, findings: &mut Findings) -> Inventory {
        let mut inventory = self.inventory;
        for Node { path, labels, line } in &mut inventory.nodes {
            attributes::bound_labels(labels, path, *line, findings);
        }
        for Server { name, labels, line, .. } in &mut inventory.servers {
            attributes::bound_labels(labels, name, *line, findings);
        }
        inventory.sort();
        inventory
    }
}

fn cells<'r>(columns: &[Column], record: &'r StringRecord, line: u32, findings: &mut Findings) -> Row<'r> {
    let mut row = Row::default();
    for (column, cell) in columns.iter().zip(record).filter(|(_, cell)| !cell.is_empty()) {
        let attributes = &mut row.attributes;
        match column {
            Column::Path => row.path = cell,
            Column::Server => row.server = cell,
            Column::Serial => attributes.serial = one_line("serial", cell, line, findings),
            Column::Idc => attributes.idc = one_line("idc", cell, line, findings),
            Column::Addresses => match attributes::addresses(cell) {
                Ok(addresses) => attributes.addresses = addresses,
                Err(error) => findings.problem(line, format!("`addresses`: {error}")),
            },
            Column::Label(key) => match secrets::withheld(key, &Value::Text(cell.to_owned())) {
                Some(withheld) => {
                    findings.warning(line, format!("a cell of column {} {} and is not imported", quoted(key), withheld.reason()));
                }
                None => attributes.set_label(key, cell.to_owned(), line, findings),
            },
            Column::Skipped => {}
        }
    }
    row
}

fn one_line(field: &str, cell: &str, line: u32, findings: &mut Findings) -> Option<String> {
    match names::check_text(cell) {
        Ok(()) => Some(cell.to_owned()),
        Err(error) => {
            findings.problem(line, format!("`{field}`: {error}"));
            None
        }
    }
}

/// Adds what a row says about a server to what earlier rows said.
fn merge(server: &mut Server, row: &Attributes, line: u32, findings: &mut Findings) {
    let Server { name, serial, idc, addresses, labels, line: first, .. } = server;
    for (field, known, new) in [("serial", serial, &row.serial), ("idc", idc, &row.idc)] {
        match (&*known, new) {
            (Some(known), Some(new)) if known != new => tell_contradiction("server", name, field, *first, line, findings),
            (None, Some(_)) => known.clone_from(new),
            _ => {}
        }
    }
    if addresses.is_empty() {
        addresses.clone_from(&row.addresses);
    } else if !row.addresses.is_empty() && *addresses != row.addresses {
        tell_contradiction("server", name, "addresses", *first, line, findings);
    }
    for (key, value) in &row.labels {
        match labels.get(key) {
            Some(known) if known != value => tell_contradiction("server", name, key, *first, line, findings),
            _ => drop(labels.insert(key.clone(), value.clone())),
        }
    }
}

fn tell_contradiction(what: &str, name: &str, field: &str, first: u32, line: u32, findings: &mut Findings) {
    let (name, field) = (quoted(name), quoted(field));
    let message = format!("{what} {name} has another {field} here than in a row since line {first}: make them equal or leave one empty");
    findings.problem(line, message);
}

fn count_breaks(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.iter().filter(|&&b| b == b'\n').count()).unwrap_or(u32::MAX)
}
