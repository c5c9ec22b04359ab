//! OpenTSDB over HTTP.
//!
//! Needs 2.4, with `tsd.http.request.enable_chunked=true` and `max_chunk` of at least `request_bytes_max`; without them batches are cut until they
//! fit into what it takes. `tsd.storage.fix_duplicates` should stay `false`: it hides what the sink exists to prevent. Names reach it in
//! UTF-8 and are kept in ISO 8859-1, which is why `loki_domain` allows no others.

mod addresses;
mod find;
mod newest;
mod put;
mod question;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use loki_domain::{Instant, Sample, Series};
use loki_runtime::Clock;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};
use reqwest::{Client, Method, Response, StatusCode};

use self::addresses::Addresses;
pub(crate) use self::put::refused;
use self::question::Question;
pub(crate) use self::question::{Failure, Line, failure, lines};
use crate::config::OpenTsdbConfig;
use crate::error::StoreError;
use crate::port::{Answer, Found, Newest, Refused, Request, SeriesReader, SeriesStore, Why};
use crate::read;

/// Questions of one call that are asked at once.
const AT_ONCE: usize = 4;
/// An answer about a request as a whole is read no further.
const ERROR_BYTES_MAX: usize = 64 << 10;

/// One OpenTSDB, of one daemon or several.
#[derive(Debug)]
pub struct OpenTsdb {
    http: Client,
    addresses: Addresses,
    config: OpenTsdbConfig,
    clock: Clock,
}

impl OpenTsdb {
    /// Connects when it is first used. `clock` says what new is.
    pub fn new(config: OpenTsdbConfig, clock: Clock) -> Result<Self, StoreError> {
        if let Some(problem) = config.problems().into_iter().next() {
            return Err(StoreError::Unusable(problem));
        }
        // refused when the process has one already, which is as good
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .connect_timeout(config.connect_timeout)
            // the daemons close what is idle for five minutes
            .pool_idle_timeout(Duration::from_secs(60))
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        if config.addresses.iter().all(|address| address.starts_with("http://")) {
            // a small container has no certificates of authorities, and needs none
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| StoreError::Unusable(addresses::told(&error)))?;
        Ok(Self { http, addresses: Addresses::new(&config.addresses)?, config, clock })
    }

    async fn put_piece(&self, samples: &[Sample]) -> Result<Put, StoreError> {
        let body = Bytes::from(put::body(samples));
        let timeout_ms = self.config.put_timeout.as_millis();
        let query = format!("api/put?sync&details&sync_timeout={timeout_ms}");
        // it answers late points when its own time has passed, and looks at each for another millisecond
        let limit = self.config.put_timeout + Duration::from_secs(5);
        let response = self
            .addresses
            .send(|base| self.http.post(joined(base, &query)).header(CONTENT_TYPE, "application/json").timeout(limit).body(body.clone()))
            .await?;
        let status = response.status();
        let answer = self.whole(response).await?;
        match refused(samples, &answer) {
            Some(refused) if status == StatusCode::OK || status == StatusCode::BAD_REQUEST => Ok(Put::Done(refused)),
            _ if status == StatusCode::NO_CONTENT => Ok(Put::Done(Vec::new())),
            _ => {
                let why = format!("{status}: {}", said(&answer));
                match status {
                    StatusCode::PAYLOAD_TOO_LARGE | StatusCode::BAD_REQUEST => Ok(Put::NotAsOne(why)),
                    StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                        Err(StoreError::Unusable(why))
                    }
                    _ => Err(StoreError::Away(why)),
                }
            }
        }
    }

    /// The answer to one of the sink's own questions, or why there is none.
    async fn ask(&self, question: &Question<'_>) -> Result<Result<Vec<Line>, Failure>, StoreError> {
        let Some(body) = question.body() else { return Ok(Ok(Vec::new())) };
        let body = Bytes::from(body);
        let response = self
            .addresses
            .send(|base| {
                let request = self.http.post(joined(base, "api/query?arrays")).header(CONTENT_TYPE, "application/json");
                request.timeout(self.config.query_timeout).body(body.clone())
            })
            .await?;
        let status = response.status();
        let answer = self.whole(response).await?;
        if status == StatusCode::OK {
            return lines(&answer).map(Ok).map_err(|error| StoreError::Away(format!("an answer of it cannot be read: {error}")));
        }
        match failure(&answer) {
            Failure::Other(why) => match status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                    Err(StoreError::Unusable(format!("{status}: {why}")))
                }
                _ => Err(StoreError::Away(format!("{status}: {why}"))),
            },
            failure => Ok(Err(failure)),
        }
    }

    /// The body, within the bound.
    async fn whole(&self, response: Response) -> Result<Bytes, StoreError> {
        answer(response).bytes(self.config.answer_bytes_max).await
    }
}

/// What became of a put.
enum Put {
    Done(Vec<Refused>),
    /// It does not take these points in one request.
    NotAsOne(String),
}

#[async_trait]
impl SeriesStore for OpenTsdb {
    async fn put(&self, samples: &[Sample]) -> Result<Vec<Refused>, StoreError> {
        let mut refused = Vec::new();
        // what is to be sent, the first at the end
        let mut rest = vec![(0, samples.len())];
        while let Some((from, to)) = rest.pop() {
            if from == to {
                continue;
            }
            let number = put::piece(&samples[from..to], self.config.request_bytes_max);
            rest.push((from + number, to));
            let piece = match self.put_piece(&samples[from..from + number]).await {
                // what it has taken of the batch before is not to be sent again
                Err(StoreError::Away(why)) if from > 0 => {
                    refused.extend((from..samples.len()).map(|index| Refused { index, why: Why::Storage(why.clone()) }));
                    return Ok(refused);
                }
                piece => piece?,
            };
            match piece {
                Put::Done(of) => refused.extend(of.into_iter().map(|of| Refused { index: from + of.index, why: of.why })),
                Put::NotAsOne(why) if number > 1 => {
                    tracing::warn!(points = number, why, "a batch is cut: raise `tsd.http.request.max_chunk`, with `enable_chunked` on");
                    rest.extend([(from + number / 2, from + number), (from, from + number / 2)]);
                }
                // nothing is wrong with its JSON, so it is not said of the point
                Put::NotAsOne(why) => refused.push(Refused { index: from, why: Why::Storage(why) }),
            }
        }
        Ok(refused)
    }

    async fn find(&self, points: &[(Series, Instant)]) -> Result<Vec<Found>, StoreError> {
        let asked: Vec<BoxFuture<'_, _>> = find::looks(points).into_iter().map(|look| self.look(look, points).boxed()).collect();
        let answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
        let mut found = vec![Found::Nothing; points.len()];
        for answer in answers {
            for (index, value) in answer? {
                found[index] = value;
            }
        }
        Ok(found)
    }

    async fn newest(&self, series: &[Series]) -> Result<Vec<Newest>, StoreError> {
        self.newest_of(series).await
    }
}

#[async_trait]
impl SeriesReader for OpenTsdb {
    async fn answer(&self, request: Request) -> Result<Answer, StoreError> {
        read::check(&request)?;
        let method = if request.method == "POST" { Method::POST } else { Method::GET };
        let path = match request.query.as_str() {
            "" => format!("api/{}", request.path),
            query => format!("api/{}?{query}", request.path),
        };
        let mut headers = HeaderMap::new();
        let mut add = |name: HeaderName, value: &Option<String>| -> Result<(), StoreError> {
            if let Some(value) = value {
                let value =
                    value.parse().map_err(|_| StoreError::Refused(format!("the header `{name}` has letters that it may not have")))?;
                headers.insert(name, value);
            }
            Ok(())
        };
        add(CONTENT_TYPE, &request.content_type)?;
        add(CONTENT_ENCODING, &request.content_encoding)?;
        add(ACCEPT_ENCODING, &request.accept_encoding)?;
        let sent = self.addresses.send(|base| {
            let asked = self.http.request(method.clone(), joined(base, &path)).headers(headers.clone());
            asked.timeout(self.config.query_timeout).body(request.body.clone())
        });
        Ok(answer(sent.await?))
    }
}

/// The address of a path. What is behind `?` goes as it came.
fn joined(base: &reqwest::Url, path: &str) -> reqwest::Url {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path()));
    url.set_query(query);
    url
}

fn answer(response: Response) -> Answer {
    let header = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Answer {
        status: response.status().as_u16(),
        content_type: header(CONTENT_TYPE),
        content_encoding: header(CONTENT_ENCODING),
        body: response.bytes_stream().map(|part| part.map_err(|error| StoreError::Away(addresses::told(&error)))).boxed(),
    }
}

/// What an answer about a request as a whole says.
fn said(answer: &[u8]) -> String {
    match failure(&answer[..answer.len().min(ERROR_BYTES_MAX)]) {
        Failure::Other(why) => why,
        other => format!("{other:?}"),
    }
}
