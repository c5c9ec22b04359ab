//! One request, so that it can be sent again.

use std::time::Duration;

use reqwest::{Method, Url};

use super::error::Error;

#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    url: Url,
    /// A segment that a URL cannot hold.
    wrong: Option<String>,
    body: Option<Vec<u8>>,
    last_event: Option<String>,
    /// What the server was asked to wait.
    pub(super) wait: Duration,
    /// Sending it twice is like sending it once.
    pub(super) repeatable: bool,
}

impl Request {
    pub(super) fn new(method: Method, api: &Url, segments: &[&str]) -> Self {
        let mut url = api.clone();
        // dots would be resolved away and name another resource
        let wrong = segments.iter().find(|segment| matches!(**segment, "" | "." | "..")).map(|segment| (*segment).to_owned());
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        let repeatable = method == Method::GET;
        Self { method, url, wrong, body: None, last_event: None, wait: Duration::ZERO, repeatable }
    }

    /// A parameter, unless it is absent.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.url.query_pairs_mut().append_pair(name, &value.to_string());
        }
        self
    }

    #[must_use]
    pub(crate) fn json(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self
    }

    /// The server may take so long before it answers.
    #[must_use]
    pub(crate) fn waiting(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// It carries an id by which the server knows it again.
    #[must_use]
    pub(crate) fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Goes on after this event.
    #[must_use]
    pub(crate) fn after_event(mut self, position: Option<&str>) -> Self {
        self.last_event = position.map(str::to_owned);
        self
    }

    pub(super) fn path(&self) -> &str {
        self.url.path()
    }

    pub(super) fn build(&self, http: &reqwest::Client) -> Result<reqwest::RequestBuilder, Error> {
        if let Some(wrong) = &self.wrong {
            return Err(Error::Request(format!("`{wrong}` names nothing")));
        }
        let mut builder = http.request(self.method.clone(), self.url.clone());
        if let Some(position) = &self.last_event {
            builder = builder.header("Last-Event-ID", position);
        }
        if let Some(body) = &self.body {
            builder = builder.header("Content-Type", "application/json").body(body.clone());
        }
        Ok(builder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(segments: &[&str]) -> Request {
        Request::new(Method::GET, &Url::parse("http://a:1/cell/").unwrap(), segments)
    }

    #[test]
    fn segments_stay_whole() {
        assert_eq!(request(&["v1", "dead", "loki.commands/0/7/0"]).url.as_str(), "http://a:1/cell/v1/dead/loki.commands%2F0%2F7%2F0");
        assert_eq!(request(&["v1", "tree", "支付"]).path(), "/cell/v1/tree/%E6%94%AF%E4%BB%98");
        assert_eq!(request(&["v1"]).with("a", Some("1 &2")).with("b", None::<u32>).url.query(), Some("a=1+%262"));
    }

    #[test]
    fn dots_are_refused() {
        for bad in ["", ".", ".."] {
            assert!(request(&["v1", "dead", bad]).build(&super::super::tls::plain().build().unwrap()).is_err());
        }
    }
}
