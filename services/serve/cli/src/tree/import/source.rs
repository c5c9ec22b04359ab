//! The inventory file, or standard input.

use std::io::{Read as _, stdin};
use std::path::Path;

use crate::import::{self, Format, Inventory, Options, Problem, Warning, limits};

/// How messages call the file.
pub(super) fn name(path: &Path) -> String {
    if is_stdin(path) { "<stdin>".to_owned() } else { path.display().to_string() }
}

pub(super) fn read(path: &Path, format: Option<Format>, options: Options) -> Result<(Inventory, Vec<Warning>), Vec<Problem>> {
    if !is_stdin(path) {
        return import::read_file(path, format, options);
    }
    let mut bytes = Vec::new();
    // one byte more than allowed, so that the reader sees the excess
    if let Err(error) = stdin().take(limits::FILE_BYTES as u64 + 1).read_to_end(&mut bytes) {
        return Err(vec![Problem { line: 0, message: format!("cannot read standard input: {error}") }]);
    }
    let format = format.unwrap_or_else(|| Format::detect(path, &bytes));
    import::read(&bytes, format, options)
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}
