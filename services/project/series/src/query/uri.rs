//! A question in a URL: `m=<aggregator>:[rate…:][<downsample>:][explicit_tags:]<metric>{<tags>}{<filters>}`.

use super::asked::{Asked, Part};
use super::filter::Filter;
use super::parameters::Parameters;
use super::problem::Problem;
use super::rate::RateOptions;

pub(super) fn parse(parameters: &Parameters) -> Result<Asked, Problem> {
    for unsupported in ["tsuid", "exp"] {
        if parameters.has(unsupported) {
            return Err(Problem::bad(format!("`{unsupported}` is not supported: ask by `m`")));
        }
    }
    let mut asked = Asked {
        start: parameters.required("start")?.to_owned(),
        end: parameters.last("end").unwrap_or_default().to_owned(),
        ms: parameters.has("ms"),
        show_query: parameters.has("show_query"),
        show_tsuids: parameters.has("show_tsuids"),
        ..Asked::default()
    };
    for part in parameters.all("m") {
        asked.parts.push(parse_part(part)?);
    }
    if asked.parts.is_empty() {
        return Err(Problem::bad("Missing sub queries"));
    }
    Ok(asked)
}

fn parse_part(text: &str) -> Result<Part, Problem> {
    if text.is_empty() {
        return Err(Problem::bad("The query string was empty"));
    }
    let parts: Vec<&str> = text.split(':').collect();
    let wrong = |why| Problem::bad(format!("Invalid parameter m={text} ({why} :-separated parts)"));
    let (aggregator, between, metric) = match parts[..] {
        [_] => return Err(wrong("not enough")),
        [aggregator, ref between @ .., metric] if between.len() <= 3 => (aggregator, between, metric),
        _ => return Err(wrong("too many")),
    };
    let mut part = Part { aggregator: aggregator.to_owned(), ..Part::default() };
    part.metric = parse_metric(metric, &mut part.filters)?.to_owned();
    for word in between {
        let lower = word.to_lowercase();
        if lower.starts_with("rate") {
            part.rate = true;
            if word.contains('{') {
                part.rate_options = Some(parse_rate_options(word)?);
            }
        } else if word.starts_with(|letter: char| letter.is_ascii_digit()) {
            part.downsample = (*word).to_owned();
        } else if lower.starts_with("explicit_tags") {
            part.explicit_tags = true;
        } else if lower == "pre-agg" {
            part.unsupported = Some("pre-agg");
        } else if lower.starts_with("percentiles") || lower.starts_with("show-histogram-buckets") {
            part.unsupported = Some("percentiles");
        }
    }
    Ok(part)
}

/// `metric`, `metric{tags}` or `metric{tags}{filters}`. Tags group; filters do not.
fn parse_metric<'t>(text: &'t str, filters: &mut Vec<Filter>) -> Result<&'t str, Problem> {
    if text.is_empty() {
        return Err(Problem::bad("Metric cannot be null or empty"));
    }
    let Some((metric, braces)) = text.split_once('{') else { return Ok(text) };
    let braces = braces.strip_suffix('}').ok_or_else(|| Problem::bad(format!("Missing '}}' at the end of: {text}")))?;
    let (tags, rest) = match braces.split_once('}') {
        None => (braces, None),
        Some((tags, rest)) => (tags, Some(rest.rsplit_once('{').map_or(rest, |(_, rest)| rest))),
    };
    for filter in rest.into_iter().flat_map(|rest| rest.split(',')).take_while(|filter| !filter.is_empty()) {
        let (name, value) = parse_tag(filter, "filter")?;
        filters.push(Filter::of_tag(name, value, false).map_err(|problem| within("filter", filter, &problem))?);
    }
    if tags.is_empty() {
        return Ok(metric);
    }
    let mut part = Part { filters: std::mem::take(filters), ..Part::default() };
    for tag in tags.split(',') {
        let (name, value) = parse_tag(tag, "tag")?;
        part.group(Filter::of_tag(name, value, true).map_err(|problem| within("tag", tag, &problem))?);
    }
    *filters = part.filters;
    Ok(metric)
}

pub(crate) fn parse_tag<'t>(text: &'t str, what: &str) -> Result<(&'t str, &'t str), Problem> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() && !value.contains('=') => Ok((name, value)),
        _ => Err(within(what, text, &Problem::bad(format!("invalid tag: {text}")))),
    }
}

fn within(what: &str, text: &str, problem: &Problem) -> Problem {
    Problem::bad(format!("When parsing {what} '{text}': {}", problem.message))
}

/// `rate{counter,max,reset}` or `rate{dropcounter}`.
fn parse_rate_options(text: &str) -> Result<RateOptions, Problem> {
    let inner = text.get(5..text.len() - 1).filter(|_| text.len() >= 6);
    let inner = inner.ok_or_else(|| Problem::bad(format!("Invalid rate options specification: {text}")))?;
    let parts: Vec<&str> = inner.split(',').collect();
    if parts.len() > 3 {
        return Err(Problem::bad(format!("`{text}` has {} values: give counter, its maximum and its reset value", parts.len())));
    }
    let number = |index: usize, what: &str, missing: i64| match parts.get(index).filter(|part| !part.is_empty()) {
        None => Ok(missing),
        Some(part) => part.parse().map_err(|_| Problem::bad(format!("{what} of counter was not a number, received '{part}'"))),
    };
    Ok(RateOptions {
        counter: parts[0].ends_with("counter"),
        counter_max: number(1, "Max value", i64::MAX)?,
        reset_value: number(2, "Reset value", 0)?,
        drop_resets: parts[0] == "dropcounter",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_there_can_be() {
        let part = parse_part("sum:rate{counter,100,5}:10m-avg-nan:explicit_tags:cpu{host=web*,dc=a|b}{rack=*}").unwrap();
        assert_eq!((part.aggregator.as_str(), part.metric.as_str(), part.downsample.as_str()), ("sum", "cpu", "10m-avg-nan"));
        assert!(part.rate && part.explicit_tags);
        let options = part.rate_options.unwrap();
        assert_eq!((options.counter, options.counter_max, options.reset_value), (true, 100, 5));
        let filters: Vec<(&str, &str, bool)> = part.filters.iter().map(|it| (it.tag.as_str(), it.text.as_str(), it.group_by)).collect();
        assert_eq!(filters, [("rack", "*", false), ("host", "web*", true), ("dc", "a|b", true)]);
    }

    #[test]
    fn braces_may_be_empty() {
        for (text, tags) in [("sum:cpu", 0), ("sum:cpu{}", 0), ("sum:cpu{}{host=a}", 1), ("sum:cpu{host=a}{}", 1)] {
            let part = parse_part(text).unwrap();
            assert_eq!((part.metric.as_str(), part.filters.len()), ("cpu", tags), "{text}");
        }
    }

    #[test]
    fn a_tag_makes_its_equal_filter_group() {
        let part = parse_part("sum:cpu{host=a}{host=a}").unwrap();
        assert_eq!(part.filters.len(), 1);
        assert!(part.filters[0].group_by);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for wrong in
            ["", "sum", "a:b:c:d:e:f", "sum:cpu{", "sum:cpu{a}", "sum:cpu{a=b=c}", "sum:rate{counter,x}:cpu", "sum:rate{:cpu", "sum:"]
        {
            assert_eq!(parse_part(wrong).unwrap_err().status, 400, "{wrong}");
        }
    }
}
