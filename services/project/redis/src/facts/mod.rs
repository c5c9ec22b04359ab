//! Servers by node, the question of 95 in 100 requests: a projection of `loki.facts`.
//!
//! **What is kept.** Each entity lies in a hash by its id, as the JSON of its fact; kinds that no answer shows lie in one together. Beside them lie
//! indexes: which node is whose child by name, which servers are on a node, and on which nodes a server is. Nothing is keyed by path: a move is one write. A batch is written by one
//! script, which compares the position, changes entities and indexes, and moves the position. It needs no memory of its own: a projector that was
//! just started goes on at once.
//!
//! **One question, one round trip.** A script finds the node by its path, and answers with what lies on it, the position and the state, all as of
//! one moment. The answer is encoded in the reading process, which keeps body and ETag together with the version of what they show, and
//! names that version when it asks again: unless it has moved, the answer is a line. Each node has two versions, numbers of batches: of
//! what lies on it (`own`: mounts, their servers), and of everything under it (`under`), which moves along the way up. So a change of a server
//! writes a few numbers for each of its nodes, and no answer.
//!
//! **All servers under a node** are put together from fragments, one for each node, which the reading process keeps as well: it lists the nodes
//! with their versions, asks for the fragments that have changed, and begins again when one of these is newer than the list. What is asked
//! for is bounded at each step, so that a question for the whole tree holds nobody else up.
//!
//! **Generations.** A rebuild fills the keys of another number, `g<n>`; the last script puts that number in the main one's place and drops the old
//! keys. Scripts name the generation that they mean, so whoever still knows the old number is told, and asks for the new one.
//!
//! A generation knows how many entities it holds, and compares that with its hashes and indexes whenever it is looked at: when somebody else has
//! deleted a part, it counts as empty.
//!
//! There is no adapter in memory: the embedded set answers the question from its tree.

mod changes;
mod forget;
mod fragments;
mod kept;
mod mark;
mod port;
mod projection;
mod reader;
mod scripts;
mod snapshot;
mod source;

pub use self::forget::forget;
pub use self::port::{Answer, NotReady, Refusal, ServersReader};
pub use self::projection::{RedisProjection, sized};
pub use self::reader::RedisServers;
pub use self::snapshot::dump;
