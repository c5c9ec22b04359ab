//! Stands between the platform and one backend, and does to their connections what networks do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Connections are reset, and so is each new one.
    Cut,
    /// Nothing goes through, in either direction, and nobody is told.
    Stall,
    /// Requests arrive and have their effect; no answer comes back.
    HalfOpen,
    /// Everything goes through, a little at a time.
    Slow,
    /// A request arrives and has its effect; in the place of its answer the connection is reset.
    ResetAfterReply,
}

impl Fault {
    pub(crate) const ALL: [Self; 5] = [Self::Cut, Self::Stall, Self::HalfOpen, Self::Slow, Self::ResetAfterReply];
}

/// Bytes that go through at once when it is slow, and how long they take.
const SLOW: (usize, Duration) = (2_048, Duration::from_millis(20));

pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug, Clone, Default)]
struct State {
    /// Where the backend is.
    to: Option<String>,
    fault: Option<Fault>,
}

impl Proxy {
    /// One that leads nowhere yet.
    pub(crate) async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::new(watch::Sender::new(State::default())));
        let of_listener = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, of_listener.subscribe()));
            }
        });
        Self { address, state }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// An address as a client of the backend has it, at this place.
    pub(crate) fn before(&self, url: &str, address: &str) -> String {
        assert!(url.contains(address), "`{url}` has no `{address}`");
        url.replace(address, &self.address())
    }

    pub(crate) fn lead_to(&self, address: String) {
        self.state.send_modify(|state| state.to = Some(address));
    }

    pub(crate) fn set(&self, fault: Option<Fault>) {
        self.state.send_modify(|state| state.fault = fault);
    }
}

async fn forward(client: TcpStream, mut state: watch::Receiver<State>) {
    let now = state.borrow_and_update().clone();
    if now.fault == Some(Fault::Cut) {
        return reset(client);
    }
    if now.fault == Some(Fault::Stall) {
        // accepted by the kernel, answered by nobody
        let _ended = state.wait_for(|state| state.fault != Some(Fault::Stall)).await;
        return reset(client);
    }
    let Some(to) = now.to else { return reset(client) };
    let Ok(server) = TcpStream::connect(to).await else { return reset(client) };
    let _no_delay = (client.set_nodelay(true), server.set_nodelay(true));
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) = (client.into_split(), server.into_split());
    let end = tokio::select! {
        end = carry(&mut from_client, &mut to_server, state.clone(), false) => end,
        end = carry(&mut from_server, &mut to_client, state, true) => end,
    };
    if end == End::Fault
        && let Ok(client) = from_client.reunite(to_client)
    {
        reset(client);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// One side has closed its connection.
    Closed,
    Fault,
}

/// One direction, until its side closes or a fault ends it.
async fn carry(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, mut state: watch::Receiver<State>, are_answers: bool) -> End {
    let mut bytes = vec![0; 64 * 1_024];
    loop {
        let fault = state.borrow_and_update().fault;
        match fault {
            Some(Fault::Cut) => return End::Fault,
            Some(Fault::Stall) => {
                let _gone = state.changed().await;
                continue;
            }
            Some(Fault::HalfOpen) if are_answers => {
                // what was answered meanwhile is lost, and with it the connection
                let _gone = state.changed().await;
                return End::Fault;
            }
            Some(Fault::HalfOpen | Fault::Slow | Fault::ResetAfterReply) | None => {}
        }
        let limit = if fault == Some(Fault::Slow) { SLOW.0 } else { bytes.len() };
        let read = tokio::select! {
            _ = state.changed() => continue,
            read = from.read(&mut bytes[..limit]) => read,
        };
        let Ok(number @ 1..) = read else { return End::Closed };
        if are_answers && fault == Some(Fault::ResetAfterReply) {
            return End::Fault;
        }
        if fault == Some(Fault::Slow) {
            tokio::time::sleep(SLOW.1).await;
        }
        if to.write_all(&bytes[..number]).await.is_err() {
            return End::Closed;
        }
    }
}

/// The other side sees an error, not an end.
fn reset(stream: TcpStream) {
    let _may_be_gone = stream.set_zero_linger();
    drop(stream);
}
