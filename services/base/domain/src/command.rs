//! Commands: what can be asked. Their values are valid; whether they fit the state is decided later.

use std::collections::BTreeMap;

use crate::{
    ArchiveUrl, DomainId, Expectation, Labels, Manifest, MembershipId, NodeId, NodeName, NodePath, PackageName, Pattern, PublicKey, Ratio,
    RunId, Script, ServerId, ServerName, ServerState, Settings, Sha256, Site, TaskState, TemplateName, Text, TokenName, Uses, Version, job,
};

/// A node is named by its id or its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeRef {
    Id(NodeId),
    Path(NodePath),
}

/// A server is named by its id or by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerRef {
    Id(ServerId),
    Name(ServerName),
}

/// Changes of a map: `Some` sets a key, `None` removes it, the others stay.
pub type Patch = BTreeMap<String, Option<Text>>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `again`: the id of a node that was removed; it comes back as the same node.
    NodeCreate {
        path: NodePath,
        parents: bool,
        labels: Labels,
        contacts: Vec<Text>,
        defaults: Labels,
        again: Option<NodeId>,
    },
    NodeRename {
        node: NodeRef,
        name: NodeName,
    },
    /// `to`: the new parent, `/` for the top.
    NodeMove {
        node: NodeRef,
        to: NodeRef,
    },
    NodeRemove {
        node: NodeRef,
    },
    /// Absent parts stay as they are.
    NodeSet {
        node: NodeRef,
        labels: Patch,
        contacts: Option<Vec<Text>>,
        defaults: Patch,
    },
    ServerRegister {
        name: ServerName,
        serial: Option<Text>,
        addresses: Vec<Text>,
        idc: Option<Text>,
        labels: Labels,
        state: ServerState,
    },
    /// `serial`, `idc`: `Some(None)` clears.
    ServerUpdate {
        server: ServerRef,
        name: Option<ServerName>,
        serial: Option<Option<Text>>,
        addresses: Option<Vec<Text>>,
        idc: Option<Option<Text>>,
        labels: Patch,
    },
    ServerState {
        server: ServerRef,
        state: ServerState,
    },
    ServerRetire {
        server: ServerRef,
    },
    ServerMount {
        server: ServerRef,
        node: NodeRef,
        offline: bool,
        ratio: Option<Ratio>,
    },
    ServerUnmount {
        server: ServerRef,
        node: NodeRef,
    },
    /// Several mounts of one node at once, so that their ratios can change together.
    ServerWeigh {
        node: NodeRef,
        mounts: Vec<Weigh>,
    },
    /// Without `membership` a new rule is made; with it that rule's pattern and labels are replaced. `again`: the id of a rule that was
    /// removed; it comes back as the same rule.
    MembershipSet {
        membership: Option<MembershipId>,
        node: Option<NodeRef>,
        pattern: Option<Pattern>,
        labels: Labels,
        again: Option<MembershipId>,
    },
    MembershipRemove {
        membership: MembershipId,
    },
    /// The next step of a rule's sweep. The decider appends it to itself; from anyone else it does no harm.
    MembershipSweep {
        membership: MembershipId,
    },
    /// Makes the domain of this site, or replaces its node and expectation. `again`: the id of a domain that was removed; it comes back as the
    /// same domain.
    DomainSet {
        site: Site,
        node: NodeRef,
        expect: Expectation,
        again: Option<DomainId>,
    },
    DomainRemove {
        site: Site,
    },
    /// `node`: `None` for everything.
    TokenCreate {
        name: TokenName,
        node: Option<NodeRef>,
        uses: Uses,
        key: PublicKey,
        expires_ms: Option<i64>,
    },
    TokenRemove {
        name: TokenName,
    },
    PackageRegister {
        name: PackageName,
        version: Version,
        branch: Option<Text>,
        url: ArchiveUrl,
        sha256: Sha256,
        size: u64,
        minisign: Option<Script>,
        manifest: Manifest,
    },
    PackageWithdraw {
        name: PackageName,
        version: Version,
        reason: Text,
    },
    /// Makes the template of this name on this node, or replaces it.
    TemplateSet {
        node: NodeRef,
        name: TemplateName,
        kind: job::Kind,
        settings: Settings,
    },
    TemplateRemove {
        node: NodeRef,
        name: TemplateName,
    },
    RunStart {
        node: NodeRef,
        template: TemplateName,
        settings: Settings,
    },
    /// What somebody asks of a run that is there.
    RunOperate {
        run: RunId,
        operation: Operation,
    },
    /// What a host says of its part.
    RunReport {
        run: RunId,
        server: ServerId,
        attempt: u32,
        state: TaskState,
        step: Option<Text>,
        message: Option<Text>,
    },
    /// The next step of a run. The decider appends it to itself; from anyone else it does no harm.
    RunStep {
        run: RunId,
    },
    /// A timer of this run was due then. The clock appends it; from anyone else it does no harm.
    TimerFire {
        run: RunId,
        due_ms: i64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    Approve,
    Pause,
    Resume,
    Stop,
    /// What has failed is tried once more.
    Retry,
    /// `fast`: everywhere at once, without a pause.
    RollBack {
        fast: bool,
    },
}

impl Operation {
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Approve => "run.approve",
            Self::Pause => "run.pause",
            Self::Resume => "run.resume",
            Self::Stop => "run.stop",
            Self::Retry => "run.retry",
            Self::RollBack { .. } => "run.roll_back",
        }
    }
}

/// What `server.weigh` sets on one mount; absent parts stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weigh {
    pub server: ServerRef,
    pub offline: Option<bool>,
    /// `Some(None)`: automatic.
    pub ratio: Option<Option<Ratio>>,
    /// Gives the mount back to this rule: online and automatic again.
    pub membership: Option<MembershipId>,
}

impl Command {
    /// The type as it is written in a command's envelope.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::NodeCreate { .. } => "node.create",
            Self::NodeRename { .. } => "node.rename",
            Self::NodeMove { .. } => "node.move",
            Self::NodeRemove { .. } => "node.remove",
            Self::NodeSet { .. } => "node.set",
            Self::ServerRegister { .. } => "server.register",
            Self::ServerUpdate { .. } => "server.update",
            Self::ServerState { .. } => "server.state",
            Self::ServerRetire { .. } => "server.retire",
            Self::ServerMount { .. } => "server.mount",
            Self::ServerUnmount { .. } => "server.unmount",
            Self::ServerWeigh { .. } => "server.weigh",
            Self::MembershipSet { .. } => "membership.set",
            Self::MembershipRemove { .. } => "membership.remove",
            Self::MembershipSweep { .. } => "membership.sweep",
            Self::DomainSet { .. } => "domain.set",
            Self::DomainRemove { .. } => "domain.remove",
            Self::TokenCreate { .. } => "token.create",
            Self::TokenRemove { .. } => "token.remove",
            Self::PackageRegister { .. } => "package.register",
            Self::PackageWithdraw { .. } => "package.withdraw",
            Self::TemplateSet { .. } => "template.set",
            Self::TemplateRemove { .. } => "template.remove",
            Self::RunStart { .. } => "run.start",
            Self::RunOperate { operation, .. } => operation.type_name(),
            Self::RunReport { .. } => "run.report",
            Self::RunStep { .. } => "run.step",
            Self::TimerFire { .. } => "timer.fire",
        }
    }
}
