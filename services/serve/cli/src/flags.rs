//! The flags that every command of the client takes.

use std::path::PathBuf;

use loki_runtime::Secret;

use crate::client::{self, Client};
use crate::exit::Failure;
use crate::output::{Format, Output};

/// Where a token is looked for when no `--token-file` is given: the setting of the API itself.
const TOKEN_VARIABLE: &str = "LOKI__API__TOKEN";

/// A token is short; whatever is longer is another file.
const TOKEN_BYTES: u64 = 8 * 1024;

/// Flags of all commands that talk to the API.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Client")]
pub struct Common {
    /// Address of the API
    #[arg(long, global = true, env = "LOKI_API", default_value = "http://127.0.0.1:8470", value_name = "URL")]
    pub api: String,
    /// File with the authorities' certificates (PEM) that an `https://` address is believed by, instead of the system's
    #[arg(long, global = true, env = "LOKI_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// File with the API's bearer token, or the secret of a named token; without it the variable `LOKI__API__TOKEN` is used
    #[arg(long, global = true, env = "LOKI_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// How to print what was asked for: for people, or for programs
    #[arg(short, long, global = true, value_enum, default_value = "table", value_name = "FORMAT")]
    pub output: Format,
    /// Tell errors only: no progress, notes or warnings
    #[arg(long, global = true)]
    pub quiet: bool,
}

/// A command's way to the API and to its caller.
pub struct Session {
    pub client: Client,
    pub out: Output,
}

impl Common {
    /// The client that these flags describe.
    ///
    /// # Errors
    /// The address or the token cannot be used.
    pub fn client(&self) -> Result<Client, Failure> {
        Client::new(client::address::read(&self.api)?, self.token()?.as_ref(), self.ca_file.as_deref())
    }

    fn token(&self) -> Result<Option<Secret>, Failure> {
        let text = match &self.token_file {
            Some(path) => {
                let wrong = |error: std::io::Error| Failure::usage(format!("cannot read the token in `{}`: {error}", path.display()));
                let length = std::fs::metadata(path).map_err(wrong)?.len();
                if length > TOKEN_BYTES {
                    return Err(Failure::usage(format!("`{}` is no token: it has {length} bytes", path.display())));
                }
                let text = std::fs::read_to_string(path).map_err(wrong)?.trim().to_owned();
                if text.is_empty() {
                    return Err(Failure::usage(format!("`{}` is empty: put the token into it", path.display())));
                }
                text
            }
            None => std::env::var(TOKEN_VARIABLE).unwrap_or_default(),
        };
        Ok((!text.is_empty()).then(|| Secret::new(text)))
    }
}
