//! The peers of the API: axum routers with one handler, the least that is needed to answer the same.

use std::net::SocketAddr;

use anyhow::Result;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::{MethodRouter, get};
use loki_runtime::task;
use redis::AsyncCommands;

use crate::answers::Answer;

/// Answers this from memory.
pub(crate) async fn fixed(answer: Answer) -> Result<SocketAddr> {
    let Answer { status, headers, body } = answer;
    let handler = move || {
        let (headers, body) = (headers.clone(), body.clone());
        async move { (status, headers, body) }
    };
    serve(get(handler)).await
}

/// Has the body in Redis, and fetches it by one `GET` for each request, over one connection.
pub(crate) async fn from_redis(url: &str, answer: Answer) -> Result<SocketAddr> {
    const KEY: &str = "bare";
    let Answer { status, headers, body } = answer;
    let mut connection = redis::Client::open(url)?.get_connection_manager().await?;
    connection.set::<_, _, ()>(KEY, &body[..]).await?;
    let handler = move || {
        let (headers, mut connection) = (headers.clone(), connection.clone());
        async move {
            let body: Vec<u8> = connection.get(KEY).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
            Ok::<_, StatusCode>((status, headers, body))
        }
    };
    serve(get(handler)).await
}

async fn serve(handler: MethodRouter) -> Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let router = Router::new().route("/v1/servers", handler);
    task::spawn("peer", async move { axum::serve(listener, router).await });
    Ok(address)
}
