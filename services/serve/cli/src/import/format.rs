//! Which syntax a file is in.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// A syntax of inventories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    AnsibleIni,
    AnsibleYaml,
    Csv,
}

impl Format {
    /// By the file's name; without a telling one (Ansible's usual `hosts`) by its first line that is no comment.
    #[must_use]
    pub fn detect(path: &Path, text: &[u8]) -> Self {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "yaml" | "yml" | "json" => Self::AnsibleYaml,
            "csv" => Self::Csv,
            "ini" | "cfg" => Self::AnsibleIni,
            _ => Self::of_text(text),
        }
    }

    fn of_text(text: &[u8]) -> Self {
        let mut lines = text.split(|&b| b == b'\n').map(|line| line.trim_ascii());
        let first = lines.find(|line| !line.is_empty() && !line.starts_with(b"#") && !line.starts_with(b";")).unwrap_or_default();
        let names_column = |cell: &[u8]| matches!(cell.trim_ascii(), b"path" | b"server");
        match first {
            b"---" => Self::AnsibleYaml,
            _ if first.starts_with(b"{") || first.ends_with(b":") => Self::AnsibleYaml,
            _ if first.split(|&b| b == b',').any(names_column) => Self::Csv,
            _ => Self::AnsibleIni,
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "ini" => Ok(Self::AnsibleIni),
            "yaml" => Ok(Self::AnsibleYaml),
            "csv" => Ok(Self::Csv),
            _ => Err("format must be `ini`, `yaml` or `csv`".to_owned()),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::AnsibleIni => "ini",
            Self::AnsibleYaml => "yaml",
            Self::Csv => "csv",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_name_then_by_text() {
        for (path, text, expected) in [
            ("a.yml", "", Format::AnsibleYaml),
            ("a.JSON", "", Format::AnsibleYaml),
            ("a.ini", "all:", Format::AnsibleIni),
            ("a.csv", "", Format::Csv),
            ("hosts", "# hosts\n\n[web]\n", Format::AnsibleIni),
            ("hosts", "web1 a=1\n", Format::AnsibleIni),
            ("hosts", "---\nall:\n", Format::AnsibleYaml),
            ("hosts", "all:\r\n  hosts:\n", Format::AnsibleYaml),
            ("hosts", "{\"all\": {}}", Format::AnsibleYaml),
            ("hosts", "server, path\n", Format::Csv),
            ("hosts", "", Format::AnsibleIni),
        ] {
            assert_eq!(Format::detect(Path::new(path), text.as_bytes()), expected, "{path} {text}");
        }
    }

    #[test]
    fn names_come_back() {
        for format in [Format::AnsibleIni, Format::AnsibleYaml, Format::Csv] {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert!("toml".parse::<Format>().is_err());
    }
}
