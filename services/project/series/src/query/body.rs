//! A question in JSON.
//!
//! OpenTSDB's reader is lenient: a number may be a text and the other way round, `null` is nothing, and of `tags` and `filters` the one that
//! comes last counts. Fields that it does not know it leaves out.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::asked::{Asked, Part};
use super::filter::Filter;
use super::problem::Problem;
use super::rate::RateOptions;
use super::scalar::{Flag, Text, Whole};

pub(super) fn parse(body: &[u8]) -> Result<Asked, Problem> {
    if body.is_empty() {
        let how = "Supply valid JSON formatted data in the body of your request";
        return Err(Problem::new(400, "Missing message content", how));
    }
    let read: Body = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let mut asked = Asked {
        start: read.start.0,
        end: read.end.0,
        timezone: read.timezone.0,
        ms: read.ms_resolution.0,
        show_query: read.show_query.0,
        show_tsuids: read.show_tsuids.0,
        use_calendar: read.use_calendar.0,
        delete: read.delete.0,
        parts: Vec::new(),
    };
    for part in read.queries.unwrap_or_default() {
        asked.parts.push(part.0);
    }
    Ok(asked)
}

pub(crate) fn unreadable(error: &serde_json::Error) -> Problem {
    Problem::new(400, "Unable to parse the given JSON", error.to_string())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Body {
    start: Text,
    end: Text,
    timezone: Text,
    ms_resolution: Flag,
    show_query: Flag,
    #[serde(rename = "showTSUIDs")]
    show_tsuids: Flag,
    use_calendar: Flag,
    delete: Flag,
    queries: Option<Vec<BodyPart>>,
}

/// Read field by field, because the order of the fields matters.
struct BodyPart(Part);

impl<'de> Deserialize<'de> for BodyPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PartVisitor)
    }
}

struct PartVisitor;

impl<'de> Visitor<'de> for PartVisitor {
    type Value = BodyPart;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `metric` and `aggregator`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<BodyPart, A::Error> {
        let mut part = Part::default();
        while let Some(field) = map.next_key::<String>()? {
            match field.as_str() {
                "metric" => part.metric = map.next_value::<Text>()?.0,
                "aggregator" => part.aggregator = map.next_value::<Text>()?.0,
                "downsample" => part.downsample = map.next_value::<Text>()?.0,
                "rate" => part.rate = map.next_value::<Flag>()?.0,
                "rateOptions" => part.rate_options = map.next_value::<Option<BodyRateOptions>>()?.map(BodyRateOptions::read),
                "explicitTags" => part.explicit_tags = map.next_value::<Flag>()?.0,
                "tags" => {
                    part.filters.clear();
                    for (name, value) in map.next_value::<Option<Pairs>>()?.unwrap_or_default().0 {
                        part.group(Filter::of_tag(&name, &value, true).map_err(refused)?);
                    }
                }
                "filters" => {
                    let filters = map.next_value::<Option<Vec<BodyFilter>>>()?.unwrap_or_default();
                    part.filters = filters.into_iter().map(BodyFilter::read).collect::<Result<_, Problem>>().map_err(refused)?;
                }
                "tsuids" if map.next_value::<Option<Vec<Text>>>()?.is_some_and(|tsuids| !tsuids.is_empty()) => {
                    part.unsupported = Some("tsuids");
                }
                "percentiles" if map.next_value::<Option<Vec<f64>>>()?.is_some_and(|percentiles| !percentiles.is_empty()) => {
                    part.unsupported = Some("percentiles");
                }
                "showHistogramBuckets" if map.next_value::<Flag>()?.0 => part.unsupported = Some("showHistogramBuckets"),
                "preAggregate" if map.next_value::<Flag>()?.0 => part.unsupported = Some("preAggregate"),
                "tsuids" | "percentiles" | "showHistogramBuckets" | "preAggregate" => {}
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(BodyPart(part))
    }
}

fn refused<E: serde::de::Error>(problem: Problem) -> E {
    E::custom(problem.message)
}

/// The members of an object in their order.
#[derive(Default)]
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs: Vec<(String, String)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Text>()? {
                    pairs.retain(|(known, _)| *known != name);
                    pairs.push((name, value.0));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct BodyRateOptions {
    #[serde(alias = "isCounter")]
    counter: Flag,
    counter_max: Option<Whole>,
    reset_value: Option<Whole>,
    drop_resets: Flag,
}

impl BodyRateOptions {
    fn read(self) -> RateOptions {
        RateOptions {
            counter: self.counter.0,
            counter_max: self.counter_max.map_or(i64::MAX, |max| max.0),
            reset_value: self.reset_value.map_or(0, |value| value.0),
            drop_resets: self.drop_resets.0,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct BodyFilter {
    #[serde(rename = "type")]
    kind: Text,
    tagk: Text,
    filter: Text,
    #[serde(rename = "groupBy", alias = "group_by")]
    group_by: Flag,
}

impl BodyFilter {
    fn read(self) -> Result<Filter, Problem> {
        Filter::new(&self.kind.0, &self.tagk.0, &self.filter.0, self.group_by.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grafana_sends() {
        let asked = parse(
            br#"{"start":1700000000000,"end":"1h-ago","msResolution":true,"globalAnnotations":true,"showQuery":"true","queries":[
                {"metric":"cpu","aggregator":"sum","downsample":"1m-avg-none","rate":true,
                 "rateOptions":{"counter":true,"counterMax":"100","resetValue":5.0,"dropResets":false},"disableDownsampling":false,
                 "filters":[{"type":"wildcard","tagk":"host","filter":"*","groupBy":true}],"explicitTags":true},
                {"metric":"mem","aggregator":"avg","tags":{"host":"a|b"},"rateOptions":null,"tsuids":[]}]}"#,
        )
        .unwrap();
        assert_eq!((asked.start.as_str(), asked.end.as_str()), ("1700000000000", "1h-ago"));
        assert!(asked.ms && asked.show_query && !asked.delete);
        let [one, other] = &asked.parts[..] else { panic!("{asked:?}") };
        let options = one.rate_options.as_ref().unwrap();
        assert_eq!((options.counter, options.counter_max, options.reset_value), (true, 100, 5));
        assert!(one.rate && one.explicit_tags && one.filters[0].group_by);
        assert_eq!((other.filters[0].kind, other.filters[0].group_by, &other.unsupported), ("literal_or", true, &None));
    }

    #[test]
    fn of_tags_and_filters_the_last_counts() {
        let filters = |parts: &str| {
            let body = format!(r#"{{"start":1,"queries":[{{"metric":"m","aggregator":"sum",{parts}}}]}}"#);
            let asked = parse(body.as_bytes()).unwrap();
            asked.parts[0].filters.iter().map(|filter| filter.tag.clone()).collect::<Vec<_>>()
        };
        let (tags, filter) = (r#""tags":{"a":"b"}"#, r#""filters":[{"type":"regexp","tagk":"c","filter":"d"}]"#);
        assert_eq!(filters(&format!("{tags},{filter}")), ["c"]);
        assert_eq!(filters(&format!("{filter},{tags}")), ["a"]);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for wrong in ["", "{", "3", r#"{"queries":3}"#, r#"{"queries":[{"tags":{"a":""}}]}"#, r#"{"queries":[{"filters":[{"type":"x"}]}]}"#]
        {
            assert_eq!(parse(wrong.as_bytes()).unwrap_err().status, 400, "{wrong}");
        }
    }
}
