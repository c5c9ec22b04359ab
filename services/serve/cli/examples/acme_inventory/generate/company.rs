//! The company as groups and hosts, in the order in which files tell them.

use std::collections::BTreeMap;

use super::services::{IDCS, Naming, Role, Service, UNITS};

pub(super) struct Company {
    /// Hosts in no group.
    pub(super) bastions: Vec<Host>,
    /// Variables of `all`.
    pub(super) vars: Vars,
    /// The groups at the top.
    pub(super) groups: Vec<Group>,
}

pub(super) type Vars = Vec<(&'static str, String)>;

#[derive(Default)]
pub(super) struct Group {
    pub(super) name: String,
    /// A remark above it.
    pub(super) remark: Option<&'static str>,
    pub(super) vars: Vars,
    /// Told one by one, with their variables.
    pub(super) hosts: Vec<Host>,
    /// Told as ranges: hosts that are described elsewhere.
    pub(super) ranges: Vec<String>,
    pub(super) children: Vec<Group>,
    /// Children that are described elsewhere.
    pub(super) shared: Vec<String>,
}

pub(super) struct Host {
    pub(super) name: String,
    pub(super) vars: Vars,
}

impl Company {
    pub(super) fn new() -> Self {
        let mut assets = Assets::default();
        let mut canaries = Vec::new();
        let mut units = Vec::new();
        for unit in &UNITS {
            let services = unit.services.iter().map(|service| assets.service(service, &mut canaries)).collect();
            let vars = vec![("owner", unit.owner.to_owned())];
            units.push(Group { name: unit.name.to_owned(), vars, children: services, ..Group::default() });
        }
        let mut groups = vec![assets.idcs()];
        groups.extend(units);
        groups.push(Group {
            name: "canary".to_owned(),
            remark: Some("new versions go here first, whatever the service"),
            vars: vec![("watch", "closely".to_owned())],
            shared: canaries,
            ..Group::default()
        });
        let bastion = |(number, idc): (usize, &str)| Host {
            name: format!("bastion{:02}.acme.example", number + 1),
            vars: vec![("ansible_host", format!("192.0.2.{}", number + 10)), ("idc", idc.to_owned())],
        };
        let vars = vec![
            ("company", "acme".to_owned()),
            ("ansible_user", "ops".to_owned()),
            ("ansible_become_password", "{{ vault_become_password }}".to_owned()),
        ];
        Self { bastions: ["bj1", "sh1", "hz-office"].into_iter().enumerate().map(bastion).collect(), vars, groups }
    }
}

/// Hosts as they are bought: each gets the next address and place of its data centre.
#[derive(Default)]
struct Assets {
    hosts: BTreeMap<usize, Vec<Host>>,
    random: Random,
}

impl Assets {
    fn service(&mut self, service: &Service, canaries: &mut Vec<String>) -> Group {
        let children = service.roles.iter().map(|role| self.role(service.name, role, canaries)).collect();
        let vars = vec![("service", service.name.to_owned()), ("tier", service.tier.to_string())];
        Group { name: service.name.to_owned(), vars, children, ..Group::default() }
    }

    fn role(&mut self, service: &str, role: &Role, canaries: &mut Vec<String>) -> Group {
        let name = format!("{service}_{}", role.name);
        let mut group = Group { name: name.clone(), ..Group::default() };
        group.vars = vec![("role", role.name.to_owned()), ("listen_port", role.port.to_string())];
        let mut canary = Group { name: format!("{name}_canary"), ..Group::default() };
        for (idc, &count) in role.servers.iter().enumerate().filter(|(_, count)| **count > 0) {
            let names = Names::new(&name, role.naming, IDCS[idc].0);
            (0..count).for_each(|index| self.buy(idc, names.host(index)));
            let first = u8::from(role.canary);
            if role.canary {
                canary.ranges.push(names.host(0));
            }
            if count > first {
                group.ranges.push(names.range(first, count - 1));
            }
        }
        if role.canary {
            canary.vars = vec![("canary", "True".to_owned())];
            canaries.push(canary.name.clone());
            group.children.push(canary);
        }
        group
    }

    fn buy(&mut self, idc: usize, name: String) {
        let (place, _, octet) = IDCS[idc];
        let hosts = self.hosts.entry(idc).or_default();
        let number = hosts.len() + 10;
        // 16 servers fill a rack; serial numbers tell the year and the place of the purchase.
        let rack = format!("r{:02}", hosts.len() / 16 + 1);
        let serial =
            format!("{}{}{:06}", ["A21", "A22", "A23", "A24"][self.random.below(4)], place.to_uppercase(), self.random.below(1_000_000));
        let address = format!("10.{octet}.{}.{}", number / 250, number % 250 + 1);
        hosts.push(Host { name, vars: vec![("ansible_host", address), ("rack", rack), ("serial_number", serial)] });
    }

    /// The data centres, with every host that was bought.
    fn idcs(&mut self) -> Group {
        let mut children = Vec::new();
        for (idc, hosts) in std::mem::take(&mut self.hosts) {
            let (name, region, _) = IDCS[idc];
            let vars = vec![("idc", name.to_owned()), ("region", region.to_owned())];
            children.push(Group { name: format!("idc_{name}"), vars, hosts, ..Group::default() });
        }
        let remark = Some("what asset management knows: address, rack and serial number of every server");
        Group { name: "idc".to_owned(), remark, children, ..Group::default() }
    }
}

/// The names of a role's hosts in one data centre.
struct Names {
    prefix: String,
    naming: Naming,
    domain: String,
}

impl Names {
    fn new(group: &str, naming: Naming, idc: &str) -> Self {
        let prefix = group.trim_end_matches("_even").trim_end_matches("_odd").replace('_', "-");
        Self { prefix, naming, domain: format!("{idc}.acme.example") }
    }

    fn host(&self, index: u8) -> String {
        format!("{}{}.{}", self.prefix, self.mark(index), self.domain)
    }

    /// The hosts from one to another, as a person writes them.
    fn range(&self, first: u8, last: u8) -> String {
        if first == last {
            return self.host(first);
        }
        let step = if matches!(self.naming, Naming::Even | Naming::Odd) { ":2" } else { "" };
        let (dash, first, last) = match self.naming {
            Naming::Letters => ("-", letter(first), letter(last)),
            _ => ("", self.mark(first), self.mark(last)),
        };
        format!("{}{dash}[{first}:{last}{step}].{}", self.prefix, self.domain)
    }

    fn mark(&self, index: u8) -> String {
        match self.naming {
            Naming::Numbers => format!("{:02}", index + 1),
            Naming::Letters => format!("-{}", letter(index)),
            Naming::Even => format!("{:02}", index * 2),
            Naming::Odd => format!("{:02}", index * 2 + 1),
        }
    }
}

fn letter(index: u8) -> String {
    char::from(b'a' + index).to_string()
}

/// SplitMix64, so that the files do not change with a library.
#[derive(Default)]
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound).unwrap_or(0)
    }
}
