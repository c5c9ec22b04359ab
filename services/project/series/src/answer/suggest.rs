//! `/api/suggest`: names that begin so.

use std::collections::HashMap;

use crate::Store;
use crate::query::{Json, Parameters, Problem, Text, unreadable};

/// As many as OpenTSDB gives when nobody says how many.
const DEFAULT: usize = 25;

pub(super) fn answer(store: &Store, parameters: &Parameters, body: Option<&[u8]>) -> Result<Json, Problem> {
    let (kind, prefix, most) = match body {
        None => {
            let text = |name| parameters.last(name).unwrap_or_default().to_owned();
            (parameters.required("type")?.to_owned(), text("q"), text("max"))
        }
        Some([]) => {
            let how = "Supply valid JSON formatted data in the body of your request";
            return Err(Problem::new(400, "Missing message content", how));
        }
        Some(body) => {
            let mut fields: HashMap<String, Text> = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
            let mut text = |name| fields.remove(name).unwrap_or_default().0;
            (text("type"), text("q"), text("max"))
        }
    };
    if kind.is_empty() {
        return Err(Problem::bad("Missing 'type' parameter"));
    }
    let most: i32 = if most.is_empty() { 0 } else { most.parse().map_err(|_| Problem::bad("Unable to parse 'max' as a number"))? };
    let most = usize::try_from(most).ok().filter(|most| *most > 0).unwrap_or(DEFAULT).min(store.options().limits.names_max);
    let dictionary = store.dictionary();
    let names = match kind.as_str() {
        "metrics" => &dictionary.metrics,
        "tagk" => &dictionary.tag_names,
        "tagv" => &dictionary.tag_values,
        _ => return Err(Problem::bad(format!("Invalid 'type' parameter:{kind}"))),
    };
    let mut json = Json::default();
    json.raw("[");
    json.list(names.beginning(&prefix).take(most), |json, name| {
        json.text(name);
    });
    json.raw("]");
    Ok(json)
}
