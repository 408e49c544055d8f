//! The process's own API, on the loopback interface unless told otherwise: the operator's questions, and the topology's query API.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use straum::runtime;
use straum_topologies::registry::{Answer, Call, Stores};
use tokio::sync::Notify;

use super::application::Application;
use super::data_folder::{DataFolder, Listening};
use super::metrics;
use super::operator::{self, Request};

/// The header that an operator's call carries.
pub(super) const TOKEN: &str = "straum-token";

/// How long calls may take that were under way when the process was told to end.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

#[derive(Clone)]
struct Served {
    application: Arc<Application>,
    token: Arc<str>,
}

/// Serves until the process is told to end, or the application has ended; says where once it listens.
pub(super) async fn serve(
    application: Arc<Application>,
    folder: &DataFolder,
    (host, port): (IpAddr, u16),
    over: Arc<Notify>,
    ready: impl FnOnce(SocketAddr) -> Result<()>,
) -> Result<()> {
    let token: Arc<str> = uuid::Uuid::new_v4().to_string().into();
    let served = Served { application, token: Arc::clone(&token) };
    let router = Router::new()
        .route("/operator", post(operator).layer(DefaultBodyLimit::max(256 << 20)))
        .route("/internal/isalive", get(is_alive))
        .route("/internal/isready", get(is_ready))
        .route("/internal/metrics", get(metrics))
        .fallback(query)
        .with_state(served);
    let bound = tokio::net::TcpListener::bind((host, port)).await;
    let listener = bound.with_context(|| format!("cannot listen on port {port} of {host}; choose another with --port"))?;
    let address = listener.local_addr()?;
    folder.listen(&Listening { port: address.port(), token: token.to_string(), process: std::process::id() })?;
    let ready = ready(address);
    let served = if ready.is_ok() { until_told(listener, router, over).await } else { ready };
    folder.silence();
    served
}

/// Serves until told to end; calls that are under way then have a moment to be answered.
async fn until_told(listener: tokio::net::TcpListener, router: Router, over: Arc<Notify>) -> Result<()> {
    let told = Arc::new(Notify::new());
    let tell = Arc::clone(&told);
    let end = async move {
        tokio::select! {
            () = told_to_end() => {}
            () = over.notified() => {}
        }
        tell.notify_one();
    };
    let late = async {
        told.notified().await;
        tokio::time::sleep(LAST_ANSWERS).await;
    };
    tokio::select! {
        served = axum::serve(listener, router).with_graceful_shutdown(end) => served.context("serving"),
        () = late => Ok(()),
    }
}

/// Ctrl-C, or the signal that a supervisor sends.
async fn told_to_end() {
    let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

fn answer(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(body)).into_response()
}

/// Not alive once a thread has died: whoever supervises the process starts it again, and nothing is lost.
async fn is_alive(State(served): State<Served>) -> Response {
    if !served.application.is_started() {
        return "alive, and starting".into_response();
    }
    match served.application.streams.read().errors().len() {
        0 => "alive".into_response(),
        dead => (StatusCode::SERVICE_UNAVAILABLE, format!("{dead} of the threads have ended with an error; the log says why")).into_response(),
    }
}

async fn is_ready(State(served): State<Served>) -> Response {
    if !served.application.is_started() {
        return starting();
    }
    // Reading where the topics end blocks.
    let looked = tokio::task::spawn_blocking(move || {
        let state = served.application.streams.read().state();
        let complete = state == runtime::State::Running && served.application.behind().is_ok_and(|behind| behind.complete);
        (complete, if complete || state != runtime::State::Running { format!("{state:?}") } else { "reading for the first time".to_owned() })
    });
    match looked.await {
        Ok((true, state)) => (StatusCode::OK, state).into_response(),
        Ok((false, state)) => (StatusCode::SERVICE_UNAVAILABLE, state).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn metrics(State(served): State<Served>) -> Response {
    if !served.application.is_started() {
        return starting();
    }
    match metrics::text(&served.application.streams.read(), &served.application.place.client_statistics()) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => answer(500, &json!({ "error": error.to_string() })),
    }
}

async fn operator(State(served): State<Served>, headers: HeaderMap, body: Bytes) -> Response {
    if headers.get(TOKEN).and_then(|token| token.to_str().ok()) != Some(&*served.token) {
        return answer(401, &json!({ "error": "the token of process.json is missing" }));
    }
    if !served.application.is_started() {
        return answer(422, &json!({ "error": "the application is starting: ask again in a moment" }));
    }
    let request: Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return answer(400, &json!({ "error": error.to_string() })),
    };
    let asked = tokio::task::spawn_blocking(move || operator::of_stores(&served.application, &request)).await;
    match asked {
        Ok(Ok(value)) => answer(200, &value),
        Ok(Err(error)) => answer(422, &json!({ "error": format!("{error:#}") })),
        Err(error) => answer(500, &json!({ "error": error.to_string() })),
    }
}

fn starting() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "starting: topics or global stores are waited for").into_response()
}

/// The largest body of a query.
const MOST_BYTES: usize = 64 * 1024;

/// Whatever else is called is the topology's own.
async fn query(State(served): State<Served>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    if !served.application.is_started() {
        return answer(503, &json!({ "errors": [{ "message": "the application is starting" }] }));
    }
    if body.len() > MOST_BYTES {
        return answer(413, &json!({ "errors": [{ "message": "the body is over 64 kB" }] }));
    }
    let is_json = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(|kind| kind.starts_with("application/json"));
    // A page of a browser cannot send JSON here without being asked first.
    if !body.is_empty() && !is_json {
        return answer(415, &json!({ "errors": [{ "message": "expected content-type: application/json" }] }));
    }
    let Ok(body) = (if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&body) }) else {
        return answer(400, &json!({ "errors": [{ "message": "the body is not JSON" }] }));
    };
    let called = tokio::task::spawn_blocking(move || {
        let application = &served.application;
        let service = application.service.as_ref()?;
        let Ok(behind) = application.behind() else {
            return Some(Answer { status: 503, body: json!({ "errors": [{ "message": "the log cannot be read" }] }) });
        };
        let call = Call { method: method.to_string(), path: uri.path().to_owned(), body, now: application.clock.now(), behind };
        Some(service.call(Stores::Application(&application.streams.read()), &call))
    });
    match called.await {
        Ok(Some(called)) => answer(called.status, &called.body),
        Ok(None) => answer(404, &json!({ "errors": [{ "message": "this topology has no query API" }] })),
        Err(_) => answer(500, &json!({ "errors": [{ "message": "the query failed" }] })),
    }
}
