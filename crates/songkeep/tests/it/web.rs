//! The web listener: the page, the API and the bytes under one origin, and which other origins may call.

use reqwest::{Method, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    in_all_topologies,
    kit::{App, Topology, json_of, problem_of},
    streaming::{shelve, take},
};

const SOURCE: &str = "ShelvedSong";
const HTML: &str = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";

async fn get(app: &App, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = app.client.get(format!("{}{path}", app.web));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn text<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

in_all_topologies! {
    async fn the_page_is_served_everywhere_but_where_programs_call(app: App) {
        for path in ["/", "/library", "/verify?token=abc", "/setup?token=abc", "/any/place/at-all"] {
            let answer = get(&app, path, &[("accept", HTML)]).await;
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            assert_eq!(text(&answer, "content-type"), "text/html; charset=utf-8");
            let policy = text(&answer, "content-security-policy").to_owned();
            assert!(policy.contains("script-src 'self'"), "{policy}");
            assert!(!policy.contains("unsafe-inline") && !policy.contains("unsafe-eval"), "{policy}");
            assert_eq!(text(&answer, "referrer-policy"), "no-referrer", "tokens stand in links");
            assert_eq!(text(&answer, "x-content-type-options"), "nosniff");
            assert_eq!(text(&answer, "cache-control"), "no-cache");
            let etag = text(&answer, "etag").to_owned();
            let page = answer.text().await.unwrap();
            assert!(page.starts_with("<!") && !page.contains("http://") && !page.contains("https://"), "{page}");
            let again = get(&app, path, &[("accept", HTML), ("if-none-match", &etag)]).await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        }
        for path in [
            "/api", "/api/", "/api/nothing", "/api/nothing/at/all", "/api/public/stream/", "/api/index.html",
            "/api/internal/auth/sign_in", "/internal/auth/sign_in", "/metrics/x", "/health/x", "/js/none.js",
            "/api/..%2findex.html", "/api/%2e%2e%2findex.html",
        ] {
            let answer = get(&app, path, &[("accept", HTML)]).await;
            assert_eq!(problem_of(answer, StatusCode::NOT_FOUND).await, "not_found", "{path}");
        }
        for method in [Method::POST, Method::DELETE] {
            let answer = app.client.request(method, format!("{}/index.html", app.web)).send().await.unwrap();
            assert_eq!(problem_of(answer, StatusCode::METHOD_NOT_ALLOWED).await, "method_not_allowed");
        }
        app.stop().await;
    }
}

#[tokio::test]
async fn the_admin_app_has_a_place_of_its_own_unless_it_is_left_out() {
    for (setting, status) in [("1", StatusCode::OK), ("0", StatusCode::NOT_FOUND)] {
        let app = App::start_with(Topology::AllInOne, &[("ADMIN_WEB", setting)]).await;
        for path in ["/admin", "/admin/", "/admin/users"] {
            assert_eq!(get(&app, path, &[("accept", HTML)]).await.status(), status, "{path} {setting}");
        }
        assert_eq!(get(&app, "/library", &[("accept", HTML)]).await.status(), StatusCode::OK);
        app.stop().await;
    }
}

in_all_topologies! {
    async fn one_port_carries_api_documents_and_bytes(topology: Topology) {
        let app = App::start_after(topology, &[], async |backends| {
            shelve(backends, SOURCE, 5_000).await;
        });
        let app = app.await;
        let ada = app.listener("ada@example.com").await;
        let song = take(&ada, SOURCE).await;
        let api = format!("{}/api", app.web);
        let bearer = |path: &str| app.client.get(format!("{api}{path}")).bearer_auth(&ada.access);
        let library = json_of(bearer("/library").send().await.unwrap(), StatusCode::OK).await;
        assert_eq!(library["songs"][0]["id"], song.as_str());

        // The page's own origin needs no list and no preflight.
        let account = json!({ "email": "ada@example.com", "password": "correct horse" });
        let request = app.client.post(format!("{api}/auth/signin")).header(header::ORIGIN, &app.web);
        let answer = request.json(&account).send().await.unwrap();
        assert_eq!(text(&answer, "access-control-allow-origin"), app.web);
        assert_eq!(answer.status(), StatusCode::OK);

        let stream = json_of(bearer(&format!("/stream/{song}")).send().await.unwrap(), StatusCode::OK).await;
        let url = stream["stream_url"].as_str().unwrap();
        assert!(url.starts_with(&format!("{api}/public/stream/{song}?token=")), "{url}");
        assert_eq!(stream["expires_in"], 90 + 2 * 180);
        assert_eq!(app.client.get(url).send().await.unwrap().bytes().await.unwrap().len(), 5_000);
        let direct = ada.stream_url(&song).await;
        assert!(direct.starts_with(&format!("{}/public/stream/{song}?token=", app.stream)), "{direct}");

        for path in ["/docs", "/openapi.json"] {
            let answer = get(&app, path, &[]).await;
            assert_eq!(answer.status(), StatusCode::OK, "{path}, which leads to the API's");
            assert!(answer.url().path().starts_with(&format!("/api{path}")), "{}", answer.url());
        }
        let described: Value = app.call(Method::GET, "/openapi.json").send().await.unwrap().json().await.unwrap();
        let through_web: Value = get(&app, "/api/openapi.json", &[]).await.json().await.unwrap();
        assert_eq!(described, through_web);
        app.stop().await;
    }
}

in_all_topologies! {
    async fn other_origins_may_only_look(topology: Topology) {
        let settings = [("CORS_ALLOWED_ORIGINS", "https://listed.example"), ("APP_DOMAIN", "music.example")];
        let app = App::start_with(topology, &settings).await;
        let ada = app.listener("ada@example.com").await;
        let cookie = format!("refresh_token={}", ada.refresh);
        for base in [app.gateway.clone(), format!("{}/api", app.web)] {
            let ask = async |method: Method, path: &str, origin: &str| {
                let request = app.client.request(method, format!("{base}{path}")).header(header::ORIGIN, origin);
                request.bearer_auth(&ada.access).send().await.unwrap()
            };
            for origin in [
                "https://evil.example", "null", "http://listed.example", "https://listed.example:8443",
                "https://listed.example.evil.example", "https://music.example.evil.example", "http://music.example",
            ] {
                for (method, path) in [(Method::POST, "/auth/logout"), (Method::POST, "/songs/import")] {
                    let answer = ask(method, path, origin).await;
                    assert_eq!(text(&answer, "access-control-allow-origin"), "", "{origin}");
                    assert_eq!(problem_of(answer, StatusCode::FORBIDDEN).await, "origin_not_allowed", "{origin}");
                }
                // By the cookie nothing is done either, not even looked at.
                let request = app.client.get(format!("{base}/auth/me")).header(header::COOKIE, &cookie);
                let answer = request.bearer_auth(&ada.access).header(header::ORIGIN, origin).send().await.unwrap();
                assert_eq!(problem_of(answer, StatusCode::FORBIDDEN).await, "origin_not_allowed", "{origin}");
                let answer = ask(Method::GET, "/auth/me", origin).await;
                assert_eq!(text(&answer, "access-control-allow-origin"), "", "{origin}");
                assert_eq!(answer.status(), StatusCode::OK, "a program may say what it likes");
                let answer = preflight(&app, &format!("{base}/library"), origin).await;
                assert_eq!(problem_of(answer, StatusCode::FORBIDDEN).await, "origin_not_allowed", "{origin}");
            }
            for origin in ["https://listed.example", "https://music.example"] {
                let answer = ask(Method::GET, "/library", origin).await;
                assert_eq!(answer.status(), StatusCode::OK);
                assert_eq!(text(&answer, "access-control-allow-origin"), origin);
                assert_eq!(text(&answer, "access-control-allow-credentials"), "true");
                assert!(text(&answer, "vary").to_lowercase().contains("origin"));
                // Answered before sign-in, limits and methods, also where there is nothing.
                for path in ["/library", "/jobs/x", "/auth/signin", "/nothing"] {
                    let answer = preflight(&app, &format!("{base}{path}"), origin).await;
                    assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{path}");
                    assert_eq!(text(&answer, "access-control-allow-origin"), origin);
                    assert_eq!(text(&answer, "access-control-allow-methods"), "GET, POST, PATCH, DELETE");
                    assert_eq!(
                        text(&answer, "access-control-allow-headers"),
                        "Authorization, Content-Type, Last-Event-ID"
                    );
                }
                let refused = app.client.get(format!("{base}/library")).header(header::ORIGIN, origin);
                let refused = refused.send().await.unwrap();
                assert_eq!(text(&refused, "access-control-allow-origin"), origin, "the page may read why");
                assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
            }
        }
        // Whose page it is, only a trusted proxy can say.
        let forged = ada
            .call(Method::POST, "/auth/logout")
            .header(header::ORIGIN, "https://evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-proto", "https");
        assert_eq!(forged.send().await.unwrap().status(), StatusCode::FORBIDDEN);
        app.stop().await;
    }
}

async fn preflight(app: &App, url: &str, origin: &str) -> Response {
    app.client
        .request(Method::OPTIONS, url)
        .header(header::ORIGIN, origin)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "PATCH")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization")
        .send()
        .await
        .unwrap()
}

in_all_topologies! {
    async fn a_trusted_edge_says_what_the_address_is(topology: Topology) {
        let settings = [("TRUSTED_PROXIES", "127.0.0.1")];
        let app = App::start_after(topology, &settings, async |backends| {
            shelve(backends, SOURCE, 5_000).await;
        });
        let app = app.await;
        let ada = app.listener("ada@example.com").await;
        let song = take(&ada, SOURCE).await;
        for (base, prefix) in [(format!("{}/api", app.web), None), (app.gateway.clone(), Some("/api"))] {
            let mut request = app
                .client
                .get(format!("{base}/stream/{song}"))
                .bearer_auth(&ada.access)
                .header("x-forwarded-proto", "https")
                .header("x-forwarded-host", "music.example");
            if let Some(prefix) = prefix {
                request = request.header("x-forwarded-prefix", prefix);
            }
            let answer = request.header(header::ORIGIN, "https://music.example").send().await.unwrap();
            assert_eq!(text(&answer, "access-control-allow-origin"), "https://music.example");
            let url = json_of(answer, StatusCode::OK).await["stream_url"].as_str().unwrap().to_owned();
            assert!(url.starts_with(&format!("https://music.example/api/public/stream/{song}?token=")), "{url}");
        }
        app.stop().await;
    }
}
