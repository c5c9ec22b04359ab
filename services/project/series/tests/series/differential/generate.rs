//! Points as hosts send them, and questions as people and programs ask them.

use loki_domain::Sample;
use serde_json::{Value, json};

use crate::given::{HOUR, sample, series};

/// Seconds that the points span.
const SPAN: i64 = 2 * 3_600;

#[derive(Debug)]
pub(super) struct Question {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) query: String,
    pub(super) body: String,
    /// Two filters of one part are about one tag.
    pub(super) repeats_tag: bool,
}

impl Question {
    fn get(path: &'static str, query: String) -> Self {
        Self { method: "GET", path, query, body: String::new(), repeats_tag: false }
    }
}

/// All names begin with a prefix of their own, so that several sets of points may lie in one OpenTSDB.
pub(super) struct Generator {
    prefix: String,
    state: u64,
}

impl Generator {
    pub(super) fn new(prefix: &str, seed: u64) -> Self {
        Self { prefix: prefix.to_owned(), state: seed }
    }

    /// A number below `below`, pseudo-random (splitmix64).
    fn below(&mut self, below: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % below as u64) as usize
    }

    fn one<'c>(&mut self, choices: &[&'c str]) -> &'c str {
        choices[self.below(choices.len())]
    }

    pub(super) fn name(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    /// Metric, tags, seconds between points, milliseconds beside the second, kind of values.
    fn shapes(&self) -> Vec<(String, i64, i64, Kind)> {
        let mut shapes = Vec::new();
        let tags = |host: &str, dc: &str| format!("{}={},{}={}", self.name("dc"), self.name(dc), self.name("host"), self.name(host));
        for (host, dc) in [("web01", "lga"), ("web02", "lga"), ("db01", "sjc"), ("WEB03", "sjc")] {
            shapes.push((format!("{}{{{}}}", self.name("cpu"), tags(host, dc)), 10, 0, Kind::Gauge));
            shapes.push((format!("{}{{{}}}", self.name("bytes"), tags(host, dc)), 30, 0, Kind::Counter));
        }
        // another set of tags in the same metric, and a sparse one
        let rack = format!("{}=r1", self.name("rack"));
        shapes.push((format!("{}{{{},{rack}}}", self.name("cpu"), tags("web01", "fra")), 60, 0, Kind::Gauge));
        shapes.push((format!("{}{{{rack}}}", self.name("cpu")), 900, 0, Kind::Gauge));
        shapes.push((format!("{}{{{}}}", self.name("ping"), tags("web01", "lga")), 3, 250, Kind::Gauge));
        shapes.push((format!("{}{{{}}}", self.name("ping"), tags("web02", "lga")), 7, 1, Kind::Gauge));
        shapes
    }

    /// One point of each series, in the order in which names get their numbers.
    pub(super) fn first_of_each(&self) -> Vec<Sample> {
        self.shapes().iter().map(|(written, ..)| sample(&series(written), HOUR, 1.0)).collect()
    }

    /// With gaps, and some instants twice, which an OpenTSDB takes when the value is the same.
    pub(super) fn samples(&mut self) -> Vec<Sample> {
        let mut samples = self.first_of_each();
        for (written, step, beside, kind) in self.shapes() {
            let series = series(&written);
            let (mut counted, mut gap) = (0.0, 0);
            for second in (step..SPAN).step_by(step as usize) {
                if self.below(40) == 0 {
                    gap = self.below(20);
                }
                let value = match kind {
                    Kind::Gauge => self.below(100_000) as f64 / 1_000.0 - 20.0,
                    Kind::Counter => {
                        counted = if self.below(50) == 0 { 0.0 } else { counted + self.below(1_000) as f64 };
                        counted
                    }
                };
                if gap > 0 {
                    gap -= 1;
                    continue;
                }
                // not in the same second for all, so that series lie between each other's points
                let shift = if self.below(3) == 0 { self.below(step as usize) as i64 } else { 0 };
                let at = HOUR + (second + shift) * 1_000 + beside * (1 + self.below(3) as i64);
                if samples.last().is_none_or(|before: &Sample| before.series != series || before.at.ms() < at) {
                    samples.push(sample(&series, at, value));
                }
                if self.below(30) == 0 {
                    samples.push(samples[samples.len() - 1].clone());
                }
            }
        }
        samples
    }

    pub(super) fn questions(&mut self, count: usize) -> Vec<Question> {
        (0..count).map(|_| self.question()).collect()
    }

    fn question(&mut self) -> Question {
        match self.below(20) {
            0 => self.suggestion(),
            1 => self.look_up(),
            2 => self.mistake(),
            number if number < 12 => self.in_url(),
            _ => self.in_json(),
        }
    }

    fn aggregator(&mut self) -> &'static str {
        self.one(&[
            "sum",
            "sum",
            "avg",
            "min",
            "max",
            "count",
            "dev",
            "zimsum",
            "mimmin",
            "mimmax",
            "first",
            "last",
            "none",
            "p50",
            "p90",
            "p95",
            "p99",
            "p999",
            "ep95r3",
            "ep75r7",
            "median",
            "mult",
            "diff",
            "pfsum",
            "squareSum",
        ])
    }

    fn downsample(&mut self) -> String {
        let interval = self.one(&["10s", "1m", "7m", "30s", "1h", "500ms", "2h", "0all", "1d"]);
        let function =
            self.one(&["avg", "sum", "min", "max", "count", "dev", "first", "last", "p95", "median", "zimsum", "diff", "squareSum"]);
        let fill = self.one(&["", "", "-none", "-nan", "-null", "-zero"]);
        // a day of half seconds, filled for each series, is a megabyte each
        let interval = if fill.len() > 5 || fill == "-nan" { interval.replace("500ms", "20s") } else { interval.to_owned() };
        format!("{interval}-{function}{fill}")
    }

    fn rate(&mut self) -> &'static str {
        self.one(&["rate", "rate", "rate{counter}", "rate{counter,1000}", "rate{counter,4000,20}", "rate{dropcounter}", "rate{counter,,1}"])
    }

    fn metric(&mut self) -> String {
        let metric = self.one(&["cpu", "cpu", "cpu", "bytes", "ping"]);
        self.name(metric)
    }

    /// Name of a tag, and what its value must be.
    fn tag(&mut self) -> (String, String) {
        let p = self.prefix.clone();
        let host = format!("{p}.host");
        match self.below(14) {
            12 => (self.name("rack"), "not_key()".to_owned()),
            13 => (host, format!("literal_or({p}.web02|{p}.WEB03)")),
            0 => (host, format!("{p}.web01|{p}.db01")),
            1 => (host, format!("{p}.web*")),
            2 => (host, format!("iliteral_or({p}.web03|{p}.WEB01)")),
            3 => (host, format!("not_literal_or({p}.web01)")),
            4 => (host, format!("not_iliteral_or({p}.WEB01|{p}.web03)")),
            5 => (host, format!("wildcard({p}.*0*)")),
            6 => (host, format!("iwildcard({p}.web*)")),
            7 => (host, "regexp(^.*[a-c]0[12]$)".to_owned()),
            8 => (self.name("rack"), "*".to_owned()),
            9 => (self.name("dc"), "*".to_owned()),
            10 => (self.name("dc"), self.name("lga")),
            _ => (host, "*".to_owned()),
        }
    }

    /// Begin and end, in one of the ways in which they may be written.
    fn times(&mut self) -> (String, String) {
        let from = HOUR + self.below(SPAN as usize * 1_000) as i64 - 600_000;
        let to = from + 1 + self.below(2 * 3_600 * 1_000) as i64;
        match self.below(6) {
            2 => (date(from, '-'), date(to + 1_000, ' ')),
            0 => (from.to_string(), to.to_string()),
            1 => (format!("{}.{:03}", from / 1_000, from % 1_000), format!("{to}ms")),
            _ => ((from / 1_000).to_string(), (to / 1_000 + 1).to_string()),
        }
    }

    fn in_url(&mut self) -> Question {
        let (start, end) = self.times();
        let mut query = format!("start={start}&end={end}");
        let mut repeats_tag = false;
        for _ in 0..=self.below(5) / 4 {
            query += &format!("&m={}", self.aggregator());
            let between = [self.rate().to_owned(), self.downsample(), "explicit_tags".to_owned()];
            for (word, chance) in between.into_iter().zip([4, 2, 9]) {
                if self.below(chance) == 0 {
                    query += &format!(":{word}");
                }
            }
            query += &format!(":{}", self.metric());
            let mut names = Vec::new();
            for chance in [2, 4] {
                let mut tags = Vec::new();
                for _ in 0..2 {
                    if self.below(chance) == 0 {
                        let (name, value) = self.tag();
                        tags.push(format!("{name}={value}"));
                        repeats_tag |= names.contains(&name);
                        names.push(name);
                    }
                }
                query += &format!("{{{}}}", tags.join(","));
            }
        }
        for flag in ["&ms=true", "&arrays", "&show_query"] {
            if self.below(4) == 0 {
                query += flag;
            }
        }
        // as the client sends it anyway, and so that both sides read the same
        let query = query
            .replace('{', "%7B")
            .replace('}', "%7D")
            .replace('|', "%7C")
            .replace('[', "%5B")
            .replace(']', "%5D")
            .replace('^', "%5E")
            .replace(' ', "%20");
        Question { repeats_tag, ..Question::get("query", query) }
    }

    fn in_json(&mut self) -> Question {
        let (start, end) = self.times();
        let number = |text: &str| text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number));
        let mut parts = Vec::new();
        for _ in 0..=self.below(5) / 4 {
            let mut part = json!({"metric": self.metric(), "aggregator": self.aggregator()});
            if self.below(2) == 0 {
                part["downsample"] = json!(self.downsample());
            }
            if self.below(3) == 0 {
                part["rate"] = json!(true);
                part["rateOptions"] = self.rate_options();
            }
            if self.below(9) == 0 {
                part["explicitTags"] = json!(true);
            }
            let (name, value) = self.tag();
            match self.below(3) {
                0 => part["tags"] = json!({name: value}),
                1 => {
                    let (kind, filter) = value.trim_end_matches(')').split_once('(').unwrap_or(("wildcard", "*"));
                    part["filters"] = json!([{"type": kind, "tagk": name, "filter": filter, "groupBy": self.below(2) == 0}]);
                }
                _ => {}
            }
            parts.push(part);
        }
        let mut body = json!({"start": number(&start), "end": number(&end), "queries": parts, "globalAnnotations": true});
        for flag in ["msResolution", "showQuery"] {
            if self.below(4) == 0 {
                body[flag] = json!(true);
            }
        }
        let query = if self.below(3) == 0 { "arrays=true" } else { "" };
        Question { method: "POST", path: "query", query: query.to_owned(), body: body.to_string(), repeats_tag: false }
    }

    fn rate_options(&mut self) -> Value {
        match self.below(4) {
            0 => Value::Null,
            1 => json!({"counter": true, "counterMax": 5_000, "resetValue": 30}),
            2 => json!({"counter": true, "dropResets": true}),
            _ => json!({"counter": false}),
        }
    }

    fn suggestion(&mut self) -> Question {
        let kind = self.one(&["metrics", "tagk", "tagv"]);
        let name = self.one(&["", "c", "web", "x"]);
        let most = self.one(&["", "&max=1", "&max=1000", "&max=0"]);
        let query = format!("type={kind}&q={}{most}", self.name(name));
        Question::get("suggest", query)
    }

    fn look_up(&mut self) -> Question {
        let tags = match self.below(5) {
            0 => String::new(),
            1 => format!("{{{}=*}}", self.name("host")),
            2 => format!("{{{}={}}}", self.name("host"), self.name("web01")),
            3 => format!("{{{}=*,{}={}}}", self.name("host"), self.name("dc"), self.name("lga")),
            _ => format!("{{*={}}}", self.name("lga")),
        };
        let most = self.one(&["", "&limit=1000", "&limit=0", "&limit=100000000"]);
        let query = format!("m={}{tags}{most}", self.metric()).replace('{', "%7B").replace('}', "%7D");
        Question::get("search/lookup", query)
    }

    fn mistake(&mut self) -> Question {
        let metric = self.metric();
        let (path, query) = match self.below(16) {
            0 => ("query", format!("start=1h-ago&m=sum:{metric}.nothing")),
            1 => ("query", format!("start=1h-ago&m=sum:{metric}%7B{metric}=*%7D")),
            2 => ("query", format!("start=1h-ago&m=sum:{metric}%7B{}={metric}%7D", self.name("host"))),
            3 => ("query", format!("start=1h-ago&m=total:{metric}")),
            4 => ("query", format!("start=1h-ago&m=sum:1m-total:{metric}")),
            5 => ("query", format!("start=1h-ago&end=2h-ago&m=sum:{metric}")),
            6 => ("query", format!("m=sum:{metric}")),
            7 => ("query", "start=1h-ago".to_owned()),
            8 => ("query", format!("start=1h-ago&m={metric}")),
            9 => ("query", format!("start=1h-ago&m=sum:a:b:c:d:{metric}")),
            10 => ("query", format!("start=tomorrow&m=sum:{metric}")),
            11 => ("query", format!("start=1h-ago&m=sum:0m-avg:{metric}")),
            12 => ("query", format!("start=1h-ago&m=sum:1m-avg-odd:{metric}")),
            13 => ("search/lookup", format!("m={metric}.nothing")),
            14 => ("suggest", "type=nothing".to_owned()),
            _ => ("nothing", String::new()),
        };
        Question::get(path, query)
    }
}

/// A time of the day of [`HOUR`] or the day after.
fn date(at: i64, between: char) -> String {
    let second = at / 1_000 - (HOUR / 1_000 - 22 * 3_600);
    let (day, second) = (14 + second / 86_400, second % 86_400);
    format!("2023/11/{day}{between}{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
}

#[derive(Clone, Copy)]
enum Kind {
    Gauge,
    Counter,
}
