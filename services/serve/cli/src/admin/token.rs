//! `loki admin token`: named tokens. Their secrets are made here, and never leave this machine but as bearer tokens.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use loki_domain::{NodePath, TokenName, token::Use};
use loki_runtime::Clock;
use loki_wire::envelope::write_time;
use loki_wire::signature::Secret;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::duration::Time;
use crate::emit::{ask, tell};
use crate::exit::{Exit, Failure};
use crate::flags::Session;
use crate::output::table::Table;

const CREATE_HELP: &str = "\
Examples:
  loki admin token create owner --for deploy --for script --for grant --out owner.token
  loki admin token create ci-shop --node /acme/shop --for deploy --expires 90d --out ci-shop.token
  loki --token-file ci-shop.token emit run.start --data '{\"node\":\"/acme/shop/web\"}' --wait

The secret is a bearer token for the API, and signs commands for whoever writes them into the log. Loki keeps its public half alone: a secret that \
is lost cannot be shown again, remove the token and make another one. The first token of all may be made by anybody, must be for everything and \
without an end; every other one is made by a token for `grant` that has itself what it gives.";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Action {
    Create(Create),
    List(List),
    Remove(Remove),
}

/// Make a token
#[derive(Debug, clap::Args)]
#[command(after_help = CREATE_HELP)]
pub(super) struct Create {
    /// Its name, such as `ci-shop`
    name: TokenName,
    /// The node that it covers, with all under it; everything when absent
    #[arg(long, value_name = "NODE")]
    node: Option<NodePath>,
    /// What it is for: `deploy`, `script` or `grant`; may be given several times
    #[arg(long = "for", value_name = "USE", required = true)]
    uses: Vec<Use>,
    /// When it ends: a time from now, such as `90d`, `12h`; never when absent
    #[arg(long, value_name = "TIME")]
    expires: Option<Lifetime>,
    /// Write the secret into this new file, which only you can read, instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How long to wait for the outcome
    #[arg(long, default_value = "30s", value_name = "TIME")]
    wait: Time,
}

/// List tokens
#[derive(Debug, clap::Args)]
pub(super) struct List {}

/// Remove a token: what it has begun goes on
#[derive(Debug, clap::Args)]
pub(super) struct Remove {
    name: TokenName,
    /// How long to wait for the outcome
    #[arg(long, default_value = "30s", value_name = "TIME")]
    wait: Time,
}

/// A time from now, in hours, days or weeks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lifetime(Duration);

impl FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write a whole number and a unit, such as `12h`, `90d` or `52w`".to_owned();
        let hours = [("h", 1), ("d", 24), ("w", 7 * 24)].into_iter().find_map(|(unit, hours)| Some((text.strip_suffix(unit)?, hours)));
        let (number, hours) = hours.ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        match number.checked_mul(hours).filter(|hours| (1..=100 * 366 * 24).contains(hours)) {
            Some(hours) => Ok(Self(Duration::from_secs(hours * 3_600))),
            None => Err("between `1h` and a hundred years".to_owned()),
        }
    }
}

impl Action {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        match self {
            Self::Create(create) => create.run(session).await,
            Self::List(List {}) => list(session).await,
            Self::Remove(remove) => {
                let data = json!({ "name": remove.name.as_str() });
                let outcome = ask(&session.client, None, None, "token.remove", &data, remove.wait.0).await?;
                tell(&mut session.out, &outcome, Some(remove.wait.0))
            }
        }
    }
}

impl Create {
    async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let secret = new_secret()?;
        let expires_ms = self.expires.map(|life| Clock::system().now_ms() + life.0.as_millis() as i64);
        let data = data(&self.name, self.node.as_ref(), &self.uses, &secret, expires_ms);
        // before the token is there, so that none is whose secret nobody has
        let file = self.out.as_deref().map(|path| Written::new(path, &secret)).transpose()?;
        let outcome = ask(&session.client, None, None, "token.create", &data, self.wait.0).await?;
        match file {
            _ if !outcome.is_accepted() && !outcome.is_pending() => {}
            Some(file) => file.keep(),
            None if session.out.is_json() => session.out.json(&json!({ "name": self.name.as_str(), "secret": secret.reveal() }))?,
            None => session.out.line(secret.reveal())?,
        }
        if outcome.is_accepted() && self.out.is_none() {
            // the secret is what was asked for
            return Ok(Exit::Ok);
        }
        tell(&mut session.out, &outcome, Some(self.wait.0))
    }
}

/// Makes the owner's token, for everything, and writes its secret into a file; of one that is there the secret is taken. `false`: there are tokens
/// already, and none was made.
///
/// # Errors
/// The file cannot be read or written, or the API cannot be asked.
pub async fn create_owner(client: &Client, file: &Path, wait: Duration) -> Result<bool, Failure> {
    let request = client.get(&["v1", "tokens"]);
    if !client.list::<Value>(&request, 1).await?.items.is_empty() {
        return Ok(false);
    }
    let (secret, written) = match std::fs::read_to_string(file) {
        Ok(text) => {
            let secret = text.trim().parse().map_err(|invalid| Failure::usage(format!("`{}`: {invalid}", file.display())))?;
            (secret, None)
        }
        Err(_) => {
            let secret = new_secret()?;
            let written = Written::new(file, &secret)?;
            (secret, Some(written))
        }
    };
    let name = "owner".parse().map_err(|_| Failure::usage("`owner` is no name"))?;
    let data = data(&name, None, &Use::ALL, &secret, None);
    let outcome = ask(client, Some("owner"), None, "token.create", &data, wait).await?;
    if !outcome.is_accepted() {
        return Err(Failure::new(outcome.exit(), format!("the owner's token was not made: {}", outcome.reason())));
    }
    if let Some(written) = written {
        written.keep();
    }
    Ok(true)
}

/// Writes a secret into a new file that only its owner can read.
///
/// # Errors
/// The file is there already, or cannot be written.
pub fn write_secret(file: &Path, secret: &Secret) -> Result<(), Failure> {
    Written::new(file, secret).map(Written::keep)
}

fn new_secret() -> Result<Secret, Failure> {
    Secret::random().ok_or_else(|| Failure::new(Exit::Failed, "the system gives no random bytes"))
}

fn data(name: &TokenName, node: Option<&NodePath>, uses: &[Use], secret: &Secret, expires_ms: Option<i64>) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("name".to_owned(), json!(name.as_str()));
    if let Some(node) = node {
        data.insert("node".to_owned(), json!(node.to_string()));
    }
    data.insert("uses".to_owned(), uses.iter().map(|one| one.as_str()).collect());
    data.insert("key".to_owned(), json!(secret.public().to_string()));
    if let Some(expires_ms) = expires_ms {
        data.insert("expires_ms".to_owned(), json!(expires_ms));
    }
    data
}

/// A file with a secret, which goes again unless it is kept.
struct Written<'p> {
    path: &'p Path,
    kept: bool,
}

impl<'p> Written<'p> {
    fn new(path: &'p Path, secret: &Secret) -> Result<Self, Failure> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let wrong = |error: std::io::Error| Failure::usage(format!("cannot write the secret into `{}`: {error}", path.display()));
        let mut file = options.open(path).map_err(wrong)?;
        let written = Self { path, kept: false };
        writeln!(file, "{}", secret.reveal()).and_then(|()| file.sync_all()).map_err(wrong)?;
        Ok(written)
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_file(self.path);
        }
    }
}

#[derive(Debug, Deserialize)]
struct Listed {
    token: Fact,
    path: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Fact {
    name: String,
    node: Option<String>,
    uses: Vec<String>,
    expires_ms: Option<i64>,
}

async fn list(session: &mut Session) -> Result<Exit, Failure> {
    let request = session.client.get(&["v1", "tokens"]);
    if session.out.is_json() {
        let all = session.client.list::<Value>(&request, usize::MAX).await?;
        session.out.json(&all)?;
        return Ok(Exit::Ok);
    }
    let all = session.client.list::<Listed>(&request, usize::MAX).await?;
    let mut table = Table::new(["NAME", "FOR", "NODE", "EXPIRES"]);
    for Listed { token, path } in all.items {
        let node = match (&token.node, path) {
            (None, _) => "/".to_owned(),
            (Some(_), Some(path)) => path,
            (Some(id), None) => format!("{id}, which is gone"),
        };
        let expires = token.expires_ms.map_or_else(|| "never".to_owned(), write_time);
        table.row([token.name, token.uses.join(","), node, expires]);
    }
    session.out.text(&table.render())?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes() {
        for (text, hours) in [("12h", 12), ("90d", 90 * 24), ("52w", 52 * 7 * 24)] {
            assert_eq!(text.parse(), Ok(Lifetime(Duration::from_secs(hours * 3_600))), "{text}");
        }
        for bad in ["", "d", "0d", "90", "90s", "-1d", "1.5d", "99999999999999999999d", "40000d"] {
            assert!(bad.parse::<Lifetime>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_written_for_its_owner_alone_and_over_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.token");
        let secret = Secret::new([7; 32]);
        drop(Written::new(&path, &secret).unwrap());
        assert!(!path.exists());
        Written::new(&path, &secret).unwrap().keep();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", secret.reveal()));
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions()) & 0o777, 0o600);
        let error = Written::new(&path, &secret).err().unwrap();
        assert!(error.message.contains("a.token") && path.exists(), "{error}");
    }
}
