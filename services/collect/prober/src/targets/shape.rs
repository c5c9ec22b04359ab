//! The API's domains as they are written. All that this process knows of their shape is in this file.

use loki_domain::domain::{Expectation, Scheme, Site, Statuses, Within};
use loki_domain::{Invalid, Text};
use serde::Deserialize;
use serde_json::Value;

use crate::target::Target;

/// A part of the list.
#[derive(Debug, Deserialize)]
pub(super) struct Part {
    /// Each is read alone: one that is odd takes no other with it.
    pub(super) items: Vec<Value>,
    /// The cursor of the next part.
    pub(super) next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Item {
    name: String,
    path: Option<String>,
    scheme: Option<String>,
    vendor: Option<String>,
    expect: Option<Expect>,
}

#[derive(Debug, Default, Deserialize)]
struct Expect {
    status: Option<Vec<String>>,
    body: Option<String>,
    within_ms: Option<u32>,
}

/// An item of the list as a target, or why it can be none.
pub(super) fn target(item: &Value) -> Result<Target, String> {
    let Item { name, path, scheme, vendor, expect } = Item::deserialize(item).map_err(|error| error.to_string())?;
    let wrong = |field: &'static str| move |invalid: Invalid| format!("`{field}`: {invalid}");
    let site = Site {
        name: name.parse().map_err(wrong("name"))?,
        path: path.map_or(Ok(Default::default()), |path| path.parse()).map_err(wrong("path"))?,
        scheme: scheme.map_or(Ok(Scheme::Https), |scheme| scheme.parse()).map_err(wrong("scheme"))?,
        vendor: vendor.map_or(Ok(Default::default()), |vendor| vendor.parse()).map_err(wrong("vendor"))?,
    };
    let Expect { status, body, within_ms } = expect.unwrap_or_default();
    let expectation = Expectation {
        statuses: status.map_or(Ok(Statuses::default()), statuses).map_err(wrong("status"))?,
        body: body.map(|body| body.parse::<Text>()).transpose().map_err(wrong("body"))?,
        within: within_ms.map_or(Ok(Within::default()), Within::new).map_err(wrong("within_ms"))?,
    };
    Target::new(site, expectation).map_err(|invalid| invalid.to_string())
}

/// Whom an item means, for people.
pub(super) fn name(item: &Value) -> String {
    let text = |field: &str| item.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    format!("{}{}", text("name"), text("path"))
}

fn statuses(texts: Vec<String>) -> Result<Statuses, Invalid> {
    Statuses::new(texts.iter().map(|text| text.parse()).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_domain_as_the_api_lists_it() {
        let site = Site {
            name: "127.0.0.1:8443".parse().unwrap(),
            path: "/health".parse().unwrap(),
            scheme: Scheme::Http,
            vendor: "wangsu".parse().unwrap(),
        };
        let statuses = Statuses::new(vec!["2xx".parse().unwrap(), "404".parse().unwrap()]).unwrap();
        let expectation = Expectation { statuses, body: Some("ok".parse().unwrap()), within: Within::new(1_500).unwrap() };
        let item = json!({
            "id": "5dmn0000000sh0p1", "name": "127.0.0.1:8443", "path": "/health", "scheme": "http", "vendor": "wangsu",
            "node": {"id": "3g7k2m9p4q8r5t1v", "path": "/acme"}, "later": {"more": true},
            "expect": {"status": ["404", "2xx"], "body": "ok", "within_ms": 1_500, "later": 1},
        });
        assert_eq!(target(&item).unwrap(), Target::new(site, expectation).unwrap());
        assert_eq!(name(&item), "127.0.0.1:8443/health");
    }

    #[test]
    fn what_is_absent_is_the_usual() {
        let usual = Target::at("https://a.example", "own").ok();
        for item in [
            json!({"name": "a.example"}),
            json!({"name": "a.example", "path": null, "scheme": null, "vendor": null, "expect": null}),
            json!({"name": "a.example", "expect": {"status": null, "body": null, "within_ms": null}}),
        ] {
            assert_eq!(target(&item).ok(), usual, "{item}");
        }
    }

    #[test]
    fn what_cannot_be_probed_says_why() {
        for (item, why) in [
            (json!({}), "missing field `name`"),
            (json!({"name": "a b"}), "`name`"),
            (json!({"name": "a", "path": "x"}), "`path`"),
            (json!({"name": "a", "scheme": "ftp"}), "`scheme`"),
            (json!({"name": "a", "expect": {"within_ms": 0}}), "`within_ms`"),
            (json!({"name": "a", "expect": {"status": ["often"]}}), "`status`"),
            (json!(7), "invalid type"),
        ] {
            assert!(target(&item).unwrap_err().contains(why), "{item}: {:?}", target(&item));
        }
    }
}
