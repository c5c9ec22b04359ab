//! A small S3 for tests: what `object_store` asks of one, over HTTP on this machine. Signatures are looked for and not checked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use loki_runtime::task;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server that ends with this value.
pub struct S3 {
    kept: Arc<Mutex<Kept>>,
    address: SocketAddr,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Kept {
    /// By `/bucket/key`.
    objects: BTreeMap<String, Bytes>,
    /// Parts by the upload's number and their own.
    uploads: BTreeMap<u64, BTreeMap<u32, Bytes>>,
    begun: u64,
}

type Shared = Arc<Mutex<Kept>>;

impl S3 {
    /// # Panics
    /// No port can be had.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let kept = Shared::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&kept)).layer(DefaultBodyLimit::disable());
        let serving = task::spawn("s3", async move { axum::serve(listener, router).await.unwrap_or_default() });
        Self { kept, address, serving }
    }

    /// What the settings need to say.
    pub fn options(&self) -> Vec<(String, String)> {
        let options = [
            ("aws_endpoint", format!("http://{}", self.address)),
            ("aws_allow_http", "true".to_owned()),
            ("aws_region", "eu-central-1".to_owned()),
            ("aws_access_key_id", "key".to_owned()),
            ("aws_secret_access_key", "secret".to_owned()),
        ];
        options.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    pub fn put(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) {
        lock(&self.kept).objects.insert(format!("/{bucket}/{key}"), bytes.into());
    }

    /// The keys of all that is there, with their bucket, and how many uploads have not ended.
    pub fn holds(&self) -> (Vec<String>, usize) {
        let kept = lock(&self.kept);
        (kept.objects.keys().cloned().collect(), kept.uploads.len())
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(
    State(kept): State<Shared>,
    method: Method,
    uri: Uri,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let signed = headers.get(header::AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"AWS4-HMAC-SHA256 Credential=key/"));
    let (mut kept, place) = (lock(&kept), uri.path().to_owned());
    let upload = query.get("uploadId").and_then(|id| id.parse::<u64>().ok());
    match (method.as_str(), upload) {
        _ if !signed => StatusCode::FORBIDDEN.into_response(),
        ("GET" | "HEAD", _) => match kept.objects.get(&place) {
            Some(bytes) => object(bytes, headers.get(header::RANGE).and_then(|range| range.to_str().ok())),
            None => StatusCode::NOT_FOUND.into_response(),
        },
        ("POST", None) if query.contains_key("uploads") => {
            kept.begun += 1;
            let id = kept.begun;
            kept.uploads.insert(id, BTreeMap::new());
            let body = format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");
            body.into_response()
        }
        ("PUT", Some(id)) => {
            let number = query.get("partNumber").and_then(|number| number.parse::<u32>().ok()).unwrap_or_default();
            match kept.uploads.get_mut(&id) {
                Some(parts) => {
                    parts.insert(number, body);
                    ([(header::ETAG, format!("\"{number}\""))], "").into_response()
                }
                None => StatusCode::NOT_FOUND.into_response(),
            }
        }
        ("POST", Some(id)) => match kept.uploads.remove(&id) {
            Some(parts) => {
                let whole: Vec<u8> = parts.into_values().flatten().collect();
                kept.objects.insert(place, whole.into());
                "<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>".into_response()
            }
            None => StatusCode::NOT_FOUND.into_response(),
        },
        ("DELETE", Some(id)) => {
            kept.uploads.remove(&id);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => StatusCode::NOT_IMPLEMENTED.into_response(),
    }
}

fn object(bytes: &Bytes, range: Option<&str>) -> Response {
    let from = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let (status, rest) = match from {
        Some(from) => (StatusCode::PARTIAL_CONTENT, bytes.slice(from.min(bytes.len())..)),
        None => (StatusCode::OK, bytes.clone()),
    };
    let headers = [
        (header::CONTENT_LENGTH, rest.len().to_string()),
        (header::ETAG, "\"whole\"".to_owned()),
        (header::LAST_MODIFIED, "Thu, 01 Jan 2026 00:00:00 GMT".to_owned()),
        (header::CONTENT_RANGE, format!("bytes {}-{}/{}", from.unwrap_or(0), bytes.len().saturating_sub(1), bytes.len())),
    ];
    (status, headers, Body::from(rest)).into_response()
}
