//! OpenTSDB keeps the promise.

mod sink;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use loki_domain::{Metric, Sample};
use loki_opentsdb::contract::{World, at, sample, series};
use loki_opentsdb::{Found, Newest, OpenTsdb, OpenTsdbConfig, SeriesReader, SeriesStore, series_contract};
use loki_runtime::Clock;
use loki_testing::real::{shared, topic_prefix};

struct Real {
    store: Arc<OpenTsdb>,
}

/// A listener that is gone by the time that anyone connects.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn open(addresses: Vec<String>) -> OpenTsdb {
    OpenTsdb::new(OpenTsdbConfig::new(addresses), Clock::system()).unwrap()
}

impl Real {
    async fn new() -> Self {
        Self { store: Arc::new(open(vec![shared().opentsdb.clone()])) }
    }
}

#[async_trait]
impl World for Real {
    fn store(&self) -> Arc<dyn SeriesStore> {
        self.store.clone()
    }

    fn reader(&self) -> Option<Arc<dyn SeriesReader>> {
        Some(self.store.clone())
    }

    fn now_ms(&self) -> i64 {
        Clock::system().now_ms()
    }

    fn metric(&self) -> Metric {
        format!("{}m", topic_prefix()).parse().unwrap()
    }
}

series_contract!(Real::new());

/// A point of somebody else, whose value is an integer.
async fn put_integer(sample: &Sample) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    let tags: serde_json::Value =
        sample.series.tags.iter().map(|(name, value)| (name.to_owned(), value.into())).collect::<serde_json::Map<_, _>>().into();
    let point = serde_json::json!({"metric": sample.series.metric.as_str(), "timestamp": sample.at.sent(), "value": 77, "tags": tags});
    let response = http.post(format!("{}/api/put?sync&details", shared().opentsdb)).body(point.to_string()).send().await.unwrap();
    assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
}

#[tokio::test]
async fn two_values_at_one_instant_are_told_and_hide_nothing_else() {
    let world = Real::new().await;
    let (metric, ms) = (world.metric(), (world.now_ms() - 7_200_000).div_euclid(3_600_000) * 3_600_000 + 600_000);
    let hosts: Vec<_> = (0..5).map(|host| series(&metric, &[("host", &format!("web{host}"))])).collect();
    let samples: Vec<_> = hosts.iter().map(|host| sample(host, ms, 1.0)).collect();
    assert_eq!(world.store.put(&samples).await, Ok(Vec::new()));
    put_integer(&samples[2]).await;
    let points: Vec<_> = samples.iter().map(|sample| (sample.series.clone(), sample.at)).collect();
    let found = world.store.find(&points).await.unwrap();
    for (index, found) in found.into_iter().enumerate() {
        assert_eq!(found, if index == 2 { Found::Conflicting } else { Found::Value(samples[index].value) }, "{index}");
    }
    let newest = world.store.newest(&hosts).await.unwrap();
    assert!(matches!(newest[2], Newest::NotAfter(until) if until > at(ms)), "{newest:?}");
    assert_eq!((newest[0], newest[4]), (Newest::At(at(ms)), Newest::At(at(ms))));
    let conflicts = loki_opentsdb::check(&*world.store, &metric, ms - 7_200_000, ms + 3_600_000, |_| {}).await.unwrap();
    let named: Vec<_> = conflicts.iter().map(|conflict| (conflict.series.as_ref(), conflict.hour_ms)).collect();
    assert_eq!(named, [(Some(&hosts[2]), ms - 600_000)]);
}

#[tokio::test]
async fn another_daemon_is_asked_when_one_is_away() {
    let world = Real::new().await;
    let store = open(vec![nobody(), shared().opentsdb.clone(), nobody()]);
    let of = series(&world.metric(), &[("host", "a")]);
    for second in 0..6 {
        let point = sample(&of, (world.now_ms() / 1_000 + second) * 1_000, 1.0);
        assert_eq!(store.put(std::slice::from_ref(&point)).await, Ok(Vec::new()));
        assert_eq!(store.find(&[(of.clone(), point.at)]).await, Ok(vec![Found::Value(point.value)]));
    }
    let alone = open(vec![nobody()]);
    assert!(alone.put(&[sample(&of, 1_000_000, 1.0)]).await.unwrap_err().to_string().contains("away"));
}

#[tokio::test]
async fn batches_are_cut_to_what_the_daemon_takes() {
    let world = Real::new().await;
    let of = series(&world.metric(), &[("host", "a")]);
    let ms = (world.now_ms() - 7_200_000).div_euclid(1_000) * 1_000;
    let samples: Vec<_> = (0..200).map(|second| sample(&of, ms + second * 1_000, second as f64)).collect();
    let store = OpenTsdb::new(
        OpenTsdbConfig {
            request_bytes_max: 4_096,
            put_timeout: Duration::from_secs(20),
            ..OpenTsdbConfig::new([shared().opentsdb.clone()])
        },
        Clock::system(),
    )
    .unwrap();
    assert_eq!(store.put(&samples).await, Ok(Vec::new()));
    let points: Vec<_> = samples.iter().map(|sample| (of.clone(), sample.at)).collect();
    assert!(store.find(&points).await.unwrap().iter().all(|found| matches!(found, Found::Value(_))));
}
