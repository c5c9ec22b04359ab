//! A real OpenTSDB as the other store.

use std::time::Duration;

use loki_domain::Sample;
use loki_series::{Options, Store};
use loki_testing::real;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::tempdir;

use super::compare::difference;
use super::generate::{Generator, Question};
use super::{Answered, ask_store, tolerated};

const QUESTIONS: usize = 400;
/// An OpenTSDB on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn opentsdb_answers_the_same() {
    let folder = tempdir().unwrap();
    let store = Store::open(folder.path(), Options::default()).unwrap();
    let prefix = real::topic_prefix();
    let mut generator = Generator::new(prefix.trim_end_matches('-'), 11);
    let opentsdb = OpenTsdb::shared();
    let first = generator.first_of_each();
    opentsdb.number_names(&first).await;
    store.put(&first).unwrap();
    let samples = generator.samples();
    opentsdb.put(&samples).await;
    store.put(&samples).unwrap();

    let (mut answered, mut differences) = (0, Vec::new());
    for question in generator.questions(QUESTIONS) {
        let (ours, theirs) = (ask_store(&store, &question), opentsdb.ask(&question).await);
        answered += usize::from(theirs.1.as_array().is_some_and(|groups| !groups.is_empty()));
        if let Some(difference) = difference(&ours, &theirs)
            && tolerated::question(&question, &ours, &theirs).is_none()
        {
            differences.push(format!("{question:?}\n  {difference}"));
        }
    }
    assert!(differences.is_empty(), "{} of {QUESTIONS}, first ours:\n{}", differences.len(), differences.join("\n"));
    assert!(answered > QUESTIONS / 2, "only {answered} questions have an answer to compare");
}

struct OpenTsdb {
    http: Client,
    address: &'static str,
}

impl OpenTsdb {
    fn shared() -> Self {
        // refused when the process has one already, which is as good
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().timeout(PATIENCE).no_proxy().build().unwrap();
        Self { http, address: tokio::task::block_in_place(|| &real::shared().opentsdb) }
    }

    /// Series and groups are in the order of their names' numbers: the names get theirs in the order in which our store sees them.
    async fn number_names(&self, samples: &[Sample]) {
        for sample in samples {
            let mut names = vec![("metric", sample.series.metric.as_str())];
            for (name, value) in sample.series.tags.iter() {
                names.extend([("tagk", name), ("tagv", value)]);
            }
            for (kind, name) in names {
                // refused for a name that has one
                let url = format!("{}/api/uid/assign?{kind}={name}", self.address);
                self.http.get(url).send().await.unwrap().bytes().await.unwrap();
            }
        }
    }

    async fn put(&self, samples: &[Sample]) {
        for part in samples.chunks(4_000) {
            let points: Vec<Value> = part
                .iter()
                .map(|sample| {
                    let tags: serde_json::Map<String, Value> = sample.series.tags.iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
                    json!({"metric": sample.series.metric.as_str(), "timestamp": sample.at.sent(), "value": sample.value.to_string(), "tags": tags})
                })
                .collect();
            let response = self.http.post(format!("{}/api/put?sync&details", self.address)).json(&points).send().await.unwrap();
            let (status, body) = (response.status(), response.text().await.unwrap());
            assert!(status.is_success() && body.contains("\"failed\":0"), "{status} {body}");
        }
    }

    async fn ask(&self, question: &Question) -> Answered {
        let method = Method::from_bytes(question.method.as_bytes()).unwrap();
        let request = self.http.request(method, format!("{}/api/{}?{}", self.address, question.path, question.query));
        let request = if question.body.is_empty() { request } else { request.body(question.body.clone()) };
        let response = request.send().await.unwrap();
        let (status, body) = (response.status().as_u16(), response.text().await.unwrap());
        (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error} in {body}, the answer to {question:?}")))
    }
}
