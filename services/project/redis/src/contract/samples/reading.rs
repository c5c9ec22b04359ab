//! What readers see.

use loki_runner::{Applied, State};

use super::given::{Writer, filter, sample};
use super::{PARTITIONS, SamplesWorld};
use crate::samples::{HOSTS_MAX, Reader, Refusal, SamplesReader};

pub async fn a_host_is_heard_in_any_partition(world: &dyn SamplesWorld) {
    let mut writer = Writer::live(world).await;
    for (partition, log_ms) in [(0, 5_000), (1, 9_000), (2, 7_000)] {
        let points = [
            sample("host.up", &format!("host=web{partition}"), 1, 1.0),
            sample("host.cpu", &format!("core={partition},host=all"), 1, 1.0),
            // no metric of a host, and no host
            sample("url.qps", "host=other", 1, 1.0),
            sample("host.up", "rack=nameless", 1, 1.0),
        ];
        assert_eq!(writer.write(partition, &points, log_ms).await, Applied::Done);
    }
    // an older record of one partition
    assert_eq!(writer.write(1, &[sample("host.up", "host=all", 1, 1.0)], 8_000).await, Applied::Done);
    let heard = writer.reader.presence(&["all", "web0", "web2", "other", "nameless", "nobody", "all"]).await;
    assert_eq!(heard, Ok(vec![Some(9_000), Some(5_000), Some(7_000), None, None, None, Some(9_000)]));
    assert_eq!(writer.reader.presence(&[]).await, Ok(vec![]));
    assert_eq!(writer.reader.presence(&[""; HOSTS_MAX]).await.map(|heard| heard.len()), Ok(HOSTS_MAX));
    assert_eq!(writer.reader.presence(&[""; HOSTS_MAX + 1]).await, Err(Refusal::TooMany(HOSTS_MAX + 1)));
}

pub async fn tags_are_compared_as_wholes(world: &dyn SamplesWorld) {
    let mut writer = Writer::live(world).await;
    let tags = ["a=1", "a=10", "aa=1", "a=1,b=2", "a=1,b=2,c=3", "b=2", "b=22,a=1", "x.y/z=-_.ümlaut"];
    let metrics = ["m", "m.m", "mm", "host.m"];
    let points: Vec<_> = metrics.iter().flat_map(|metric| tags.iter().map(|tags| sample(metric, tags, 1, 1.0))).collect();
    writer.spread(&points, 1).await;
    for (asked, expected) in [
        ("", vec!["a=10", "a=1,b=22", "a=1,b=2,c=3", "a=1,b=2", "a=1", "aa=1", "b=2", "x.y/z=-_.ümlaut"]),
        ("a=1", vec!["a=1,b=22", "a=1,b=2,c=3", "a=1,b=2", "a=1"]),
        ("b=2", vec!["a=1,b=2,c=3", "a=1,b=2", "b=2"]),
        ("c=3,a=1", vec!["a=1,b=2,c=3"]),
        ("x.y/z=-_.ümlaut", vec!["x.y/z=-_.ümlaut"]),
        ("a=2", vec![]),
    ] {
        let mut expected: Vec<String> = expected.into_iter().map(|tags| format!("m{{{tags}}} 1 1.0")).collect();
        expected.sort();
        assert_eq!(writer.values("m", asked).await, expected, "{asked}");
    }
    assert_eq!(writer.values("nothing", "").await, Vec::<String>::new());
}

pub async fn pages_are_complete(world: &dyn SamplesWorld) {
    let mut writer = Writer::live(world).await;
    // more than what is looked at by one question in each partition
    let points: Vec<_> = (0..9_000)
        .map(|number| sample("m", &format!("host=h{number},rack=r{}", number % 100), 1, f64::from(number)))
        .chain((0..50).map(|number| sample("m.n", &format!("host=h{number}"), 1, 0.0)))
        .collect();
    writer.spread(&points, 1).await;
    for (tags, limit, expected) in [("", 1_000, 9_000), ("rack=r7", 1_000, 90), ("rack=r7", 7, 90), ("rack=none", 10, 0)] {
        let (mut found, mut after, mut asked) = (Vec::new(), None, 0);
        loop {
            let page = writer.reader.last(&filter("m", tags), after.as_deref(), limit).await.unwrap();
            assert!(page.values.len() <= limit, "{} of {limit}", page.values.len());
            found.extend(page.values.into_iter().map(|(series, last)| (series.to_string(), last.value.get())));
            asked += 1;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found.len(), expected, "{tags}");
        assert!(found.is_sorted_by(|(one, _), (other, _)| one < other), "{tags}");
        assert!(asked <= expected / limit.min(1_000) + 6, "{asked} questions for {expected}");
    }
    // a page goes on behind what is not there, or belongs to another metric
    for (after, expected) in [("m{host=h8999", Some("m{host=h8999,rack=r99}")), ("a", Some("m{host=h0,rack=r0}")), ("z", None)] {
        let page = writer.reader.last(&filter("m", ""), Some(after), 1).await.unwrap();
        assert_eq!(page.values.first().map(|(series, _)| series.to_string()).as_deref(), expected, "after {after}");
    }
}

pub async fn there_is_no_answer_while_one_partition_is_filled(world: &dyn SamplesWorld) {
    let mut writer = Writer::live(world).await;
    for partition in 0..PARTITIONS {
        assert_eq!(writer.write(partition, &[sample("m", "a=1", 1, 1.0)], 1).await, Applied::Done);
    }
    assert!(writer.reader.last(&filter("m", ""), None, 1).await.is_ok());
    for partition in 0..PARTITIONS {
        assert_eq!(writer.state(partition, State::Building).await, Applied::Done);
        for refused in
            [writer.reader.last(&filter("m", ""), None, 1).await.unwrap_err(), writer.reader.presence(&["web01"]).await.unwrap_err()]
        {
            assert!(refused.to_string().contains(&format!("partition {partition} is being filled")), "{refused}");
        }
        let status = writer.reader.status().await.unwrap();
        assert_eq!(status[partition as usize].map(|stored| stored.state), Some(State::Building));
        assert_eq!(writer.state(partition, State::Live).await, Applied::Done);
        assert!(writer.reader.presence(&["web01"]).await.is_ok());
    }
}

pub async fn a_log_that_was_set_back_is_followed(world: &dyn SamplesWorld) {
    let mut writer = Writer::live(world).await;
    for at in 1..5 {
        writer.at[0] = at - 1;
        assert_eq!(writer.write(0, &[sample("m", "a=1", at as i64, 1.0)], 1).await, Applied::Done);
    }
    assert_eq!(writer.values("m", "").await, ["m{a=1} 4 1.0"]);
    // filled from what the log holds now: that is no older copy of the store
    assert_eq!(writer.begin(0, 0).await, Applied::Done);
    assert_eq!(writer.write(0, &[sample("m", "a=1", 1, 1.0)], 1).await, Applied::Done);
    assert_eq!(writer.values("m", "").await, ["m{a=1} 1 1.0"]);
    // and is not read while it is emptied
    world.empty().await;
    assert!(writer.reader.last(&filter("m", ""), None, 1).await.is_err());
}

pub async fn what_is_below_its_floor_is_not_read(world: &dyn SamplesWorld) {
    let mut writer = Writer::live(world).await;
    for at in 1..3 {
        assert_eq!(writer.write(1, &[sample("m", "a=1", at, 1.0)], 1).await, Applied::Done);
    }
    // by a process that has read nothing
    let reader = Reader::new(world.store());
    for (floor, refused) in [(None, false), (Some(2), false), (Some(3), true), (Some(1), false)] {
        reader.require(1, floor);
        assert_eq!(reader.presence(&[]).await.is_err(), refused, "{floor:?}");
    }
    reader.require(1, Some(3));
    assert_eq!(writer.write(1, &[], 1).await, Applied::Done);
    assert_eq!(reader.presence(&[]).await, Ok(vec![]));
}
