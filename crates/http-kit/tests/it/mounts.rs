//! One suite on the gateway and the stream in this process, and behind another one's listener: the
//! answers are the same.

use axum::{
    Router,
    extract::MatchedPath,
    routing::{get as on_get, post},
};
use http::request::Parts;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use songkeep_domain::NodeRole;
use songkeep_http_kit::{
    Client, CorsKind, Json, Mount, OriginPolicy, Path, ProxyTarget, REQUEST_ID, RequestOrigin, call_context,
    cors, edge, fallbacks, nest_api,
};

use crate::kit::{Served, client, get, header, settings, settings_for, start, tokens};

fn gateway() -> Router {
    let nested = Router::new().route(
        "/{number}/of/{name}",
        on_get(|Path((number, name)): Path<(u32, String)>| async move { format!("{number} {name}") }),
    );
    let routes = Router::new()
        .route("/", on_get(|| async { "gateway" }))
        .route("/whoami", on_get(whoami))
        .route("/items/{id}", on_get(|Path(id): Path<u32>| async move { id.to_string() }))
        .route("/echo", post(|Json(body): Json<Value>| async move { axum::Json(body) }))
        .route("/panics", on_get(|| async { panic!("private words") as &'static str }))
        .nest("/nested", nested);
    cors(fallbacks(routes), OriginPolicy::default(), CorsKind::Api)
}

async fn whoami(origin: RequestOrigin, Client(client): Client, parts: Parts) -> axum::Json<Value> {
    assert_eq!(call_context(&parts).request_id, REQUEST_ID.get().0);
    axum::Json(json!({
        "ip": client.ip,
        "agent": client.user_agent,
        "origin": origin.serialize(),
        "web": origin.via_web,
        "request_id": REQUEST_ID.get().0,
        "query": parts.uri.query(),
    }))
}

fn stream() -> Router {
    let song = on_get(|Path(id): Path<u32>, origin: RequestOrigin, path: MatchedPath| async move {
        assert!(path.as_str().ends_with("/public/stream/{id}"));
        let answer = [("content-range", "bytes 0-2/9".to_owned()), ("x-web", origin.via_web.to_string())];
        (http::StatusCode::PARTIAL_CONTENT, answer, format!("song {id}"))
    });
    cors(
        fallbacks(Router::new().route("/public/stream/{id}", song)),
        OriginPolicy::default(),
        CorsKind::Media,
    )
}

/// A web listener with both in its own process.
async fn local() -> Vec<Served> {
    vec![web(Mount::Local(gateway()), Mount::Local(stream())).await]
}

/// A web listener before two others; the first is the web's.
async fn remote() -> Vec<Served> {
    let gateway = start(edge(gateway(), settings_for(NodeRole::Gateway))).await;
    let stream = start(edge(stream(), settings_for(NodeRole::Stream))).await;
    let mount = |served: &Served, role| {
        Mount::Remote(ProxyTarget::new(&served.url(""), NodeRole::Web, role, tokens()).unwrap())
    };
    let web = web(mount(&gateway, NodeRole::Gateway), mount(&stream, NodeRole::Stream)).await;
    vec![web, gateway, stream]
}

async fn web(gateway: Mount, stream: Mount) -> Served {
    let page = Router::new()
        .route("/health", on_get(|| async { "web" }))
        .fallback(|| async { ([("content-type", "text/html")], "the page") });
    start(edge(nest_api(page, gateway, stream), settings("web"))).await
}

/// Method, path, headers and body.
type Call = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

const CALLS: &[Call] = &[
    ("GET", "/", &[], ""),
    ("GET", "/any/page", &[], ""),
    ("GET", "/apiary", &[], ""),
    ("GET", "/health", &[], ""),
    ("GET", "/api", &[], ""),
    ("GET", "/api/", &[], ""),
    ("GET", "/api?x=1", &[], ""),
    ("GET", "/api/whoami?a=b%20c", &[("x-request-id", "r1"), ("user-agent", "tests")], ""),
    (
        "GET",
        "/api/whoami",
        &[("x-request-id", "r2"), ("x-forwarded-for", "6.6.6.6"), ("x-forwarded-proto", "https")],
        "",
    ),
    ("GET", "/api/items/7", &[], ""),
    ("GET", "/api/items/x", &[], ""),
    ("HEAD", "/api/items/7", &[], ""),
    ("DELETE", "/api/items/7", &[], ""),
    ("GET", "/api/nested/3/of/a%2Fb", &[], ""),
    ("POST", "/api/echo", &[("content-type", "application/json")], "{\"a\":[1,2]}"),
    ("POST", "/api/echo", &[("content-type", "application/json")], "{"),
    ("POST", "/api/echo", &[], "x"),
    ("POST", "/api/echo", &[("content-type", "application/json"), ("origin", "SELF")], "1"),
    ("POST", "/api/echo", &[("content-type", "application/json"), ("origin", "http://evil.test")], "1"),
    ("OPTIONS", "/api/echo", &[("origin", "SELF"), ("access-control-request-method", "POST")], ""),
    ("OPTIONS", "/api/echo", &[("origin", "null"), ("access-control-request-method", "POST")], ""),
    ("GET", "/api/nowhere", &[], ""),
    ("GET", "/api/internal/catalog/echo", &[], ""),
    ("GET", "/api/panics", &[], ""),
    ("GET", "/api/public/stream/7?token=x", &[("range", "bytes=0-2")], ""),
    ("HEAD", "/api/public/stream/7?token=x", &[], ""),
    ("OPTIONS", "/api/public/stream/7", &[], ""),
    ("GET", "/api/public/stream/x", &[], ""),
    ("GET", "/api/public/stream/", &[], ""),
    ("GET", "/api/public/stream", &[], ""),
];

/// What differs from one run to the next.
const VOLATILE: [&str; 2] = ["date", "x-request-id"];

async fn answers(served: &Served) -> Vec<String> {
    let own = served.url("");
    let mut answers = Vec::new();
    for (method, path, headers, body) in CALLS {
        let mut call = client().request(method.parse().unwrap(), served.url(path)).body(*body);
        for (name, value) in *headers {
            call = call.header(*name, value.replace("SELF", &own));
        }
        let answer = call.send().await.unwrap();
        let request_id = header(answer.headers(), "x-request-id").to_owned();
        assert!(!request_id.is_empty());
        let mut lines: Vec<String> = answer
            .headers()
            .iter()
            .filter(|(name, _)| !VOLATILE.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        let whole = format!("{method} {path} → {status}\n{}\n{text}", lines.join("\n"));
        answers.push(whole.replace(&request_id, "REQUEST").replace(&own, "SELF"));
    }
    answers
}

#[tokio::test]
async fn local_and_remote_mounts_give_the_same_answers() {
    let (local, remote) = (local().await, remote().await);
    let (here, there) = (answers(&local[0]).await, answers(&remote[0]).await);
    for (here, there) in here.iter().zip(&there) {
        assert_eq!(here, there);
    }
    let find = |call: &str| here.iter().find(|answer| answer.starts_with(&format!("{call} →"))).unwrap();
    let has = |call: &str, parts: &[&str]| {
        let answer = find(call);
        for part in parts {
            assert!(answer.contains(part), "{part} is not in {answer}");
        }
    };
    has("GET /apiary", &["the page"]);
    has("GET /health", &["web"]);
    has("GET /api", &["200", "\ngateway"]);
    has("GET /api/", &["200", "\ngateway"]);
    has(
        "GET /api/whoami?a=b%20c",
        &[
            r#""ip":"127.0.0.1""#,
            r#""agent":"tests""#,
            r#""origin":"SELF""#,
            r#""web":true"#,
            r#""query":"a=b%20c""#,
        ],
    );
    has("GET /api/whoami", &[r#""ip":"127.0.0.1""#, r#""origin":"SELF""#]);
    has("GET /api/items/x", &["404", "application/problem+json"]);
    has("DELETE /api/items/7", &["405", "allow: GET,HEAD"]);
    has("GET /api/nested/3/of/a%2Fb", &["3 a/b"]);
    has("GET /api/nowhere", &["404", r#""code":"not_found""#, r#""instance":"REQUEST""#]);
    has("GET /api/internal/catalog/echo", &["404"]);
    has("GET /api/panics", &["500", r#""code":"internal""#]);
    has(
        "GET /api/public/stream/7?token=x",
        &[
            "206",
            "song 7",
            "content-range: bytes 0-2/9",
            "x-web: true",
            "cross-origin-resource-policy: cross-origin",
        ],
    );
    has("OPTIONS /api/public/stream/7", &["204"]);
    has("GET /api/public/stream/", &["404", "not_found"]);
    assert!(here.iter().all(|answer| !answer.contains("private")));
}

#[tokio::test]
async fn a_listener_before_a_proxy_and_behind_it_agree_on_the_client() {
    let remote = remote().await;
    let direct: Value = serde_json::from_str(
        &client().get(remote[1].url("/whoami")).send().await.unwrap().text().await.unwrap(),
    )
    .unwrap();
    assert_eq!(direct["web"], false);
    assert_eq!(direct["origin"], remote[1].url(""));
}

#[tokio::test]
async fn paths_that_climb_are_nowhere_on_both_mounts() {
    for served in [local().await, remote().await] {
        for path in [
            "/api/../health",
            "/api/items/../whoami",
            "/api/public/stream/..%2f..%2fwhoami",
            "/api/%2e%2E/x",
            "/api/..\\x",
        ] {
            let text = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            let mut stream = crate::kit::connect(served[0].addr, &text).await;
            let answer = crate::kit::read_to_end(&mut stream).await;
            assert!(
                answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 400"),
                "{path}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn the_webs_metrics_name_the_mounted_routes() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let page = Router::new().fallback(|| async { "page" });
    let router = edge(nest_api(page, Mount::Local(gateway()), Mount::Local(stream())), settings("web"));
    for number in 0..50 {
        for path in ["/api/items", "/api/public/stream", "/api/nowhere", "/page"] {
            crate::kit::ask(&router, get(&format!("{path}/{number}"))).await;
        }
    }
    let text = handle.render();
    for route in ["/api/items/{id}", "/api/public/stream/{id}", "/api/*", "unmatched"] {
        let count = text
            .lines()
            .filter(|line| {
                line.contains("_total{")
                    && line.contains(&format!("route=\"{route}\""))
                    && line.ends_with(" 50")
            })
            .count();
        assert_eq!(count, 1, "{route} in {text}");
    }
    assert_eq!(text.lines().filter(|line| line.contains("_total{")).count(), 4, "{text}");
}
