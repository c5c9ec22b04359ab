//! Why a command was not carried out.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::Invalid;

/// The stable codes. Their texts are part of the contract: never changed, never used for something else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// A field's value is not allowed.
    Invalid,
    /// What the field names does not exist.
    NotFound,
    /// The name or mount is taken; `conflict` says by what.
    AlreadyExists,
    /// A node would come under itself.
    MoveIntoItself,
    /// Something is still there that must go first; `conflict` says what.
    NotEmpty,
    /// The ratios at a node would not sum to 0, to at most 1 with automatic ones, or to exactly 1.
    RatioSum,
    /// A retired server never changes again.
    Retired,
    /// A membership rule mounted it; change the rule, or weigh it to keep it by hand.
    MountedByMembership,
    /// A sweep of this membership rule is not finished.
    SweepPending,
    /// There is nothing left to do for this membership rule.
    NothingToDo,
    /// The tree, or a count, would pass its limit.
    Limit,
    /// The facts would be larger than the log takes.
    TooLarge,
    /// The same id was used with other content in the last 24 hours.
    IdReused,
    /// It was decided after its `expires`.
    Expired,
    /// It is signed by no token that covers it; the message says what is missing.
    Forbidden,
    /// A run is not finished; `conflict` says which.
    RunPending,
    /// The run is in a state in which this makes no sense.
    WrongState,
    /// The version of the package was withdrawn.
    Withdrawn,
    /// What a later decider wrote. Only reading gives it: a writer has the codes of [`Code::ALL`].
    Later(LaterCode),
}

/// A code that this version does not know, kept as it was read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaterCode(Arc<str>);

impl fmt::Debug for LaterCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Code {
    pub const ALL: [Self; 18] = [
        Self::Invalid,
        Self::NotFound,
        Self::AlreadyExists,
        Self::MoveIntoItself,
        Self::NotEmpty,
        Self::RatioSum,
        Self::Retired,
        Self::MountedByMembership,
        Self::SweepPending,
        Self::NothingToDo,
        Self::Limit,
        Self::TooLarge,
        Self::IdReused,
        Self::Expired,
        Self::Forbidden,
        Self::RunPending,
        Self::WrongState,
        Self::Withdrawn,
    ];

    /// The longest code: stores keep a column of this width.
    pub const LENGTH_MAX: usize = 64;

    pub fn as_str(&self) -> &str {
        match self {
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::MoveIntoItself => "move_into_itself",
            Self::NotEmpty => "not_empty",
            Self::RatioSum => "ratio_sum",
            Self::Retired => "retired",
            Self::MountedByMembership => "mounted_by_membership",
            Self::SweepPending => "sweep_pending",
            Self::NothingToDo => "nothing_to_do",
            Self::Limit => "limit",
            Self::TooLarge => "too_large",
            Self::IdReused => "id_reused",
            Self::Expired => "expired",
            Self::Forbidden => "forbidden",
            Self::RunPending => "run_pending",
            Self::WrongState => "wrong_state",
            Self::Withdrawn => "withdrawn",
            Self::Later(code) => &code.0,
        }
    }

    /// Reads a code: one that is not known is kept, so that an outcome of a later decider can be read, stored and told.
    pub fn read(text: &str) -> Result<Self, Invalid> {
        if let Some(known) = Self::ALL.into_iter().find(|code| code.as_str() == text) {
            return Ok(known);
        }
        let is_code = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if text.is_empty() || text.len() > Self::LENGTH_MAX || !text.chars().all(is_code) {
            return Err(Invalid::new(format!("a code has 1 to {} of a-z, 0-9 and `_`", Self::LENGTH_MAX)));
        }
        Ok(Self::Later(LaterCode(Arc::from(text))))
    }
}

/// The longest message of a rejection, in bytes. The decider remembers each for a day of the log's time, to answer a repetition with it.
const MESSAGE_MAX: usize = 512;
/// The longest name of a field. `labels.` and a key that may be one are shorter.
const FIELD_MAX: usize = 128;

/// A rejection names the field, says what is wrong with it, and for a conflict what is in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub code: Code,
    /// The field of the command's data, dotted (`labels.role`).
    pub field: String,
    pub message: String,
    /// The key of the entity in the way, `node/<id>`.
    pub conflict: Option<String>,
}

impl Rejection {
    /// Texts that are too long are cut in the middle.
    pub fn new(code: Code, field: impl Into<String>, message: impl Into<String>) -> Self {
        let bounded = |text: String, max| match shortened(&text, max) {
            Cow::Owned(short) => short,
            Cow::Borrowed(_) => text,
        };
        Self { code, field: bounded(field.into(), FIELD_MAX), message: bounded(message.into(), MESSAGE_MAX), conflict: None }
    }

    pub fn in_the_way(mut self, key: impl std::fmt::Display) -> Self {
        self.conflict = Some(key.to_string());
        self
    }
}

/// A text of at most so many bytes: its beginning and its end, which tell more than the middle.
pub fn shortened(text: &str, max: usize) -> Cow<'_, str> {
    const CUT: &str = "…";
    if text.len() <= max {
        return Cow::Borrowed(text);
    }
    let half = max.saturating_sub(CUT.len()) / 2;
    let (head, tail) = (text.floor_char_boundary(half), text.ceil_char_boundary(text.len() - half));
    Cow::Owned(format!("{}{CUT}{}", &text[..head], &text[tail..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_code_reads_as_itself() {
        for code in Code::ALL {
            assert_eq!(Code::read(code.as_str()), Ok(code));
        }
    }

    #[test]
    fn an_unknown_code_is_kept() {
        let longest = "x".repeat(Code::LENGTH_MAX);
        for text in ["gate_closed", "v2", longest.as_str()] {
            let code = Code::read(text).unwrap();
            assert!(matches!(code, Code::Later(_)) && code.as_str() == text, "{code:?}");
        }
        for text in ["", "Gate", "gate closed", "gate-closed", "\u{1b}[2J", &format!("{longest}x")] {
            assert!(Code::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_in_the_middle() {
        assert_eq!(shortened("/acme/shop", 10), "/acme/shop");
        assert_eq!(shortened("/acme/shop/web", 11), "/acm…/web");
        for max in 3..40 {
            let short = shortened("/支付/支付/支付/支付/支付/支付/支付", max);
            assert!(short.len() <= max && short.contains('…'), "{max}: {short}");
        }
        let rejection = Rejection::new(Code::Invalid, format!("labels.{}", "k".repeat(9_000)), format!("`{}` is bad", "k".repeat(9_000)));
        assert_eq!((rejection.field.len(), rejection.message.len()), (127, 511));
        assert!(rejection.field.starts_with("labels.k") && rejection.message.ends_with("k` is bad"), "{rejection:?}");
    }
}
