//! The description of the API, and the pages that show it.

use std::collections::BTreeSet;

use http::{Method, StatusCode, header};
use serde_json::Value;
use songkeep_domain::ErrorCode;
use songkeep_gateway::openapi;

use crate::world::World;

fn document() -> Value {
    serde_json::to_value(openapi()).unwrap()
}

#[test]
fn the_description_is_the_same_each_time() {
    let [first, second] = [(); 2].map(|()| serde_json::to_string_pretty(&openapi()).unwrap());
    assert_eq!(first, second);
}

#[test]
fn operations_have_unique_names_summaries_and_common_answers() {
    let document = document();
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name), "{name} stands twice");
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{name}");
            assert_eq!(operation["tags"].as_array().unwrap().len(), 1, "{name}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2')), "{name}");
            for status in ["403", "500", "502", "503", "504"] {
                assert!(responses.contains_key(status), "{method} {path}: {status}");
            }
            for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
                let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{name} {status}");
            }
            for parameter in path.split('{').skip(1).map(|part| part.split('}').next().unwrap()) {
                let described = operation["parameters"].as_array().unwrap().iter().any(|known| {
                    known["name"] == parameter && known["in"] == "path" && known["required"] == true
                });
                assert!(described, "{name}: {parameter}");
            }
        }
    }
}

#[test]
fn values_have_their_bounds() {
    let document = document();
    let bounds = |path: &str, name: &str| {
        let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap();
        let schema = parameters.iter().find(|known| known["name"] == name).unwrap()["schema"].clone();
        (schema["minimum"].clone(), schema["maximum"].clone())
    };
    assert_eq!(bounds("/songs/search", "limit"), (1.into(), 50.into()));
    for path in [
        "/library",
        "/library/artists",
        "/library/albums",
        "/jobs",
        "/admin/users",
        "/admin/songs",
        "/admin/jobs",
        "/admin/audit",
    ] {
        assert_eq!(bounds(path, "limit"), (1.into(), 500.into()), "{path}");
    }
    assert_eq!(bounds("/admin/stats", "hours"), (1.into(), 720.into()));
    let id = &document["paths"]["/jobs/{id}"]["get"]["parameters"][0];
    assert_eq!(id["schema"]["format"], "uuid");
    let import = &document["paths"]["/songs/import"]["post"]["requestBody"];
    assert_eq!((&import["required"], import["content"].as_object().unwrap().len()), (&true.into(), 1));
}

#[test]
fn every_reference_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| match value {
                Value::String(target) if name == "$ref" => found.push(target.clone()),
                value => references(value, found),
            }),
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for target in found {
        let pointer = target.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{target}");
    }
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    for name in ["Problem", "LibraryEvent", "Job", "Song"] {
        assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn the_description_is_served() {
    let world = World::new().await;
    let answer = world.get("/openapi.json").send().await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header(header::CONTENT_TYPE), "application/json");
    assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap(), document());
}

#[tokio::test]
async fn the_page_loads_nothing_from_other_hosts_and_runs_no_inline_script() {
    let world = World::new().await;
    let moved = world.get("/docs").send().await;
    assert_eq!(moved.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(moved.header(header::LOCATION), "docs/", "relative, for the prefix of the web port");
    let index = world.get("/docs/").send().await;
    let start = world.get("/docs/swagger-initializer.js").send().await;
    let errors = world.get("/docs/errors").send().await;
    for page in [&index, &start, &errors] {
        assert_eq!(page.status, StatusCode::OK);
        assert!(!page.text().contains("://"), "{}", page.text());
        let policy = page.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    }
    assert!(start.text().contains("../openapi.json"));
    assert!(start.text().contains("\"validatorUrl\": \"none\""), "{}", start.text());
    for script in index.text().split("<script").skip(1) {
        assert!(script.trim_start().starts_with("src=\"./"), "{script}");
        let file = script.split('"').nth(1).unwrap().trim_start_matches("./");
        let answer = world.get(&format!("/docs/{file}")).send().await;
        assert_eq!(answer.status, StatusCode::OK, "{file}");
        assert!(answer.header(header::CONTENT_TYPE).contains("javascript"), "{file}");
    }
    let missing = world.get("/docs/nothing.js").send().await;
    missing.problem(StatusCode::NOT_FOUND, "not_found");
}

#[tokio::test]
async fn every_error_code_has_its_place_on_the_page_that_problems_point_to() {
    let world = World::new().await;
    let page = world.get("/docs/errors").send().await;
    assert_eq!(page.header(header::CONTENT_TYPE), "text/html; charset=utf-8");
    for code in ErrorCode::ALL {
        assert!(page.text().contains(&format!("id=\"{code}\"")), "{code}");
    }
}

#[tokio::test]
async fn unknown_paths_are_404_and_other_methods_405() {
    let world = World::new().await;
    for path in ["/", "/nothing", "/auth", "/auth/signin/", "/admin", "/internal/auth/me"] {
        world.get(path).send().await.problem(StatusCode::NOT_FOUND, "not_found");
        world.post(path).send().await.problem(StatusCode::NOT_FOUND, "not_found");
    }
    let cases = [
        (Method::GET, "/auth/signin", "POST"),
        (Method::PUT, "/library", "GET"),
        (Method::POST, "/library/x", "PATCH"),
        (Method::DELETE, "/docs/errors", "GET"),
    ];
    for (method, path, allowed) in cases {
        let answer = world.ask(method, path).send().await;
        answer.problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
        assert!(answer.header(header::ALLOW).contains(allowed), "{}", answer.header(header::ALLOW));
    }
}

#[tokio::test]
async fn a_preflight_is_answered_before_anything_else() {
    let world = World::new().await;
    let preflight = |path: &str, origin: &str| {
        world
            .ask(Method::OPTIONS, path)
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "PATCH")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization, content-type")
    };
    for path in ["/library/x", "/admin/users", "/auth/signin"] {
        let answer = preflight(path, "http://localhost:3001").send().await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{path}");
        assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "http://localhost:3001");
        assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_CREDENTIALS), "true");
        let refused = preflight(path, "https://evil.example").send().await;
        refused.problem(StatusCode::FORBIDDEN, "origin_not_allowed");
    }
}
