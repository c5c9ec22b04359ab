//! The answer of `GET /v1/servers/{name}/tasks`.

use loki_client::{Answer, Failure};
use loki_domain::{RunId, Signature};
use serde::Deserialize;

#[derive(Debug)]
pub(super) struct Got {
    /// This server's id.
    pub(super) server: String,
    pub(super) items: Vec<Item>,
    /// What the next question says that we have.
    pub(super) position: Option<String>,
}

#[derive(Debug)]
pub(super) struct Item {
    pub(super) document: String,
    pub(super) signature: Signature,
}

impl Item {
    /// Run and attempt of a document that was accepted.
    pub(super) fn id(&self) -> Option<(RunId, u32)> {
        #[derive(Deserialize)]
        struct Id {
            run: String,
            attempt: u32,
        }
        let Id { run, attempt } = serde_json::from_str(&self.document).ok()?;
        Some((run.parse().ok()?, attempt))
    }
}

#[derive(Deserialize)]
struct Body {
    server: String,
    items: Vec<Task>,
}

#[derive(Deserialize)]
struct Task {
    document: String,
    signature: String,
}

/// # Errors
/// It is none of Loki's.
pub(super) fn read(answer: &Answer) -> Result<Got, Failure> {
    let body: Body = answer.json()?;
    let item = |task: Task| match task.signature.parse() {
        Ok(signature) => Ok(Item { document: task.document, signature }),
        Err(why) => Err(Failure::away(format!("a task's signature cannot be read: {why}"))),
    };
    let items = body.items.into_iter().map(item).collect::<Result<_, _>>()?;
    Ok(Got { server: body.server, items, position: answer.position.clone() })
}
