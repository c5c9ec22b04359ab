//! A server of one file, which answers each request as it is told to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use loki_runtime::task;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How one request is answered.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// From where it is asked for.
    Whole,
    /// Breaks off after so many bytes.
    Cut(usize),
    /// Goes silent after so many bytes.
    Stall(usize),
    Status(&'static str),
    /// Without a length and with other bytes, whatever is asked for.
    Other(Vec<u8>),
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    answers: VecDeque<Answer>,
    /// Path, first byte that is asked for, and token.
    asked: Vec<(String, usize, Option<String>)>,
}

#[derive(Clone)]
pub(crate) struct Server {
    state: Arc<Mutex<State>>,
    address: SocketAddr,
}

impl Server {
    /// Answers as told, and as it should after that.
    pub(crate) async fn begin(bytes: &[u8], answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = State { bytes: bytes.to_vec(), answers: answers.into_iter().collect(), asked: Vec::new() };
        let server = Self { state: Arc::new(Mutex::new(state)), address: listener.local_addr().unwrap() };
        let serving = server.clone();
        task::spawn("server", async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let serving = serving.clone();
                // who breaks off is not waited for
                task::spawn("answer", async move { serving.answer(stream).await });
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn asked(&self) -> Vec<(String, usize, Option<String>)> {
        self.state().asked.clone()
    }

    async fn answer(&self, mut stream: TcpStream) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        let header = |name: &str| {
            let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}: ")));
            line.map(|line| line[name.len() + 2..].to_owned())
        };
        let from: usize = header("range").map_or(0, |range| range.strip_prefix("bytes=").unwrap().trim_end_matches('-').parse().unwrap());
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let (answer, bytes) = {
            let mut state = self.state();
            state.asked.push((path, from, header("authorization")));
            (state.answers.pop_front().unwrap_or(Answer::Whole), state.bytes.clone())
        };
        let (length, rest) = (bytes.len(), &bytes[from.min(bytes.len())..]);
        let ranged = match from {
            0 => format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"),
            from => format!(
                "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {from}-{}/{length}\r\ncontent-length: {}\r\n\r\n",
                length - 1,
                rest.len()
            ),
        };
        let (head, body) = match &answer {
            Answer::Whole => (ranged, rest),
            Answer::Cut(end) | Answer::Stall(end) => (ranged, &rest[..*end]),
            Answer::Status(status) => (format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n"), &[][..]),
            Answer::Other(bytes) => ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_owned(), &bytes[..]),
        };
        stream.write_all(head.as_bytes()).await.ok()?;
        stream.write_all(body).await.ok()?;
        stream.flush().await.ok()?;
        if matches!(answer, Answer::Stall(_)) {
            task::sleep(Duration::from_secs(60)).await;
        }
        stream.shutdown().await.ok()
    }
}
