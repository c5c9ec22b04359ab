//! What a projector says beside its group's offset, so that whoever shows how projections are need not be in its process: why it does not get on,
//! and since when. No note: it gets on.

use loki_log::NOTE_BYTES_MAX;

use crate::status::Told;

/// Stands for what did not fit.
const CUT: &str = "…";

impl Told {
    /// As it is committed: JSON, cut to what a commit may carry.
    pub fn to_note(&self) -> String {
        let whole = serde_json::json!(self).to_string();
        if whole.len() <= NOTE_BYTES_MAX {
            return whole;
        }
        let cut = |bytes: usize| {
            let text = format!("{}{CUT}", &self.text[..self.text.floor_char_boundary(bytes)]);
            serde_json::json!(Self { text, ..self.clone() }).to_string()
        };
        // a byte takes up to six in JSON: the longest beginning that fits is searched for
        let (mut fits, mut too_much) = (0, self.text.len().min(NOTE_BYTES_MAX));
        while too_much - fits > 1 {
            let middle = usize::midpoint(fits, too_much);
            if cut(middle).len() <= NOTE_BYTES_MAX { fits = middle } else { too_much = middle }
        }
        cut(fits)
    }

    /// `None` for what is no such note: others may commit for the group as well.
    pub fn from_note(note: &str) -> Option<Self> {
        serde_json::from_str(note).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: impl Into<String>) -> Told {
        Told { at_ms: 1_700_000_000_000, text: text.into() }
    }

    #[test]
    fn a_note_comes_back() {
        let said = told("the store is away: \"refused\"\n");
        assert_eq!(Told::from_note(&said.to_note()), Some(said));
        for other in ["", "{", "moved by hand", r#"{"at_ms":1}"#] {
            assert_eq!(Told::from_note(other), None, "{other}");
        }
    }

    #[test]
    fn a_long_one_is_cut() {
        for text in ["x".repeat(5_000), "ü".repeat(999), "\u{1}\"".repeat(700), "x".repeat(NOTE_BYTES_MAX - 36)] {
            let note = told(&text).to_note();
            assert!(note.len() <= NOTE_BYTES_MAX && note.len() > NOTE_BYTES_MAX - 64, "{} bytes", note.len());
            let read = Told::from_note(&note).unwrap();
            assert!(text.starts_with(read.text.trim_end_matches(CUT)), "{read:?}");
        }
    }
}
