//! Whether a command is signed by a token that covers what it asks for.
//!
//! Whoever read the command has checked its signature; here is what the token is for, where, and until when.

use loki_domain::{Code, NodeId, Rejection, Token, Use};

use super::lookup;
use crate::State;
use crate::identity::Origin;

/// The field under which a missing or a wrong token is told: it is no part of the data.
const FIELD: &str = "token";

/// The command's token, which must be for this use and cover this node, or everything for `None`.
pub(super) fn check<'s>(state: &'s State, origin: &Origin<'_>, at_ms: i64, one: Use, node: Option<NodeId>) -> Result<&'s Token, Rejection> {
    let token = anywhere(state, origin, at_ms, one)?;
    if !covers(state, token, node) {
        let place = node.map_or_else(|| "everything".to_owned(), |node| format!("`{}`", lookup::path(state, node)));
        return Err(forbidden(format!("token `{}` does not cover {place}", token.name)));
    }
    Ok(token)
}

/// The command's token, which must be for this use, wherever.
pub(super) fn anywhere<'s>(state: &'s State, origin: &Origin<'_>, at_ms: i64, one: Use) -> Result<&'s Token, Rejection> {
    let Some(id) = origin.token else {
        return Err(forbidden(format!("this is signed by no token: it takes one for `{one}`")));
    };
    let token = state.tokens().get(&id).ok_or_else(|| forbidden("its token was removed".to_owned()))?;
    if token.is_expired(at_ms) {
        return Err(forbidden(format!("token `{}` has expired", token.name)));
    }
    if !token.uses.has(one) {
        return Err(forbidden(format!("token `{}` is not for `{one}`", token.name)));
    }
    Ok(token)
}

pub(super) fn covers(state: &State, token: &Token, node: Option<NodeId>) -> bool {
    match (token.node, node) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(top), Some(node)) => state.tree().upwards(node).any(|ancestor| ancestor.id == top),
    }
}

pub(super) fn forbidden(message: String) -> Rejection {
    Rejection::new(Code::Forbidden, FIELD, message)
}
