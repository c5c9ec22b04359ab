//! `POST /api/put?details`: samples, and what became of each.

use reqwest::Method;
use serde::Deserialize;

use crate::answer::{Answer, Failure, printable};
use crate::client::Client;

/// Reasons that are told; there may be one per point.
const REASONS_MAX: usize = 3;

/// The API has answered for all points of a request: they are not to be sent again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// How many of them it will never take.
    pub refused: usize,
    /// Why, for people; some of the reasons.
    pub reasons: Vec<String>,
}

/// OpenTSDB's answer to `details`; a point that is not named in `errors` is stored.
#[derive(Deserialize)]
struct Details {
    failed: usize,
    #[serde(default)]
    errors: Vec<PointError>,
}

#[derive(Deserialize)]
struct PointError {
    #[serde(default)]
    datapoint: serde_json::Value,
    error: String,
}

impl Client {
    /// `body`: `points` points in a JSON list under gzip.
    ///
    /// # Errors
    /// The points may or may not be stored, and are to be sent again: stored twice, equal points are one.
    pub async fn put(&self, body: Vec<u8>, points: usize) -> Result<Taken, Failure> {
        let request = self.request(Method::POST, &["api", "put"]).with("details", "").json(body).gzip();
        taken(&self.send(request).await?, points)
    }
}

fn taken(answer: &Answer, points: usize) -> Result<Taken, Failure> {
    let details = serde_json::from_slice::<Details>(&answer.body).ok();
    match (answer.status, details) {
        (200..300 | 400, Some(details)) => Ok(Taken {
            refused: details.failed.min(points),
            reasons: details.errors.iter().take(REASONS_MAX).map(|of| printable(&format!("{}: {}", of.error, of.datapoint))).collect(),
        }),
        (200..300, None) => Ok(Taken::default()),
        // the request itself is wrong, and would be the next time
        (400 | 413 | 422, _) => Ok(Taken { refused: points, reasons: vec![answer.failure().to_string()] }),
        // everything else is mended by somebody: a token, a proxy, an upgrade
        _ => Err(answer.failure()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, body: &str) -> Result<Taken, Failure> {
        taken(&Answer::of(status, body), 7)
    }

    #[test]
    fn each_point_is_answered_for() {
        assert_eq!(told(204, ""), Ok(Taken::default()));
        assert_eq!(told(200, r#"{"success":7,"failed":0,"errors":[]}"#), Ok(Taken::default()));
        let some = r#"{"success":5,"failed":2,"errors":[{"datapoint":{"metric":"a b"},"error":"bad metric"},{"error":"too old"}]}"#;
        for status in [200, 400] {
            let taken = told(status, some).unwrap();
            assert_eq!((taken.refused, taken.reasons[0].as_str()), (2, r#"bad metric: {"metric":"a b"}"#));
            assert_eq!(taken.reasons.len(), 2);
        }
    }

    #[test]
    fn what_is_wrong_as_a_whole_is_not_sent_again() {
        for status in [400, 413, 422] {
            let taken = told(status, r#"{"code":"bad_json","detail":"no JSON"}"#).unwrap();
            assert_eq!((taken.refused, taken.reasons), (7, vec![format!("{status} bad_json: no JSON")]));
        }
        for status in [301, 401, 403, 404, 429, 500, 503] {
            assert!(told(status, "").is_err(), "{status}");
        }
    }
}
