//! Calls between services.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{Router, body::Body};
use bytes::Bytes;
use http::{Request, Response};
use secrecy::SecretString;
use serde_json::{Value, json};
use songkeep_api::{
    HttpTransport, RpcMethod, RpcService,
    service::{RpcServices, decode, encode},
    token::ServiceTokens,
    transport::Repeat,
};
use songkeep_domain::{CallContext, ErrorCode, NodeRole, ServiceError, ServiceResult};
use songkeep_http_kit::{REQUEST_ID, edge, fallbacks, internal};
use songkeep_testkit::clock::ManualClock;
use tokio::net::TcpListener;

use crate::kit::{ask, header, json, problem, read_until, settings, start, start_with, tokens_by};

/// A service that says what it was told.
struct Echo;

#[async_trait]
impl RpcService for Echo {
    fn role(&self) -> NodeRole {
        NodeRole::Catalog
    }

    fn methods(&self) -> &'static [RpcMethod] {
        &[
            RpcMethod { name: "echo", issuers: &[NodeRole::Gateway, NodeRole::Worker] },
            RpcMethod { name: "refuse", issuers: &[NodeRole::Gateway] },
        ]
    }

    async fn call(&self, method: &str, ctx: &CallContext, body: &[u8]) -> ServiceResult<Bytes> {
        assert_eq!(REQUEST_ID.get().0, ctx.request_id);
        match method {
            "echo" => encode(&json!({"body": decode::<Value>(body)?, "request_id": ctx.request_id})),
            "refuse" => Err(ServiceError::unauthenticated()),
            _ => Err(ServiceError::not_found("This internal method")),
        }
    }
}

struct Kit {
    clock: Arc<ManualClock>,
    tokens: Arc<ServiceTokens>,
    router: Router,
}

fn kit() -> Kit {
    let clock = Arc::new(ManualClock::new());
    let tokens = tokens_by(clock.clone());
    let services: RpcServices = vec![Arc::new(Echo)];
    let router = fallbacks(internal(services, tokens.clone(), clock.clone()));
    Kit { clock, tokens, router: edge(router, settings("internal")) }
}

impl Kit {
    fn token(&self, issuer: NodeRole, audience: NodeRole) -> String {
        let ctx = CallContext { request_id: "from-claims".to_owned(), ..CallContext::default() };
        self.tokens.sign(issuer, audience, &ctx).unwrap()
    }

    async fn call(&self, path: &str, token: Option<&str>, body: impl Into<Body>) -> Response<Body> {
        let mut request = Request::post(path);
        if let Some(token) = token {
            request = request.header("x-service-token", token);
        }
        ask(&self.router, request.body(body.into()).unwrap()).await
    }

    async fn echo(&self, token: &str) -> Response<Body> {
        self.call("/internal/catalog/echo", Some(token), "1").await
    }
}

/// The refusal by which a caller knows that its own token is at fault.
async fn refused(response: Response<Body>) {
    assert_eq!(problem(response, 401, "unauthenticated").await["instance"], "");
}

#[tokio::test]
async fn a_good_call_is_answered_under_the_request_id_of_its_claims() {
    let kit = kit();
    let token = kit.token(NodeRole::Gateway, NodeRole::Catalog);
    let answer = kit.call("/internal/catalog/echo", Some(&token), r#"{"a":1}"#).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(header(answer.headers(), "content-type"), "application/json");
    assert_eq!(json(answer).await, json!({"body": {"a": 1}, "request_id": "from-claims"}));
}

#[tokio::test]
async fn every_token_that_does_not_hold_is_refused_with_an_empty_instance() {
    let kit = kit();
    refused(kit.call("/internal/catalog/echo", None, "1").await).await;
    refused(kit.echo("abc").await).await;
    refused(kit.echo(&kit.token(NodeRole::Gateway, NodeRole::Auth)).await).await;
    refused(kit.echo(&kit.token(NodeRole::Search, NodeRole::Catalog)).await).await;

    let good = kit.token(NodeRole::Gateway, NodeRole::Catalog);
    let claims = good.split('.').nth(1).unwrap();
    // {"alg":"none","typ":"JWT"}
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    refused(kit.echo(&format!("{none}.{claims}.")).await).await;
    let signature = good.split('.').nth(2).unwrap();
    refused(kit.echo(&format!("{none}.{claims}.{signature}")).await).await;

    let others =
        ServiceTokens::new(&SecretString::from("another secret of thirty-two chars"), kit.clock.clone());
    let forged = others.sign(NodeRole::Gateway, NodeRole::Catalog, &CallContext::default()).unwrap();
    refused(kit.echo(&forged).await).await;

    let two = Request::post("/internal/catalog/echo")
        .header("x-service-token", &good)
        .header("x-service-token", &forged)
        .body(Body::from("1"))
        .unwrap();
    refused(ask(&kit.router, two).await).await;
    assert_eq!(kit.echo(&good).await.status(), 200);
}

#[tokio::test]
async fn a_token_holds_for_a_minute_and_the_clocks_difference() {
    let kit = kit();
    let (first, second) =
        (kit.token(NodeRole::Gateway, NodeRole::Catalog), kit.token(NodeRole::Gateway, NodeRole::Catalog));
    kit.clock.advance(Duration::from_secs(68));
    assert_eq!(kit.echo(&first).await.status(), 200);
    kit.clock.advance(Duration::from_secs(3));
    refused(kit.echo(&second).await).await;
}

#[tokio::test]
async fn a_token_is_good_once_for_as_long_as_it_holds() {
    let kit = kit();
    let token = kit.token(NodeRole::Gateway, NodeRole::Catalog);
    assert_eq!(kit.echo(&token).await.status(), 200);
    for _ in 0..7 {
        refused(kit.echo(&token).await).await;
        kit.clock.advance(Duration::from_secs(15));
    }
}

#[tokio::test]
async fn unknown_services_and_methods_are_told_only_to_those_who_may_call() {
    let kit = kit();
    for path in [
        "/internal/catalog/nothing",
        "/internal/catalog/%2e%2e",
        "/internal/nobody/echo",
        "/internal/auth/echo",
    ] {
        refused(kit.call(path, None, "1").await).await;
    }
    let token = kit.token(NodeRole::Gateway, NodeRole::Catalog);
    let answer = kit.call("/internal/catalog/nothing", Some(&token), "1").await;
    assert_eq!(problem(answer, 404, "not_found").await["instance"], "from-claims");
    let token = kit.token(NodeRole::Gateway, NodeRole::Auth);
    problem(kit.call("/internal/auth/echo", Some(&token), "1").await, 404, "not_found").await;
    let answer = ask(&kit.router, Request::get("/internal/catalog/echo").body(Body::empty()).unwrap()).await;
    problem(answer, 405, "method_not_allowed").await;
}

#[tokio::test]
async fn bodies_have_a_limit_and_a_shape() {
    let kit = kit();
    let token = || kit.token(NodeRole::Gateway, NodeRole::Catalog);
    let fits = format!("\"{}\"", "x".repeat(1024 * 1024 - 2));
    assert_eq!(kit.call("/internal/catalog/echo", Some(&token()), fits).await.status(), 200);
    let large = format!("\"{}\"", "x".repeat(1024 * 1024));
    let answer = kit.call("/internal/catalog/echo", Some(&token()), large).await;
    problem(answer, 413, "payload_too_large").await;
    let answer = kit.call("/internal/catalog/echo", Some(&token()), "{").await;
    problem(answer, 400, "malformed").await;
}

#[tokio::test]
async fn the_typed_client_tells_its_own_fault_from_its_users() {
    let kit = kit();
    let served = start(kit.router.clone()).await;
    let transport = |caller| {
        let client = HttpTransport::pooled_client().unwrap();
        HttpTransport::new(client, kit.tokens.clone(), caller, NodeRole::Catalog, &served.url("/"))
    };
    let gateway = transport(NodeRole::Gateway);
    // Without a request id too.
    for request_id in ["", "r9"] {
        let ctx = CallContext { request_id: request_id.to_owned(), ..CallContext::default() };
        let answer: Value = gateway.call("echo", Repeat::Never, &ctx, &json!({"a": 1})).await.unwrap();
        assert_eq!(answer["body"]["a"], 1);
        // The service's own 401 is its user's.
        let error = gateway.call::<_, Value>("refuse", Repeat::Never, &ctx, &()).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unauthenticated);
        let error = gateway.call::<_, Value>("nothing", Repeat::Never, &ctx, &()).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound);
        // The listener's 401 is the caller's.
        let error = transport(NodeRole::Search).call::<_, Value>("echo", Repeat::Never, &ctx, &()).await;
        let error = error.unwrap_err();
        assert_eq!(error.code, ErrorCode::BadGateway);
    }
}

fn gateway_to(kit: &Kit, addr: SocketAddr) -> HttpTransport {
    let client = HttpTransport::pooled_client().unwrap();
    HttpTransport::new(
        client,
        kit.tokens.clone(),
        NodeRole::Gateway,
        NodeRole::Catalog,
        &format!("http://{addr}"),
    )
}

/// A port on which nobody listens.
async fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_call_waits_for_a_service_that_restarts_and_then_for_none_that_stays_away() {
    let kit = kit();
    let addr = free_port().await;
    let gateway = gateway_to(&kit, addr);
    let ctx = CallContext::default();
    let back = async {
        // The restart takes a moment.
        tokio::time::sleep(Duration::from_millis(300)).await;
        start_with(kit.router.clone(), addr, |listener| listener, Duration::ZERO).await
    };
    let wish = json!(7);
    let (answer, served) = tokio::join!(gateway.call::<_, Value>("echo", Repeat::Never, &ctx, &wish), back);
    assert_eq!(answer.unwrap()["body"], 7);

    served.shutdown.cancel();
    served.task.await.unwrap();
    let asked = std::time::Instant::now();
    let error = gateway.call::<_, Value>("echo", Repeat::Safe, &ctx, &7).await.unwrap_err();
    assert_eq!((error.code, error.retry_after), (ErrorCode::Unavailable, Some(Duration::from_secs(5))));
    assert!(asked.elapsed() > Duration::from_secs(3), "{:?}", asked.elapsed());
    let asked = std::time::Instant::now();
    let error = gateway.call::<_, Value>("echo", Repeat::Safe, &ctx, &7).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_call_whose_connection_breaks_is_sent_again_only_when_that_is_safe() {
    let kit = kit();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = gateway_to(&kit, socket.local_addr().unwrap());
    let ctx = CallContext::default();
    for (repeat, attempts) in [(Repeat::Never, 1), (Repeat::Safe, 3)] {
        let call = gateway.call::<_, Value>("echo", repeat, &ctx, &7);
        let mut tokens = std::collections::BTreeSet::new();
        let breaking = async {
            loop {
                let (mut stream, _) = socket.accept().await.unwrap();
                let head = read_until(&mut stream, "\r\n\r\n").await;
                let token = head.lines().find_map(|line| line.strip_prefix("x-service-token: "));
                tokens.insert(token.unwrap().to_owned());
            }
        };
        let error = tokio::select! {
            answer = call => answer.unwrap_err(),
            () = breaking => unreachable!("it never ends"),
        };
        assert_eq!(error.code, ErrorCode::Unavailable);
        assert_eq!(tokens.len(), attempts, "{repeat:?}: a token is good for one attempt");
    }
}
