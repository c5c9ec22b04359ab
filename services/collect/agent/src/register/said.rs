//! The addresses that the agent said last, kept over restarts: as long as the API still has these, nobody has set others.

use std::path::{Path, PathBuf};

const FILE: &str = "addresses.json";

/// Forgotten, it is as if an operator had set the addresses: they are left as they are.
pub(super) struct Said {
    path: PathBuf,
    addresses: Option<Vec<String>>,
}

impl Said {
    pub(super) fn in_folder(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let addresses = std::fs::read(&path).ok().and_then(|json| serde_json::from_slice(&json).ok());
        Self { path, addresses }
    }

    pub(super) fn addresses(&self) -> Option<&[String]> {
        self.addresses.as_deref()
    }

    /// Written beside and moved over, so that there is never half of it.
    pub(super) fn say(&mut self, addresses: &[String]) {
        self.addresses = Some(addresses.to_vec());
        let beside = self.path.with_extension("new");
        let written = serde_json::to_vec(addresses)
            .map_err(std::io::Error::from)
            .and_then(|json| std::fs::write(&beside, json))
            .and_then(|()| std::fs::rename(&beside, &self.path));
        if let Err(error) = written {
            tracing::warn!(path = %self.path.display(), %error, "what was said of this machine could not be noted: after a restart its addresses are not kept up");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let mut said = Said::in_folder(folder.path());
        assert_eq!(said.addresses(), None);
        let addresses = ["10.0.0.1".to_owned()];
        said.say(&addresses);
        assert_eq!(said.addresses(), Some(&addresses[..]));
        assert_eq!(Said::in_folder(folder.path()).addresses(), Some(&addresses[..]));
        std::fs::write(folder.path().join(FILE), "[\"10.0").unwrap();
        assert_eq!(Said::in_folder(folder.path()).addresses(), None);
    }
}
