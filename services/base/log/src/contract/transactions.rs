//! Transactions: all or nothing, fenced, together with a group's position.

use std::time::Duration;

use loki_runtime::clock::Stopwatch;

use super::given::{STEP, assigned, numbered, read_all, read_count, read_to_end, records, single, until_end, values};
use super::{PATIENCE, World};
use crate::error::Class;
use crate::record::Committed;

pub async fn a_commit_shows_records_and_position_together(world: &impl World) {
    let commands = single(world, "tx-commands").await;
    let facts = single(world, "tx-facts").await;
    let outcomes = single(world, "tx-outcomes").await;
    let log = world.log();
    log.append(&commands, records(["c0", "c1"])).await.unwrap();
    let name = world.topic("tx-group");
    let mut member = log.member(name.as_str(), std::slice::from_ref(&commands.topic)).await.unwrap();
    assigned(&mut *member, 1).await;
    member.start(&commands, 0).await.unwrap();
    let mut writer = log.writer(name.as_str()).await.unwrap();
    let of_facts = writer.append(&facts, records(["f0", "f1"])).await.unwrap();
    let of_outcomes = writer.append(&outcomes, records(["o0"])).await.unwrap();
    let more = writer.append(&facts, records(["f2"])).await.unwrap();
    assert_eq!(log.committed(name.as_str(), &commands).await.unwrap(), None);
    let group = member.group().unwrap();
    writer.commit(Some((&group, &commands, 2))).await.unwrap();

    let read = read_all(&*log, &facts, 3).await;
    assert_eq!(values(&read), ["f0", "f1", "f2"]);
    let expected: Vec<u64> = of_facts.into_iter().chain(more).collect();
    assert_eq!(read.iter().map(|record| record.offset).collect::<Vec<_>>(), expected, "the offsets were the real ones");
    let read = read_all(&*log, &outcomes, 1).await;
    assert_eq!(read.iter().map(|record| record.offset).collect::<Vec<_>>(), of_outcomes);
    let committed = world.another().await.committed(name.as_str(), &commands).await.unwrap();
    assert_eq!(committed, Some(Committed { position: 2, note: None }));
    member.leave().await.unwrap();
}

pub async fn a_transaction_leaves_no_note(world: &impl World) {
    let commands = single(world, "tx-noted").await;
    let log = world.log();
    let name = world.topic("tx-noted-group");
    let mut member = log.member(name.as_str(), std::slice::from_ref(&commands.topic)).await.unwrap();
    assigned(&mut *member, 1).await;
    member.commit(&commands, 0, Some("said before")).await.unwrap();
    let mut writer = log.writer(name.as_str()).await.unwrap();
    let group = member.group().unwrap();
    writer.commit(Some((&group, &commands, 0))).await.unwrap();
    assert_eq!(log.committed(name.as_str(), &commands).await.unwrap(), Some(Committed { position: 0, note: None }));
    member.leave().await.unwrap();
}

pub async fn an_abort_leaves_nothing(world: &impl World) {
    let partition = single(world, "aborted").await;
    let log = world.log();
    let mut writer = log.writer(world.topic("aborter").as_str()).await.unwrap();
    writer.abort().await.expect("without a transaction there is nothing to undo");
    writer.append(&partition, records(["never"])).await.unwrap();
    writer.abort().await.unwrap();
    assert_eq!(read_to_end(&*log, &partition).await, []);
    writer.append(&partition, records(["redone"])).await.unwrap();
    writer.commit(None).await.unwrap();
    assert_eq!(values(&read_all(&*log, &partition, 1).await), ["redone"]);
    let mut reader = log.reader(&partition, 0).await.unwrap();
    until_end(&mut *reader).await;
    let watch = Stopwatch::start();
    // the marker may have been written meanwhile
    while reader.position() != log.bounds(&partition).await.unwrap().end {
        assert_eq!(reader.read(10, STEP).await.unwrap().records, []);
        assert!(watch.elapsed() < PATIENCE, "a reader's end, {}, is not the log's, markers counted", reader.position());
    }
}

pub async fn an_open_transaction_is_invisible(world: &impl World) {
    let partition = single(world, "open").await;
    let log = world.log();
    log.append(&partition, records(["before"])).await.unwrap();
    let mut reader = log.reader(&partition, 0).await.unwrap();
    assert_eq!(values(&until_end(&mut *reader).await), ["before"]);
    let end = log.bounds(&partition).await.unwrap().end;
    let mut writer = log.writer(world.topic("opener").as_str()).await.unwrap();
    writer.append(&partition, records(["inside"])).await.unwrap();
    assert_eq!(log.bounds(&partition).await.unwrap().end, end, "the end is that of committed records");
    let batch = reader.read(10, Duration::from_millis(300)).await.unwrap();
    assert!(batch.records.is_empty(), "{batch:?}");
    assert_eq!(batch.position, end);
    writer.commit(None).await.unwrap();
    assert_eq!(values(&read_count(&mut *reader, 1).await), ["inside"]);
}

pub async fn others_append_while_a_transaction_is_open(world: &impl World) {
    let (inside, outside) = (single(world, "inside").await, single(world, "outside").await);
    let log = world.log();
    let mut writer = log.writer(world.topic("holder").as_str()).await.unwrap();
    let first = writer.append(&inside, records(["first"])).await.unwrap();
    log.append(&outside, records(["meanwhile"])).await.unwrap();
    assert_eq!(values(&read_to_end(&*log, &outside).await), ["meanwhile"]);
    let second = writer.append(&inside, records(["second"])).await.unwrap();
    assert_eq!(second[0], first[0] + 1);
    writer.commit(None).await.unwrap();
    log.append(&inside, records(["after"])).await.unwrap();
    assert_eq!(values(&read_all(&*log, &inside, 3).await), ["first", "second", "after"]);
}

pub async fn many_transactions_follow_each_other(world: &impl World) {
    let partition = single(world, "many").await;
    let log = world.log();
    let mut writer = log.writer(world.topic("many-writer").as_str()).await.unwrap();
    let mut told = Vec::new();
    for n in 0..20 {
        let offsets = writer.append(&partition, numbered("m", n * 3..n * 3 + 3)).await.unwrap();
        if n % 5 == 4 {
            writer.abort().await.unwrap();
        } else {
            writer.commit(None).await.unwrap();
            told.extend(offsets.into_iter().zip((n * 3..n * 3 + 3).map(|n| format!("m-{n}"))));
        }
    }
    let read: Vec<_> =
        read_all(&*log, &partition, told.len()).await.iter().map(|r| (r.offset, super::given::text(&r.value).to_owned())).collect();
    assert_eq!(read, told);
}

pub async fn a_second_writer_fences_the_first(world: &impl World) {
    let partition = single(world, "fenced").await;
    let id = world.topic("fenced-writer");
    let mut first = world.log().writer(id.as_str()).await.unwrap();
    first.append(&partition, records(["kept"])).await.unwrap();
    first.commit(None).await.unwrap();
    first.append(&partition, records(["lost"])).await.unwrap();

    let other = world.another().await;
    let mut second = other.writer(id.as_str()).await.unwrap();
    second.append(&partition, records(["of the second"])).await.unwrap();
    second.commit(None).await.unwrap();
    let error = first.commit(None).await.expect_err("the first is fenced");
    assert_eq!(error.class(), Class::Fenced, "{error}");
    let error = first.append(&partition, records(["late"])).await.expect_err("and stays so");
    assert_eq!(error.class(), Class::Fenced, "{error}");
    second.append(&partition, records(["goes on"])).await.unwrap();
    second.commit(None).await.unwrap();
    assert_eq!(values(&read_all(&*other, &partition, 3).await), ["kept", "of the second", "goes on"]);
}

/// A writer that is dropped with an open transaction: others can append, and readers see them, before long.
pub async fn a_dropped_writer_blocks_nobody_for_long(world: &impl World) {
    let partition = single(world, "gone").await;
    let log = world.log();
    let mut writer = log.writer(world.topic("gone-writer").as_str()).await.unwrap();
    writer.append(&partition, records(["never"])).await.unwrap();
    drop(writer);
    log.append(&partition, records(["after"])).await.unwrap();
    let mut reader = log.reader(&partition, 0).await.unwrap();
    let watch = Stopwatch::start();
    let mut read = Vec::new();
    while read.is_empty() {
        read = reader.read(10, STEP).await.unwrap().records;
        assert!(watch.elapsed() < PATIENCE, "the transaction was never aborted");
    }
    assert_eq!(values(&read), ["after"]);
}
