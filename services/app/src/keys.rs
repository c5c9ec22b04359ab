//! Keys and tokens that a first start makes: whoever tries everything on one machine has them without asking.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use loki_wire::signature::Secret;

use crate::backends::Set;
use crate::settings::Settings;

/// How long the decider may take to make the first token.
const OWNER_WAIT: Duration = Duration::from_secs(30);

/// The key that the decider signs tasks with: the setting, or on the embedded set one of its own.
pub(crate) fn signer(settings: &Settings, set: Set) -> Result<Option<Secret>> {
    let given = settings.decider.signing_key.expose();
    if !given.is_empty() {
        return Ok(Some(given.parse().context("`decider.signing_key`")?));
    }
    match set {
        Set::Embedded => kept(&settings.data_dir.join("decider.key")).map(Some),
        Set::Real => {
            tracing::warn!("`decider.signing_key` is not set: tasks are not signed, and no host carries them out");
            Ok(None)
        }
    }
}

/// Makes the owner's token on an API that has no token yet; where its secret lies, if it lies here.
pub(crate) async fn owner(settings: &Settings, api: SocketAddr) -> Result<Option<PathBuf>> {
    let file = settings.data_dir.join("owner.token");
    let token = Some(&settings.api.token).filter(|token| !token.is_empty());
    let url = format!("http://{api}").parse().context("the API's address")?;
    let client = loki_cli::Client::new(url, token, None)?;
    loki_cli::create_owner(&client, &file, OWNER_WAIT).await?;
    Ok(file.exists().then_some(file))
}

/// The secret of a file, which is made when it is not there.
fn kept(file: &Path) -> Result<Secret> {
    match fs::read_to_string(file) {
        Ok(text) => text.trim().parse().with_context(|| format!("`{}` holds no key", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let secret = Secret::random().context("the system gives no random bytes")?;
            loki_cli::write_secret(file, &secret)?;
            Ok(secret)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read `{}`", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("decider.key");
        let made = kept(&file).unwrap();
        assert!(kept(&file).unwrap() == made);
        fs::write(&file, "loki_no").unwrap();
        let error = format!("{:#}", kept(&file).unwrap_err());
        assert!(error.contains("decider.key") && error.contains("64 of"), "{error}");
    }
}
