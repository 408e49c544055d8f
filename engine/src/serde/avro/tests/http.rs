//! The registry over HTTP, against a small one on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{CONTEXT, ORDER, Order, V1, order};
use crate::serde::avro::{Avro, AvroSettings, HttpSchemaRegistry, SchemaId, SchemaRegistry, SchemaRegistryErrorKind, is_retriable};
use crate::serde::{Serde, SerdeExt};

/// "user:password" in base64.
const CREDENTIALS: &str = "Basic dXNlcjpwYXNzd29yZA==";

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<String>>,
    schemas: Mutex<Vec<Value>>,
    sent: Mutex<Vec<Value>>,
}

/// A registry that runs until the test ends.
struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
}

impl Server {
    fn start() -> Self {
        let seen = Arc::new(Seen::default());
        let app = Router::new().fallback(answer).with_state(Arc::clone(&seen));
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                send.send(listener.local_addr().unwrap()).unwrap();
                axum::serve(listener, app).await.unwrap();
            });
        });
        Self { address: receive.recv().unwrap(), seen }
    }

    fn client(&self) -> HttpSchemaRegistry {
        HttpSchemaRegistry::new(&format!("http://{}/", self.address)).unwrap().basic_auth("user", "password")
    }

    fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().clone()
    }
}

async fn answer(State(seen): State<Arc<Seen>>, request: Request) -> Response {
    let line = format!("{} {}", request.method(), request.uri().path());
    let credentials = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    seen.requests.lock().push(line.clone());
    if credentials.as_deref() != Some(CREDENTIALS) {
        return (StatusCode::UNAUTHORIZED, json!({"error_code": 401, "message": credentials}).to_string()).into_response();
    }
    if !body.is_empty() {
        seen.sent.lock().push(serde_json::from_slice(&body).unwrap());
    }
    let mut schemas = seen.schemas.lock();
    let answer = match line.as_str() {
        "POST /subjects/orders-value/versions" => {
            schemas.push(seen.sent.lock().last().unwrap()["schema"].clone());
            json!({"id": 1})
        }
        "POST /subjects/orders-value" => json!({"subject": "orders-value", "id": 1, "version": 1, "schema": V1}),
        "GET /subjects/orders-value/versions/latest" => json!({"subject": "orders-value", "id": 1, "version": 1, "schema": V1, "schemaType": "AVRO"}),
        "GET /schemas/ids/1" if !schemas.is_empty() => json!({"schema": schemas[0]}),
        "GET /schemas/ids/20" => json!({"schema": "syntax = \"proto3\";", "schemaType": "PROTOBUF"}),
        "GET /schemas/ids/21" => json!({"schema": V1, "references": [{"name": "a", "subject": "a", "version": 1}]}),
        "GET /schemas/ids/22" => return "<html>a portal</html>".into_response(),
        "GET /schemas/ids/23" => return (StatusCode::FOUND, [("location", "/schemas/ids/1")]).into_response(),
        "GET /schemas/ids/24" => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        "POST /subjects/odd%20%2F%C3%B8/versions" => {
            return (StatusCode::CONFLICT, json!({"error_code": 409, "message": "incompatible\n with version 1"}).to_string()).into_response();
        }
        _ => return (StatusCode::NOT_FOUND, json!({"error_code": 40403, "message": "Schema not found"}).to_string()).into_response(),
    };
    answer.to_string().into_response()
}

#[test]
fn an_order_goes_out_and_comes_back() {
    let server = Server::start();
    let orders = Avro::<Order>::new(Arc::new(server.client()), V1).unwrap();
    assert_eq!(orders.to_bytes(&order(), CONTEXT).unwrap().as_deref(), Some(ORDER));
    for _ in 0..3 {
        assert_eq!(orders.deserialize(Some(ORDER), CONTEXT).unwrap(), order());
    }
    assert_eq!(server.requests(), ["POST /subjects/orders-value/versions", "GET /schemas/ids/1"]);
    assert_eq!(*server.seen.sent.lock(), [json!({"schema": V1})]);
}

#[test]
fn a_locked_registry_is_only_read() {
    let server = Server::start();
    for latest in [false, true] {
        let settings = AvroSettings::default().auto_register_schemas(false).use_latest_version(latest);
        let orders = Avro::<Order>::with_settings(Arc::new(server.client()), V1, settings).unwrap();
        assert_eq!(orders.to_bytes(&order(), CONTEXT).unwrap().as_deref(), Some(ORDER));
    }
    assert_eq!(server.requests(), ["POST /subjects/orders-value", "GET /subjects/orders-value/versions/latest"]);
}

#[test]
fn an_id_is_fetched_once_for_all_threads() {
    let server = Server::start();
    let registry = server.client();
    registry.register("orders-value", V1).unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(&*registry.schema(SchemaId::new(1)).unwrap(), V1));
        }
    });
    let fetches = server.requests().iter().filter(|line| *line == "GET /schemas/ids/1").count();
    assert_eq!(fetches, 1);
}

#[test]
fn a_failure_is_not_kept() {
    let server = Server::start();
    let registry = server.client();
    assert_eq!(registry.schema(SchemaId::new(1)).unwrap_err().kind(), SchemaRegistryErrorKind::NotFound);
    registry.register("orders-value", V1).unwrap();
    assert_eq!(&*registry.schema(SchemaId::new(1)).unwrap(), V1);
}

#[test]
fn errors_name_path_and_status() {
    use SchemaRegistryErrorKind::{InvalidAnswer, NotFound, Refused, Unavailable};
    let server = Server::start();
    let registry = server.client();
    let cases = [
        (7, NotFound, "schema registry: GET /schemas/ids/7: expected status 200, found 404 (error code 40403)"),
        (20, Refused, "schema registry: GET /schemas/ids/20: expected a schema of type AVRO, found PROTOBUF"),
        (21, Refused, "schema registry: GET /schemas/ids/21: expected a schema on its own, found one with 1 references to others"),
        (
            22,
            InvalidAnswer,
            "schema registry: GET /schemas/ids/22: status 200, but 21 bytes that are no answer of a schema registry: expected value at line 1 column 1",
        ),
        (23, InvalidAnswer, "schema registry: GET /schemas/ids/23: expected status 200, found 302"),
        (24, Unavailable, "schema registry: GET /schemas/ids/24: expected status 200, found 503"),
    ];
    for (id, kind, message) in cases {
        let error = registry.schema(SchemaId::new(id)).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, message));
    }
    let error = registry.register("odd /ø", V1).unwrap_err();
    assert_eq!(error.kind(), SchemaRegistryErrorKind::Incompatible);
    assert_eq!(
        error.to_string(),
        "schema registry: POST /subjects/odd%20%2F%C3%B8/versions: expected status 200, found 409 (error code 409): incompatible with version 1"
    );
}

/// The server of this test even repeats the credentials in its refusal.
#[test]
fn credentials_are_never_shown() {
    let server = Server::start();
    let registry = HttpSchemaRegistry::new(&format!("http://{}", server.address)).unwrap().basic_auth("somebody", "opensesame");
    let error = registry.schema(SchemaId::new(1)).unwrap_err();
    assert_eq!(error.kind(), SchemaRegistryErrorKind::Refused);
    assert_eq!(error.to_string(), "schema registry: GET /schemas/ids/1: expected status 200, found 401 (error code 401)");
    let in_address = HttpSchemaRegistry::new("https://somebody:opensesame@registry.example").unwrap_err();
    let shown = format!("{error:?} {registry:?} {in_address} {in_address:?}");
    for secret in ["opensesame", "somebody", "c29tZWJvZHk"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn an_address_that_is_none_is_refused() {
    for address in ["", "registry:8081", "ftp://registry", "http://", "http:///path", "http://registry?a=b"] {
        assert_eq!(HttpSchemaRegistry::new(address).unwrap_err().kind(), SchemaRegistryErrorKind::Refused, "{address:?}");
    }
}

/// A server that takes the connection and says nothing: the client's own timeout ends the call.
#[test]
fn silence_ends_with_the_timeout() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let registry = HttpSchemaRegistry::new(&format!("http://{}", silent.local_addr().unwrap())).unwrap().timeout(Duration::from_millis(50));
    let orders = Avro::<Order>::new(Arc::new(registry), V1).unwrap();
    let error = orders.deserialize(Some(ORDER), CONTEXT).unwrap_err();
    assert!(is_retriable(&error), "{error}");
    assert!(error.to_string().contains("GET /schemas/ids/1: no answer: timeout"), "{error}");
}

#[test]
fn nobody_there_is_retriable() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let orders = Avro::<Order>::new(Arc::new(HttpSchemaRegistry::new(&format!("http://{free}")).unwrap()), V1).unwrap();
    assert!(is_retriable(&orders.to_bytes(&order(), CONTEXT).unwrap_err()));
}
