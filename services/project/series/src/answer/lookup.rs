//! `/api/search/lookup`: which series there are. A stock OpenTSDB answers it only when it was told to keep a table for it; here it always is.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use loki_runtime::clock::Stopwatch;
use serde::Deserialize;

use crate::Store;
use crate::query::{Json, Parameters, Problem, Text, Whole, parse_tag, unreadable};
use crate::store::{Dictionary, Entry};

/// As many as OpenTSDB gives when nobody says how many.
const DEFAULT: i64 = 25;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    metric: Text,
    tags: Option<Vec<Tag>>,
    limit: Option<Whole>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Tag {
    key: Text,
    value: Text,
}

pub(super) fn answer(store: &Store, parameters: &Parameters, body: Option<&[u8]>) -> Result<Json, Problem> {
    let watch = Stopwatch::start();
    let asked = match body {
        Some(body) => serde_json::from_slice(body).map_err(|error| unreadable(&error))?,
        None => parse(parameters)?,
    };
    let tags: Vec<(&str, &str)> = asked.tags.iter().flatten().map(|tag| (tag.key.0.as_str(), tag.value.0.as_str())).collect();
    if asked.metric.0.is_empty() && tags.is_empty() {
        return Err(Problem::bad("Missing metric and tags. Please supply at least one value."));
    }
    let limit = asked.limit.map_or(DEFAULT, |limit| limit.0);
    let names_max = store.options().limits.names_max;
    let most = if limit <= 0 { names_max } else { usize::try_from(limit).map_or(names_max, |limit| limit.min(names_max)) };
    let dictionary = store.dictionary();
    let found = find(&dictionary, &asked.metric.0, &tags, most)?;
    let mut json = Json::default();
    json.raw(r#"{"type":"LOOKUP","metric":"#).text(if asked.metric.0.is_empty() { "*" } else { &asked.metric.0 });
    json.raw(r#","tags":["#);
    json.list(tags, |json, (name, value)| {
        json.raw(r#"{"key":"#).text(name).raw(r#","value":"#).text(value).raw("}");
    });
    json.raw(r#"],"limit":"#).whole(limit).raw(r#","time":"#).float(watch.elapsed().as_millis() as f64).raw(r#","results":["#);
    json.list(&found, |json, entry| {
        json.raw(r#"{"tsuid":"#).text(&write_tsuid(entry)).raw(r#","metric":"#).text(entry.series.metric.as_str()).raw(r#","tags":{"#);
        json.list(entry.series.tags.iter(), |json, (name, value)| {
            json.text(name).raw(":").text(value);
        });
        json.raw("}}");
    });
    json.raw(r#"],"startIndex":0,"totalResults":"#).whole(found.len() as i64).raw("}");
    Ok(json)
}

/// `m=metric{name=value,…}`, each of which may be `*`, and `limit`.
fn parse(parameters: &Parameters) -> Result<Asked, Problem> {
    let text = parameters.required("m")?;
    let unable = |problem: &str| Problem::new(400, "Unable to parse query", problem);
    let (metric, tags) = match text.split_once('{') {
        None => (text, ""),
        Some((metric, tags)) => (metric, tags.strip_suffix('}').ok_or_else(|| unable(&format!("Missing '}}' at the end of: {text}")))?),
    };
    if metric.is_empty() && tags.is_empty() {
        return Err(unable(&format!("Missing metric and tags: {text}")));
    }
    let mut pairs = Vec::new();
    for tag in tags.split(',').filter(|_| !tags.is_empty()) {
        let (key, value) = parse_tag(tag, "tag").map_err(|problem| unable(&problem.message))?;
        pairs.push(Tag { key: Text(key.to_owned()), value: Text(value.to_owned()) });
    }
    let limit = match parameters.last("limit") {
        None => None,
        Some(limit) => Some(Whole(limit.parse().map_err(|_| Problem::bad("Unable to convert 'limit' to a valid number"))?)),
    };
    Ok(Asked { metric: Text(metric.to_owned()), tags: Some(pairs), limit })
}

/// Of one tag any of its values may be there; of several tags all must be; `*=value` is any tag with it.
fn find<'d>(dictionary: &'d Dictionary, metric: &str, tags: &[(&str, &str)], most: usize) -> Result<Vec<&'d Arc<Entry>>, Problem> {
    let unknown = |kind, name: &str| Problem {
        status: 404,
        message: "Unable to resolve one or more UIDs".to_owned(),
        ..Problem::no_such_name(kind, name)
    };
    let number = |names: &crate::store::Names, kind, name: &str| match name {
        "" | "*" => Ok(None),
        _ => names.number(name).map(Some).ok_or_else(|| unknown(kind, name)),
    };
    let metric = number(&dictionary.metrics, "metrics", metric)?;
    let mut wanted: BTreeMap<Option<u32>, Vec<Option<u32>>> = BTreeMap::new();
    for (name, value) in tags {
        let name = number(&dictionary.tag_names, "tagk", name)?;
        wanted.entry(name).or_default().push(number(&dictionary.tag_values, "tagv", value)?);
    }
    let certain: Vec<(u32, u32)> =
        wanted.iter().filter_map(|(name, values)| Some(((*name)?, <[_; 1]>::try_from(values.as_slice()).ok()?[0]?))).collect();
    let passes = |entry: &Entry| {
        wanted.iter().all(|(name, values)| {
            let accepted = |value: u32| values.iter().any(|wanted| wanted.is_none_or(|wanted| wanted == value));
            entry.tags.iter().any(|(tag, value)| name.is_none_or(|name| name == *tag) && accepted(*value))
        })
    };
    let mut found: Vec<&Arc<Entry>> = dictionary.candidates(metric, &certain).into_iter().filter(|entry| passes(entry)).collect();
    found.sort_unstable_by(|one, other| (one.metric, &one.tags).cmp(&(other.metric, &other.tags)));
    found.truncate(most);
    Ok(found)
}

/// A series by the numbers of its names, three bytes each, as OpenTSDB writes it.
pub(crate) fn write_tsuid(entry: &Entry) -> String {
    let mut tsuid = format!("{:06X}", entry.metric + 1);
    for (name, value) in &entry.tags {
        // writing into memory does not fail
        let _written = write!(tsuid, "{:06X}{:06X}", name + 1, value + 1);
    }
    tsuid
}
