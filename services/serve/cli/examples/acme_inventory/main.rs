//! Writes `deploy/examples/inventory.{ini,yaml,csv}`: `cargo run -p loki-cli --example acme_inventory`.
//!
//! The files are checked in; a test tells when they are not what this program writes.

mod generate;

use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../deploy/examples");
    std::fs::create_dir_all(&folder)?;
    generate::files().into_iter().try_for_each(|(name, text)| std::fs::write(folder.join(name), text))
}
