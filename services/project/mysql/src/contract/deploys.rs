//! Tokens, packages, templates, runs and what belongs to them, as the cases need them.

use loki_domain::{
    Batch, Batches, Direction, Entity, Failures, Job, Manifest, OnFailure, Package, PackageId, Plan, PublicKey, Run, RunId, RunState,
    Settings, Sha256, Task, TaskState, Template, TemplateId, Timer, Token, TokenId, Use, Uses,
};

use super::given::{node_id, server_id, text};

/// How many kinds [`entity`] makes, the last one for no table.
pub(super) const KINDS: u64 = 7;

fn digest(number: u8) -> [u8; 32] {
    [number; 32]
}

/// One of each kind, told by a number below [`KINDS`]; the other numbers say which one, and what it refers to.
pub(super) fn entity(kind: u64, a: u8, b: u8) -> Entity {
    let run = RunId::from_digest(&digest(a));
    match kind {
        0 => Entity::Token(Token {
            id: TokenId::from_digest(&digest(a)),
            name: format!("t{b}").parse().expect("a name"),
            node: (b != 0).then(|| node_id(b)),
            uses: Uses::new([Use::Deploy]).expect("uses"),
            key: PublicKey(digest(b)),
            expires_ms: None,
        }),
        1 => Entity::Package(Box::new(Package {
            id: PackageId::from_digest(&digest(a)),
            name: format!("p{b}").parse().expect("a name"),
            version: a.to_string().parse().expect("a version"),
            branch: None,
            url: "artifact".parse().expect("an address"),
            sha256: Sha256(digest(b)),
            size: 1,
            minisign: None,
            manifest: Manifest::default(),
            withdrawn: b.is_multiple_of(2).then(|| text("broken")),
        })),
        2 => Entity::Template(Box::new(Template {
            id: TemplateId::from_digest(&digest(a)),
            node: node_id(b),
            name: "web".parse().expect("a name"),
            kind: loki_domain::job::Kind::Deploy,
            settings: Settings::default(),
        })),
        3 => Entity::Run(Box::new(Run {
            id: run,
            node: node_id(b),
            template: "web".parse().expect("a name"),
            job: Job::Script { script: "uptime".parse().expect("a script"), user: None, output_bytes_max: 1 },
            plan: Plan {
                batches: Batches::one_by_one(),
                failures: Failures::Servers(0),
                on_failure: OnFailure::Pause,
                pause_ms: 0,
                timeout_ms: 1,
                progress_ms: 1,
            },
            by: "ci".parse().expect("a name"),
            state: RunState::ALL[usize::from(b) % RunState::ALL.len()],
            why: None,
            servers: 1,
            batches: 1,
            batch: 0,
            begun_ms: i64::from(b),
            since_ms: 0,
            next_ms: None,
            forgiven: 0,
            again_ms: None,
            ended_ms: None,
        })),
        4 => Entity::Batch(Batch { run, number: u32::from(b % 4), servers: vec![server_id(a), server_id(b)] }),
        5 => Entity::Task(Task {
            run,
            server: server_id(b % 4),
            batch: 0,
            attempt: 1 + u32::from(b),
            direction: Direction::Forward,
            state: TaskState::ALL[usize::from(b) % TaskState::ALL.len()],
            step: None,
            message: None,
            told_ms: 0,
            changed_ms: 0,
            signature: None,
        }),
        _ => Entity::Timer(Timer { run, due_ms: i64::from(b) }),
    }
}
