//! The scenes. Each is given a site of its own, and ends with a check of the whole log.

use std::sync::Arc;

use bytes::Bytes;
use loki_core::generate::{Random, Wild};
use loki_decider::Error;
use loki_domain::{Code, Command, NodePath, NodeRef};
use loki_log::NewRecord;
use loki_wire::{Envelope, First, Verdict};

use super::faults::{FaultyLog, spoiled};
use super::site::{bare, record, written};
use super::{Site, check, until};

fn create(path: &str) -> Command {
    let path: NodePath = path.parse().expect("a path");
    Command::NodeCreate { path, parents: false, labels: Default::default(), contacts: vec![], defaults: Default::default(), again: None }
}

fn register(name: &str) -> Command {
    Command::ServerRegister {
        name: name.parse().expect("a name"),
        serial: None,
        addresses: vec![],
        idc: None,
        labels: Default::default(),
        state: loki_domain::ServerState::Online,
    }
}

/// Commands of all kinds, repeated and reused ids among them, and records that are no commands.
pub(crate) fn stream(seed: u64, count: usize) -> Vec<NewRecord> {
    let mut random = Random::new(seed);
    let commands = Wild::new(seed).with_servers(20).take(count);
    commands
        .map(|asked| match random.below(20) {
            0 => bare("{"),
            1 => NewRecord { value: Some(Bytes::from(random.number().to_be_bytes().to_vec())), ..NewRecord::default() },
            2 => NewRecord { headers: vec![("ce_id".to_owned(), Bytes::from_static(b"\xff"))], ..NewRecord::default() },
            3 => bare(r#"{"type":"node.create","data":{"path":"/bare","parents":true}}"#),
            _ => record(&asked.actor, &asked.id, &asked.command),
        })
        .collect()
}

pub(crate) async fn every_record_is_answered_once_and_in_order(site: &Site) {
    let mut expired = Envelope::new("node.create", Bytes::from_static(br#"{"path":"/late"}"#));
    expired.id = Some("late".to_owned());
    expired.expires_ms = Some(1_000);
    let mut traced = Envelope::new("node.create", Bytes::from_static(br#"{"path":"/traced"}"#));
    traced.traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned());
    let records = vec![
        record("ann", "1", &create("/acme")),
        record("ann", "2", &create("/acme")),
        record("ann", "1", &create("/acme")),
        record("ann", "2", &create("/acme")),
        record("ann", "1", &create("/other")),
        record("bob", "1", &create("/other")),
        bare(r#"{"type":"node.create","data":{"path":"/acme/shop"}}"#),
        bare(r#"{"type":"node.create","data":{"path":"/acme/shop"}}"#),
        bare("not json"),
        bare(r#"{"id":"@mine","type":"node.create","data":{"path":"/x"}}"#),
        written(&expired),
        written(&traced),
        bare(r#"{"id":"noop","type":"node.rename","data":{"node":"/acme","name":"acme"}}"#),
    ];
    let running = site.start();
    let positions = site.append(records.clone()).await;
    let outcomes = site.answered(records.len()).await;
    assert_eq!(outcomes.iter().map(|outcome| outcome.command).collect::<Vec<_>>(), positions);
    let Verdict::Accepted { after: Some(after), facts } = &outcomes[0].verdict else { panic!("{:?}", outcomes[0]) };
    assert_eq!((facts.len(), facts[0].offset), (1, *after));
    let code = |at: usize| match &outcomes[at].verdict {
        Verdict::Rejected(rejection) => rejection.code.clone(),
        other => panic!("{at}: {other:?}"),
    };
    assert_eq!(code(1), Code::AlreadyExists);
    let first = First::Accepted { after: Some(*after) };
    assert_eq!(outcomes[2].verdict, Verdict::Duplicate { of: positions[0], first });
    let Verdict::Duplicate { of, first: First::Rejected(again) } = &outcomes[3].verdict else { panic!("{:?}", outcomes[3]) };
    assert_eq!((*of, &again.code), (positions[1], &Code::AlreadyExists));
    assert_eq!(code(4), Code::IdReused);
    assert!(matches!(outcomes[5].verdict, Verdict::Accepted { .. }), "another actor's ids are others");
    assert!(matches!(outcomes[6].verdict, Verdict::Accepted { .. }));
    assert_eq!(outcomes[6].id, format!("@c{}", positions[6]));
    assert_eq!(code(7), Code::AlreadyExists);
    for (at, code) in [(8, "bad_json"), (9, "bad_envelope")] {
        assert!(matches!(&outcomes[at].verdict, Verdict::Dead { code: found, .. } if found == code), "{:?}", outcomes[at]);
    }
    assert_eq!(code(10), Code::Expired);
    let Verdict::Accepted { after: traced_after, .. } = &outcomes[11].verdict else { panic!("{:?}", outcomes[11]) };
    let Verdict::Accepted { after: noop_after, facts } = &outcomes[12].verdict else { panic!("{:?}", outcomes[12]) };
    assert_eq!((noop_after, facts.len()), (traced_after, 0), "what changes nothing can be seen after the last fact");
    let count = |verdict: &Verdict| if let Verdict::Accepted { facts, .. } = verdict { facts.len() } else { 0 };
    let facts = 1 + outcomes.iter().map(|outcome| count(&outcome.verdict)).sum::<usize>();
    let fact = site.read_all(&site.facts(), facts).await.pop().expect("a fact");
    assert_eq!(fact.header("traceparent").map(|value| &value[..]), traced.traceparent.as_deref().map(str::as_bytes));
    running.stop().await;
    check(site).await;
}

pub(crate) async fn a_restart_changes_nothing(site: &Site) {
    let records = stream(7, 600);
    for (round, part) in records.chunks(100).enumerate() {
        let sent = site.append(part.to_vec()).await;
        let running = site.start_on(site.log.clone(), 16);
        // stopped in the middle, in order or not
        site.answered_up_to(sent[40]).await;
        if round % 2 == 0 { running.stop().await } else { running.kill().await }
    }
    let running = site.start();
    let outcomes = site.all_answered().await;
    assert!(outcomes.len() >= records.len());
    running.stop().await;
    check(site).await;
}

pub(crate) async fn a_command_repeated_after_a_restart_gets_its_first_answer(site: &Site) {
    let commands = [record("ann", "1", &create("/acme")), record("ann", "2", &create("/acme"))];
    let running = site.start();
    let positions = site.append(commands.to_vec()).await;
    let before = site.answered(2).await;
    running.stop().await;
    let running = site.start();
    site.append(commands.to_vec()).await;
    site.append(vec![record("ann", "2", &create("/other"))]).await;
    let outcomes = site.answered(5).await;
    let Verdict::Accepted { after, .. } = before[0].verdict else { panic!("{:?}", before[0]) };
    let Verdict::Rejected(rejection) = before[1].verdict.clone() else { panic!("{:?}", before[1]) };
    assert_eq!(outcomes[2].verdict, Verdict::Duplicate { of: positions[0], first: First::Accepted { after } });
    assert_eq!(outcomes[3].verdict, Verdict::Duplicate { of: positions[1], first: First::Rejected(rejection) });
    assert!(matches!(&outcomes[4].verdict, Verdict::Rejected(rejection) if rejection.code == Code::IdReused));
    running.stop().await;
    check(site).await;
}

/// Somebody else takes the writer's name, as a decider does that believes the place to be its own.
pub(crate) async fn a_fenced_decider_restores_and_goes_on(site: &Site) {
    let running = site.start_on(site.log.clone(), 8);
    let records = stream(11, 200);
    for part in records.chunks(40) {
        let sent = site.append(part.to_vec()).await;
        site.answered_up_to(sent[10]).await;
        let mut thief = site.log.writer(&site.group()).await.expect("a writer");
        thief.abort().await.expect("nothing to undo");
    }
    site.all_answered().await;
    assert!(running.is_running());
    running.stop().await;
    check(site).await;
}

pub(crate) async fn a_stand_by_takes_over(site: &Site, another: Arc<dyn loki_log::Log>) {
    let first = site.start();
    until("the first decides", || first.component.why_not().is_none()).await;
    site.append(vec![record("ann", "1", &create("/acme"))]).await;
    site.answered(1).await;
    let second = site.start_on(another, 200);
    until("a stand-by is ready", || second.component.why_not().is_none()).await;
    site.append(stream(3, 100)).await;
    site.answered(50).await;
    first.kill().await;
    site.all_answered().await;
    site.append(vec![record("ann", "1", &create("/acme"))]).await;
    let outcomes = site.all_answered().await;
    assert!(matches!(outcomes.last().expect("an outcome").verdict, Verdict::Duplicate { .. }), "the second knows what the first answered");
    second.stop().await;
    check(site).await;
}

pub(crate) async fn faults_of_the_log_lose_and_repeat_nothing(site: &Site) {
    for seed in [1, 2] {
        let faulty = FaultyLog::new(site.log.clone(), seed, 20);
        let running = site.start_on(Arc::new(faulty.clone()), 6);
        for part in stream(seed, 150).chunks(50) {
            site.append(part.to_vec()).await;
        }
        site.all_answered().await;
        running.stop().await;
        assert!(faulty.injected() > 30, "{} faults", faulty.injected());
        check(site).await;
    }
}

/// A rule that touches more servers than one command may write goes on by itself.
pub(crate) async fn long_sweeps_go_on_by_themselves(site: &Site) {
    let running = site.start();
    let mut records = vec![record("ann", "node", &create("/web"))];
    records.extend((0..900).map(|number| record("ann", &format!("s{number}"), &register(&format!("web{number}")))));
    let rule = Command::MembershipSet {
        membership: None,
        node: Some(NodeRef::Path("/web".parse().expect("a path"))),
        pattern: Some("web*".parse().expect("a pattern")),
        labels: Default::default(),
        again: None,
    };
    records.push(record("ann", "rule", &rule));
    site.append(records.clone()).await;
    // counted: a follow-up lies in the transaction of the outcome before it, but in another partition, and may show a little later
    site.answered(records.len() + 2).await;
    let outcomes = site.all_answered().await;
    let steps: Vec<_> = outcomes.iter().filter(|outcome| outcome.actor == "@decider").collect();
    assert_eq!(steps.len(), 2, "900 mounts are 399, 399 and 102");
    let set = &outcomes[records.len() - 1];
    assert!(steps.iter().all(|step| step.id.starts_with('@') && matches!(step.verdict, Verdict::Accepted { .. })), "{steps:?}");
    assert!(steps[0].id.ends_with(&format!("-{}", set.command)), "{}", steps[0].id);
    let state = check(site).await;
    let rule = state.memberships().iter().next().expect("the rule").clone();
    assert_eq!((state.mounts().len(), rule.sweep), (900, None));

    let change = Command::MembershipSet {
        membership: Some(rule.id),
        node: None,
        pattern: Some("web?".parse().expect("a pattern")),
        labels: Default::default(),
        again: None,
    };
    let remove = Command::MembershipRemove { membership: rule.id };
    site.append(vec![record("ann", "change", &change), record("ann", "too early", &remove)]).await;
    // both, and two follow-ups: 890 mounts go
    site.answered(outcomes.len() + 4).await;
    let outcomes = site.all_answered().await;
    let early = outcomes.iter().find(|outcome| outcome.id == "too early").expect("an outcome");
    assert!(matches!(&early.verdict, Verdict::Rejected(rejection) if rejection.code == Code::SweepPending), "{early:?}");
    assert_eq!(check(site).await.mounts().len(), 10);
    running.stop().await;
    check(site).await;
}

pub(crate) async fn a_new_log_gets_its_id_once(site: &Site) {
    for _ in 0..2 {
        let running = site.start();
        until("the decider is ready", || running.component.why_not().is_none()).await;
        site.append(vec![bare("{")]).await;
        site.all_answered().await;
        running.stop().await;
    }
    assert_eq!(site.read_all(&site.facts(), 1).await.len(), 1);
    check(site).await;
}

pub(crate) async fn a_log_that_lost_a_part_is_refused(site: &Site) {
    let running = site.start();
    site.append(vec![record("ann", "1", &create("/acme"))]).await;
    site.answered(1).await;
    running.stop().await;
    let good = check(site).await;

    // the group was set elsewhere than the last outcome
    let mut member = site.log.member(&site.group(), &[site.commands().topic]).await.expect("a member");
    let mut held = false;
    while !held {
        held = matches!(member.next(1, std::time::Duration::from_millis(200)).await.expect("an event"), loki_log::Event::Assigned(_));
    }
    member.commit(&site.commands(), 0, None).await.expect("a position");
    let Err(Error::Disagree { committed: 0, answered: 1, .. }) = given_up(site, member).await else { panic!("it went on") };

    // a fact that cannot be read
    let fact = site.read(&site.facts()).await.pop().expect("a fact");
    site.log.append(&site.facts(), vec![spoiled(&fact)]).await.expect("a record");
    let error = site.start().end().await.expect_err("a fact that cannot be read stops it");
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");
    assert_eq!(good.tree().len(), 1);
}

async fn given_up(site: &Site, member: Box<dyn loki_log::Member>) -> Result<(), Error> {
    member.leave().await.expect("the member leaves");
    let running = site.start();
    let component = running.component.clone();
    let result = running.end().await;
    assert!(component.why_not().is_some(), "it says why it is not ready");
    result
}

/// Outcomes without facts, and facts without outcomes.
pub(crate) async fn half_a_log_is_refused(site: &Site, other: &Site) {
    let running = site.start();
    site.append(vec![record("ann", "1", &create("/acme"))]).await;
    site.answered(1).await;
    running.stop().await;
    let copy = |records: Vec<loki_log::Record>| {
        let copied = records.into_iter().map(|record| NewRecord {
            key: record.key,
            value: record.value,
            headers: record.headers,
            timestamp_ms: Some(record.timestamp_ms),
        });
        copied.collect::<Vec<_>>()
    };
    let outcomes = copy(site.read_all(&site.outcomes(), 1).await);
    other.log.append(&other.outcomes(), outcomes).await.expect("records");
    let error = other.start().end().await.expect_err("outcomes without facts");
    assert!(matches!(&error, Error::HalfEmpty { empty, .. } if *empty == other.topics.facts), "{error}");

    let mut facts = copy(site.read_all(&site.facts(), 2).await);
    let entity = facts.split_off(1);
    other.log.append(&other.facts(), entity).await.expect("records");
    let error = other.start().end().await.expect_err("facts without the log id");
    assert!(matches!(error, Error::NoLogId { .. }), "{error}");
}
