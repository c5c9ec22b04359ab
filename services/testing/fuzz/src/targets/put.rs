//! The body of `/api/put`.

use std::sync::Arc;

use bytes::Bytes;
use loki_intake::{Intake, Put};
use loki_log::memory::MemoryLog;
use loki_log::{Partition, Topic};
use loki_wire::sample;

const PARTITIONS: u32 = 3;
/// What a body may unpack to.
const BODY_MAX: usize = 64 << 10;

/// As many points are in the log as the answer says, readable, each in its partition.
pub(crate) fn put(input: &[u8]) {
    let log = MemoryLog::simple(false);
    let topic = Topic::new("samples");
    let intake = Intake::new(Arc::new(log.clone()), topic.clone(), PARTITIONS);
    let put = Put { body: Bytes::copy_from_slice(input), details: true, summary: true, timeouts: true };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let answer = runtime.block_on(put.run(&intake, BODY_MAX)).unwrap();
    assert!(matches!(answer.status, 200 | 204 | 400 | 413), "{answer:?}");
    let mut taken = 0;
    for number in 0..PARTITIONS {
        for record in log.records(&Partition::new(topic.clone(), number)) {
            for sample in sample::read(record.value.as_ref(), &record.headers).unwrap() {
                assert_eq!(sample.unwrap().series.partition(PARTITIONS), number);
                taken += 1;
            }
        }
    }
    let body = answer.body.unwrap();
    assert_eq!(body["success"].as_u64().unwrap_or(0), taken, "{body}");
    let failed = body["errors"].as_array().map(Vec::len);
    assert_eq!(body["failed"].as_u64(), failed.map(|failed| failed as u64), "{body}");
}
