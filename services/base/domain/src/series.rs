//! A series: a metric with its tags. Samples of one series are one line over time.
//!
//! The naming rules are OpenTSDB's (`Tags.validateString`): letters, digits, `-`, `_`, `.` and `/`. OpenTSDB keeps names as ISO 8859-1 and
//! would store every other letter as `?`, so that two names become one; those are refused here.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::ops::Deref;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use smol_str::SmolStr;

use crate::Invalid;
use crate::murmur2::murmur2;
use crate::name::text;

/// Tags of one series, at most; as OpenTSDB has it by default. At least one is needed.
pub const TAGS_MAX: usize = 8;
/// The longest metric, tag name or tag value, in characters.
pub const NAME_CHARS_MAX: usize = 255;

/// A metric, `host.cpu.usage`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Metric(SmolStr);

text!(Metric);

impl FromStr for Metric {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        check_name("a metric", text)?;
        Ok(Self(SmolStr::new(text)))
    }
}

/// 1 to 8 tags, in the order of their names, each name once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tags(Vec<(SmolStr, SmolStr)>);

impl Tags {
    pub fn new<'t>(tags: impl IntoIterator<Item = (&'t str, &'t str)>) -> Result<Self, Invalid> {
        let mut sorted = Vec::new();
        for (name, value) in tags {
            check_name("a tag's name", name)?;
            check_name("a tag's value", value)?;
            if sorted.len() == TAGS_MAX {
                return Err(Invalid::new(format!("a series has at most {TAGS_MAX} tags")));
            }
            sorted.push((SmolStr::new(name), SmolStr::new(value)));
        }
        if sorted.is_empty() {
            return Err(Invalid::new("a series needs a tag, such as `host`"));
        }
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Invalid::new(format!("tag `{}` is there twice", pair[0].0)));
        }
        Ok(Self(sorted))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Written `metric{name=value,…}`, the tags in the order of their names: none of these signs may be in a name, so equal texts are equal series.
///
/// A copy costs nothing, and to look one up costs one number: copies share the names, and their hash is kept with them.
#[derive(Clone)]
pub struct Series(Arc<Names>);

/// What a series is called.
#[derive(Debug)]
pub struct Names {
    pub metric: Metric,
    pub tags: Tags,
    hash: u64,
}

impl Deref for Series {
    type Target = Names;
    fn deref(&self) -> &Names {
        &self.0
    }
}

impl PartialEq for Series {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.hash == other.hash && self.names() == other.names())
    }
}

impl Eq for Series {}

impl PartialOrd for Series {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Series {
    fn cmp(&self, other: &Self) -> Ordering {
        self.names().cmp(&other.names())
    }
}

impl Hash for Series {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Series {
    pub fn new(metric: Metric, tags: Tags) -> Self {
        // of this process alone: who sends samples cannot make many series of one hash
        static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let hash = HASHER.hash_one((&metric, &tags));
        Self(Arc::new(Names { metric, tags, hash }))
    }

    fn names(&self) -> (&Metric, &Tags) {
        (&self.metric, &self.tags)
    }

    /// The partition that all samples of this series lie in: Kafka's murmur2 of the written series, computed here, so that every producer
    /// places it alike whatever its library does.
    pub fn partition(&self, partitions: u32) -> u32 {
        let positive = murmur2(self.to_string().as_bytes()) & 0x7fff_ffff;
        positive % partitions.max(1)
    }
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric.as_str())?;
        for (index, (name, value)) in self.tags.iter().enumerate() {
            write!(f, "{}{name}={value}", if index == 0 { '{' } else { ',' })?;
        }
        f.write_str("}")
    }
}

pub(crate) fn check_name(what: &str, text: &str) -> Result<(), Invalid> {
    let mut length = 0;
    for letter in text.chars() {
        length += 1;
        let latin = letter.is_alphabetic() && u32::from(letter) <= 0xff;
        if !(letter.is_ascii_alphanumeric() || latin || matches!(letter, '-' | '_' | '.' | '/')) {
            return Err(Invalid::new(format!(
                "`{}` may not be in {what}: use a-z, A-Z, 0-9, `-`, `_`, `.` and `/`",
                letter.escape_default()
            )));
        }
    }
    if !(1..=NAME_CHARS_MAX).contains(&length) {
        return Err(Invalid::new(format!("{what} has 1 to {NAME_CHARS_MAX} characters, this has {length}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn series(metric: &str, tags: &[(&str, &str)]) -> Result<Series, Invalid> {
        Ok(Series::new(metric.parse()?, Tags::new(tags.iter().copied())?))
    }

    #[test]
    fn the_order_of_the_tags_means_nothing() {
        let one = series("host.cpu.usage", &[("host", "web01"), ("core", "0")]).unwrap();
        let other = series("host.cpu.usage", &[("core", "0"), ("host", "web01")]).unwrap();
        assert_eq!(one, other);
        assert_eq!(HashSet::from([one.clone(), other.clone(), one.clone()]).len(), 1);
        assert!(one < series("host.cpu.usage", &[("host", "web01")]).unwrap() && one != series("host.cpu", &[("host", "web01")]).unwrap());
        assert_eq!(one.to_string(), "host.cpu.usage{core=0,host=web01}");
        assert_eq!(one.partition(12), other.partition(12));
        assert_eq!((one.tags.get("host"), one.tags.get("rack")), (Some("web01"), None));
    }

    #[test]
    fn names_are_those_that_opentsdb_stores_as_they_are() {
        for good in ["a", "A.b-c_d/9", "ümlaut", &"x".repeat(NAME_CHARS_MAX)] {
            assert!(series(good, &[(good, good)]).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a=b", "a,b", "a{b", "a}", "a:b", "支付", "a\u{0}", "½", &"x".repeat(NAME_CHARS_MAX + 1)] {
            assert!(series(bad, &[("k", "v")]).is_err(), "{bad}");
            assert!(series("m", &[(bad, "v")]).is_err() && series("m", &[("k", bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn there_are_one_to_eight_tags_and_each_is_there_once() {
        assert!(series("m", &[]).is_err());
        let names: Vec<String> = (0..=TAGS_MAX).map(|number| format!("k{number}")).collect();
        let tags: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
        assert!(series("m", &tags[..TAGS_MAX]).is_ok() && series("m", &tags).is_err());
        assert!(series("m", &[("k", "v"), ("k", "w")]).is_err());
    }

    #[test]
    fn series_spread_over_all_partitions() {
        let mut counts = [0; 12];
        for host in 0..12_000 {
            counts[series("m", &[("host", &format!("web{host}"))]).unwrap().partition(12) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
        assert_eq!(series("m", &[("k", "v")]).unwrap().partition(0), 0);
    }
}
