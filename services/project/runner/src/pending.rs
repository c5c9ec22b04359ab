//! What was read and is not applied yet, cut at the boundaries of commands.
//!
//! Half a command is never applied: a reader of the store would see a state that no command made. A command is closed by its last-flag, or,
//! where that record was compacted away, by the next command's first record or by the end of the log.

use std::collections::VecDeque;

use crate::decode::Decoded;
use crate::projection::Item;

/// Items in log order: closed commands, then at most one that may go on.
#[derive(Debug)]
pub(crate) struct Pending<I> {
    items: Vec<I>,
    sizes: Vec<usize>,
    /// How many items each closed command has.
    closed: VecDeque<usize>,
    /// The items behind the closed ones.
    open: usize,
    /// The next offset to be read.
    position: u64,
    /// The last read reached the end of the log, at this time.
    ended_ms: Option<i64>,
    command_max: usize,
}

/// A step that may be taken: the first `items` of the pending ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    pub items: usize,
    /// The position after it.
    pub to: u64,
    /// It reaches the end of the log, as it was at this time.
    pub ended_ms: Option<i64>,
}

/// A command with more records than a command may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany {
    pub command: u64,
    pub offset: u64,
}

impl<I: Item> Pending<I> {
    pub(crate) fn new(command_max: usize) -> Self {
        Self { items: Vec::new(), sizes: Vec::new(), closed: VecDeque::new(), open: 0, position: 0, ended_ms: None, command_max }
    }

    /// Forgets everything; reading begins again at `position`.
    pub(crate) fn restart(&mut self, position: u64) {
        *self = Self { position, ..Self::new(self.command_max) };
    }

    /// Takes what was read next.
    pub(crate) fn add(&mut self, read: Decoded<I>) -> Result<(), TooMany> {
        for (item, size) in read.items.into_iter().zip(read.sizes) {
            if self.items.last().is_some_and(|before| before.command() != item.command()) {
                self.close();
            }
            if self.open == self.command_max {
                return Err(TooMany { command: item.command(), offset: item.offset() });
            }
            let last = item.is_last();
            self.items.push(item);
            self.sizes.push(size);
            self.open += 1;
            if last {
                self.close();
            }
        }
        self.position = read.position;
        self.ended_ms = read.ended_ms;
        if self.ended_ms.is_some() {
            self.close();
        }
        Ok(())
    }

    fn close(&mut self) {
        if self.open > 0 {
            self.closed.push_back(self.open);
            self.open = 0;
        }
    }

    /// As many whole commands as fit, at least one; `None` when there is none.
    pub(crate) fn cut(&self, records_max: usize, bytes_max: usize) -> Option<Cut> {
        let (mut items, mut bytes) = (0, 0);
        for count in &self.closed {
            let size: usize = self.sizes[items..items + count].iter().sum();
            if items > 0 && (items + count > records_max || bytes + size > bytes_max) {
                break;
            }
            items += count;
            bytes += size;
        }
        let next = self.items.get(items);
        (items > 0).then(|| Cut {
            items,
            to: next.map_or(self.position, Item::offset),
            ended_ms: if next.is_none() { self.ended_ms } else { None },
        })
    }

    pub(crate) fn first(&self, count: usize) -> &[I] {
        &self.items[..count]
    }

    /// Forgets the items of a cut: the store has them.
    pub(crate) fn drop_first(&mut self, mut count: usize) {
        self.items.drain(..count);
        self.sizes.drain(..count);
        while count > 0 {
            match self.closed.pop_front() {
                Some(command) => count -= command,
                None => return,
            }
        }
    }

    /// Everything that was read is applied, up to this position.
    pub(crate) fn drained(&self) -> Option<u64> {
        self.items.is_empty().then_some(self.position)
    }

    /// Everything is applied and nothing more lay in the log at this time.
    pub(crate) fn ended_ms(&self) -> Option<i64> {
        self.ended_ms.filter(|_| self.items.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use loki_log::Record;

    use super::*;

    /// Offset, command, last-flag.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Mark(u64, u64, bool);

    impl Item for Mark {
        fn read(record: &Record) -> Result<Self, loki_wire::Error> {
            Ok(Self(record.offset, 0, true))
        }
        fn offset(&self) -> u64 {
            self.0
        }
        fn command(&self) -> u64 {
            self.1
        }
        fn is_last(&self) -> bool {
            self.2
        }
    }

    fn read(items: &[Mark], position: u64, ended_ms: Option<i64>) -> Decoded<Mark> {
        Decoded { items: items.to_vec(), sizes: vec![10; items.len()], position, ended_ms, newest_ms: None, unreadable: None }
    }

    fn pending(items: &[Mark], position: u64, ended_ms: Option<i64>) -> Pending<Mark> {
        let mut pending = Pending::new(3);
        pending.add(read(items, position, ended_ms)).unwrap();
        pending
    }

    fn cut(pending: &Pending<Mark>) -> Option<(usize, u64)> {
        pending.cut(100, 1_000).map(|cut| (cut.items, cut.to))
    }

    #[test]
    fn a_command_is_closed_by_its_flag_the_next_one_or_the_end() {
        let flagged = [Mark(5, 1, false), Mark(6, 1, true)];
        assert_eq!(cut(&pending(&flagged, 7, None)), Some((2, 7)));
        let open = [Mark(5, 1, false), Mark(6, 1, false)];
        assert_eq!(cut(&pending(&open, 7, None)), None);
        assert_eq!(cut(&pending(&open, 9, Some(1))), Some((2, 9)), "markers after the last record count");
        let followed = [Mark(5, 1, false), Mark(8, 2, false)];
        assert_eq!(cut(&pending(&followed, 9, None)), Some((1, 8)), "up to the first record that is held back");
    }

    #[test]
    fn an_open_command_waits_for_the_next_read() {
        let mut pending = pending(&[Mark(0, 1, true), Mark(1, 2, false)], 2, None);
        assert_eq!(cut(&pending), Some((1, 1)));
        pending.drop_first(1);
        assert_eq!((cut(&pending), pending.drained()), (None, None));
        pending.add(read(&[Mark(2, 2, true)], 4, Some(77))).unwrap();
        assert_eq!(pending.cut(100, 1_000), Some(Cut { items: 2, to: 4, ended_ms: Some(77) }));
        assert_eq!(pending.ended_ms(), None, "not applied yet");
        pending.drop_first(2);
        assert_eq!((pending.drained(), pending.ended_ms()), (Some(4), Some(77)));
        pending.add(read(&[], 4, None)).unwrap();
        assert_eq!(pending.ended_ms(), None);
    }

    #[test]
    fn a_cut_holds_whole_commands_within_the_limits() {
        let items = [Mark(0, 1, false), Mark(1, 1, true), Mark(2, 2, true), Mark(3, 3, true)];
        let pending = pending(&items, 4, Some(1));
        assert_eq!(pending.cut(3, 1_000), Some(Cut { items: 3, to: 3, ended_ms: None }));
        assert_eq!(pending.cut(1, 1_000).map(|cut| cut.items), Some(2), "never half a command");
        assert_eq!(pending.cut(100, 25).map(|cut| cut.items), Some(2));
        assert_eq!(pending.cut(100, 1).map(|cut| cut.items), Some(2));
    }

    #[test]
    fn a_command_without_end_is_refused() {
        let mut pending: Pending<Mark> = Pending::new(3);
        let endless: Vec<Mark> = (0..4).map(|n| Mark(n, 9, false)).collect();
        assert_eq!(pending.add(read(&endless, 4, None)), Err(TooMany { command: 9, offset: 3 }));
    }

    #[test]
    fn a_restart_forgets() {
        let mut pending = pending(&[Mark(0, 1, true)], 1, Some(1));
        pending.restart(40);
        assert_eq!((cut(&pending), pending.drained(), pending.ended_ms()), (None, Some(40), None));
    }
}
