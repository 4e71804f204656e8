//! How the page and its files are served.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use axum::{body::Body, response::Response};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

async fn ask(method: Method, path: &str, headers: &[(header::HeaderName, &str)]) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    songkeep_web_assets::router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn get(path: &str) -> Response {
    ask(Method::GET, path, &[]).await
}

async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn value(response: &Response, name: header::HeaderName) -> &str {
    response.headers().get(name).unwrap().to_str().unwrap()
}

#[tokio::test]
async fn the_page_and_all_files_it_names_are_served_with_their_types() {
    let page = get("/").await;
    assert_eq!(value(&page, header::CONTENT_TYPE), "text/html; charset=utf-8");
    assert_eq!(value(&page, header::CACHE_CONTROL), "no-cache");
    let page = text(page).await;
    let mut queue: Vec<String> = page
        .split('"')
        .filter(|part| part.starts_with('/') && part.contains('.'))
        .map(str::to_owned)
        .collect();
    assert!(queue.len() >= 3, "{queue:?}");
    let mut seen = std::collections::HashSet::new();
    while let Some(path) = queue.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let response = get(&path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let kind = value(&response, header::CONTENT_TYPE).to_owned();
        let expected = match path.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("woff2") => "font/woff2",
            _ => "image/svg+xml",
        };
        assert_eq!(kind, expected, "{path}");
        if kind.starts_with("text/css") {
            let style = text(response).await;
            queue.extend(style.split("url(\"").skip(1).map(|url| url.split('"').next().unwrap().to_owned()));
        } else if kind.starts_with("text/javascript") {
            let script = text(response).await;
            assert!(script.lines().count() <= 300, "{path} is longer than 300 lines");
            let folder = path.rsplit_once('/').unwrap().0;
            for import in script.lines().filter_map(|line| line.split_once("from \"./")) {
                queue.push(format!("{folder}/{}", import.1.split('"').next().unwrap()));
            }
        }
    }
    assert!(seen.len() >= 8, "{seen:?}");
}

#[tokio::test]
async fn the_page_carries_no_inline_script_or_style() {
    let response = get("/").await;
    let policy = value(&response, header::CONTENT_SECURITY_POLICY).to_owned();
    assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(value(&response, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    let page = text(response).await;
    assert!(!page.contains("style=") && !page.contains("<style") && !page.contains(" onclick"));
    assert!(page.matches("<script").count() == page.matches("<script type=\"module\" src=").count());
    assert!(!page.contains("http://") && !page.contains("https://"), "nothing from other hosts");
}

#[tokio::test]
async fn an_unchanged_file_is_not_sent_again() {
    for path in ["/", "/app.js", "/app.css"] {
        let etag = value(&get(path).await, header::ETAG).to_owned();
        for known in [etag.clone(), format!("\"other\", {etag}"), format!("W/{etag}"), "*".to_owned()] {
            let response = ask(Method::GET, path, &[(header::IF_NONE_MATCH, &known)]).await;
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{path} {known}");
            assert_eq!(value(&response, header::ETAG), etag);
            assert_eq!(text(response).await, "");
        }
        let response = ask(Method::GET, path, &[(header::IF_NONE_MATCH, "\"other\"")]).await;
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn fonts_are_kept_and_carry_their_licence() {
    let font = get("/fonts/figtree-5.3-latin.woff2").await;
    assert_eq!(value(&font, header::CACHE_CONTROL), "public, max-age=31536000, immutable");
    let licence = get("/fonts/OFL.txt").await;
    assert_eq!(value(&licence, header::CONTENT_TYPE), "text/plain; charset=utf-8");
    assert!(text(licence).await.contains("SIL OPEN FONT LICENSE"));
}

#[tokio::test]
async fn places_within_the_page_get_the_page_and_programs_get_a_problem() {
    let html = (header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8");
    for path in ["/verify?token=abc", "/setup?token=abc", "/library", "/imports"] {
        let response = ask(Method::GET, path, std::slice::from_ref(&html)).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(value(&response, header::CONTENT_TYPE), "text/html; charset=utf-8");
        assert_eq!(value(&response, header::REFERRER_POLICY), "no-referrer");
    }
    for (path, headers) in [
        ("/library", vec![]),
        ("/nothing.png", vec![(header::ACCEPT, "image/*")]),
        ("/api/nothing", vec![html.clone()]),
        ("/internal/catalog/list", vec![html.clone()]),
        ("/../Cargo.toml", vec![]),
        ("/%2e%2e/Cargo.toml", vec![]),
    ] {
        let response = ask(Method::GET, path, &headers).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(value(&response, header::CONTENT_TYPE), "application/problem+json", "{path}");
    }
}

#[tokio::test]
async fn files_can_only_be_read() {
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let response = ask(method.clone(), "/", &[]).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(value(&response, header::ALLOW), "GET, HEAD");
        let response = ask(method, "/library", &[(header::ACCEPT, "text/html")]).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }
    let head = ask(Method::HEAD, "/app.js", &[]).await;
    assert_eq!(head.status(), StatusCode::OK);
}

#[tokio::test]
async fn media_may_come_from_a_configured_origin_but_nothing_is_smuggled_into_the_policy() {
    let origins =
        ["https://media.example.com:9000", "https://evil.example; script-src *", "javascript:alert(1)"]
            .map(str::to_owned);
    let request = Request::get("/").body(Body::empty()).unwrap();
    let response = songkeep_web_assets::router_with_media(&origins).oneshot(request).await.unwrap();
    let policy = value(&response, header::CONTENT_SECURITY_POLICY);
    assert!(policy.contains("media-src 'self' blob: https://media.example.com:9000;"), "{policy}");
    assert!(!policy.contains("evil") && !policy.contains("javascript"), "{policy}");
}
