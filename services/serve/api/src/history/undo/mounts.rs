//! The commands that put back mounts.
//!
//! Mounts by membership rules mostly come back by themselves, when the rule or the server is put back. What then stays different is given back:
//! of several rules that match, one that took a mount over keeps it, and so does a hand. Where a rule of today would not have it as it was,
//! undoing is refused before anything is done.

use std::collections::{BTreeMap, BTreeSet};

use loki_domain::{Command, Entity, Key, Membership, MembershipId, Mount, NodeId, NodeRef, Server, ServerId, ServerRef, Source, Weigh};

use super::cannot;
use super::changes::Change;
use crate::problem::{Problem, Result};

/// As many as one command may weigh.
const WEIGHS_MAX: usize = 500;

/// What decides about mounts, as it will be once nodes, servers and rules are put back.
pub(super) struct World {
    rules: BTreeMap<MembershipId, Membership>,
    servers: BTreeMap<ServerId, Server>,
    /// Servers and nodes of rules that are put back by commands: their mounts are made as the rules say.
    moved_servers: BTreeSet<ServerId>,
    moved_nodes: BTreeSet<NodeId>,
}

impl World {
    /// `rules`, `servers`: as they are now; of the servers those of the changed mounts.
    pub(super) fn after(
        changes: &[Change],
        rules: impl IntoIterator<Item = Membership>,
        servers: impl IntoIterator<Item = Server>,
    ) -> Self {
        let mut world = Self {
            rules: rules.into_iter().map(|rule| (rule.id, rule)).collect(),
            servers: servers.into_iter().map(|server| (server.id, server)).collect(),
            moved_servers: BTreeSet::new(),
            moved_nodes: BTreeSet::new(),
        };
        for change in changes {
            match &change.key {
                Key::Server(id) => drop(world.moved_servers.insert(*id)),
                Key::Membership(id) => drop(world.rules.remove(id)),
                _ => {}
            }
            for entity in change.before.iter().chain(&change.after) {
                if let Entity::Membership(rule) = entity {
                    world.moved_nodes.insert(rule.node);
                }
            }
            match &change.before {
                Some(Entity::Server(server)) => drop(world.servers.insert(server.id, server.clone())),
                Some(Entity::Membership(rule)) => drop(world.rules.insert(rule.id, rule.clone())),
                _ => {}
            }
        }
        world
    }

    /// The rules that mount this server on this node, in the order in which they are asked.
    fn matching(&self, node: NodeId, server: ServerId) -> Vec<&Membership> {
        let server = self.servers.get(&server);
        self.rules.values().filter(|rule| rule.node == node && server.is_some_and(|server| rule.matches(server))).collect()
    }

    /// What becomes of a mount by itself, as `reconcile` in the decider says.
    fn follows(&self, node: NodeId, server: ServerId, now: Option<&Mount>) -> Option<Mount> {
        if !self.moved_servers.contains(&server) && !self.moved_nodes.contains(&node) {
            return now.cloned();
        }
        let owner = match now.map(|mount| mount.source) {
            Some(Source::Manual) => return now.cloned(),
            Some(Source::Membership(owner)) => Some(owner),
            None => None,
        };
        let matching = self.matching(node, server);
        let rule = matching.iter().find(|rule| Some(rule.id) == owner).or(matching.first())?;
        Some(Mount { node, server, offline: false, ratio: None, source: Source::Membership(rule.id) })
    }
}

/// The commands for all mounts among the changes, to be sent after those for everything else.
pub(super) fn back(changes: &[Change], world: &World) -> Result<Vec<Command>> {
    let mut commands = Vec::new();
    for change in changes {
        let Key::Mount(node, server) = change.key else { continue };
        let (wanted, now) = (mount(change.before.as_ref()), mount(change.after.as_ref()));
        let follows = world.follows(node, server, now);
        if wanted != follows.as_ref() {
            commands.push(command(change.key, wanted, follows.as_ref(), &world.matching(node, server))?);
        }
    }
    Ok(join_weighs(commands))
}

fn mount(entity: Option<&Entity>) -> Option<&Mount> {
    if let Some(Entity::Mount(mount)) = entity { Some(mount) } else { None }
}

/// The command for one mount that is `follows` and shall be `wanted`. `matching`: the rules that ask for it.
fn command(key: Key, wanted: Option<&Mount>, follows: Option<&Mount>, matching: &[&Membership]) -> Result<Command> {
    match (wanted, follows) {
        (Some(Mount { source: Source::Membership(owner), .. }), _) if matching.iter().all(|rule| rule.id != *owner) => {
            let owner = Key::Membership(*owner);
            Err(cannot(&format!("`{key}` was mounted by `{owner}`, which does not mount it any more: undo that change first"))
                .conflict(owner))
        }
        (Some(mount), Some(_)) => Ok(weigh(mount)),
        (Some(Mount { node, server, offline, ratio, source: Source::Manual }), None) => {
            Ok(Command::ServerMount { server: ServerRef::Id(*server), node: NodeRef::Id(*node), offline: *offline, ratio: *ratio })
        }
        (None, Some(mount)) => match matching.first() {
            None => Ok(Command::ServerUnmount { server: ServerRef::Id(mount.server), node: NodeRef::Id(mount.node) }),
            Some(rule) => Err(mounts_it_now(key, rule)),
        },
        (Some(Mount { source: Source::Membership(_), .. }), None) | (None, None) => {
            Err(cannot(&format!("`{key}` cannot be put back")).conflict(key))
        }
    }
}

fn mounts_it_now(key: Key, rule: &Membership) -> Problem {
    let rule = Key::Membership(rule.id);
    cannot(&format!("`{key}` was not there, and `{rule}` mounts it now: undo that change first")).conflict(rule)
}

fn weigh(mount: &Mount) -> Command {
    let server = ServerRef::Id(mount.server);
    let weigh = match mount.source {
        Source::Membership(rule) => Weigh { server, offline: None, ratio: None, membership: Some(rule) },
        Source::Manual => Weigh { server, offline: Some(mount.offline), ratio: Some(mount.ratio), membership: None },
    };
    Command::ServerWeigh { node: NodeRef::Id(mount.node), mounts: vec![weigh] }
}

/// Ratios of one node change together or break the rule on their sum on the way.
fn join_weighs(commands: Vec<Command>) -> Vec<Command> {
    let mut joined: Vec<Command> = Vec::new();
    for command in commands {
        if let (Command::ServerWeigh { node, mounts }, Some(Command::ServerWeigh { node: same, mounts: all })) =
            (&command, joined.last_mut())
            && node == same
            && all.len() + mounts.len() <= WEIGHS_MAX
        {
            all.extend(mounts.iter().cloned());
            continue;
        }
        joined.push(command);
    }
    joined
}

#[cfg(test)]
mod tests {
    use loki_domain::{Labels, Ratio, ServerState};

    use super::*;

    fn server(number: u8, role: Option<&str>) -> Server {
        let labels = role.map(|role| ("role".to_owned(), role.parse().unwrap()));
        Server {
            id: ServerId::from_digest(&[number; 32]),
            name: format!("web{number}").parse().unwrap(),
            serial: None,
            addresses: vec![],
            idc: None,
            labels: Labels::new(labels).unwrap(),
            state: ServerState::Online,
        }
    }

    fn rule(number: u8, pattern: &str) -> Membership {
        let pattern = pattern.parse().ok();
        Membership { id: MembershipId::from_digest(&[number; 32]), node: NodeId::MIN, pattern, labels: Labels::default(), sweep: None }
    }

    fn by(rule: &Membership, server: &Server) -> Entity {
        let source = Source::Membership(rule.id);
        Entity::Mount(Mount { node: NodeId::MIN, server: server.id, offline: false, ratio: None, source })
    }

    fn by_hand(server: &Server, ppm: u32) -> Entity {
        let ratio = Some(Ratio::new(ppm).unwrap());
        Entity::Mount(Mount { node: NodeId::MIN, server: server.id, offline: false, ratio, source: Source::Manual })
    }

    fn change(before: Option<Entity>, after: Option<Entity>) -> Change {
        Change { key: before.as_ref().or(after.as_ref()).unwrap().key(), before, after }
    }

    fn types(commands: &[Command]) -> Vec<&'static str> {
        commands.iter().map(Command::type_name).collect()
    }

    #[test]
    fn weighs_of_one_node_are_joined() {
        let (one, two) = (server(1, None), server(2, None));
        let changes = [(&one, 0, 500_000), (&two, 1_000_000, 500_000)]
            .map(|(server, before, after)| change(Some(by_hand(server, before)), Some(by_hand(server, after))));
        let commands = back(&changes, &World::after(&changes, [], [one, two])).unwrap();
        assert!(matches!(&commands[..], [Command::ServerWeigh { mounts, .. }] if mounts.len() == 2));
        let many: Vec<_> = (0..3).flat_map(|_| vec![commands[0].clone(); 200]).collect();
        let sizes: Vec<usize> = join_weighs(many)
            .iter()
            .map(|command| if let Command::ServerWeigh { mounts, .. } = command { mounts.len() } else { 0 })
            .collect();
        assert_eq!(sizes, [500, 500, 200]);
    }

    #[test]
    fn what_comes_back_by_itself_needs_no_command() {
        let (web, rule) = (server(1, None), rule(1, "web*"));
        let removed = [change(Some(by(&rule, &web)), None), change(Some(Entity::Membership(rule.clone())), None)];
        assert_eq!(back(&removed, &World::after(&removed, [], [web.clone()])).unwrap(), []);
        let made = [change(None, Some(Entity::Membership(rule.clone()))), change(None, Some(by(&rule, &web)))];
        assert_eq!(back(&made, &World::after(&made, [rule], [web])).unwrap(), []);
    }

    #[test]
    fn what_another_rule_took_over_is_given_back() {
        let (web, first, second) = (server(1, None), rule(1, "web*"), rule(2, "web?"));
        let changes = [change(Some(by(&first, &web)), Some(by(&second, &web))), change(Some(Entity::Membership(first.clone())), None)];
        let commands = back(&changes, &World::after(&changes, [second], [web])).unwrap();
        let [Command::ServerWeigh { mounts, .. }] = &commands[..] else { panic!("{commands:?}") };
        assert_eq!((mounts[0].membership, mounts[0].offline, mounts[0].ratio), (Some(first.id), None, None));
    }

    #[test]
    fn what_a_rule_of_today_would_not_have_so_is_refused() {
        let (web, first) = (server(1, None), rule(1, "web*"));
        let taken = [change(Some(by(&first, &web)), Some(by_hand(&web, 0)))];
        assert_eq!(types(&back(&taken, &World::after(&taken, [first.clone()], [web.clone()])).unwrap()), ["server.weigh"]);
        for rules in [vec![], vec![rule(1, "db*")], vec![rule(2, "web*")]] {
            assert_eq!(back(&taken, &World::after(&taken, rules, [web.clone()])).unwrap_err().status(), 409);
        }
        let mounted = [change(None, Some(by_hand(&web, 0)))];
        assert_eq!(types(&back(&mounted, &World::after(&mounted, [], [web.clone()])).unwrap()), ["server.unmount"]);
        assert_eq!(back(&mounted, &World::after(&mounted, [first.clone()], [web.clone()])).unwrap_err().status(), 409);
        // the label was what the rule asked for, and now it asks for nothing
        let updated = [
            change(Some(Entity::Server(server(1, None))), Some(Entity::Server(server(1, Some("web"))))),
            change(None, Some(by(&first, &web))),
        ];
        assert_eq!(back(&updated, &World::after(&updated, [first], [web])).unwrap_err().status(), 409);
    }
}
