//! What may be asked. Whoever asks must not be able to change anything: not by a path, a method, or a word in the question.

use reqwest::Url;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::error::StoreError;
use crate::port::Request;

/// What follows `/api/`, and whether a body may ask it.
const PATHS: [(&str, bool); 11] = [
    ("query", true),
    ("query/last", true),
    ("query/exp", true),
    ("query/gexp", true),
    ("suggest", true),
    ("search/lookup", true),
    ("aggregators", false),
    ("config/filters", false),
    ("version", false),
    ("uid/uidmeta", false),
    ("annotations", false),
];

/// `Refused` with the reason, or `Unknown`, unless it is a question.
pub(crate) fn check(request: &Request) -> Result<(), StoreError> {
    let refuse = |why: String| Err(StoreError::Refused(why));
    let Some((_, may_post)) = PATHS.iter().find(|(path, _)| *path == request.path) else {
        return Err(StoreError::Unknown(request.path.escape_default().to_string()));
    };
    match request.method.as_str() {
        "GET" => {}
        "POST" if *may_post => {}
        other => {
            return refuse(format!(
                "`/api/{}` is asked by GET{}, not by `{}`",
                request.path,
                if *may_post { " or POST" } else { "" },
                other.escape_default()
            ));
        }
    }
    // OpenTSDB takes this for the method
    if has_parameter(&request.query, "method_override") {
        return refuse("`method_override` may not be used: send the method itself".to_owned());
    }
    if request.method == "POST" && request.path.starts_with("query") && !request.body.is_empty() {
        if request.content_encoding.as_deref().is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
            return refuse("a question is sent as it is, without `Content-Encoding`".to_owned());
        }
        // it would delete what it finds, whatever the daemon's settings say of deleting
        match serde_json::from_slice::<Deletes>(&request.body) {
            Ok(Deletes(false)) => {}
            Ok(Deletes(true)) => return refuse("`delete` may not be used in a question: take it out".to_owned()),
            Err(error) => return refuse(format!("the question is no JSON object: {error}")),
        }
    }
    Ok(())
}

fn has_parameter(query: &str, name: &str) -> bool {
    let mut url = Url::parse("http://x/").expect("an address");
    // the same signs separate parameters for OpenTSDB
    url.set_query(Some(&query.replace(';', "&")));
    url.query_pairs().any(|(key, _)| key == name)
}

/// Whether an object has `delete` with anything but `false` in it. Written twice, the last one would count.
struct Deletes(bool);

impl<'de> Deserialize<'de> for Deletes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DeletesVisitor;
        impl<'de> Visitor<'de> for DeletesVisitor {
            type Value = Deletes;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Deletes, A::Error> {
                let mut deletes = false;
                while let Some(key) = map.next_key::<String>()? {
                    if key == "delete" {
                        deletes |= map.next_value::<serde_json::Value>()? != serde_json::Value::Bool(false);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Deletes(deletes))
            }
        }
        deserializer.deserialize_map(DeletesVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, path: &str, query: &str, body: &str) -> Result<(), StoreError> {
        let of = |text: &str| text.to_owned();
        check(&Request { method: of(method), path: of(path), query: of(query), body: of(body).into(), ..Request::default() })
    }

    #[test]
    fn questions_are_let_through() {
        assert_eq!(asked("GET", "query", "start=1h-ago&m=sum:m", ""), Ok(()));
        assert_eq!(asked("POST", "query", "", r#"{"start":1,"queries":[{"delete":true}],"delete":false}"#), Ok(()));
        assert_eq!(asked("GET", "suggest", "type=metrics&q=delete", ""), Ok(()));
        assert_eq!(asked("POST", "suggest", "", r#"{"type":"metrics"}"#), Ok(()));
        assert_eq!(asked("GET", "aggregators", "", ""), Ok(()));
    }

    #[test]
    fn whatever_would_change_something_is_not() {
        for (method, path, query, body) in [
            ("POST", "put", "", "[]"),
            ("GET", "dropcaches", "", ""),
            ("GET", "query/../put", "", ""),
            ("DELETE", "query", "", ""),
            ("POST", "annotations", "", "[]"),
            ("GET", "query", "start=1h-ago&method_override=delete", ""),
            ("GET", "query", "start=1h-ago&method%5Foverride=delete", ""),
            ("GET", "query", "start=1h-ago;method_override=delete", ""),
            ("POST", "query", "", r#"{"start":1,"delete":true}"#),
            ("POST", "query", "", r#"{"delete":true,"delete":false}"#),
            ("POST", "query", "", r#"{"\u0064elete":"true"}"#),
            ("POST", "query", "", "delete"),
        ] {
            assert!(asked(method, path, query, body).is_err(), "{method} {path}?{query} {body}");
        }
        let packed = Request {
            method: "POST".to_owned(),
            path: "query".to_owned(),
            content_encoding: Some("gzip".to_owned()),
            body: "x".into(),
            ..Request::default()
        };
        assert!(check(&packed).is_err());
    }
}
