//! The databases: each has its own migrations, version, users' rights and projections, and may lie on a server of its own.

use crate::tables::{CDN_SYSTEM_FAMILIES, Family, LOKI_FAMILIES};

/// Which database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Database {
    /// The current state and the history.
    #[default]
    Loki,
    /// Domains, and the tree that they hang from.
    CdnSystem,
}

impl Database {
    pub const ALL: [Self; 2] = [Self::Loki, Self::CdnSystem];

    /// The settings' section that says where it is.
    pub fn section(self) -> &'static str {
        match self {
            Self::Loki => "mysql",
            Self::CdnSystem => "cdn_system",
        }
    }

    /// Its folder in `migrations/`.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Loki => "loki",
            Self::CdnSystem => "cdn_system",
        }
    }

    /// The projections that live in it.
    pub(crate) fn families(self) -> &'static [&'static Family] {
        match self {
            Self::Loki => &LOKI_FAMILIES,
            Self::CdnSystem => &CDN_SYSTEM_FAMILIES,
        }
    }
}
