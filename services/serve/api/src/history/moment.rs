//! A moment in the past: a position or a time.

use loki_domain::Position;
use loki_mysql::port::Moment;

use crate::problem::{Problem, Result};

/// `c17`, `f42`, `o8` or an RFC 3339 time.
pub(crate) fn read(field: &str, text: &str) -> Result<Moment> {
    if let Ok(position) = text.parse::<Position>() {
        return Ok(Moment::Position(position));
    }
    loki_wire::envelope::read_time(text).map(Moment::Time).map_err(|_| {
        Problem::bad_parameter(
            field,
            format!("`{field}` must be a position such as `c17` or a time such as `2026-01-31T12:00:00Z`, not `{}`", text.escape_default()),
        )
    })
}
