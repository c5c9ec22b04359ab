//! The inventory of a made-up company, "acme": some 1,000 servers in four data centres and some 200 nodes.
//!
//! The same company is written twice, as INI and as YAML, the way people write them: a list of hosts with what asset management knows,
//! then groups that name ranges of them. The CSV is its small laboratory.

mod company;
mod csv;
mod ini;
mod services;
mod yaml;

use company::Company;

/// Every file's name and text.
pub(crate) fn files() -> [(&'static str, String); 3] {
    let company = Company::new();
    [("inventory.ini", ini::write(&company)), ("inventory.yaml", yaml::write(&company)), ("inventory.csv", csv::write())]
}

/// What both files of the whole company say on top.
const TITLE: &str = "The servers of acme. Imported by: loki tree import FILE --under /acme (add --plan to see what it would do).";
