//! Values and entities of the domain: what a node, a server, a mount, a domain is and which values they may hold.
//!
//! No I/O, no clock, no serialisation, no randomness. Constructors validate, so a value that exists is valid. Whether a *change* is allowed
//! is decided in `decide/core`; how a value looks on the wire is said in `base/wire`.

pub mod batches;
pub mod command;
pub mod domain;
pub mod entity;
pub mod ids;
pub mod job;
pub mod labels;
pub mod membership;
pub mod mount;
mod murmur2;
pub mod name;
pub mod node;
pub mod package;
pub mod path;
pub mod position;
pub mod rejection;
pub mod run;
pub mod sample;
pub mod series;
pub mod server;
pub mod token;

pub use batches::Batches;
pub use command::{Command, NodeRef, Patch, ServerRef, Weigh};
pub use domain::{Domain, Expectation, Host, Scheme, Site, Status, Statuses, UrlPath, Vendor, Within};
pub use entity::{Entity, Key, Kind};
pub use ids::{DomainId, LogId, MembershipId, NodeId, PackageId, RunId, ServerId, TemplateId, TokenId};
pub use job::{Failures, OnFailure, Settings, Template, TemplateName};
pub use labels::{Labels, Text};
pub use membership::{Membership, Pattern, Sweep};
pub use mount::{Mount, Ratio, Source, Weighed, weights};
pub use name::{NodeName, ServerName};
pub use node::Node;
pub use package::{ArchiveUrl, Check, Health, Hook, Manifest, Package, PackageName, Script, Version};
pub use path::NodePath;
pub use position::{Position, Stream};
pub use rejection::{Code, Rejection, shortened};
pub use run::{Batch, Direction, Job, Plan, Run, RunState, Task, TaskState, Timer};
pub use sample::{Instant, Sample, Value};
pub use series::{Metric, Series, Tags};
pub use server::{Server, ServerState};
pub use token::{PublicKey, Sha256, Signature, Token, TokenName, Use, Uses};

/// A value that is not allowed: which rule it breaks, in words for the sender. The field is named by the caller, who knows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Invalid {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}
