//! Serves a service on a loopback port in the way of an internal listener, so that a test runs through
//! the client that other processes use as well as through the local one.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use secrecy::SecretString;
use songkeep_api::{
    HttpTransport, Problem, RpcService, token::ServiceTokens, transport::SERVICE_TOKEN_HEADER,
};
use songkeep_domain::{NodeRole, ServiceError, ServiceResult, SystemClock};

#[derive(Clone)]
struct Served {
    rpc: Arc<dyn RpcService>,
    tokens: Arc<ServiceTokens>,
}

/// How the gateway reaches `rpc`, which is served until the test's runtime ends.
///
/// # Panics
/// When loopback cannot be used.
pub async fn serve(rpc: Arc<dyn RpcService>) -> HttpTransport {
    let secret = SecretString::from("a secret that only this test knows");
    let tokens = Arc::new(ServiceTokens::new(&secret, Arc::new(SystemClock)));
    let role = rpc.role();
    let router = Router::new()
        .route("/internal/{service}/{method}", post(answer))
        .with_state(Served { rpc, tokens: Arc::clone(&tokens) });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client = HttpTransport::pooled_client().expect("the TLS backend is built in");
    HttpTransport::new(client, tokens, NodeRole::Gateway, role, &url)
}

async fn answer(
    State(served): State<Served>,
    Path((_, method)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match call(&served, &method, &headers, &body).await {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => {
            let status = StatusCode::from_u16(error.code.status()).expect("codes have real statuses");
            let retry = error.retry_after.map_or(String::new(), |after| after.as_secs().to_string());
            let problem =
                serde_json::to_vec(&Problem::new(&error, "a-test")).expect("problems are plain data");
            (status, [(header::RETRY_AFTER, retry)], problem).into_response()
        }
    }
}

async fn call(served: &Served, method: &str, headers: &HeaderMap, body: &[u8]) -> ServiceResult<Bytes> {
    let token = headers[SERVICE_TOKEN_HEADER].to_str().expect("tokens are ASCII");
    let verified = served.tokens.verify(token, served.rpc.role()).map_err(ServiceError::internal)?;
    let methods = served.rpc.methods();
    let allowed =
        methods.iter().any(|known| known.name == method && known.issuers.contains(&verified.issuer));
    assert!(allowed, "{method} is not for {}", verified.issuer);
    served.rpc.call(method, &verified.context, body).await
}
