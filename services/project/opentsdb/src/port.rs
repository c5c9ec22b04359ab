//! What a time-series store must offer: to the sink that fills it, and to whoever asks it. `contract` tests the promise against every adapter.

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use loki_domain::{Instant, Sample, Series, Value};

use crate::error::StoreError;

/// Holds points. Putting a point again as it is there already changes nothing.
#[async_trait]
pub trait SeriesStore: Send + Sync + 'static {
    /// What is not named in the answer is durable when this returns, and survives a crash of the store. A point that is named may have been
    /// stored all the same, unless it is `Invalid`. After an error any of them may have been. The store need not notice that another value is
    /// there at the same instant: whoever puts takes care that there is none.
    async fn put(&self, samples: &[Sample]) -> Result<Vec<Refused>, StoreError>;

    /// What is stored at exactly these instants, in their order. Points whose `put` has returned are found.
    async fn find(&self, points: &[(Series, Instant)]) -> Result<Vec<Found>, StoreError>;

    /// How new these series are, in their order.
    async fn newest(&self, series: &[Series]) -> Result<Vec<Newest>, StoreError>;
}

/// A point that was not stored: which of those that were given, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub index: usize,
    pub why: Why,
}

/// Why a point was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The store will never take this point.
    Invalid(String),
    /// The store has too much to do: send it again later.
    Throttled,
    /// Not stored in time; it may be stored later all the same. Send it again.
    TimedOut,
    /// The store behind the store failed: send it again.
    Storage(String),
}

/// What is stored at one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Found {
    Value(Value),
    Nothing,
    /// Two values are stored at this instant, or so near to it that the store cannot tell: every query over it fails.
    Conflicting,
}

/// How new a series is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newest {
    /// It has no point at all.
    Never,
    /// Its newest point.
    At(Instant),
    /// It has none after this instant, before which the store does not look.
    NotAfter(Instant),
}

/// Answers what people, dashboards and other services ask. Only questions: what would change the store is refused.
#[async_trait]
pub trait SeriesReader: Send + Sync + 'static {
    async fn answer(&self, request: Request) -> Result<Answer, StoreError>;
}

/// A question as it came, over OpenTSDB's HTTP API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`.
    pub method: String,
    /// What follows `/api/`, without a slash at the beginning.
    pub path: String,
    /// What follows `?`, as it came; may be empty.
    pub query: String,
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub accept_encoding: Option<String>,
    pub body: Bytes,
}

/// The store's answer, whatever its status.
pub struct Answer {
    pub status: u16,
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub body: BoxStream<'static, Result<Bytes, StoreError>>,
}

impl Answer {
    /// An answer that is there as a whole.
    pub fn whole(status: u16, content_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self {
            status,
            content_type: Some(content_type.into()),
            content_encoding: None,
            body: futures::stream::once(std::future::ready(Ok(body))).boxed(),
        }
    }

    /// The whole body, if it is not larger than that.
    pub async fn bytes(mut self, limit: usize) -> Result<Bytes, StoreError> {
        let mut whole: Vec<u8> = Vec::new();
        while let Some(part) = self.body.next().await {
            let part = part?;
            if whole.len() + part.len() > limit {
                return Err(StoreError::TooLarge { limit });
            }
            whole.extend_from_slice(&part);
        }
        Ok(whole.into())
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).field("content_type", &self.content_type).finish_non_exhaustive()
    }
}
