//! Whether two answers are the same: objects whatever the order of their members, groups whatever their order, floats to nine digits.

use serde_json::Value;

use super::Answered;

/// The last digits depend on the order of additions.
const RELATIVE: f64 = 1e-9;
/// Of rates that begin in 1970, and of what is left when large numbers cancel out.
const ABSOLUTE: f64 = 1e-9;

/// Where two answers differ first.
pub(super) fn difference(one: &Answered, other: &Answered) -> Option<String> {
    if one.0 != other.0 {
        return Some(format!("status {} and {}: {} and {}", one.0, other.0, one.1, other.1));
    }
    if one.0 != 200 {
        return differs("message", &one.1["error"]["message"], &other.1["error"]["message"]);
    }
    differs("answer", &sorted(&one.1), &sorted(&other.1))
}

/// Groups come in the order of numbers that another server gave to names; two parts of a question stay in their order.
fn sorted(answer: &Value) -> Value {
    let mut answer = answer.clone();
    let groups = if answer.get("results").is_some() { answer.get_mut("results") } else { Some(&mut answer) };
    if let Some(Value::Array(groups)) = groups {
        for group in groups.iter_mut() {
            if let Some(Value::Array(tags)) = group.get_mut("aggregateTags") {
                tags.sort_by_key(Value::to_string);
            }
        }
        groups.sort_by_key(|group| format!("{}{}{}", group["metric"], group["tags"], group["aggregateTags"]));
    }
    answer
}

fn differs(place: &str, one: &Value, other: &Value) -> Option<String> {
    match (one, other) {
        (Value::Object(members), Value::Object(others)) => {
            let names = members.keys().chain(others.keys().filter(|name| !members.contains_key(*name)));
            let compared = names.filter(|name| !super::tolerated::member(place, name));
            compared.into_iter().find_map(|name| differs(&format!("{place}.{name}"), &one[name.as_str()], &other[name.as_str()]))
        }
        (Value::Array(parts), Value::Array(others)) if parts.len() == others.len() => {
            parts.iter().zip(others).enumerate().find_map(|(index, (one, other))| differs(&format!("{place}[{index}]"), one, other))
        }
        (Value::Number(number), Value::Number(another)) if close(number.as_f64(), another.as_f64()) => None,
        _ if one == other => None,
        _ => Some(format!("{place}: {one} and {other}")),
    }
}

fn close(one: Option<f64>, other: Option<f64>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return false };
    (one - other).abs() <= ABSOLUTE.max(one.abs().max(other.abs()) * RELATIVE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_matters_is_a_difference() {
        let group = |host: &str, value: f64| json!({"metric": "m", "tags": {"h": host}, "aggregateTags": ["a", "b"], "dps": {"1": value}});
        let answer = |groups: &[Value]| (200, Value::from(groups.to_vec()));
        let one = answer(&[group("x", 1.0), group("y", 2.0)]);
        assert_eq!(difference(&one, &answer(&[group("y", 2.0 + 1e-10), group("x", 1.0)])), None);
        assert!(difference(&one, &answer(&[group("x", 1.0), group("y", 2.1)])).unwrap().contains("dps.1"));
        assert!(difference(&one, &answer(&[group("x", 1.0)])).is_some());
        assert!(difference(&one, &(400, json!({}))).is_some());
    }
}
