//! `loki package push` and `loki package register`: a version of a package, with its archive or with where it lies.

use std::path::{Path, PathBuf};

use loki_domain::{ArchiveUrl, PackageName, Sha256, Text, Version};
use serde_json::{Map, Value, json};

use super::measure::measure;
use super::push::push;
use crate::duration::Time;
use crate::emit::{ask, tell};
use crate::exit::{Exit, Failure};
use crate::flags::Session;

const PUSH_HELP: &str = "\
Examples:
  loki package push web 1.4.2 web-1.4.2.tar.gz --manifest web.json
  loki package push web 1.4.2 web-1.4.2.tar.gz --branch main --id \"ci-$JOB\"

The manifest is JSON, all of it optional: {\"hooks\":{\"start\":\"bin/start\",\"stop\":\"bin/stop\"},\"user\":\"web\",\"unit\":\"web.service\",\
\"health\":{\"check\":{\"type\":\"http\",\"port\":8080,\"path\":\"/healthz\"}}}. A version that is registered never changes: the same again is the same, \
another one is refused.";

const REGISTER_HELP: &str = "\
Examples:
  loki package register web 1.4.2 --file web-1.4.2.tar.gz --url https://dl.acme.example/web-1.4.2.tar.gz --manifest web.json
  loki package register web 1.4.2 --sha256 \"$SHA256\" --size \"$SIZE\" --url s3://artifacts/web-1.4.2.tar.gz --id \"ci-$JOB\"

See `loki package push --help` for the manifest.";

/// What a manifest may have at most; the API takes less.
const MANIFEST_BYTES: u64 = 64 << 10;

/// Bring an archive into Loki's own store, and register the version
#[derive(Debug, clap::Args)]
#[command(after_help = PUSH_HELP)]
pub(super) struct Push {
    name: PackageName,
    version: Version,
    /// The archive: tar or tar.gz
    file: PathBuf,
    #[command(flatten)]
    more: More,
}

/// Register a version whose archive lies elsewhere
#[derive(Debug, clap::Args)]
#[command(after_help = REGISTER_HELP)]
pub(super) struct Register {
    name: PackageName,
    version: Version,
    /// Where hosts find the archive (tar or tar.gz): `https://`, `http://`, `s3://bucket/key`, or `file:///path` of the host itself
    #[arg(long)]
    url: ArchiveUrl,
    /// The archive: its size and SHA-256 are taken from it
    #[arg(long, value_name = "FILE", required_unless_present_all = ["sha256", "size"])]
    file: Option<PathBuf>,
    /// The archive's SHA-256, where it is not here
    #[arg(long, value_name = "HEX", conflicts_with = "file", requires = "size")]
    sha256: Option<Sha256>,
    /// The archive's size in bytes
    #[arg(long, value_name = "BYTES", conflicts_with = "file", requires = "sha256")]
    size: Option<u64>,
    #[command(flatten)]
    more: More,
}

/// What can be said of every version.
#[derive(Debug, clap::Args)]
struct More {
    /// What a host does with it: a file with JSON
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// minisign's signature file
    #[arg(long, value_name = "FILE")]
    minisign: Option<PathBuf>,
    /// Of the source control, for people
    #[arg(long)]
    branch: Option<Text>,
    /// Id by which a repetition is known; a new one when absent
    #[arg(long)]
    id: Option<String>,
    /// How long to wait for the outcome
    #[arg(long, default_value = "30s", value_name = "TIME")]
    wait: Time,
}

/// Where an archive lies, and what it is.
struct Archive {
    url: String,
    sha256: Sha256,
    size: u64,
}

impl Push {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        // what is wrong with the manifest is told before anything is sent
        self.more.read()?;
        let (sha256, size) = push(session, &self.file).await?;
        let archive = Archive { url: "artifact".to_owned(), sha256, size };
        self.more.send(session, &self.name, &self.version, &archive).await
    }
}

impl Register {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let (sha256, size) = match (&self.file, self.sha256, self.size) {
            (Some(file), _, _) => measure(file)?,
            (None, Some(sha256), Some(size)) => (sha256, size),
            _ => return Err(Failure::usage("say `--file`, or `--sha256` and `--size`")),
        };
        let archive = Archive { url: self.url.to_string(), sha256, size };
        self.more.send(session, &self.name, &self.version, &archive).await
    }
}

impl More {
    async fn send(self, session: &mut Session, name: &PackageName, version: &Version, archive: &Archive) -> Result<Exit, Failure> {
        let data = self.data(name, version, archive)?;
        let outcome = ask(&session.client, None, self.id, "package.register", &data, self.wait.0).await?;
        tell(&mut session.out, &outcome, Some(self.wait.0))
    }

    fn data(&self, name: &PackageName, version: &Version, archive: &Archive) -> Result<Map<String, Value>, Failure> {
        let mut data = self.read()?;
        for (field, text) in [("name", name.to_string()), ("version", version.to_string()), ("url", archive.url.clone())] {
            data.insert(field.to_owned(), Value::String(text));
        }
        data.insert("sha256".to_owned(), json!(archive.sha256.to_string()));
        data.insert("size".to_owned(), json!(archive.size));
        Ok(data)
    }

    fn read(&self) -> Result<Map<String, Value>, Failure> {
        let mut data = Map::new();
        if let Some(branch) = &self.branch {
            data.insert("branch".to_owned(), json!(branch.as_str()));
        }
        if let Some(path) = &self.minisign {
            data.insert("minisign".to_owned(), Value::String(read("--minisign", path)?));
        }
        if let Some(path) = &self.manifest {
            let manifest: Value = serde_json::from_str(&read("--manifest", path)?)
                .map_err(|error| Failure::usage(format!("`--manifest`: `{}` is no JSON: {error}", path.display())))?;
            data.insert("manifest".to_owned(), manifest);
        }
        Ok(data)
    }
}

fn read(flag: &str, path: &Path) -> Result<String, Failure> {
    let wrong = |error: std::io::Error| Failure::usage(format!("`{flag}`: cannot read `{}`: {error}", path.display()));
    let length = std::fs::metadata(path).map_err(wrong)?.len();
    if length > MANIFEST_BYTES {
        return Err(Failure::usage(format!("`{flag}`: `{}` has {length} bytes, at most {MANIFEST_BYTES} may be", path.display())));
    }
    std::fs::read_to_string(path).map_err(wrong)
}
