//! What can be set, and the limits of one question.

use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Options {
    /// Blocks of the disk that are kept in memory, in bytes.
    pub cache_bytes: u64,
    /// Points that are kept in memory before they become chunks; up to twice as many while that goes on, some 24 bytes each.
    pub fresh_points_max: usize,
    /// Series that the store takes, some 500 bytes of memory each.
    pub series_max: usize,
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, fresh_points_max: 1_000_000, series_max: 1_000_000, limits: Limits::default() }
    }
}

/// What one question may cost. Over it the answer is 413.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Points that are read, and that fill policies add.
    pub points_max: u64,
    /// Series that the filters choose.
    pub series_max: usize,
    /// Bytes of the question's body.
    pub body_bytes_max: usize,
    /// Bytes of the answer.
    pub answer_bytes_max: usize,
    /// Names of a suggestion and series of a look-up, whatever was asked for.
    pub names_max: usize,
    /// How long answering may take.
    pub time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            points_max: 10_000_000,
            series_max: 100_000,
            body_bytes_max: 1 << 20,
            answer_bytes_max: 128 << 20,
            names_max: 100_000,
            time_max: Duration::from_secs(30),
        }
    }
}
