//! Packages: register, withdraw. A version is what it was when it was registered, for ever.

use loki_domain::package::SIZE_MAX;
use loki_domain::{Code, Entity, Key, Package, PackageId, PackageName, Rejection, Text, Use, Version};

use super::{Decided, Decision, permit};
use crate::State;
use crate::identity::{NewIds, Origin};

/// `new`: with any id.
pub(super) fn register(state: &State, new: Package, origin: &Origin<'_>, at_ms: i64) -> Decided {
    permit::anywhere(state, origin, at_ms, Use::Deploy)?;
    if !(1..=SIZE_MAX).contains(&new.size) {
        return Err(Rejection::new(Code::Invalid, "size", format!("an archive has 1 to {SIZE_MAX} bytes")));
    }
    if new.manifest.health.as_ref().is_some_and(|health| !health.can_be_reached()) {
        return Err(Rejection::new(
            Code::Invalid,
            "manifest.health.stays_ms",
            "it has to be less than `within_ms`: no release would ever be good",
        ));
    }
    if let Some(old) = state.packages().of(&new.name, &new.version) {
        if (Package { id: old.id, withdrawn: old.withdrawn.clone(), ..new }) == *old {
            return Ok(Decision::nothing());
        }
        let message = format!("`{} {}` is registered with other content, and never changes: take another version", old.name, old.version);
        return Err(Rejection::new(Code::AlreadyExists, "version", message).in_the_way(Key::Package(old.id)));
    }
    let id = NewIds::of(*origin).package(|id| state.packages().get(id).is_some());
    Ok(Decision::entity(Entity::Package(Box::new(Package { id, withdrawn: None, ..new }))))
}

pub(super) fn withdraw(state: &State, name: &PackageName, version: &Version, reason: &Text, origin: &Origin<'_>, at_ms: i64) -> Decided {
    // it is taken from everybody
    permit::check(state, origin, at_ms, Use::Deploy, None)?;
    if reason.as_str().is_empty() {
        return Err(Rejection::new(Code::Invalid, "reason", "say why: whoever would deploy it is told"));
    }
    let old = find(state, name, version)?;
    if old.withdrawn.as_ref() == Some(reason) {
        return Ok(Decision::nothing());
    }
    Ok(Decision::entity(Entity::Package(Box::new(Package { withdrawn: Some(reason.clone()), ..old.clone() }))))
}

/// A version that must be there.
pub(super) fn find<'s>(state: &'s State, name: &PackageName, version: &Version) -> Result<&'s Package, Rejection> {
    let not_there = || Rejection::new(Code::NotFound, "version", format!("there is no package `{name} {version}`: register it first"));
    state.packages().of(name, version).ok_or_else(not_there)
}

/// Nobody has withdrawn it; otherwise the field says what it is asked for.
pub(super) fn check_offered(package: &Package, field: &str) -> Result<(), Rejection> {
    let Some(reason) = &package.withdrawn else { return Ok(()) };
    let message = format!("`{} {}` was withdrawn: {reason}", package.name, package.version);
    Err(Rejection::new(Code::Withdrawn, field, message).in_the_way(Key::Package(package.id)))
}

/// For a package that has no id yet.
pub(super) const NO_ID: PackageId = PackageId::MIN;
