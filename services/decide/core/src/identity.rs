//! New ids: they derive from the command that asked, so that deciding it again gives the same ones.

use loki_domain::{DomainId, Kind, MembershipId, NodeId, PackageId, RunId, ServerId, TemplateId, TokenId};
use sha2::{Digest, Sha256};

/// Who asked, and under which id: together the command's idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    pub actor: &'a str,
    pub id: &'a str,
    /// Whose signature it has: checked by whoever read the command. It is no part of the idempotency key.
    pub token: Option<TokenId>,
}

impl<'a> Origin<'a> {
    /// Of a command that is not signed.
    pub fn new(actor: &'a str, id: &'a str) -> Self {
        Self { actor, id, token: None }
    }
}

/// Gives the new ids of one command, in order. An id that is taken is passed over: the next index is tried.
pub struct NewIds<'a> {
    origin: Origin<'a>,
    index: u32,
}

impl<'a> NewIds<'a> {
    pub fn of(origin: Origin<'a>) -> Self {
        Self { origin, index: 0 }
    }

    pub fn node(&mut self, taken: impl Fn(&NodeId) -> bool) -> NodeId {
        self.fresh(Kind::Node, NodeId::from_digest, taken)
    }

    pub fn server(&mut self, taken: impl Fn(&ServerId) -> bool) -> ServerId {
        self.fresh(Kind::Server, ServerId::from_digest, taken)
    }

    pub fn membership(&mut self, taken: impl Fn(&MembershipId) -> bool) -> MembershipId {
        self.fresh(Kind::Membership, MembershipId::from_digest, taken)
    }

    pub fn domain(&mut self, taken: impl Fn(&DomainId) -> bool) -> DomainId {
        self.fresh(Kind::Domain, DomainId::from_digest, taken)
    }

    pub fn token(&mut self, taken: impl Fn(&TokenId) -> bool) -> TokenId {
        self.fresh(Kind::Token, TokenId::from_digest, taken)
    }

    pub fn package(&mut self, taken: impl Fn(&PackageId) -> bool) -> PackageId {
        self.fresh(Kind::Package, PackageId::from_digest, taken)
    }

    pub fn template(&mut self, taken: impl Fn(&TemplateId) -> bool) -> TemplateId {
        self.fresh(Kind::Template, TemplateId::from_digest, taken)
    }

    pub fn run(&mut self, taken: impl Fn(&RunId) -> bool) -> RunId {
        self.fresh(Kind::Run, RunId::from_digest, taken)
    }

    fn fresh<Id>(&mut self, kind: Kind, read: fn(&[u8; 32]) -> Id, taken: impl Fn(&Id) -> bool) -> Id {
        loop {
            let id = read(&digest(kind, self.origin, self.index));
            self.index = self.index.wrapping_add(1);
            if !taken(&id) {
                return id;
            }
        }
    }
}

/// Lengths go before the texts: (`a`, `bc`) and (`ab`, `c`) are two origins.
fn digest(kind: Kind, origin: Origin<'_>, index: u32) -> [u8; 32] {
    let mut hash = Sha256::new();
    for text in [kind.as_str(), origin.actor, origin.id] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.update(index.to_be_bytes());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(actor: &'static str, id: &'static str) -> NewIds<'static> {
        NewIds::of(Origin::new(actor, id))
    }

    #[test]
    fn an_origin_always_gives_the_same_ids() {
        let first = ids("ann", "1").node(|_| false);
        assert_eq!(first, ids("ann", "1").node(|_| false));
        assert_ne!(first, ids("ann1", "").node(|_| false));
        assert_ne!(first, ids("bob", "1").node(|_| false));
        assert_ne!(first.to_string(), ids("ann", "1").server(|_| false).to_string());
    }

    #[test]
    fn a_taken_id_is_passed_over() {
        let mut both = ids("ann", "1");
        let (first, second) = (both.node(|_| false), both.node(|_| false));
        assert_ne!(first, second);
        assert_eq!(ids("ann", "1").node(|id| *id == first), second);
    }
}
