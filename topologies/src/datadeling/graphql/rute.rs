//! The API as HTTP.

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

use super::tjeneste::{MAKS_KROPP, Svar, Tjeneste};

/// Where to listen unless told otherwise: this machine only.
pub const STANDARD_ADRESSE: std::net::SocketAddr = std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// Routes `POST /graphql`, `GET /internal/isalive` and `GET /internal/isready`.
pub fn router(tjeneste: Tjeneste) -> Router {
    Router::new()
        .route("/graphql", post(graphql))
        .route("/internal/isalive", get(|| async { StatusCode::OK }))
        .route("/internal/isready", get(er_klar))
        .with_state(tjeneste)
}

async fn er_klar(State(tjeneste): State<Tjeneste>) -> StatusCode {
    if tjeneste.er_klar() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn graphql(State(tjeneste): State<Tjeneste>, kropp: Body) -> Response {
    // A byte more than is allowed is enough to know.
    let Ok(kropp) = to_bytes(kropp, MAKS_KROPP + 1).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    // Reading stores blocks.
    match tokio::task::spawn_blocking(move || tjeneste.utfor(&kropp)).await {
        Ok(svar) => svar.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl IntoResponse for Svar {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self.kropp)).into_response()
    }
}
