//! A question as it was written, in a URL or in JSON, before anything is known to be right.

use super::filter::Filter;
use super::rate::RateOptions;

#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(super) start: String,
    /// Empty: now.
    pub(super) end: String,
    pub(super) timezone: String,
    pub(super) ms: bool,
    pub(super) show_query: bool,
    pub(super) show_tsuids: bool,
    pub(super) use_calendar: bool,
    pub(super) delete: bool,
    pub(super) parts: Vec<Part>,
}

/// One metric of a question. Of equal ones only the first is answered.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Part {
    pub(super) metric: String,
    pub(super) aggregator: String,
    pub(super) downsample: String,
    pub(super) rate: bool,
    pub(super) rate_options: Option<RateOptions>,
    pub(super) filters: Vec<Filter>,
    pub(super) explicit_tags: bool,
    /// What this store has not, such as series by their numbers; answering without it would be wrong.
    pub(super) unsupported: Option<&'static str>,
}

impl Part {
    /// What grouping wants; a filter that is there already groups from now on.
    pub(super) fn group(&mut self, filter: Filter) {
        match self.filters.iter_mut().find(|known| **known == filter) {
            Some(known) => known.group_by = true,
            None => self.filters.push(filter),
        }
    }
}

impl Asked {
    pub(super) fn drop_repeated(&mut self) {
        let mut kept: Vec<Part> = Vec::with_capacity(self.parts.len());
        for part in self.parts.drain(..) {
            if !kept.contains(&part) {
                kept.push(part);
            }
        }
        self.parts = kept;
    }
}
