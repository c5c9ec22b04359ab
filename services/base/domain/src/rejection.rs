//! Why a command was not carried out.

/// The stable codes. Their texts are part of the contract: never changed, never used for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
}

impl Code {
    pub const ALL: [Self; 14] = [
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
    ];

    pub fn as_str(self) -> &'static str {
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
        }
    }

    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }
}

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
    pub fn new(code: Code, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, field: field.into(), message: message.into(), conflict: None }
    }

    pub fn in_the_way(mut self, key: impl std::fmt::Display) -> Self {
        self.conflict = Some(key.to_string());
        self
    }
}
