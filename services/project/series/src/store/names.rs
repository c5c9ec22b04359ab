//! Names of one kind (metrics, tag names or tag values), numbered in the order in which they first came.
//!
//! The order matters: OpenTSDB numbers names likewise, and lists series and groups by those numbers.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use smol_str::SmolStr;

#[derive(Default)]
pub(crate) struct Names {
    numbers: HashMap<SmolStr, u32, foldhash::fast::FixedState>,
    /// By number; of a name that no series has any more only the place is left, until the store is opened again.
    names: Vec<Option<Name>>,
    sorted: BTreeSet<SmolStr>,
}

struct Name {
    text: SmolStr,
    /// Series that have it.
    uses: u32,
}

impl Names {
    pub(super) fn add(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            if let Some(Some(name)) = self.names.get_mut(*number as usize) {
                name.uses += 1;
            }
            return *number;
        }
        let (number, text) = (self.names.len() as u32, SmolStr::new(text));
        self.names.push(Some(Name { text: text.clone(), uses: 1 }));
        self.numbers.insert(text.clone(), number);
        self.sorted.insert(text);
        number
    }

    pub(super) fn remove(&mut self, number: u32) {
        let Some(slot) = self.names.get_mut(number as usize) else { return };
        let Some(name) = slot else { return };
        name.uses -= 1;
        if name.uses == 0 {
            self.numbers.remove(&name.text);
            self.sorted.remove(&name.text);
            *slot = None;
        }
    }

    pub(crate) fn number(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    pub(crate) fn text(&self, number: u32) -> &str {
        self.names.get(number as usize).and_then(Option::as_ref).map_or("", |name| &name.text)
    }

    /// Names that begin so, in alphabetical order.
    pub(crate) fn beginning(&self, prefix: &str) -> impl Iterator<Item = &str> {
        let from = self.sorted.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.map(SmolStr::as_str).take_while(move |name| name.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_there_as_long_as_a_series_has_it() {
        let mut names = Names::default();
        assert_eq!(["b", "a", "b", "ab"].map(|name| names.add(name)), [0, 1, 0, 2]);
        assert_eq!((names.number("a"), names.text(1)), (Some(1), "a"));
        assert_eq!(names.beginning("a").collect::<Vec<_>>(), ["a", "ab"]);
        names.remove(0);
        assert_eq!(names.number("b"), Some(0));
        names.remove(0);
        assert_eq!((names.number("b"), names.text(0)), (None, ""));
        assert_eq!(names.beginning("").collect::<Vec<_>>(), ["a", "ab"]);
        assert_eq!(names.add("b"), 3);
    }
}
