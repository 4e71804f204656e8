//! The `Origin` rules and CORS.

use axum::{
    Router,
    body::Body,
    middleware::from_fn,
    response::IntoResponse as _,
    routing::{get as on_get, post},
};
use http::{Response, StatusCode};
use songkeep_domain::ServiceError;
use songkeep_http_kit::{ApiError, CorsKind, EdgeSettings, OriginPolicy, cors, edge, fallbacks};

use crate::kit::{ask, from_peer, header, problem, proxies, request, settings};

const OWN: &str = "http://songs.test:3000";
const APP: &str = "https://music.example";
const LISTED: &str = "http://localhost:3001";
const FOREIGN: &str = "https://evil.test";

fn policy() -> OriginPolicy {
    OriginPolicy { app_domain: Some("music.example".to_owned()), allowed: vec![format!("{LISTED}/")] }
}

/// An API in which nobody is signed in.
fn api() -> Router {
    let routes = Router::new()
        .route("/read", on_get(|| async { "read" }))
        .route("/write", post(|| async { "written" }))
        .route(
            "/locked",
            post(|| async { "never" }).layer(from_fn(
                |_: axum::extract::Request, _: axum::middleware::Next| async {
                    ApiError(ServiceError::unauthenticated()).into_response()
                },
            )),
        );
    let settings = EdgeSettings { trusted_proxies: proxies(&["10.0.0.1"]), ..settings("gateway") };
    edge(cors(fallbacks(routes), policy(), CorsKind::Api), settings)
}

async fn call(method: &str, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
    ask(&api(), request(method, path, headers)).await
}

async fn preflight(path: &str, origin: &str) -> Response<Body> {
    call("OPTIONS", path, &[("origin", origin), ("access-control-request-method", "POST")]).await
}

#[tokio::test]
async fn preflights_are_answered_before_sign_in_and_405() {
    for path in ["/locked", "/read", "/write", "/nowhere"] {
        for origin in [OWN, APP, LISTED] {
            let answer = preflight(path, origin).await;
            assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{origin} at {path}");
            let headers = answer.headers();
            assert_eq!(header(headers, "access-control-allow-origin"), origin);
            assert_eq!(header(headers, "access-control-allow-credentials"), "true");
            assert_eq!(header(headers, "access-control-allow-methods"), "GET, POST, PATCH, DELETE");
            assert_eq!(
                header(headers, "access-control-allow-headers"),
                "Authorization, Content-Type, Last-Event-ID"
            );
            assert_eq!(header(headers, "access-control-max-age"), "600");
            assert_eq!(header(headers, "vary"), "Origin");
        }
    }
}

#[tokio::test]
async fn preflights_of_foreign_pages_are_refused() {
    for origin in [
        FOREIGN,
        "null",
        "http://music.example",
        "https://music.example.evil.test",
        "https://songs.test:3000",
        "",
    ] {
        let answer = preflight("/write", origin).await;
        assert_eq!(header(answer.headers(), "access-control-allow-origin"), "", "{origin}");
        assert_eq!(header(answer.headers(), "vary"), "Origin");
        problem(answer, 403, "origin_not_allowed").await;
    }
}

#[tokio::test]
async fn programs_without_an_origin_pass() {
    let answer = call("POST", "/write", &[("cookie", "refresh_token=x")]).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(header(answer.headers(), "access-control-allow-origin"), "");
    assert_eq!(header(answer.headers(), "vary"), "Origin");
}

#[tokio::test]
async fn allowed_pages_may_read_every_answer() {
    for (method, path, status) in
        [("GET", "/read", 200), ("POST", "/write", 200), ("POST", "/locked", 401), ("GET", "/no", 404)]
    {
        let answer = call(method, path, &[("origin", LISTED), ("cookie", "refresh_token=x")]).await;
        assert_eq!(answer.status(), status);
        assert_eq!(header(answer.headers(), "access-control-allow-origin"), LISTED);
        assert_eq!(header(answer.headers(), "access-control-allow-credentials"), "true");
        assert_eq!(header(answer.headers(), "access-control-expose-headers"), "X-Request-Id, Retry-After");
    }
}

#[tokio::test]
async fn foreign_pages_may_neither_change_anything_nor_use_the_cookie() {
    for origin in [FOREIGN, "null", "http://songs.test", "https://songs.test:3000"] {
        for method in ["POST", "PUT", "PATCH", "DELETE", "BREW"] {
            let answer = call(method, "/write", &[("origin", origin)]).await;
            problem(answer, 403, "origin_not_allowed").await;
        }
        let answer = call("GET", "/read", &[("origin", origin), ("cookie", "refresh_token=x")]).await;
        problem(answer, 403, "origin_not_allowed").await;
        let answer = call("GET", "/read", &[("origin", origin)]).await;
        assert_eq!(answer.status(), 200, "without the cookie it is anybody's");
        assert_eq!(header(answer.headers(), "access-control-allow-origin"), "");
    }
    let two = [("origin", OWN), ("origin", FOREIGN)];
    problem(call("POST", "/write", &two).await, 403, "origin_not_allowed").await;
}

#[tokio::test]
async fn the_own_origin_is_what_a_trusted_proxy_says_it_is() {
    let behind_tls = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "Home.example:443"),
        ("origin", "https://home.example"),
    ];
    let trusted = from_peer(request("POST", "/write", &behind_tls), "10.0.0.1");
    assert_eq!(ask(&api(), trusted).await.status(), 200);
    let untrusted = from_peer(request("POST", "/write", &behind_tls), "10.0.0.2");
    problem(ask(&api(), untrusted).await, 403, "origin_not_allowed").await;
    let plain = from_peer(request("POST", "/write", &[("origin", OWN)]), "10.0.0.2");
    assert_eq!(ask(&api(), plain).await.status(), 200);
}

#[tokio::test]
async fn media_play_anywhere_and_listed_pages_may_read_them() {
    let routes = Router::new().route("/public/stream/{id}", on_get(|| async { "bytes" }));
    let router = edge(cors(fallbacks(routes), policy(), CorsKind::Media), settings("stream"));
    let path = "/public/stream/7?token=x";
    for (origin, allowed) in [(LISTED, LISTED), (APP, APP), (FOREIGN, ""), ("null", "")] {
        let answer = ask(&router, request("GET", path, &[("origin", origin)])).await;
        assert_eq!(answer.status(), 200);
        let headers = answer.headers();
        assert_eq!(header(headers, "cross-origin-resource-policy"), "cross-origin");
        assert_eq!(header(headers, "access-control-allow-origin"), allowed);
        assert_eq!(header(headers, "vary"), "Origin");
        if !allowed.is_empty() {
            assert_eq!(
                header(headers, "access-control-expose-headers"),
                "Content-Range, Accept-Ranges, ETag, Content-Length"
            );
        }
        let asked = [("origin", origin), ("access-control-request-method", "GET")];
        let answer = ask(&router, request("OPTIONS", path, &asked)).await;
        assert_eq!(answer.status(), 204);
        assert_eq!(header(answer.headers(), "access-control-allow-origin"), allowed);
        let methods = if allowed.is_empty() { "" } else { "GET, HEAD" };
        assert_eq!(header(answer.headers(), "access-control-allow-methods"), methods);
    }
    let answer = ask(&router, request("OPTIONS", path, &[])).await;
    assert_eq!(answer.status(), 204);
    assert_eq!(header(answer.headers(), "allow"), "GET, HEAD, OPTIONS");
    let answer = ask(&router, request("HEAD", path, &[("origin", FOREIGN)])).await;
    assert_eq!(answer.status(), 200);
    let answer = ask(&router, request("POST", path, &[])).await;
    problem(answer, 405, "method_not_allowed").await;
}
