//! The inputs that are kept: a text file per target, an input a line, with the escapes of Rust's byte strings. Sorted, so that a change reads well.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::Target;

/// The largest input that is kept, in bytes.
pub const INPUT_BYTES_MAX: usize = 4 << 10;

pub type Corpus = BTreeSet<Vec<u8>>;

/// # Errors
/// When it cannot be read, or a line has a wrong escape.
pub fn read(target: &Target) -> Result<Corpus> {
    let file = file(target);
    let text = std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    let lines = text.lines().enumerate();
    lines.map(|(number, line)| unescape(line).with_context(|| format!("{}, line {}", file.display(), number + 1))).collect()
}

/// # Errors
/// When it cannot be written.
pub fn write(target: &Target, corpus: &Corpus) -> Result<()> {
    let lines: String = corpus.iter().map(|input| format!("{}\n", input.escape_ascii())).collect();
    std::fs::write(file(target), lines).with_context(|| format!("{} cannot be written", file(target).display()))
}

/// A file per input, as libFuzzer wants them.
///
/// # Errors
/// When one cannot be written.
pub fn unpack(corpus: &Corpus, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    for (number, input) in corpus.iter().enumerate() {
        std::fs::write(folder.join(number.to_string()), input)?;
    }
    Ok(())
}

/// What [`unpack`] and libFuzzer have left in a folder; not what is too large.
///
/// # Errors
/// When one cannot be read.
pub fn pack(folder: &Path) -> Result<Corpus> {
    let mut corpus = Corpus::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        let input = std::fs::read(entry?.path())?;
        if input.len() <= INPUT_BYTES_MAX {
            corpus.insert(input);
        }
    }
    Ok(corpus)
}

fn file(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name).with_extension("txt")
}

/// A line's bytes.
///
/// # Errors
/// When an escape is none.
pub fn unescape(line: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(line.len());
    let mut rest = line.as_bytes();
    loop {
        rest = match rest {
            [] => return Ok(bytes),
            [b'\\', b'x', high, low, rest @ ..] => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits)?;
                bytes.push(u8::from_str_radix(digits, 16)?);
                rest
            }
            [b'\\', escaped, rest @ ..] => {
                bytes.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'\\' | b'\'' | b'"' => *escaped,
                    other => bail!("there is no escape `\\{}`", other.escape_ascii()),
                });
                rest
            }
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_is_unescaped() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(unescape(&all.escape_ascii().to_string()).unwrap(), all);
        assert!(unescape(r"\q").is_err() && unescape(r"\xg0").is_err());
    }
}
