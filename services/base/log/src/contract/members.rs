//! Members of consumer groups: who holds what, from where it reads, how it is handed over.

use std::collections::BTreeSet;
use std::time::Duration;

use loki_runtime::clock::Stopwatch;
use loki_runtime::task;

use super::given::{STEP, assigned, create, event, member_records, numbered, records, single, spec, values};
use super::reading::{AT_ONCE, LONG};
use super::{PATIENCE, World};
use crate::error::Class;
use crate::port::{Event, Member};
use crate::record::{Committed, NOTE_BYTES_MAX, Partition};

pub async fn the_only_member_gets_all_partitions(world: &impl World) {
    let topic = create(world, spec(&world.topic("all"), 3)).await;
    let other = create(world, spec(&world.topic("all-other"), 1)).await;
    let mut member = world.log().member(world.topic("all-group").as_str(), &[topic.clone(), other.clone()]).await.unwrap();
    let mut expected: Vec<_> = (0..3).map(|number| Partition::new(topic.clone(), number)).collect();
    expected.push(Partition::only(&other));
    expected.sort();
    assert_eq!(assigned(&mut *member, 4).await, expected);
    assert_eq!(member.group().unwrap().name, world.topic("all-group").as_str());
    member.leave().await.unwrap();
}

pub async fn a_member_starts_where_it_is_told(world: &impl World) {
    let topic = create(world, spec(&world.topic("from"), 2)).await;
    let log = world.log();
    let (zero, one) = (Partition::new(topic.clone(), 0), Partition::new(topic.clone(), 1));
    log.append(&zero, numbered("z", 0..10)).await.unwrap();
    log.append(&one, numbered("o", 0..10)).await.unwrap();
    let mut member = log.member(world.topic("from-group").as_str(), &[topic]).await.unwrap();
    let refused = member.start(&zero, 0).await.expect_err("not assigned yet");
    assert_eq!(refused.class(), Class::Invalid, "{refused}");
    assigned(&mut *member, 2).await;
    let idle = member.next(10, Duration::from_millis(200)).await.unwrap();
    assert!(matches!(idle, Event::Idle), "nothing is read before it is started: {idle:?}");
    member.start(&zero, 7).await.unwrap();
    assert_eq!(values(&member_records(&mut *member, 3).await), ["z-7", "z-8", "z-9"]);
    member.start(&one, 9).await.unwrap();
    assert_eq!(values(&started(&mut *member, &one, 1).await), ["o-9"]);
    member.start(&zero, 8).await.unwrap();
    assert_eq!(values(&started(&mut *member, &zero, 2).await), ["z-8", "z-9"], "and begun again");
    member.leave().await.unwrap();
}

/// Records of one partition; others may tell their end meanwhile.
async fn started(member: &mut dyn Member, partition: &Partition, count: usize) -> Vec<crate::Record> {
    let mut records = Vec::new();
    while records.len() < count {
        match event(member).await {
            Event::Records { partition: of, batch } => {
                assert!(batch.records.is_empty() || of == *partition, "{batch:?}");
                records.extend(batch.records);
            }
            other => panic!("{other:?} instead of records"),
        }
    }
    records
}

pub async fn a_paused_partition_goes_on_where_it_stopped(world: &impl World) {
    let partition = single(world, "paused").await;
    let log = world.log();
    log.append(&partition, numbered("p", 0..2_000)).await.unwrap();
    let mut member = log.member(world.topic("paused-group").as_str(), std::slice::from_ref(&partition.topic)).await.unwrap();
    assigned(&mut *member, 1).await;
    member.start(&partition, 0).await.unwrap();
    let mut read = Vec::new();
    let Event::Records { batch, .. } = member.next(10, PATIENCE).await.unwrap() else { panic!("records were expected") };
    read.extend(batch.records);
    for _ in 0..3 {
        member.pause(&partition).await.unwrap();
        let watch = Stopwatch::start();
        while watch.elapsed() < Duration::from_millis(200) {
            let quiet = member.next(10, Duration::from_millis(100)).await.unwrap();
            assert!(matches!(quiet, Event::Idle), "nothing comes while it is paused: {quiet:?}");
        }
        member.resume(&partition).await.unwrap();
        let more = member.next(10, PATIENCE).await.unwrap();
        let Event::Records { batch, .. } = more else { panic!("{more:?} instead of records") };
        read.extend(batch.records);
    }
    read.extend(member_records(&mut *member, 2_000 - read.len()).await);
    assert_eq!(values(&read), (0..2_000).map(|n| format!("p-{n}")).collect::<Vec<_>>());
    member.leave().await.unwrap();
}

pub async fn a_second_member_takes_over_when_the_first_leaves(world: &impl World) {
    take_over(world, "leaves", |member| Box::pin(async move { member.leave().await.unwrap() })).await;
}

pub async fn a_second_member_takes_over_when_the_first_is_dropped(world: &impl World) {
    take_over(world, "drops", |member| Box::pin(async move { drop(member) })).await;
}

async fn take_over(world: &impl World, name: &str, end: impl FnOnce(Box<dyn Member>) -> futures::future::BoxFuture<'static, ()>) {
    let partition = single(world, name).await;
    let group = world.topic(&format!("{name}-group"));
    let topics = std::slice::from_ref(&partition.topic);
    let log = world.log();
    log.append(&partition, records(["a", "b"])).await.unwrap();
    let mut first = log.member(group.as_str(), topics).await.unwrap();
    assigned(&mut *first, 1).await;
    first.start(&partition, 0).await.unwrap();
    member_records(&mut *first, 1).await;
    first.commit(&partition, 1, None).await.unwrap();

    let other = world.another().await;
    let mut second = other.member(group.as_str(), topics).await.unwrap();
    for _ in 0..4 {
        let idle = second.next(10, Duration::from_millis(250)).await.unwrap();
        assert!(matches!(idle, Event::Idle), "it stands by: {idle:?}");
        match first.next(10, Duration::from_millis(50)).await.unwrap() {
            Event::Idle | Event::Records { .. } => {}
            other => panic!("the first keeps what it holds: {other:?}"),
        }
    }
    end(first).await;
    assert_eq!(assigned(&mut *second, 1).await, std::slice::from_ref(&partition));
    let position = other.committed(group.as_str(), &partition).await.unwrap().expect("the first had committed").position;
    assert_eq!(position, 1);
    second.start(&partition, position).await.unwrap();
    assert_eq!(values(&member_records(&mut *second, 1).await), ["b"]);
    second.leave().await.unwrap();
}

/// Two members of two partitions, however the log shares them: revoked ones are released before another gets them.
pub async fn no_partition_has_two_holders(world: &impl World) {
    let topic = create(world, spec(&world.topic("shared"), 2)).await;
    let group = world.topic("shared-group");
    let mut first = world.log().member(group.as_str(), std::slice::from_ref(&topic)).await.unwrap();
    let mut held: BTreeSet<Partition> = assigned(&mut *first, 2).await.into_iter().collect();
    for partition in &held {
        first.start(partition, 0).await.unwrap();
    }
    let mut second = world.another().await.member(group.as_str(), std::slice::from_ref(&topic)).await.unwrap();
    let mut taken: BTreeSet<Partition> = BTreeSet::new();
    let watch = Stopwatch::start();
    // long enough for the group to share them out anew, and then until each has a holder
    while watch.elapsed() < Duration::from_secs(3) || held.len() + taken.len() < 2 {
        follow(&mut *first, &mut held).await;
        follow(&mut *second, &mut taken).await;
        assert!(held.is_disjoint(&taken), "{held:?} and {taken:?}");
        assert!(watch.elapsed() < PATIENCE, "one has no holder: {held:?} and {taken:?}");
    }
    first.leave().await.unwrap();
    let watch = Stopwatch::start();
    while taken.len() < 2 {
        follow(&mut *second, &mut taken).await;
        assert!(watch.elapsed() < PATIENCE, "{taken:?}");
    }
    second.leave().await.unwrap();
}

async fn follow(member: &mut dyn Member, held: &mut BTreeSet<Partition>) {
    match member.next(10, Duration::from_millis(50)).await.unwrap() {
        Event::Assigned(partitions) => held.extend(partitions),
        Event::Revoked(partitions) => {
            member.release(&partitions).await.unwrap();
            held.retain(|partition| !partitions.contains(partition));
        }
        Event::Lost(partitions) => panic!("{partitions:?} were lost"),
        Event::Records { .. } | Event::Idle => {}
    }
}

pub async fn a_committed_position_is_seen_from_outside(world: &impl World) {
    let partition = single(world, "position").await;
    let group = world.topic("position-group");
    let log = world.log();
    log.append(&partition, numbered("p", 0..10)).await.unwrap();
    assert_eq!(log.committed(group.as_str(), &partition).await.unwrap(), None);
    let mut member = log.member(group.as_str(), std::slice::from_ref(&partition.topic)).await.unwrap();
    assigned(&mut *member, 1).await;
    member.commit(&partition, 4, None).await.unwrap();
    assert_eq!(world.another().await.committed(group.as_str(), &partition).await.unwrap(), Some(at(4)));
    member.commit(&partition, 3, None).await.unwrap();
    assert_eq!(log.committed(group.as_str(), &partition).await.unwrap(), Some(at(3)), "it may go back");
    member.leave().await.unwrap();
}

fn at(position: u64) -> Committed {
    Committed { position, note: None }
}

pub async fn a_note_is_kept_with_the_position(world: &impl World) {
    let partition = single(world, "noted").await;
    let group = world.topic("noted-group");
    let log = world.log();
    let mut member = log.member(group.as_str(), std::slice::from_ref(&partition.topic)).await.unwrap();
    assigned(&mut *member, 1).await;
    let other = world.another().await;
    let longest = "ü".repeat(NOTE_BYTES_MAX / 2);
    let notes = [Some("the store is \"away\""), Some("and still is"), None, Some(longest.as_str()), Some(""), Some("kept")];
    for note in notes {
        member.commit(&partition, 0, note).await.unwrap();
        let note = note.filter(|note| !note.is_empty()).map(str::to_owned);
        assert_eq!(other.committed(group.as_str(), &partition).await.unwrap(), Some(Committed { note, ..at(0) }));
    }
    let refused = member.commit(&partition, 1, Some(&"x".repeat(NOTE_BYTES_MAX + 1))).await.expect_err("it is too long");
    assert_eq!(refused.class(), Class::Invalid, "{refused}");
    member.leave().await.unwrap();
    drop((log, other));
    world.reopen().await;
    let kept = Committed { note: Some("kept".to_owned()), ..at(0) };
    assert_eq!(world.log().committed(group.as_str(), &partition).await.unwrap(), Some(kept));
}

pub async fn members_are_counted_from_outside(world: &impl World) {
    let topic = create(world, spec(&world.topic("counted"), 1)).await;
    let group = world.topic("counted-group");
    let log = world.another().await;
    assert_eq!(log.members(group.as_str()).await.unwrap(), None);
    let (mut first, mut of_first) = (world.log().member(group.as_str(), std::slice::from_ref(&topic)).await.unwrap(), BTreeSet::new());
    let (mut second, mut of_second) = (log.member(group.as_str(), std::slice::from_ref(&topic)).await.unwrap(), BTreeSet::new());
    let watch = Stopwatch::start();
    while log.members(group.as_str()).await.unwrap() != Some(2) {
        follow(&mut *first, &mut of_first).await;
        follow(&mut *second, &mut of_second).await;
        assert!(watch.elapsed() < PATIENCE, "they are not both counted");
    }
    first.leave().await.unwrap();
    while log.members(group.as_str()).await.unwrap() != Some(1) {
        follow(&mut *second, &mut of_second).await;
        assert!(watch.elapsed() < PATIENCE, "who has left is still counted");
    }
    second.leave().await.unwrap();
    while log.members(group.as_str()).await.unwrap().is_some_and(|count| count > 0) {
        task::sleep(STEP / 10).await;
        assert!(watch.elapsed() < PATIENCE, "the last one is still counted");
    }
}

pub async fn a_member_is_woken_by_an_append(world: &impl World) {
    let partition = single(world, "member-woken").await;
    let log = world.log();
    let mut member = log.member(world.topic("woken-group").as_str(), std::slice::from_ref(&partition.topic)).await.unwrap();
    assigned(&mut *member, 1).await;
    member.start(&partition, 0).await.unwrap();
    let told = event(&mut *member).await;
    assert!(matches!(&told, Event::Records { batch, .. } if batch.at_end && batch.records.is_empty()), "the end is told: {told:?}");
    let waiting = task::spawn("member", async move {
        let event = member.next(10, LONG).await.unwrap();
        (event, Stopwatch::start(), member)
    });
    // Whether the member waits already or not: it must not sleep out its wait.
    task::sleep(STEP / 5).await;
    log.append(&partition, records(["now"])).await.unwrap();
    let watch = Stopwatch::start();
    let (event, _, member) = waiting.await.unwrap();
    assert!(watch.elapsed() < AT_ONCE, "woken after {:?}", watch.elapsed());
    let Event::Records { batch, .. } = event else { panic!("{event:?} instead of a record") };
    assert_eq!(values(&batch.records), ["now"]);
    member.leave().await.unwrap();
}
