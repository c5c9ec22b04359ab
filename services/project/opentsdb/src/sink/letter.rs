//! What is written for a point that the store is not to have: a dead letter, or the point once more where it belongs.

use bytes::Bytes;
use loki_domain::Sample;
use loki_log::{NewRecord, Record};
use loki_wire::dead::{DeadLetter, DeadReason, MESSAGE_CHARS_MAX, ORIGINAL_BYTES_MAX};

use super::judge::Dead;

/// Says that a record is a copy, and where the original is: `<topic>/<partition>/<offset>/<index>`. Readers pass over points that are in a wrong
/// partition and take the copies.
pub(super) const MOVED: &str = "loki_moved";

/// The letter of one point. A record may have a thousand of them: `spent` is what the letters of one record have kept of it so far, which is as much
/// as the largest original in all. The rest keep the point alone, or say how large the original was.
pub(super) fn letter(record: &Record, index: u32, reason: DeadReason, sample: Option<&Sample>, spent: &mut usize) -> NewRecord {
    let mut letter = DeadLetter {
        topic: record.partition.topic.to_string(),
        partition: record.partition.number,
        offset: record.offset,
        index,
        at_ms: record.timestamp_ms,
        reason,
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record.headers.clone(),
        omitted: None,
    };
    let bytes = letter.kept_bytes();
    if *spent + bytes > ORIGINAL_BYTES_MAX && *spent > 0 {
        match sample {
            Some(sample) => {
                let (value, headers) = loki_wire::sample::write([sample]);
                (letter.key, letter.value, letter.headers) = (None, Some(value), headers);
            }
            None => {
                (letter.key, letter.value, letter.headers) = (None, None, Vec::new());
                letter.omitted = Some(bytes as u64);
            }
        }
    } else {
        *spent += bytes;
    }
    let (key, value, headers) = letter.bounded().write();
    NewRecord { key: Some(key), value: Some(value), headers, timestamp_ms: None }
}

/// A record of this one point, for the partition that it belongs to.
pub(super) fn moved(record: &Record, index: u32, sample: &Sample) -> NewRecord {
    let (value, mut headers) = loki_wire::sample::write([sample]);
    let from = format!("{}/{}/{}/{index}", record.partition.topic, record.partition.number, record.offset);
    headers.push((MOVED.to_owned(), Bytes::from(from)));
    NewRecord { key: None, value: Some(value), headers, timestamp_ms: None }
}

impl Dead {
    pub(super) fn reason(&self, sample: &Sample) -> DeadReason {
        let Sample { series, at, value } = sample;
        match self {
            Self::Conflict(first) => reason("conflict", format!("`{series}` has {first} at {at}, not {value}: the first value stays")),
            Self::Conflicting => reason(
                "conflict",
                format!(
                    "`{series}` has two values near {at} in the store, which fail every query over that hour: find them with `loki series check`"
                ),
            ),
            Self::TooOld { newest_ms } => {
                reason("too_old", format!("`{series}` at {at} is too much older than its newest point, which is at {newest_ms} ms"))
            }
            Self::BeforeAll => reason(
                "too_old",
                format!(
                    "`{series}` at {at} lies in the first 50 days of 1970, which OpenTSDB cannot tell: set the sender's clock, or send seconds"
                ),
            ),
            Self::AheadOfLog { ahead_ms } => {
                reason("ahead_of_log", format!("`{series}` at {at} is dated {ahead_ms} ms ahead of the log: set the sender's clock"))
            }
        }
    }
}

/// A point that lies in a wrong partition for the second time.
pub(super) fn misplaced_again(sample: &Sample, partitions: u32) -> DeadReason {
    let right = sample.series.partition(partitions);
    reason("misplaced", format!("`{}` was moved already and belongs to partition {right} of {partitions}", sample.series))
}

/// A point that the store will never take.
pub(super) fn refused(sample: &Sample, why: &str) -> DeadReason {
    reason("refused", format!("the store does not take `{}` at {}: {why}", sample.series, sample.at))
}

fn reason(code: &str, mut message: String) -> DeadReason {
    if let Some((end, _)) = message.char_indices().nth(MESSAGE_CHARS_MAX) {
        message.truncate(end);
    }
    DeadReason { code: code.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use loki_domain::{Instant, Series, Tags, Value};
    use loki_log::{Partition, Topic};

    use super::*;

    fn sample() -> Sample {
        let series = Series::new("m".parse().unwrap(), Tags::new([("host", "a")]).unwrap());
        Sample { series, at: Instant::new(1_700_000_000).unwrap(), value: Value::new(2.0).unwrap() }
    }

    fn record(value: usize) -> Record {
        Record {
            partition: Partition::new(Topic::new("loki.samples"), 3),
            offset: 7,
            timestamp_ms: 5,
            key: None,
            value: Some(Bytes::from(vec![b'x'; value])),
            headers: vec![("h".to_owned(), Bytes::from_static(b"v"))],
        }
    }

    fn read(record: &NewRecord) -> DeadLetter {
        DeadLetter::read(record.value.as_ref().unwrap(), &record.headers).unwrap()
    }

    #[test]
    fn the_letters_of_one_record_keep_it_a_few_times() {
        let record = record(ORIGINAL_BYTES_MAX / 3);
        let dead = Dead::Conflict(Value::new(1.0).unwrap());
        let mut spent = 0;
        let letters: Vec<_> = (0..10).map(|index| read(&letter(&record, index, dead.reason(&sample()), None, &mut spent))).collect();
        assert_eq!(letters.iter().map(|letter| letter.omitted.is_some()).filter(|is| *is).count(), 8);
        assert_eq!((letters[9].id().as_str(), letters[9].bytes()), ("loki.samples/3/7/9", record.value.as_ref().unwrap().len() as u64 + 2));
        assert!(letters[0].reason.message.contains("has 1.0 at 1700000000, not 2.0"), "{}", letters[0].reason.message);
        // a point that could be read is kept alone
        let alone = read(&letter(&record, 9, dead.reason(&sample()), Some(&sample()), &mut spent));
        assert_eq!(loki_wire::sample::read(alone.value.as_ref(), &alone.headers), Ok(vec![Ok(sample())]));
        // the only one of a record keeps what it can
        assert_eq!(read(&letter(&record, 0, dead.reason(&sample()), None, &mut 0)).value, record.value);
    }

    #[test]
    fn a_moved_point_says_where_it_was() {
        let moved = moved(&record(3), 4, &sample());
        assert_eq!(loki_wire::sample::read(moved.value.as_ref(), &moved.headers), Ok(vec![Ok(sample())]));
        assert!(moved.headers.contains(&(MOVED.to_owned(), Bytes::from_static(b"loki.samples/3/7/4"))));
    }
}
