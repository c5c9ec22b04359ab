//! Ours and the peer take turns, so that what else the machine does falls on both.

use anyhow::Result;

/// One turn each; who begins changes from round to round.
pub(crate) async fn take(
    round: usize,
    ours: impl AsyncFnOnce() -> Result<f64>,
    peer: impl AsyncFnOnce() -> Result<f64>,
) -> Result<(f64, f64)> {
    if round.is_multiple_of(2) {
        let ours = ours().await?;
        return Ok((ours, peer().await?));
    }
    let peer = peer().await?;
    Ok((ours().await?, peer))
}
