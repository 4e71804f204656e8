//! Request ids, panics, the access log, metrics and security headers.

use axum::{
    Router,
    routing::{any, get as on_get},
};
use metrics_exporter_prometheus::PrometheusBuilder;
use songkeep_domain::ServiceError;
use songkeep_http_kit::{ApiError, ApiResult, EdgeSettings, REQUEST_ID, edge, fallbacks};

use crate::kit::{Log, ask, body, edged, get, header, problem, request, settings};

fn router() -> Router {
    fallbacks(
        Router::new()
            .route("/id", on_get(|| async { REQUEST_ID.get().0 }))
            .route("/songs/{id}", any(|| async { "song" }))
            .route("/fails", on_get(fails))
            .route("/panics", on_get(panics))
            .route("/health", on_get(|| async { "ok" })),
    )
}

async fn fails() -> ApiResult<&'static str> {
    Err(ApiError(ServiceError::internal("the disk said something private")))
}

async fn panics() -> &'static str {
    panic!("private words")
}

#[tokio::test]
async fn keeps_a_sane_request_id_and_replaces_others() {
    let router = edged(router());
    let answer = ask(&router, request("GET", "/id", &[("x-request-id", "abc-1.2_3")])).await;
    assert_eq!(header(answer.headers(), "x-request-id"), "abc-1.2_3");
    assert_eq!(body(answer).await, "abc-1.2_3");
    let long = "x".repeat(65);
    for insane in ["", "two words", "a\u{e9}b", "<script>", &long] {
        let answer = ask(&router, request("GET", "/id", &[("x-request-id", insane)])).await;
        let id = header(answer.headers(), "x-request-id").to_owned();
        assert_ne!(id, insane);
        assert_eq!(uuid::Uuid::parse_str(&id).unwrap().get_version_num(), 7);
        assert_eq!(body(answer).await, id);
    }
}

#[tokio::test]
async fn a_problem_carries_the_request_id() {
    let answer = ask(&edged(router()), request("GET", "/nothing", &[("x-request-id", "r1")])).await;
    let problem = problem(answer, 404, "not_found").await;
    assert_eq!(problem["instance"], "r1");
}

#[tokio::test]
async fn a_panic_is_a_500_without_internal_words_and_is_logged() {
    let log = Log::default();
    let _guard = log.capture();
    let answer = ask(&edged(router()), request("GET", "/panics", &[("x-request-id", "r2")])).await;
    assert_eq!(header(answer.headers(), "x-request-id"), "r2");
    assert_eq!(header(answer.headers(), "x-content-type-options"), "nosniff");
    let problem = problem(answer, 500, "internal").await;
    assert_eq!(problem["instance"], "r2");
    assert!(!problem.to_string().contains("private"));
    assert!(log.text().contains("private words"));
}

#[tokio::test]
async fn an_internal_error_never_shows_its_cause() {
    let problem = problem(ask(&edged(router()), get("/fails")).await, 500, "internal").await;
    assert!(!problem.to_string().contains("private"));
}

#[tokio::test]
async fn other_methods_are_told_which_are_allowed() {
    let answer = ask(&edged(router()), request("POST", "/id", &[])).await;
    assert_eq!(header(answer.headers(), "allow"), "GET,HEAD");
    problem(answer, 405, "method_not_allowed").await;
}

#[tokio::test]
async fn the_access_log_has_the_path_without_the_query() {
    let log = Log::default();
    let _guard = log.capture();
    let router = edged(router());
    let headers = [
        ("authorization", "Bearer secret-bearer"),
        ("cookie", "refresh_token=secret-cookie"),
        ("x-request-id", "r3"),
    ];
    ask(&router, request("GET", "/songs/7?token=secret-token", &headers)).await;
    ask(&router, get("/health")).await;
    let text = log.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    for part in [
        " INFO ",
        "method=GET",
        "path=\"/songs/7\"",
        "status=200",
        "ms=",
        "bytes=4",
        "request_id=\"r3\"",
        "listener=\"gateway\"",
    ] {
        assert!(lines[0].contains(part), "{part} is not in {}", lines[0]);
    }
    assert!(!text.contains("secret"), "{text}");
    assert!(lines[1].contains("DEBUG"), "{text}");
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_is_logged_too() {
    let log = Log::default();
    let _guard = log.capture();
    let router = edged(Router::new().route("/slow", on_get(std::future::pending::<&'static str>)));
    let mut call = Box::pin(ask(&router, get("/slow")));
    assert!(futures::poll!(&mut call).is_pending());
    drop(call);
    assert!(log.text().contains("status=499"), "{}", log.text());
}

#[tokio::test]
async fn random_paths_and_methods_add_no_series() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let router = edged(router());
    ask(&router, get("/songs/first")).await;
    ask(&router, get("/first")).await;
    ask(&router, request("BREW", "/songs/first", &[])).await;
    let before = handle.render().lines().count();
    for number in 0..600 {
        ask(&router, get(&format!("/random/{number}/{}", uuid::Uuid::new_v4()))).await;
        ask(&router, get(&format!("/songs/{number}"))).await;
        ask(&router, request(&format!("BREW{number}"), &format!("/songs/{number}"), &[])).await;
    }
    let text = handle.render();
    assert_eq!(text.lines().count(), before, "{text}");
    let counted = |labels: &str, count: usize| {
        let line = format!("songkeep_http_requests_total{{{labels}}} {count}");
        assert!(text.contains(&line), "{line} is not in {text}");
    };
    counted(r#"listener="gateway",method="GET",route="unmatched",status="404""#, 601);
    counted(r#"listener="gateway",method="GET",route="/songs/{id}",status="200""#, 601);
    counted(r#"listener="gateway",method="other",route="/songs/{id}",status="200""#, 601);
    assert!(text.contains("songkeep_http_request_seconds"));
}

#[tokio::test]
async fn security_headers_are_added_but_never_replaced() {
    let own = Router::new().route(
        "/page",
        on_get(|| async {
            [("content-security-policy", "default-src 'self'"), ("x-frame-options", "SAMEORIGIN")]
        }),
    );
    let router = edge(own, EdgeSettings { hsts: true, ..settings("web") });
    let answer = ask(&router, get("/page")).await;
    let headers = answer.headers();
    assert_eq!(header(headers, "content-security-policy"), "default-src 'self'");
    assert_eq!(header(headers, "x-frame-options"), "SAMEORIGIN");
    assert_eq!(header(headers, "x-content-type-options"), "nosniff");
    assert_eq!(header(headers, "referrer-policy"), "no-referrer");
    assert_eq!(header(headers, "cross-origin-resource-policy"), "same-origin");
    assert!(header(headers, "strict-transport-security").starts_with("max-age="));

    let answer = ask(&router, get("/none")).await;
    assert_eq!(
        header(answer.headers(), "content-security-policy"),
        "default-src 'none'; frame-ancestors 'none'"
    );
    let answer = ask(&edged(Router::new()), get("/none")).await;
    assert_eq!(header(answer.headers(), "strict-transport-security"), "");
}

#[tokio::test]
async fn an_edge_inside_an_edge_does_nothing() {
    let log = Log::default();
    let _guard = log.capture();
    let router = edge(edged(router()), settings("web"));
    let answer = ask(&router, request("GET", "/id", &[("x-request-id", "r4")])).await;
    assert_eq!(body(answer).await, "r4");
    assert_eq!(log.text().lines().count(), 1, "{}", log.text());
}
