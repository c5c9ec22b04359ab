//! Reads the scenarios' plain text.

use std::collections::BTreeMap;
use std::str::FromStr;

use loki_domain::command::Operation;
use loki_domain::{
    Check, Command, DomainId, Expectation, Health, Key, Labels, Manifest, NodeName, NodePath, NodeRef, Patch, PublicKey, Ratio, RunId,
    ServerRef, ServerState, Settings, Sha256, Site, Statuses, Text, TokenName, Uses, Weigh, Within,
};

/// What `as NAME` has named.
pub(crate) type Names = BTreeMap<String, Key>;

pub(crate) struct Scenario<'t> {
    pub(crate) title: &'t str,
    pub(crate) steps: Vec<Step<'t>>,
}

pub(crate) enum Step<'t> {
    Given(String),
    When(&'t str, Answer<'t>),
}

#[derive(Default)]
pub(crate) struct Answer<'t> {
    pub(crate) answer: &'t str,
    pub(crate) says: Vec<&'t str>,
    pub(crate) counts: Vec<(usize, &'t str)>,
    pub(crate) lines: Vec<&'t str>,
}

pub(crate) fn scenarios(text: &str) -> Vec<Scenario<'_>> {
    let mut scenarios: Vec<Scenario<'_>> = Vec::new();
    let mut when = None;
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let (key, rest) = match line.split_once(':') {
            Some((key @ ("scenario" | "given" | "when" | "then"), rest)) => (key, rest.trim()),
            _ if line.starts_with(' ') => ("", line.trim()),
            _ => panic!("`{line}` is no line of a scenario"),
        };
        if key == "scenario" {
            scenarios.push(Scenario { title: rest, steps: Vec::new() });
            continue;
        }
        let steps = &mut scenarios.last_mut().expect("`scenario:` comes first").steps;
        match key {
            "given" if rest.is_empty() => when = None,
            "when" => when = Some(rest),
            "then" => steps.push(Step::When(when.expect("`when:` comes before `then:`"), Answer { answer: rest, ..Answer::default() })),
            "" => match (when, steps.last_mut()) {
                (Some(_), Some(Step::When(_, answer))) => expectation(rest, answer),
                (None, _) => steps.extend(repeated(rest).into_iter().map(Step::Given)),
                _ => panic!("`{line}` belongs to nothing"),
            },
            _ => panic!("`{line}` is no line of a scenario"),
        }
    }
    scenarios
}

fn expectation<'t>(line: &'t str, answer: &mut Answer<'t>) {
    if let Some(part) = line.strip_prefix("says ") {
        answer.says.push(part);
    } else if let Some((count, prefix)) = line.split_once(" x ") {
        answer.counts.push((count.parse().expect("a count"), prefix));
    } else {
        answer.lines.push(line);
    }
}

fn repeated(line: &str) -> Vec<String> {
    let Some((count, line)) = line.strip_prefix("repeat ").and_then(|rest| rest.split_once(' ')) else {
        return vec![line.to_owned()];
    };
    (1..=count.parse::<usize>().expect("a count")).map(|n| line.replace("{n}", &format!("{n:04}"))).collect()
}

/// `x{1..3}y` is three words.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        let range = word.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
        match range.and_then(|(before, (range, after))| Some((before, range.split_once("..")?, after))) {
            Some((before, (from, to), after)) => {
                let range = from.parse::<usize>().expect("a number")..=to.parse().expect("a number");
                words.extend(range.map(|n| format!("{before}{n:04}{after}")));
            }
            None => words.push(word.to_owned()),
        }
    }
    words
}

/// A command's words, taken one by one; what is left over is a mistake in the scenario.
struct Words<'n> {
    fields: Vec<(String, String)>,
    names: &'n Names,
}

impl Words<'_> {
    fn all(&mut self, key: &str) -> Vec<String> {
        let (taken, left) = std::mem::take(&mut self.fields).into_iter().partition(|(field, _)| field == key);
        self.fields = left;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    fn maybe(&mut self, key: &str) -> Option<String> {
        let mut all = self.all(key);
        assert!(all.len() < 2, "`{key}` comes twice");
        all.pop()
    }

    fn must(&mut self, key: &str) -> String {
        self.maybe(key).unwrap_or_else(|| panic!("`{key}` is missing"))
    }

    fn flag(&mut self, key: &str) -> bool {
        self.maybe(key).is_some()
    }

    fn texts(&mut self, key: &str) -> Vec<Text> {
        self.all(key).iter().filter(|text| !text.is_empty()).map(|text| parsed(text)).collect()
    }

    fn patch(&mut self, map: &str) -> Patch {
        let prefix = format!("{map}.");
        let (taken, left) = std::mem::take(&mut self.fields).into_iter().partition(|(field, _)| field.starts_with(&prefix));
        self.fields = left;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(field, value)| (field[prefix.len()..].to_owned(), value_or_null(&value).map(parsed))).collect()
    }

    fn labels(&mut self, map: &str) -> Labels {
        Labels::new(self.patch(map).into_iter().filter_map(|(key, value)| Some((key, value?)))).expect("labels")
    }

    fn node(&self, text: &str) -> NodeRef {
        match self.named(text) {
            Some(Key::Node(id)) => NodeRef::Id(id),
            Some(other) => panic!("{other} is no node"),
            None => NodeRef::Path(path(text)),
        }
    }

    fn server(&self, text: &str) -> ServerRef {
        match self.named(text) {
            Some(Key::Server(id)) => ServerRef::Id(id),
            Some(other) => panic!("{other} is no server"),
            None => ServerRef::Name(parsed(text)),
        }
    }

    fn membership(&self, text: &str) -> loki_domain::MembershipId {
        match self.named(text) {
            Some(Key::Membership(id)) => id,
            Some(other) => panic!("{other} is no membership"),
            None => parsed(text),
        }
    }

    fn domain(&self, text: &str) -> DomainId {
        match self.named(text) {
            Some(Key::Domain(id)) => id,
            Some(other) => panic!("{other} is no domain"),
            None => parsed(text),
        }
    }

    fn run(&mut self) -> RunId {
        let text = self.must("run");
        match self.named(&text) {
            Some(Key::Run(id)) => id,
            Some(other) => panic!("{other} is no run"),
            None => parsed(&text),
        }
    }

    fn settings(&mut self) -> Settings {
        let ms = |words: &mut Self, key: &str| words.maybe(key).map(|text| parsed_number(&text));
        let canaries = self.all("canary");
        Settings {
            package: self.maybe("package").map(|text| parsed(&text)),
            version: self.maybe("version").map(|text| parsed(&text)),
            script: self.maybe("script").map(|text| parsed(&text)),
            user: self.maybe("user").map(|text| parsed(&text)),
            output_bytes_max: ms(self, "output"),
            // a word has no blanks
            batches: self.maybe("batches").map(|text| parsed(&text.replace(',', " "))),
            failures: self.maybe("failures").map(|text| parsed(&text)),
            on_failure: self.maybe("on_failure").map(|text| parsed(&text)),
            pause_ms: ms(self, "pause"),
            timeout_ms: ms(self, "timeout"),
            progress_ms: ms(self, "progress"),
            approval: self.maybe("approval").map(|text| text != "no"),
            canaries: (!canaries.is_empty()).then(|| canaries.iter().map(|text| parsed(text)).collect()),
        }
    }

    fn site(&mut self) -> Site {
        Site {
            name: parsed(&self.must("name")),
            path: self.maybe("path").map(|text| parsed(&text)).unwrap_or_default(),
            scheme: parsed(self.maybe("scheme").as_deref().unwrap_or("https")),
            vendor: self.maybe("vendor").map(|text| parsed(&text)).unwrap_or_default(),
        }
    }

    fn expectation(&mut self) -> Expectation {
        let statuses: Vec<_> = self.all("status").iter().map(|text| parsed(text)).collect();
        Expectation {
            statuses: if statuses.is_empty() { Statuses::default() } else { Statuses::new(statuses).expect("statuses") },
            body: self.maybe("body").map(|text| parsed(&text)),
            within: self.maybe("within").map_or(Within::default(), |text| Within::new(text.parse().expect("a number")).expect("a time")),
        }
    }

    fn named(&self, text: &str) -> Option<Key> {
        let name = text.strip_prefix('$')?;
        Some(*self.names.get(name).unwrap_or_else(|| panic!("nothing is named `{name}`")))
    }
}

/// A command, and what stands before it.
pub(crate) struct Asked<'t> {
    /// The name that it gives.
    pub(crate) name: Option<&'t str>,
    /// The token that signs it.
    pub(crate) by: Option<TokenName>,
    pub(crate) at_ms: Option<i64>,
    pub(crate) command: Command,
}

pub(crate) fn command<'t>(text: &'t str, names: &Names) -> Asked<'t> {
    let before = |text: &'t str, word: &str| match text.strip_prefix(word).and_then(|rest| rest.split_once(' ')) {
        Some((value, rest)) => (Some(value), rest),
        None => (None, text),
    };
    let (at, text) = before(text, "at ");
    let (name, text) = before(text, "as ");
    let (by, text) = before(text, "by ");
    let mut words = words(text).into_iter();
    let kind = words.next().expect("a command");
    let fields = words.map(|word| match word.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (word, String::new()),
    });
    let mut words = Words { fields: fields.collect(), names };
    let command = read(&kind, &mut words);
    assert!(words.fields.is_empty(), "`{text}` has fields too many: {:?}", words.fields);
    Asked { name, by: by.map(parsed), at_ms: at.map(|at| at.parse().expect("a time")), command }
}

fn read(kind: &str, words: &mut Words<'_>) -> Command {
    let node = |words: &mut Words<'_>, key: &str| {
        let text = words.must(key);
        words.node(&text)
    };
    let server = |words: &mut Words<'_>| {
        let text = words.must("server");
        words.server(&text)
    };
    match kind {
        "node.create" => Command::NodeCreate {
            path: path(&words.must("path")),
            parents: words.flag("parents"),
            labels: words.labels("labels"),
            contacts: words.texts("contacts"),
            defaults: words.labels("defaults"),
            again: words.maybe("again").map(|text| match words.node(&text) {
                NodeRef::Id(id) => id,
                NodeRef::Path(path) => panic!("`{path}` is no id"),
            }),
        },
        "node.rename" => Command::NodeRename { node: node(words, "node"), name: parsed(&words.must("name")) },
        "node.move" => Command::NodeMove { node: node(words, "node"), to: node(words, "to") },
        "node.remove" => Command::NodeRemove { node: node(words, "node") },
        "node.set" => {
            let contacts = words.fields.iter().any(|(key, _)| key == "contacts");
            Command::NodeSet {
                node: node(words, "node"),
                labels: words.patch("labels"),
                contacts: contacts.then(|| words.texts("contacts")),
                defaults: words.patch("defaults"),
            }
        }
        "server.register" => Command::ServerRegister {
            name: parsed(&words.must("name")),
            serial: words.maybe("serial").map(|text| parsed(&text)),
            addresses: words.texts("addresses"),
            idc: words.maybe("idc").map(|text| parsed(&text)),
            labels: words.labels("labels"),
            state: words.maybe("state").map_or(ServerState::Online, |text| parsed(&text)),
        },
        "server.update" => {
            let addresses = words.fields.iter().any(|(key, _)| key == "addresses");
            Command::ServerUpdate {
                server: server(words),
                name: words.maybe("name").map(|text| parsed(&text)),
                serial: words.maybe("serial").map(|text| value_or_null(&text).map(parsed)),
                addresses: addresses.then(|| words.texts("addresses")),
                idc: words.maybe("idc").map(|text| value_or_null(&text).map(parsed)),
                labels: words.patch("labels"),
            }
        }
        "server.state" => Command::ServerState { server: server(words), state: parsed(&words.must("state")) },
        "server.retire" => Command::ServerRetire { server: server(words) },
        "server.mount" => Command::ServerMount {
            server: server(words),
            node: node(words, "node"),
            offline: words.flag("offline"),
            ratio: words.maybe("ratio").map(|text| ratio(&text)),
        },
        "server.unmount" => Command::ServerUnmount { server: server(words), node: node(words, "node") },
        "server.weigh" => {
            let mounts = words.all("mount").iter().map(|text| weigh(text, words)).collect();
            Command::ServerWeigh { node: node(words, "node"), mounts }
        }
        "membership.set" => Command::MembershipSet {
            membership: words.maybe("membership").map(|text| words.membership(&text)),
            node: words.maybe("node").map(|text| words.node(&text)),
            pattern: words.maybe("pattern").map(|text| parsed(&text)),
            labels: words.labels("labels"),
            again: words.maybe("again").map(|text| words.membership(&text)),
        },
        "membership.remove" => {
            let rule = words.must("membership");
            Command::MembershipRemove { membership: words.membership(&rule) }
        }
        "membership.sweep" => {
            let rule = words.must("membership");
            Command::MembershipSweep { membership: words.membership(&rule) }
        }
        "domain.set" => Command::DomainSet {
            site: words.site(),
            node: node(words, "node"),
            expect: words.expectation(),
            again: words.maybe("again").map(|text| words.domain(&text)),
        },
        "domain.remove" => Command::DomainRemove { site: words.site() },
        "token.create" => {
            let name: TokenName = parsed(&words.must("name"));
            let mut key = [0; 32];
            key[..name.as_str().len().min(32)].copy_from_slice(&name.as_str().as_bytes()[..name.as_str().len().min(32)]);
            Command::TokenCreate {
                node: words.maybe("node").map(|text| words.node(&text)),
                uses: Uses::new(words.all("use").iter().map(|text| parsed(text))).expect("uses"),
                key: PublicKey(key),
                expires_ms: words.maybe("expires").map(|text| text.parse().expect("a time")),
                name,
            }
        }
        "token.remove" => Command::TokenRemove { name: parsed(&words.must("name")) },
        "package.register" => Command::PackageRegister {
            name: parsed(&words.must("name")),
            version: parsed(&words.must("version")),
            branch: None,
            url: words.maybe("url").map_or_else(|| parsed("artifact"), |text| parsed(&text)),
            sha256: Sha256([1; 32]),
            size: words.maybe("size").map_or(1, |text| text.parse().expect("a size")),
            minisign: None,
            manifest: Manifest {
                health: words.maybe("stays").map(|text| Health {
                    check: Check::Tcp { port: 1 },
                    stays_ms: parsed_number(&text),
                    within_ms: 100,
                }),
                ..Manifest::default()
            },
        },
        "package.withdraw" => Command::PackageWithdraw {
            name: parsed(&words.must("name")),
            version: parsed(&words.must("version")),
            reason: parsed(&words.must("reason")),
        },
        "template.set" => Command::TemplateSet {
            node: node(words, "node"),
            name: parsed(&words.must("name")),
            kind: parsed(&words.must("kind")),
            settings: words.settings(),
        },
        "template.remove" => Command::TemplateRemove { node: node(words, "node"), name: parsed(&words.must("name")) },
        "run.start" => Command::RunStart {
            node: node(words, "node"),
            template: parsed(words.maybe("template").as_deref().unwrap_or("standard-deploy")),
            settings: words.settings(),
        },
        "run.approve" => Command::RunOperate { run: words.run(), operation: Operation::Approve },
        "run.pause" => Command::RunOperate { run: words.run(), operation: Operation::Pause },
        "run.resume" => Command::RunOperate { run: words.run(), operation: Operation::Resume },
        "run.stop" => Command::RunOperate { run: words.run(), operation: Operation::Stop },
        "run.retry" => Command::RunOperate { run: words.run(), operation: Operation::Retry },
        "run.roll_back" => Command::RunOperate { run: words.run(), operation: Operation::RollBack { fast: words.flag("fast") } },
        "run.report" => {
            let ServerRef::Id(server) = server(words) else { panic!("a host is named by `$`") };
            Command::RunReport {
                run: words.run(),
                server,
                attempt: words.maybe("attempt").map_or(1, |text| parsed_number(&text)),
                state: parsed(&words.must("state")),
                step: words.maybe("step").map(|text| parsed(&text)),
                message: words.maybe("message").map(|text| parsed(&text)),
            }
        }
        "run.step" => Command::RunStep { run: words.run() },
        "timer.fire" => Command::TimerFire { run: words.run(), due_ms: 0 },
        other => panic!("`{other}` is no command"),
    }
}

/// `web01`, `web01:500000`, `web01:auto`, `web01:500000:offline`, `web01::online`; `web01:auto:offline:$r` gives it back to a rule.
fn weigh(text: &str, words: &Words<'_>) -> Weigh {
    let mut parts = text.split(':');
    let server = words.server(parts.next().expect("a server"));
    let ratio = parts.next().filter(|text| !text.is_empty()).map(|text| if text == "auto" { None } else { Some(ratio(text)) });
    let offline = parts.next().filter(|text| !text.is_empty()).map(|text| text == "offline");
    Weigh { server, ratio, offline, membership: parts.next().map(|text| words.membership(text)) }
}

/// `null` clears.
fn value_or_null(text: &str) -> Option<&str> {
    (text != "null").then_some(text)
}

/// `{a*33}` in a path is that many names. Longer paths than a sender can write are possible.
fn path(text: &str) -> NodePath {
    let mut names: Vec<NodeName> = Vec::new();
    for name in text.split('/').filter(|name| !name.is_empty()) {
        match name.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')?.split_once('*')) {
            Some((name, count)) => names.extend(std::iter::repeat_n(parsed::<NodeName>(name), count.parse().expect("a count"))),
            None => names.push(parsed(name)),
        }
    }
    NodePath::new(names)
}

fn ratio(text: &str) -> Ratio {
    Ratio::new(text.parse().expect("a number")).expect("a ratio")
}

fn parsed_number(text: &str) -> u32 {
    text.parse().expect("a number")
}

fn parsed<T: FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap_or_else(|invalid| panic!("`{text}`: {invalid:?}"))
}
