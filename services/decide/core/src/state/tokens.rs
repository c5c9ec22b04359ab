//! Tokens by id and by name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loki_domain::{Token, TokenId, TokenName};

use super::table::Table;
use super::{put_in, take_from};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    by_id: Table<TokenId, Arc<Token>>,
    by_name: BTreeMap<TokenName, BTreeSet<TokenId>>,
}

impl Tokens {
    pub(super) fn put(&mut self, id: TokenId, token: Option<Arc<Token>>) -> Option<Arc<Token>> {
        let after = token.clone();
        let before = self.by_id.put(id, token);
        if let Some(token) = &before {
            take_from(&mut self.by_name, &token.name, &id);
        }
        if let Some(token) = &after {
            put_in(&mut self.by_name, token.name.clone(), id);
        }
        before
    }

    pub fn get(&self, id: &TokenId) -> Option<&Token> {
        self.by_id.get(id).map(|token| &**token)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Token> {
        self.by_id.iter().map(|token| &**token)
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub fn named(&self, name: &TokenName) -> Option<&Token> {
        self.by_name.get(name)?.first().and_then(|id| self.get(id))
    }
}
