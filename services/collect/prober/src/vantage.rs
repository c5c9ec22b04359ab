//! The vantage's name: the tag that tells this prober's samples from those of another place.

use loki_domain::Tags;

use crate::error::Error;
use crate::naming::tag_value;

/// As it is set, else the host name.
pub(crate) fn name(set: Option<&str>) -> Result<String, Error> {
    match set {
        Some(name) => Ok(name.to_owned()),
        None => {
            let name = read("/proc/sys/kernel/hostname").or_else(|| read("/etc/hostname")).ok_or(Error::NoHostName)?;
            Ok(tag_value(&name.to_lowercase()))
        }
    }
}

/// What is wrong with a name that is set.
pub(crate) fn problem(name: &str) -> Option<String> {
    Tags::new([("vantage", name)]).err().map(|invalid| invalid.to_string())
}

/// The text of a file, unless it is missing or empty.
fn read(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_set_is_taken_as_it_is() {
        assert_eq!(name(Some("beijing-1")).unwrap(), "beijing-1");
        let own = name(None).unwrap();
        assert_eq!(problem(&own), None, "{own}");
        assert!(problem("bei jing").is_some() && problem("").is_some());
    }
}
