//! A server: what the tree mounts.

use std::fmt;
use std::str::FromStr;

use crate::name::words;
use crate::{Invalid, Labels, ServerId, ServerName, Text};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub id: ServerId,
    /// Unique among servers that are not retired.
    pub name: ServerName,
    pub serial: Option<Text>,
    /// IP addresses or host names, the first is the one to use.
    pub addresses: Vec<Text>,
    pub idc: Option<Text>,
    pub labels: Labels,
    pub state: ServerState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerState {
    InStock,
    Online,
    Offline,
    Maintenance,
    /// For ever: a retired server is kept as history and never changes again.
    Retired,
}

impl ServerState {
    pub const ALL: [Self; 5] = [Self::InStock, Self::Online, Self::Offline, Self::Maintenance, Self::Retired];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::InStock => "in_stock",
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Maintenance => "maintenance",
            Self::Retired => "retired",
        }
    }
}

words!(ServerState, "state: use in_stock, online, offline or maintenance");
