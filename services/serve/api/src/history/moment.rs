//! A moment in the past: a position or a time.

use loki_domain::Position;
use loki_mysql::port::Moment;

use crate::App;
use crate::problem::{Problem, Result};
use crate::wait;

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

/// Waits until the history can tell where these moments lie. Of a position it says itself that it has not passed it. Of a time it cannot: what was
/// decided by then may be on its way, so that it must have passed all that is known to be decided.
pub(crate) async fn told(app: &App, moments: impl IntoIterator<Item = Moment>) -> Result<()> {
    if moments.into_iter().all(|moment| matches!(moment, Moment::Position(_))) {
        return Ok(());
    }
    up_to_now(app).await
}

/// Waits until the history has passed all that is known to be decided.
pub(crate) async fn up_to_now(app: &App) -> Result<()> {
    if !app.tail.has_reached_end() {
        return Err(Problem::not_ready("the outcomes are still being read: what was decided is not known yet"));
    }
    match app.tail.decided().checked_sub(1) {
        Some(last) => wait::unless_stopping(app, app.history.wait(Position::command(last), app.config.wait_max)).await,
        None => Ok(()),
    }
}
