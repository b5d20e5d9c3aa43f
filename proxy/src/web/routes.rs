//! The routes and the server that serves them.

use std::io;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::readiness::{Readiness, Stage};
use crate::metrics::Metrics;

/// OpenMetrics, as Prometheus asks for it.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves until the token is cancelled.
pub async fn serve(
    listener: TcpListener,
    (metrics, board): (Metrics, Board),
    readiness: Readiness,
    end: CancellationToken,
) -> io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(readiness)
        .merge(Router::new().route("/metrics", get(text)).with_state(metrics))
        .merge(Router::new().route("/", get(page)).with_state(board));
    axum::serve(listener, router).with_graceful_shutdown(end.cancelled_owned()).await
}

async fn page(State(board): State<Board>) -> Html<String> {
    Html(board.page().await)
}

async fn readyz(State(readiness): State<Readiness>) -> impl IntoResponse {
    let stage = readiness.stage();
    let status = match stage {
        Stage::Ready => StatusCode::OK,
        Stage::Starting | Stage::Draining => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, format!("{}\n", stage.word()))
}

async fn text(State(metrics): State<Metrics>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], metrics.text())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn get(listener: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(listener).await.expect("a listener");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("an open connection");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    }

    #[tokio::test]
    async fn readiness_follows_the_stage() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let (readiness, end) = (Readiness::default(), CancellationToken::new());
        let server = tokio::spawn(serve(
            listener,
            (Metrics::default(), Board::default()),
            readiness.clone(),
            end.clone(),
        ));
        assert!(get(&address, "/healthz").await.starts_with("HTTP/1.1 200"));
        assert!(get(&address, "/readyz").await.starts_with("HTTP/1.1 503"));
        readiness.ready();
        assert!(get(&address, "/readyz").await.starts_with("HTTP/1.1 200"));
        readiness.draining();
        readiness.ready();
        assert!(get(&address, "/readyz").await.ends_with("draining\n"));
        assert!(get(&address, "/metrics").await.contains("pgherd_merged_rows"));
        end.cancel();
        server.await.expect("no panic").expect("a clean end");
    }
}
