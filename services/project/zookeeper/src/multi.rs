//! One `multi`: what it does, how large it is, and how a batch is cut into several.

use std::collections::BTreeMap;

use ::zookeeper as zk;
use loki_domain::Key;
use loki_wire::{Change, Fact};

use crate::paths::KINDS;

/// Beside path and data, at most: headers, lengths, the access list.
const OPERATION_BYTES: usize = 96;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    Create {
        path: String,
        data: Vec<u8>,
    },
    Set {
        path: String,
        data: Vec<u8>,
        version: Option<i32>,
    },
    Delete {
        path: String,
    },
    /// It exists.
    Check {
        path: String,
    },
}

/// About how many bytes the request has.
pub(crate) fn bytes(operations: &[Operation]) -> usize {
    let size = |operation: &Operation| match operation {
        Operation::Create { path, data } | Operation::Set { path, data, .. } => path.len() + data.len(),
        Operation::Delete { path } | Operation::Check { path } => path.len(),
    };
    operations.iter().map(|operation| size(operation) + OPERATION_BYTES).sum()
}

/// Sends it now, so that several can be on their way in order; the future is the answer.
pub(crate) fn send<'a>(
    client: &'a zk::Client,
    operations: &[Operation],
    options: &zk::CreateOptions<'_>,
) -> Result<impl Future<Output = Result<Vec<zk::MultiWriteResult>, zk::MultiWriteError>> + Send + 'a, zk::Error> {
    let mut writer = client.new_multi_writer();
    for operation in operations {
        match operation {
            Operation::Create { path, data } => writer.add_create(path, data, options)?,
            Operation::Set { path, data, version } => writer.add_set_data(path, data, *version)?,
            Operation::Delete { path } => writer.add_delete(path, None)?,
            // -1 is any version
            Operation::Check { path } => writer.add_check_version(path, -1)?,
        }
    }
    Ok(writer.commit())
}

/// Whole commands that go into one `multi`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The last word on each key; `None` is its removal.
    pub(crate) changes: BTreeMap<Key, Option<Vec<u8>>>,
    pub(crate) bytes: usize,
}

impl Piece {
    fn empty(from: u64) -> Self {
        Self { from, to: from, changes: BTreeMap::new(), bytes: 0 }
    }

    fn add(&mut self, changes: BTreeMap<Key, Option<Vec<u8>>>) {
        for (key, change) in changes {
            self.bytes += size(&change);
            if let Some(before) = self.changes.insert(key, change) {
                self.bytes -= size(&before);
            }
        }
    }
}

fn size(change: &Option<Vec<u8>>) -> usize {
    // the longest path under a short chroot has 60 letters
    OPERATION_BYTES + 64 + change.as_ref().map_or(0, Vec::len)
}

/// Cuts a batch between commands, so that each piece stays under the bounds if no command alone is over them. A piece is made when it is asked
/// for: those before it are on their way by then.
#[derive(Debug)]
pub(crate) struct Pieces<'b> {
    items: &'b [Fact],
    from: u64,
    to: u64,
    operations_max: usize,
    bytes_max: usize,
    /// The command that did not fit into the piece before.
    left: Option<Command>,
    done: bool,
}

#[derive(Debug)]
struct Command {
    changes: BTreeMap<Key, Option<Vec<u8>>>,
    bytes: usize,
    /// Behind its last fact.
    to: u64,
}

impl<'b> Pieces<'b> {
    pub(crate) fn new(from: u64, to: u64, items: &'b [Fact], operations_max: usize, bytes_max: usize) -> Self {
        Self { items, from, to, operations_max, bytes_max, left: None, done: false }
    }

    fn command(&mut self) -> Option<Command> {
        if let Some(left) = self.left.take() {
            return Some(left);
        }
        let first = self.items.first()?;
        let mut command = Command { changes: BTreeMap::new(), bytes: 0, to: first.offset };
        while let Some((fact, rest)) = self.items.split_first() {
            self.items = rest;
            let change = match &fact.change {
                Change::Log(_) => None,
                Change::Set(entity) => Some((entity.key(), Some(loki_wire::fact::v1::write_entity(entity)))),
                Change::Removed(key) => Some((*key, None)),
            };
            if let Some((key, change)) = change.filter(|(key, _)| KINDS.contains(&key.kind())) {
                command.bytes += size(&change);
                command.changes.insert(key, change);
            }
            command.to = fact.offset + 1;
            if fact.last || rest.first().is_none_or(|next| next.command != fact.command) {
                break;
            }
        }
        Some(command)
    }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.done {
            return None;
        }
        let mut piece = Piece::empty(self.from);
        while let Some(command) = self.command() {
            let full = piece.changes.len() + command.changes.len() > self.operations_max || piece.bytes + command.bytes > self.bytes_max;
            if full && !piece.changes.is_empty() {
                self.from = piece.to;
                self.left = Some(command);
                return Some(piece);
            }
            piece.to = command.to;
            piece.add(command.changes);
        }
        // offsets at the end that are no facts, such as the marks of transactions
        piece.to = self.to;
        self.done = true;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use loki_domain::NodeId;

    use super::*;

    fn removal(offset: u64, command: u64, node: u8, last: bool) -> Fact {
        Fact { offset, command, last, change: Change::Removed(Key::Node(NodeId::from_digest(&[node; 32]))) }
    }

    #[test]
    fn what_is_no_part_of_the_tree_is_passed_over() {
        let domain = Fact { change: Change::Removed(Key::Domain(loki_domain::DomainId::MIN)), ..removal(6, 2, 0, true) };
        let pieces: Vec<_> = Pieces::new(5, 9, &[removal(5, 1, 1, true), domain], 100, 1 << 20).collect();
        assert_eq!(pieces.len(), 1);
        assert_eq!((pieces[0].to, pieces[0].changes.keys().map(Key::kind).collect::<Vec<_>>()), (9, vec![loki_domain::Kind::Node]));
    }

    #[test]
    fn a_batch_is_cut_between_commands_only() {
        let items =
            [removal(5, 1, 1, false), removal(6, 1, 2, true), removal(8, 2, 3, true), removal(9, 3, 1, false), removal(10, 3, 4, true)];
        let cuts = |operations, bytes| -> Vec<_> {
            Pieces::new(5, 12, &items, operations, bytes).map(|piece| (piece.from, piece.to, piece.changes.len())).collect()
        };
        assert_eq!(cuts(100, 1 << 20), [(5, 12, 4)]);
        assert_eq!(cuts(3, 1 << 20), [(5, 9, 3), (9, 12, 2)]);
        assert_eq!(cuts(1, 1 << 20), [(5, 7, 2), (7, 9, 1), (9, 12, 2)]);
        assert_eq!(cuts(100, 200), [(5, 7, 2), (7, 9, 1), (9, 12, 2)]);
        assert_eq!(Pieces::new(5, 5, &[], 1, 1).collect::<Vec<_>>(), [Piece { from: 5, to: 5, changes: BTreeMap::new(), bytes: 0 }]);
    }
}
