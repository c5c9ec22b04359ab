//! Domains: set, remove. Their site says which one is meant: it is what two of them never share.

use loki_domain::{Code, Domain, DomainId, Entity, Expectation, Key, NodeRef, Rejection, Site};

use super::{Decided, Decision, gone, lookup};
use crate::State;
use crate::identity::NewIds;

pub(super) fn set(
    state: &State,
    site: &Site,
    node: &NodeRef,
    expect: &Expectation,
    again: Option<DomainId>,
    mut ids: NewIds<'_>,
) -> Decided {
    check_site(site)?;
    if expect.body.as_ref().is_some_and(|body| body.as_str().is_empty()) {
        return Err(Rejection::new(Code::Invalid, "expect.body", "every body holds an empty text: leave it out"));
    }
    let node = lookup::node(state, node, "node")?;
    let old = state.domains().at(site);
    let is_there = |id: &DomainId| state.domains().get(id).is_some();
    let id = match (old, again) {
        (Some(old), None) => old.id,
        (None, None) => ids.domain(is_there),
        (Some(old), Some(_)) => return Err(taken(old, "name", format!("`{}` is there: leave `again` out to change it", shown(site)))),
        (None, Some(id)) => match state.domains().get(&id) {
            Some(other) => return Err(taken(other, "again", format!("the domain `{id}` is there: it is `{}`", shown(&other.site)))),
            None => id,
        },
    };
    let new = Domain { id, site: site.clone(), node: node.id, expect: expect.clone() };
    if old == Some(&new) {
        return Ok(Decision::nothing());
    }
    Ok(Decision::entity(Entity::Domain(new)))
}

pub(super) fn remove(state: &State, site: &Site) -> Decided {
    match state.domains().at(site) {
        Some(domain) => Ok(Decision::facts(vec![gone(Key::Domain(domain.id))])),
        None => Err(Rejection::new(Code::NotFound, "name", format!("there is no domain `{}`", shown(site)))),
    }
}

/// With the scheme's own port written or not it would be two sites where there is one.
fn check_site(site: &Site) -> Result<(), Rejection> {
    if site.name.port() == Some(site.scheme.port()) {
        let message = format!("{} is the port of `{}` anyway: leave it out", site.scheme.port(), site.scheme);
        return Err(Rejection::new(Code::Invalid, "name", message));
    }
    Ok(())
}

fn taken(domain: &Domain, field: &str, message: String) -> Rejection {
    Rejection::new(Code::AlreadyExists, field, message).in_the_way(Key::Domain(domain.id))
}

/// The site as a message names it: its URL, and the vendor where it is not one's own servers.
fn shown(site: &Site) -> String {
    let url = lookup::shown_text(&site.url());
    if site.vendor == loki_domain::Vendor::default() { url } else { format!("{url} of {}", site.vendor) }
}
