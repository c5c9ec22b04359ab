//! Bytes from strangers, given to everything that reads such.
//!
//! A [target](Target) gives bytes to a reader and checks what has to hold whatever they are: a value or an error, never a panic; what was read is
//! written and read again the same. Each has a [corpus](corpus) that is kept: every input which once reached code that no other had reached, or
//! found a fault. `make test` runs all of it with [changes](mutated) that a seed chooses; `make fuzz` looks for new ones, guided by the code that
//! ran. Routes of the whole API have their own in `serve/api/tests/routes/generated.rs`.

pub mod corpus;
mod mutate;
mod targets;

pub use mutate::mutated;

/// Something that reads bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    /// What it reads.
    pub about: &'static str,
    /// Panics when something does not hold for these.
    pub check: fn(&[u8]),
}

pub const TARGETS: [Target; 8] = [
    Target {
        name: "record",
        about: "headers as `name: value`, an empty line, a body: commands, facts, outcomes, letters",
        check: targets::record,
    },
    Target { name: "sample", about: "a record of the samples' topic", check: targets::sample },
    Target { name: "put", about: "the body of `/api/put`, gzip or not", check: targets::put },
    Target { name: "telnet", about: "lines as collectors send them over TCP", check: targets::telnet },
    Target { name: "query", about: "`METHOD path?parameters`, a line feed, a body: OpenTSDB's questions", check: targets::query },
    Target { name: "answer", about: "what OpenTSDB answers to points and to questions", check: targets::answer },
    Target { name: "name", about: "names, paths, positions, keys, times and all else that is one text", check: targets::name },
    Target { name: "inventory", about: "a file of `loki import`; the first byte chooses its format", check: targets::inventory },
];

/// # Errors
/// When there is none of this name: the names that there are.
pub fn target(name: &str) -> anyhow::Result<Target> {
    let found = TARGETS.into_iter().find(|target| target.name == name);
    found.ok_or_else(|| anyhow::anyhow!("there is no target `{name}`: they are {}", TARGETS.map(|target| target.name).join(", ")))
}
