//! How the web apps are served: with a small site, whose files never change, and with what is embedded,
//! which is the built apps or the page in their place.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod embedded;

use axum::{Router, body::Body, response::Response};
use http::{HeaderName, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use rust_embed::RustEmbed;
use songkeep_web_assets::Site;
use tower::ServiceExt;

const HTML: (HeaderName, &str) = (header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8");
const SCRIPT: &str = "/_app/immutable/entry/app.abc.js";

#[derive(RustEmbed)]
#[folder = "tests/site/player"]
struct Player;

#[derive(RustEmbed)]
#[folder = "tests/site/admin"]
struct Admin;

fn site() -> Router {
    songkeep_web_assets::router(Site::new::<Player>(&[]), Some(Site::new::<Admin>(&[])))
}

async fn send(router: Router, method: Method, path: &str, headers: &[(HeaderName, &str)]) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn ask(method: Method, path: &str, headers: &[(HeaderName, &str)]) -> Response {
    send(site(), method, path, headers).await
}

async fn get(path: &str) -> Response {
    ask(Method::GET, path, &[]).await
}

async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// A header's value; empty without it.
fn value(response: &Response, name: HeaderName) -> &str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn files_have_their_types_and_names_that_change_are_kept() {
    const KEPT: &str = "public, max-age=31536000, immutable";
    for (path, media_type, cache) in [
        ("/", "text/html; charset=utf-8", "no-cache"),
        (SCRIPT, "text/javascript; charset=utf-8", KEPT),
        ("/_app/version.json", "application/json", "no-cache"),
        ("/service-worker.js", "text/javascript; charset=utf-8", "no-cache"),
        ("/manifest.webmanifest", "application/manifest+json", "no-cache"),
        ("/favicon.svg", "image/svg+xml", "no-cache"),
    ] {
        let response = get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(value(&response, header::CONTENT_TYPE), media_type, "{path}");
        assert_eq!(value(&response, header::CACHE_CONTROL), cache, "{path}");
        assert_eq!(value(&response, header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
    }
}

#[tokio::test]
async fn the_smallest_form_that_a_client_takes_is_sent() {
    for (path, accepts, form, content) in [
        ("/", "gzip, deflate, br", "br", "shell in brotli\n"),
        ("/", "gzip", "gzip", "shell in gzip\n"),
        (SCRIPT, "gzip, deflate, br", "gzip", "script in gzip\n"),
        (SCRIPT, "br", "", "export const one = 1;\n"),
        (SCRIPT, "identity", "", "export const one = 1;\n"),
    ] {
        let response = ask(Method::GET, path, &[(header::ACCEPT_ENCODING, accepts)]).await;
        assert_eq!(value(&response, header::CONTENT_ENCODING), form, "{path} {accepts}");
        assert_eq!(value(&response, header::VARY), "accept-encoding", "{path} {accepts}");
        assert_ne!(value(&response, header::CONTENT_TYPE), "application/octet-stream");
        assert_eq!(text(response).await, content);
    }
    let single = ask(Method::GET, "/favicon.svg", &[(header::ACCEPT_ENCODING, "br, gzip")]).await;
    assert_eq!(value(&single, header::CONTENT_ENCODING), "");
    assert_eq!(value(&single, header::VARY), "", "it has one form only");
    for form in ["/index.html.br", "/index.html.gz", "/_app/immutable/entry/app.abc.js.gz"] {
        assert_eq!(get(form).await.status(), StatusCode::NOT_FOUND, "{form} is no file of its own");
    }
}

#[tokio::test]
async fn an_unchanged_form_is_not_sent_again() {
    for (path, accepts) in
        [("/", "br"), ("/", "gzip"), ("/", "identity"), (SCRIPT, "gzip"), ("/favicon.svg", "br")]
    {
        let accepts = (header::ACCEPT_ENCODING, accepts);
        let etag =
            value(&ask(Method::GET, path, std::slice::from_ref(&accepts)).await, header::ETAG).to_owned();
        for known in [etag.clone(), format!("\"other\", {etag}"), format!("W/{etag}"), "*".to_owned()] {
            let headers = [accepts.clone(), (header::IF_NONE_MATCH, known.as_str())];
            let response = ask(Method::GET, path, &headers).await;
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{path} {known}");
            assert_eq!(value(&response, header::ETAG), etag);
            assert_eq!(text(response).await, "");
        }
        let headers = [accepts.clone(), (header::IF_NONE_MATCH, "\"other\"")];
        assert_eq!(ask(Method::GET, path, &headers).await.status(), StatusCode::OK);
    }
    let plain = value(&get("/").await, header::ETAG).to_owned();
    let headers = [(header::ACCEPT_ENCODING, "br"), (header::IF_NONE_MATCH, plain.as_str())];
    let response = ask(Method::GET, "/", &headers).await;
    assert_eq!(response.status(), StatusCode::OK, "another form has another tag");
    assert_eq!(value(&response, header::VARY), "accept-encoding");
}

#[tokio::test]
async fn places_within_an_app_get_its_shell_and_programs_get_a_problem() {
    for (path, title) in [
        ("/verify?token=abc", "Player"),
        ("/library", "Player"),
        ("/library/albums/A.C.", "Player"),
        ("/administration", "Player"),
        ("/admin", "Admin"),
        ("/admin/", "Admin"),
        ("/admin/users?status=disabled", "Admin"),
        ("/admin/health", "Admin"),
    ] {
        let response = ask(Method::GET, path, std::slice::from_ref(&HTML)).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(value(&response, header::CONTENT_TYPE), "text/html; charset=utf-8");
        assert_eq!(value(&response, header::CACHE_CONTROL), "no-cache");
        assert_eq!(value(&response, header::REFERRER_POLICY), "no-referrer", "tokens stand in links");
        let page = text(response).await;
        assert!(page.contains(&format!("<title>{title}</title>")), "{path}: {page}");
    }
    for (path, headers) in [
        ("/library", vec![]),
        ("/admin/users", vec![]),
        ("/nothing.png", vec![(header::ACCEPT, "image/*")]),
        ("/api/nothing", vec![HTML]),
        ("/internal/catalog/list", vec![HTML]),
        ("/_app/immutable/entry/old.js", vec![HTML]),
        ("/admin/_app/immutable/entry/old.js", vec![HTML]),
        ("/../Cargo.toml", vec![]),
        ("/%2e%2e/Cargo.toml", vec![]),
        ("/admin/../index.html", vec![]),
    ] {
        let response = ask(Method::GET, path, &headers).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(value(&response, header::CONTENT_TYPE), "application/problem+json", "{path}");
    }
    assert_eq!(text(get("/admin/_app/version.json").await).await, "{\"version\":\"2\"}\n");
    assert_eq!(text(get("/_app/version.json").await).await, "{\"version\":\"1\"}\n");
}

#[tokio::test]
async fn without_the_admin_app_nothing_is_under_its_path() {
    for path in ["/admin", "/admin/", "/admin/users", "/admin/_app/version.json"] {
        let router = songkeep_web_assets::router(Site::new::<Player>(&[]), None);
        let response = send(router, Method::GET, path, std::slice::from_ref(&HTML)).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(value(&response, header::CONTENT_TYPE), "application/problem+json", "{path}");
    }
}

#[tokio::test]
async fn files_can_only_be_read() {
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        for path in ["/", "/index.html", SCRIPT, "/admin"] {
            let response = ask(method.clone(), path, &[]).await;
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
            assert_eq!(value(&response, header::ALLOW), "GET, HEAD");
        }
        let response = ask(method, "/library", &[(header::ACCEPT, "text/html")]).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }
    assert_eq!(ask(Method::HEAD, SCRIPT, &[]).await.status(), StatusCode::OK);
    assert_eq!(ask(Method::HEAD, "/library", std::slice::from_ref(&HTML)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn each_app_is_sent_with_the_policy_for_its_own_scripts() {
    let policies = [get("/").await, get("/admin").await]
        .map(|response| value(&response, header::CONTENT_SECURITY_POLICY).to_owned());
    assert_ne!(policies[0], policies[1]);
    for policy in policies {
        assert!(policy.contains("default-src 'self'; script-src 'self' 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe-inline") && !policy.contains("unsafe-eval"), "{policy}");
    }
}

#[tokio::test]
async fn media_may_come_from_a_configured_origin_but_nothing_is_smuggled_into_the_policy() {
    let origins =
        ["https://media.example.com:9000", "https://evil.example; script-src *", "javascript:alert(1)"]
            .map(str::to_owned);
    let router = songkeep_web_assets::router(Site::new::<Player>(&origins), None);
    let response = send(router, Method::GET, "/", &[]).await;
    let policy = value(&response, header::CONTENT_SECURITY_POLICY);
    assert!(policy.contains("media-src 'self' blob: https://media.example.com:9000;"), "{policy}");
    assert!(!policy.contains("evil") && !policy.contains("javascript"), "{policy}");
}
