//! Templates: set, remove; and which one counts for a node.

use loki_domain::{Code, Entity, Key, NodeId, NodeRef, Rejection, Settings, Template, TemplateName, Use, job};

use super::{Decided, Decision, gone, lookup, permit};
use crate::State;
use crate::identity::{NewIds, Origin};

pub(super) fn set(
    state: &State,
    node: &NodeRef,
    name: &TemplateName,
    kind: job::Kind,
    settings: &Settings,
    origin: &Origin<'_>,
    at_ms: i64,
) -> Decided {
    let node = lookup::node(state, node, "node")?;
    permit::check(state, origin, at_ms, use_of(kind), Some(node.id))?;
    if let Ok(own) = name.as_str().parse::<job::Kind>()
        && own != kind
    {
        return Err(Rejection::new(Code::Invalid, "kind", format!("a template `{name}` is of the kind `{own}`")));
    }
    check(settings, kind)?;
    let old = state.templates().on(node.id, name);
    if let Some(old) = old {
        permit::check(state, origin, at_ms, use_of(old.kind), Some(node.id))?;
    }
    let id = old.map_or_else(|| NewIds::of(*origin).template(|id| state.templates().get(id).is_some()), |old| old.id);
    let new = Template { id, node: node.id, name: name.clone(), kind, settings: settings.clone() };
    if old == Some(&new) {
        return Ok(Decision::nothing());
    }
    Ok(Decision::entity(Entity::Template(Box::new(new))))
}

pub(super) fn remove(state: &State, node: &NodeRef, name: &TemplateName, origin: &Origin<'_>, at_ms: i64) -> Decided {
    let node = lookup::node(state, node, "node")?;
    let Some(template) = state.templates().on(node.id, name) else {
        let message = format!("there is no template `{name}` on `{}` itself", lookup::path(state, node.id));
        return Err(Rejection::new(Code::NotFound, "name", message));
    };
    permit::check(state, origin, at_ms, use_of(template.kind), Some(node.id))?;
    Ok(Decision::facts(vec![gone(Key::Template(template.id))]))
}

/// The kind and the settings of a template at a node: of the nearest of this name, or of the kind that is called so.
pub(super) fn at(state: &State, node: NodeId, name: &TemplateName) -> Result<(job::Kind, Settings), Rejection> {
    let nearest = state.tree().upwards(node).find_map(|node| state.templates().on(node.id, name));
    if let Some(template) = nearest {
        return Ok((template.kind, template.settings.clone()));
    }
    match name.as_str().parse::<job::Kind>() {
        Ok(kind) => Ok((kind, Settings::default())),
        Err(_) => {
            let message =
                format!("there is no template `{name}` on `{}` or above it: use standard-deploy or script", lookup::path(state, node));
            Err(Rejection::new(Code::NotFound, "template", message))
        }
    }
}

pub(super) fn use_of(kind: job::Kind) -> Use {
    match kind {
        job::Kind::Deploy => Use::Deploy,
        job::Kind::Script => Use::Script,
    }
}

pub(super) fn check(settings: &Settings, kind: job::Kind) -> Result<(), Rejection> {
    settings.check(kind).map_err(|(field, invalid)| Rejection::new(Code::Invalid, format!("settings.{field}"), invalid.to_string()))
}
