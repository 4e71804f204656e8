//! The extractors: every refusal is a problem document that names the value.

use axum::{
    Router,
    body::Body,
    extract::DefaultBodyLimit,
    routing::{get as on_get, post},
};
use http::{Request, header};
use serde::Deserialize;
use serde_json::Value;
use songkeep_http_kit::{Json, OptionalJson, Path, Query};
use uuid::Uuid;

use crate::kit::{ask, body, get, problem};

#[derive(Deserialize)]
struct SignUp {
    email: String,
    #[serde(default)]
    address: Option<Address>,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    age: u8,
    #[serde(default)]
    kind: Option<Kind>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Address {
    city: String,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Listener,
    Owner,
}

#[derive(Deserialize)]
struct Paging {
    limit: Option<u32>,
    q: Option<String>,
    deep: Option<bool>,
}

fn router() -> Router {
    Router::new()
        .route(
            "/signup",
            post(|Json(body): Json<SignUp>| async move {
                let names: Vec<String> = body.tags.into_iter().map(|tag| tag.name).collect();
                let kind = match body.kind {
                    Some(Kind::Listener) => "listener",
                    Some(Kind::Owner) => "owner",
                    None => "",
                };
                let city = body.address.map(|address| address.city).unwrap_or_default();
                format!("{} {} {city} {} {kind}", body.email, body.age, names.join("+"))
            }),
        )
        .route(
            "/refresh",
            post(|OptionalJson(body): OptionalJson<Tag>| async move {
                body.map_or_else(|| "none".to_owned(), |body| body.name)
            }),
        )
        .route(
            "/songs",
            on_get(|Query(paging): Query<Paging>| async move {
                format!("{:?} {:?} {:?}", paging.limit, paging.q, paging.deep)
            }),
        )
        .route("/songs/{id}", on_get(|Path(id): Path<Uuid>| async move { id.to_string() }))
        .layer(DefaultBodyLimit::max(1_000))
}

fn send(path: &str, content_type: Option<&str>, body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post(path);
    if let Some(content_type) = content_type {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    request.body(body.into()).unwrap()
}

async fn sign_up(body: impl Into<Body>) -> http::Response<Body> {
    ask(&router(), send("/signup", Some("application/json"), body)).await
}

/// Field and code of the only error.
async fn fault(response: http::Response<Body>) -> (String, String) {
    let problem = problem(response, 422, "invalid").await;
    let errors = problem["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1);
    assert!(errors[0]["detail"].as_str().unwrap().ends_with('.'));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&errors[0]["field"]), text(&errors[0]["code"]))
}

#[tokio::test]
async fn reads_json_with_charset_and_suffix() {
    let text = r#"{"email":"a@b.c","age":7,"tags":[{"name":"x"}],"kind":"owner"}"#;
    for content_type in
        ["application/json", "application/json; charset=utf-8", "Application/Merge-Patch+JSON"]
    {
        let answer = ask(&router(), send("/signup", Some(content_type), text)).await;
        assert_eq!(body(answer).await, "a@b.c 7  x owner");
    }
}

#[tokio::test]
async fn refuses_what_is_no_json_by_its_content_type() {
    for content_type in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("text/json")]
    {
        let answer = ask(&router(), send("/signup", content_type, r#"{"email":"a"}"#)).await;
        problem(answer, 415, "unsupported_media_type").await;
    }
}

#[tokio::test]
async fn text_that_is_no_json_is_malformed() {
    let deep = format!(r#"{{"email":{}1{}}}"#, "[".repeat(300), "]".repeat(300));
    let texts: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"{".to_vec(),
        b"not json".to_vec(),
        br#"{"email":"a"} trailing"#.to_vec(),
        br#"{"email":NaN}"#.to_vec(),
        br#"{"email":"a","age":Infinity}"#.to_vec(),
        br#"{"email":"a","age":1e999}"#.to_vec(),
        br#"{"email":"\ud800"}"#.to_vec(),
        b"{\"email\":\"\xff\"}".to_vec(),
        b"{\"email\":\"a\nb\"}".to_vec(),
        br#"{"email":1,}"#.to_vec(),
    ];
    for text in texts {
        let shown = String::from_utf8_lossy(&text).into_owned();
        let answer = sign_up(text).await;
        assert_eq!(answer.status(), 400, "{shown}");
        problem(answer, 400, "malformed").await;
    }
    let status = sign_up(deep).await.status();
    assert!(status.is_client_error(), "{status}");
}

#[tokio::test]
async fn json_of_another_shape_names_the_field() {
    let cases = [
        (r#"{"email":1}"#, "email", "wrong_type"),
        (r#"{"email":null}"#, "email", "wrong_type"),
        (r"{}", "email", "required"),
        (r#"{"email":"a","email":"b"}"#, "email", "duplicate"),
        (r#"{"email":"a","age":300}"#, "age", "out_of_range"),
        (r#"{"email":"a","age":-1}"#, "age", "out_of_range"),
        (r#"{"email":"a","age":1.5}"#, "age", "wrong_type"),
        (r#"{"email":"a","kind":"king"}"#, "kind", "unknown_value"),
        (r#"{"email":"a","tags":[{"name":"x"},{"name":2}]}"#, "tags[1].name", "wrong_type"),
        (r#"{"email":"a","tags":[{}]}"#, "tags[0].name", "required"),
        (r#"{"email":"a","tags":{}}"#, "tags", "wrong_type"),
        (r#"{"email":"a","address":{"city":"x","zip":1}}"#, "address.zip", "unknown"),
        ("7", "body", "wrong_type"),
        ("null", "body", "wrong_type"),
    ];
    for (text, field, code) in cases {
        assert_eq!(fault(sign_up(text).await).await, (field.to_owned(), code.to_owned()), "{text}");
    }
}

#[tokio::test]
async fn a_wrong_value_is_not_repeated_to_anybody() {
    let answer = sign_up(r#"{"email":"a","age":"my secret word"}"#).await;
    let text = String::from_utf8(body(answer).await.to_vec()).unwrap();
    assert!(!text.contains("secret"), "{text}");
    assert!(!text.contains("SignUp"), "{text}");
}

#[tokio::test]
async fn refuses_a_body_over_the_routes_limit() {
    let answer = sign_up(format!(r#"{{"email":"{}"}}"#, "x".repeat(2_000))).await;
    problem(answer, 413, "payload_too_large").await;
}

#[tokio::test]
async fn an_optional_body_may_be_empty_but_not_wrong() {
    let router = router();
    for content_type in [None, Some("text/plain"), Some("application/json")] {
        let answer = ask(&router, send("/refresh", content_type, "")).await;
        assert_eq!(body(answer).await, "none");
    }
    let answer = ask(&router, send("/refresh", Some("application/json"), r#"{"name":"x"}"#)).await;
    assert_eq!(body(answer).await, "x");
    let answer = ask(&router, send("/refresh", Some("text/plain"), r#"{"name":"x"}"#)).await;
    problem(answer, 415, "unsupported_media_type").await;
    let answer = ask(&router, send("/refresh", Some("application/json"), "{")).await;
    problem(answer, 400, "malformed").await;
}

#[tokio::test]
async fn a_query_is_read_and_its_faults_are_named() {
    let router = router();
    let answer = ask(&router, get("/songs?limit=5&q=a%20b+c&deep=true&other=1")).await;
    assert_eq!(body(answer).await, r#"Some(5) Some("a b c") Some(true)"#);
    for (query, code) in [
        ("limit=abc", "wrong_type"),
        ("limit=", "wrong_type"),
        ("limit=-1", "wrong_type"),
        ("limit=99999999999", "out_of_range"),
        ("limit=1&limit=2", "duplicate"),
    ] {
        let answer = ask(&router, get(&format!("/songs?{query}"))).await;
        assert_eq!(fault(answer).await, ("limit".to_owned(), code.to_owned()), "{query}");
    }
    assert_eq!(fault(ask(&router, get("/songs?deep=yes")).await).await.0, "deep");
    problem(ask(&router, get("/songs?q=%ff")).await, 400, "malformed").await;
    let answer = ask(&router, get("/songs?q=%zz%4")).await;
    assert_eq!(body(answer).await, r#"None Some("%zz%4") None"#);
}

#[tokio::test]
async fn a_path_that_does_not_parse_names_nothing() {
    let router = router();
    let id = Uuid::now_v7();
    assert_eq!(body(ask(&router, get(&format!("/songs/{id}"))).await).await, id.to_string());
    for path in ["/songs/7", "/songs/%00", "/songs/%ff", "/songs/..%2f..%2fetc"] {
        problem(ask(&router, get(path)).await, 404, "not_found").await;
    }
}
