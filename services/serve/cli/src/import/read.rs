//! The way in: bytes or a file become an inventory.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::findings::{Findings, Problem, Warning};
use super::format::Format;
use super::inventory::Inventory;
use super::{ansible_ini, ansible_yaml, csv, limits};

/// How strictly a file is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// A label whose key or value cannot be kept is left out with a warning. Without it, it is a problem.
    pub lenient: bool,
}

/// Reads an inventory.
///
/// # Errors
/// All problems of the file, each with its line; then nothing of it must be imported.
pub fn read(bytes: &[u8], format: Format, options: Options) -> Result<(Inventory, Vec<Warning>), Vec<Problem>> {
    let mut findings = Findings::new(options.lenient);
    let inventory = text(bytes, &mut findings).and_then(|text| match format {
        Format::AnsibleIni => ansible_ini::read(text, &mut findings),
        Format::AnsibleYaml => ansible_yaml::read(text, &mut findings),
        Format::Csv => csv::read(text, &mut findings),
    });
    let warnings = findings.finish()?;
    // A reader that gives up tells why; an empty inventory beside no problem would hide that it did not.
    let unread = || vec![Problem { line: 0, message: "file could not be read".to_owned() }];
    Ok((inventory.ok_or_else(unread)?, warnings))
}

/// Reads a file; its format is [detected](Format::detect) when none is given. `group_vars` and `host_vars` beside it are not read.
///
/// # Errors
/// As [`read`], and when the file cannot be opened or is larger than [`limits::FILE_BYTES`].
pub fn read_file(path: &Path, format: Option<Format>, options: Options) -> Result<(Inventory, Vec<Warning>), Vec<Problem>> {
    let failed = |error: std::io::Error| vec![Problem { line: 0, message: format!("cannot read `{}`: {error}", path.display()) }];
    let mut bytes = Vec::new();
    // One byte more than allowed, so that `read` sees the excess.
    File::open(path).and_then(|file| file.take(limits::FILE_BYTES as u64 + 1).read_to_end(&mut bytes)).map_err(failed)?;
    let format = format.unwrap_or_else(|| Format::detect(path, &bytes));
    read(&bytes, format, options)
}

/// The file as text without a byte order mark.
fn text<'b>(bytes: &'b [u8], findings: &mut Findings) -> Option<&'b str> {
    if bytes.len() > limits::FILE_BYTES {
        findings.problem(0, format!("file is larger than {} MiB: split it", limits::FILE_BYTES / 1024 / 1024));
        return None;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let good = &bytes[..error.valid_up_to()];
            let line = u32::try_from(good.iter().filter(|&&b| b == b'\n').count()).unwrap_or(u32::MAX).saturating_add(1);
            findings.problem(line, "text is not UTF-8: save the file in that encoding");
            None
        }
    }
}
