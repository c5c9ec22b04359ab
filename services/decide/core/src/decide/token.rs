//! Tokens: create, remove. Nobody gives more than they have, and somebody who may do everything always remains.

use loki_domain::{Code, Entity, Key, NodeRef, PublicKey, Rejection, Token, TokenName, Use, Uses};

use super::{Decided, Decision, gone, lookup, permit};
use crate::State;
use crate::identity::{NewIds, Origin};

/// How many there are at most.
const TOKENS_MAX: usize = 10_000;

pub(super) struct New<'c> {
    pub name: &'c TokenName,
    pub node: Option<&'c NodeRef>,
    pub uses: &'c Uses,
    pub key: PublicKey,
    pub expires_ms: Option<i64>,
}

pub(super) fn create(state: &State, new: New<'_>, origin: &Origin<'_>, at_ms: i64) -> Decided {
    let node = match new.node {
        Some(node) => lookup::node_or_top(state, node, "node")?.map(|node| node.id),
        None => None,
    };
    if let Some(old) = state.tokens().named(new.name) {
        if old.key == new.key && old.node == node && old.uses == *new.uses && old.expires_ms == new.expires_ms {
            return Ok(Decision::nothing());
        }
        return Err(taken(old, "name", format!("there is a token `{}` already", new.name)));
    }
    if new.expires_ms.is_some_and(|expires_ms| expires_ms <= at_ms) {
        return Err(Rejection::new(Code::Invalid, "expires", "it has passed already"));
    }
    if state.tokens().is_empty() {
        // somebody has to be the first
        if node.is_some() || new.expires_ms.is_some() || Use::ALL.into_iter().any(|one| !new.uses.has(one)) {
            return Err(permit::forbidden("the first token is the owner's: for every use, everywhere, and without an end".to_owned()));
        }
    } else {
        let giver = permit::check(state, origin, at_ms, Use::Grant, node)?;
        if let Some(more) = new.uses.iter().find(|one| !giver.uses.has(*one)) {
            return Err(permit::forbidden(format!("token `{}` is not for `{more}` itself", giver.name)));
        }
        if giver.expires_ms.is_some_and(|end| new.expires_ms.is_none_or(|expires_ms| expires_ms > end)) {
            return Err(permit::forbidden(format!("token `{}` ends before this one would", giver.name)));
        }
    }
    if let Some(old) = state.tokens().iter().find(|token| token.key == new.key) {
        return Err(taken(old, "key", format!("token `{}` has this key", old.name)));
    }
    if state.tokens().len() >= TOKENS_MAX {
        return Err(Rejection::new(Code::Limit, "name", format!("there are {TOKENS_MAX} tokens: remove some first")));
    }
    let id = NewIds::of(*origin).token(|id| state.tokens().get(id).is_some());
    let (name, uses) = (new.name.clone(), new.uses.clone());
    Ok(Decision::entity(Entity::Token(Token { id, name, node, uses, key: new.key, expires_ms: new.expires_ms })))
}

pub(super) fn remove(state: &State, name: &TokenName, origin: &Origin<'_>, at_ms: i64) -> Decided {
    let not_there = || Rejection::new(Code::NotFound, "name", format!("there is no token `{name}`"));
    let token = state.tokens().named(name).ok_or_else(not_there)?;
    let remover = permit::check(state, origin, at_ms, Use::Grant, token.node)?;
    if let Some(more) = token.uses.iter().find(|one| !remover.uses.has(*one)) {
        return Err(permit::forbidden(format!("token `{}` is not for `{more}`, as the one is that it would remove", remover.name)));
    }
    if is_owner(token) && !state.tokens().iter().any(|other| other.id != token.id && is_owner(other)) {
        let message = format!("`{name}` is the last token for everything, everywhere, for ever: make another one first");
        return Err(Rejection::new(Code::Limit, "name", message));
    }
    Ok(Decision::facts(vec![gone(Key::Token(token.id))]))
}

fn is_owner(token: &Token) -> bool {
    token.node.is_none() && token.expires_ms.is_none() && Use::ALL.into_iter().all(|one| token.uses.has(one))
}

fn taken(token: &Token, field: &str, message: String) -> Rejection {
    Rejection::new(Code::AlreadyExists, field, message).in_the_way(Key::Token(token.id))
}
