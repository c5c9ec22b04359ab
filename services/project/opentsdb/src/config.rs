//! Settings of the store and of the sink. The defaults are the design's, or what was measured against OpenTSDB 2.4.

use std::time::Duration;

/// Where OpenTSDB is, and how long anything may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTsdbConfig {
    /// `http://host:4242`, one for each daemon. Requests are spread over them; one that does not answer is left alone for a while.
    pub addresses: Vec<String>,
    pub connect_timeout: Duration,
    /// How long the daemon waits for HBase when points are put. Points that are not stored by then are sent again.
    pub put_timeout: Duration,
    /// How long a question of the sink may take. What people ask is bounded by whoever asks for them.
    pub query_timeout: Duration,
    /// The most bytes of one request: `tsd.http.request.max_chunk` of the daemons must not be smaller, with `enable_chunked` on.
    pub request_bytes_max: usize,
    /// The most bytes of an answer to the sink's own questions.
    pub answer_bytes_max: usize,
    /// How far back a series' newest point is looked for. What is older than that is old enough for all that depends on it.
    pub look_back: Duration,
}

impl OpenTsdbConfig {
    pub fn new(addresses: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            addresses: addresses.into_iter().map(Into::into).collect(),
            connect_timeout: Duration::from_secs(3),
            put_timeout: Duration::from_secs(10),
            query_timeout: Duration::from_secs(30),
            request_bytes_max: 1 << 20,
            answer_bytes_max: 64 << 20,
            // a day more than the age at which a point is too old
            look_back: Duration::from_secs(8 * 86_400),
        }
    }

    /// What is wrong with it, field by field.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.addresses.is_empty() {
            problems.push("`addresses` is empty: give `http://host:4242`, one for each daemon".to_owned());
        }
        for address in &self.addresses {
            match reqwest::Url::parse(address) {
                Ok(url) if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() => {
                    problems
                        .push(format!("`addresses`: `{}` must begin with `http://` or `https://` and a host", address.escape_default()));
                }
                Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                    problems.push("`addresses`: credentials are not sent to OpenTSDB, take them out".to_owned());
                }
                Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                    problems.push(format!("`addresses`: `{}` may have a path, and nothing behind it", address.escape_default()));
                }
                Ok(_) => {}
                Err(error) => problems.push(format!("`addresses`: `{}` is no address: {error}", address.escape_default())),
            }
        }
        if self.put_timeout.as_millis() == 0 || self.query_timeout.is_zero() || self.connect_timeout.is_zero() {
            problems.push("`put_timeout`, `query_timeout` and `connect_timeout` may not be 0".to_owned());
        }
        problems
    }
}

/// What the sink is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkConfig {
    /// Full names, prefix included.
    pub samples_topic: String,
    pub dead_topic: String,
    /// The consumer group, prefix included.
    pub group: String,
    /// How many partitions the samples' topic has. A series belongs to one of them.
    pub partitions: u32,
    /// The most records in one read.
    pub batch_records_max: usize,
    /// Points put at once, and how long the first of them waits for more.
    pub batch_points: usize,
    pub batch_wait: Duration,
    /// Batches on their way to the store.
    pub in_flight: usize,
    /// A put that has not been answered by then counts as away.
    pub put_timeout: Duration,
    /// Points that are being worked on in this process, at most; a record counts one more for each KiB. Nothing is read while they are so many.
    pub open_max: usize,
    /// Points of one partition that are being looked up, at most. Its reading pauses then.
    pub late_max: usize,
    /// Points looked up at once.
    pub late_points: usize,
    /// The memory for what is known of series, over all partitions.
    pub rings_bytes_max: usize,
    /// How much log time before its beginning a partition is read again, to know its series.
    pub refill: Duration,
    /// A point that is dated further ahead of the log than this is dead: its sender's clock is wrong, and whatever that wrote would collide with what
    /// the right clock writes later, when nobody remembers. Less than `refill`, which must reach back to all that can have been dated so.
    pub ahead_max: Duration,
    /// A point that is that much older than the newest of its series is dead.
    pub too_old: Duration,
    /// How long work in hand may take when a partition is taken away or the process stops.
    pub drain: Duration,
    /// Waits while the store is away, first and longest.
    pub backoff: (Duration, Duration),
}

impl SinkConfig {
    pub fn new(samples_topic: impl Into<String>, dead_topic: impl Into<String>, group: impl Into<String>, partitions: u32) -> Self {
        Self {
            samples_topic: samples_topic.into(),
            dead_topic: dead_topic.into(),
            group: group.into(),
            partitions,
            batch_records_max: 1_000,
            // HBase's client sends what it has once it has 1,024 points: smaller batches wait a second for its clock
            batch_points: 1_000,
            batch_wait: Duration::from_millis(200),
            in_flight: 8,
            put_timeout: Duration::from_secs(30),
            // so that a backlog has several points of each series in it: that is what makes the store fast
            open_max: 60_000,
            late_max: 2_000,
            late_points: 500,
            rings_bytes_max: 64 << 20,
            refill: Duration::from_secs(15 * 60),
            ahead_max: Duration::from_secs(5 * 60),
            too_old: Duration::from_secs(7 * 86_400),
            drain: Duration::from_secs(5),
            backoff: (Duration::from_millis(50), Duration::from_secs(5)),
        }
    }

    /// What is wrong with it, field by field.
    pub fn problems(&self) -> Vec<String> {
        let zero = |is: bool, field: &str| is.then(|| format!("`{field}` may not be 0"));
        let zeros = [
            zero(self.partitions == 0, "partitions"),
            zero(self.batch_points == 0, "batch_points"),
            zero(self.in_flight == 0, "in_flight"),
            zero(self.late_max == 0, "late_max"),
            zero(self.late_points == 0, "late_points"),
            zero(self.batch_records_max == 0, "batch_records_max"),
        ];
        let mut problems: Vec<String> = zeros.into_iter().flatten().collect();
        if self.open_max < OPEN_LEAST {
            problems.push(format!("`open_max` must be at least {OPEN_LEAST}: one record may have 1,000 points and 1 MiB"));
        }
        if self.ahead_max >= self.refill {
            problems.push("`ahead_max` must be less than `refill`: what was dated ahead must be read again".to_owned());
        }
        problems
    }
}

/// What the largest record counts for.
const OPEN_LEAST: usize = loki_wire::sample::POINTS_MAX + (loki_wire::sample::RECORD_BYTES_MAX >> 10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named_all_at_once() {
        let good = OpenTsdbConfig::new(["http://127.0.0.1:4242", "https://tsd.example/base"]);
        assert_eq!(good.problems(), Vec::<String>::new());
        let bad = OpenTsdbConfig {
            put_timeout: Duration::ZERO,
            ..OpenTsdbConfig::new(["tsd:4242", "ftp://tsd", "http://user:word@tsd", "http://tsd?x", "no"])
        };
        let problems = bad.problems();
        assert_eq!(problems.len(), 6, "{problems:?}");
        assert!(problems.iter().all(|problem| !problem.contains("word")), "{problems:?}");
        assert_eq!(OpenTsdbConfig::new(Vec::<String>::new()).problems().len(), 1);
    }

    #[test]
    fn the_sink_needs_room_for_the_largest_record() {
        let good = SinkConfig::new("s", "d", "g", 12);
        assert_eq!(good.problems(), Vec::<String>::new());
        let bad = SinkConfig { open_max: 1_000, partitions: 0, ahead_max: good.refill, ..good };
        assert_eq!(bad.problems().len(), 3);
    }
}
