//! What cannot be understood or must not be: every operation of the API is sent all kinds of it, as its
//! description in the OpenAPI document says which, on both listeners. Each time the answer is a problem
//! document of the right kind, and nothing is changed.

use std::{collections::BTreeSet, path::Path};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::TryStreamExt as _;
use reqwest::{Method, StatusCode, header};
use serde_json::{Map, Value, json};
use songkeep_domain::JobId;

use crate::{
    in_all_topologies,
    kit::{App, Listener, Topology, json_of, problem_of},
    streaming::{shelve, take},
};

const SOURCE: &str = "ShelvedSong";
const BOBS: &str = "BobsOwnSong";
const VIDEO: &str = "dQw4w9WgXcQ";
/// Larger than any operation accepts.
const HUGE: usize = 1 << 20;

/// One operation of the OpenAPI document.
struct Operation {
    method: Method,
    path: String,
    /// Names and schemas.
    in_path: Vec<(String, Value)>,
    in_query: Vec<(String, Value)>,
    required_in_query: Vec<String>,
    body: Option<Value>,
    signed_in: bool,
}

impl Operation {
    fn all(document: &Value) -> Vec<Self> {
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters");
            methods.map(move |(method, operation)| Self::read(document, method, path, operation))
        });
        let operations: Vec<_> = operations.collect();
        assert!(operations.len() >= 30, "the document lacks operations");
        operations
    }

    fn read(document: &Value, method: &str, path: &str, operation: &Value) -> Self {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let of = |place: &str| -> Vec<(String, Value)> {
            let here = parameters.iter().filter(|parameter| parameter["in"] == place);
            here.map(|known| (known["name"].as_str().unwrap().to_owned(), known["schema"].clone())).collect()
        };
        let required = parameters.iter().filter(|known| known["in"] == "query" && known["required"] == true);
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        Self {
            method: method.to_uppercase().parse().unwrap(),
            path: path.to_owned(),
            in_path: of("path"),
            in_query: of("query"),
            required_in_query: required.map(|known| known["name"].as_str().unwrap().to_owned()).collect(),
            body: find_object(document, schema),
            signed_in: operation.get("security").is_some(),
        }
    }

    /// The path with its parameters filled in.
    fn filled(&self, value: impl Fn(&str, &Value) -> String) -> String {
        self.in_path.iter().fold(self.path.clone(), |path, (name, schema)| {
            path.replace(&format!("{{{name}}}"), &value(name, schema))
        })
    }

    fn for_admins(&self) -> bool {
        self.path.starts_with("/admin/")
    }
}

/// The schema of an object, behind references and besides null.
fn find_object(document: &Value, schema: &Value) -> Option<Value> {
    if let Some(reference) = schema["$ref"].as_str() {
        return find_object(document, document.pointer(reference.strip_prefix('#')?)?);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        return choices.iter().find_map(|choice| find_object(document, choice));
    }
    (schema["type"] == "object").then(|| schema.clone())
}

/// A value that the description allows.
fn sample(name: &str, schema: &Value) -> String {
    match (name, schema["format"].as_str()) {
        (_, Some("uuid")) => JobId::new().to_string(),
        ("provider", _) => "youtube".to_owned(),
        ("id", _) => VIDEO.to_owned(),
        ("email", _) => "somebody@example.com".to_owned(),
        ("password", _) => "correct horse".to_owned(),
        _ => schema["example"].as_str().unwrap_or("x").to_owned(),
    }
}

/// A body with all that is required.
fn sample_body(schema: &Value) -> Map<String, Value> {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let names = required.iter().map(|name| name.as_str().unwrap());
    names.map(|name| (name.to_owned(), sample(name, &schema["properties"][name]).into())).collect()
}

fn is_of_type(schema: &Value, wanted: &str) -> bool {
    schema["type"] == wanted || schema["type"].as_array().is_some_and(|all| all.contains(&json!(wanted)))
}

/// One bad request, and which answers are right.
struct Trap {
    what: String,
    method: Method,
    path: String,
    content_type: Option<&'static str>,
    body: Option<Vec<u8>>,
    expected: &'static [u16],
    /// Which field a 422 must name.
    field: Option<String>,
}

impl Trap {
    fn new(operation: &Operation, what: impl Into<String>, path: String, expected: &'static [u16]) -> Self {
        Self {
            what: what.into(),
            method: operation.method.clone(),
            path,
            content_type: None,
            body: None,
            expected,
            field: None,
        }
    }

    fn with_body(mut self, content_type: Option<&'static str>, body: impl Into<Vec<u8>>) -> Self {
        (self.content_type, self.body) = (content_type, Some(body.into()));
        self
    }

    fn with_json(self, body: impl Into<Value>) -> Self {
        self.with_body(Some("application/json"), body.into().to_string())
    }

    fn naming(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }

    /// What is wrong with the answer of the listener at `base`.
    async fn complaint(&self, base: &str, caller: Option<&Listener<'_>>, app: &App) -> Option<String> {
        let mut request = app.client.request(self.method.clone(), format!("{base}{}", self.path));
        if let Some(caller) = caller {
            request = request.bearer_auth(&caller.access);
        }
        if let Some(content_type) = self.content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        if let Some(body) = &self.body {
            request = request.body(body.clone());
        }
        let told =
            |what: String| Some(format!("{} {base}{:.120} ({}): {what}", self.method, self.path, self.what));
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return told(format!("no answer: {error:?}")),
        };
        let status = answer.status().as_u16();
        let kind = answer.headers().get(header::CONTENT_TYPE).cloned();
        let body = answer.text().await.unwrap_or_default();
        if !self.expected.contains(&status) {
            return told(format!("{status} instead of {:?}: {body:.300}", self.expected));
        }
        if status < 400 {
            return None;
        }
        if kind.is_none_or(|kind| kind != "application/problem+json") {
            return told(format!("{status} without a problem document: {body:.300}"));
        }
        let problem: Value = serde_json::from_str(&body).unwrap_or_default();
        let complete = ["type", "title", "detail", "code", "instance"]
            .iter()
            .all(|field| problem[field].as_str().is_some_and(|text| !text.is_empty()));
        let code = problem["code"].as_str().unwrap_or_default();
        if !complete || problem["status"] != status || !codes_of(status).contains(&code) {
            return told(format!("an odd problem document: {body:.300}"));
        }
        let field = self.field.as_ref().filter(|_| status == 422)?;
        let named =
            problem["errors"].as_array().is_some_and(|all| all.iter().any(|error| error["field"] == **field));
        if named { None } else { told(format!("{field} is not named: {body:.300}")) }
    }
}

/// The codes of refusals with a status.
const fn codes_of(status: u16) -> &'static [&'static str] {
    match status {
        400 => &["malformed"],
        401 => &["unauthenticated", "invalid_credentials"],
        403 => &["forbidden"],
        404 => &["not_found"],
        405 => &["method_not_allowed"],
        413 => &["payload_too_large"],
        415 => &["unsupported_media_type"],
        422 => &["invalid"],
        _ => &[],
    }
}

fn traps_in_the_path(operation: &Operation) -> Vec<Trap> {
    let expected: &[u16] = if operation.signed_in { &[404] } else { &[403, 404] };
    let long = "a".repeat(300);
    let spoilt = [
        "%00",
        "x%00y",
        "%ff",
        "%20",
        "0",
        "-1",
        "null",
        "..%2F..%2Fx",
        "%F0%9F%8E%B5",
        "dQw4w9WgXcQ%23%2F..%2F..%2F..%2Fx",
        "018f0000-0000-7000-8000-00000000000",
        "%27%20OR%201=1--",
        &long,
    ];
    let mut traps = Vec::new();
    for (spoilt_name, _) in &operation.in_path {
        for value in spoilt {
            let path =
                operation.filled(
                    |name, schema| {
                        if name == spoilt_name { value.to_owned() } else { sample(name, schema) }
                    },
                );
            traps.push(Trap::new(operation, format!("{spoilt_name} is {value:.40}"), path, expected));
        }
    }
    if !operation.in_path.is_empty() {
        traps.push(Trap::new(operation, "an unknown id", operation.filled(sample), expected));
    }
    if let Some(schema) = &operation.body {
        traps = traps.into_iter().map(|trap| trap.with_json(sample_body(schema))).collect();
    }
    traps
}

/// Cursors that we never gave, or for another list.
fn foreign_cursors() -> Vec<String> {
    let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let id = JobId::new();
    vec![
        "x".to_owned(),
        "%00".to_owned(),
        "AAAA".to_owned(),
        encoded("{}"),
        encoded("[1,2"),
        encoded(&format!("{{\"list\":\"another list\",\"id\":\"{id}\"}}")),
        encoded("{\"list\":\"jobs\",\"id\":\"' OR 1=1 --\"}"),
        "x".repeat(4_000),
    ]
}

fn traps_in_the_query(operation: &Operation) -> Vec<Trap> {
    let mut traps = Vec::new();
    for (name, schema) in &operation.in_query {
        let mut trap = |what: String, value: &str, expected: &'static [u16]| {
            let others = operation.required_in_query.iter().filter(|other| *other != name);
            let others: String = others.map(|other| format!("&{other}=x")).collect();
            let path = format!("{}?{name}={value}{others}", operation.filled(sample));
            traps.push(Trap::new(operation, what, path, expected).naming(name));
        };
        let what = |value: &str| format!("{name} is {value:.40}");
        if is_of_type(schema, "integer") {
            let least = schema["minimum"].as_i64().unwrap() - 1;
            let most = schema["maximum"].as_i64().unwrap() + 1;
            for value in [&*least.to_string(), &*most.to_string(), "-1", "", "abc", "1.5", "0x10", "%00"] {
                trap(what(value), value, &[422]);
            }
            trap(what("enormous"), "99999999999999999999", &[422]);
            trap(format!("{name} twice"), &format!("2&{name}=3"), &[422]);
        } else if name == "cursor" {
            for value in foreign_cursors() {
                trap(what(&value), &value, &[400]);
            }
        } else if name == "status" {
            // Lists of what has no status take no notice of it.
            for value in ["no-such-status", "%00", "%F0%9F%8E%B5"] {
                trap(what(value), value, &[422, 200]);
            }
        } else {
            let wrong: &[u16] = if name == "sig" { &[403] } else { &[422] };
            trap(what("NUL"), "a%00b", wrong);
            trap(what("long"), &"x".repeat(5_000), wrong);
        }
        trap(format!("{name} is no text"), "%ff", &[400]);
    }
    for missing in &operation.required_in_query {
        let expected: &[u16] = if missing == "sig" { &[403] } else { &[422] };
        let path = operation.filled(sample);
        traps.push(Trap::new(operation, format!("no {missing}"), path, expected).naming(missing));
    }
    traps
}

fn traps_in_the_body(operation: &Operation, own: &impl Fn(&str, &Value) -> String) -> Vec<Trap> {
    let Some(schema) = &operation.body else { return Vec::new() };
    let path = operation.filled(own);
    let trap = |what: &str, expected| Trap::new(operation, what, path.clone(), expected);
    let json = Some("application/json");
    let good = sample_body(schema);
    let good_text = Value::from(good.clone()).to_string();
    let mut traps = vec![
        trap("half a body", &[400]).with_body(json, "{\"token\":"),
        trap("two bodies", &[400]).with_body(json, format!("{good_text} {good_text}")),
        trap("no JSON", &[400]).with_body(json, "token=x"),
        trap("no UTF-8", &[400]).with_body(json, b"{\"token\": \"\xff\xfe\"}".as_slice()),
        trap("half a surrogate pair", &[400, 422]).with_body(json, "{\"token\": \"\\ud800\", \"email\": \"\\ud800\", \"title\": \"\\ud800\", \"role\": \"\\ud800\", \"refresh_token\": \"\\ud800\"}"),
        trap("UTF-16", &[400]).with_body(json, b"{\0\"\0a\0\"\0:\x001\0}\0".as_slice()),
        trap("deeply nested", &[400, 422]).with_body(json, "[".repeat(5_000) + &"]".repeat(5_000)),
        trap("too large", &[413]).with_json(json!({ "filler": "x".repeat(HUGE) })),
        trap("plain text", &[415]).with_body(Some("text/plain"), good_text.clone()),
        trap("a form", &[415]).with_body(Some("application/x-www-form-urlencoded"), "email=a&token=b"),
        trap("no type", &[415]).with_body(None, good_text.clone()),
        trap("a list", &[422]).with_json(json!([])),
        trap("values without names", &[422]).with_json(good.values().cloned().collect::<Vec<_>>()),
        trap("a text", &[422]).with_json(json!("text")),
        trap("a number", &[422]).with_json(json!(1)),
    ];
    for missing in good.keys() {
        let mut body = good.clone();
        body.remove(missing);
        traps.push(trap(&format!("no {missing}"), &[422]).with_json(body).naming(missing));
    }
    for (name, schema) in schema["properties"].as_object().unwrap() {
        let text = is_of_type(schema, "string");
        let mut spoil = |what: &str, value: Value, expected| {
            let mut body = good.clone();
            body.insert(name.clone(), value);
            let spoilt = trap(&format!("{name} is {what}"), expected).with_json(body);
            // What is no text is looked at after the rest has been found good.
            traps.push(if text && what != "NUL" { spoilt.naming(name) } else { spoilt });
        };
        for (what, value) in [("a number", json!(1)), ("a truth", json!(true)), ("a list", json!([{}]))] {
            spoil(what, value, &[422]);
        }
        spoil(if text { "an object" } else { "a text" }, if text { json!({}) } else { json!("x") }, &[422]);
        if !is_of_type(schema, "null") {
            spoil("null", Value::Null, &[422]);
        }
        if let Some(most) = schema["maxLength"].as_u64() {
            spoil("too long", "x".repeat(usize::try_from(most).unwrap() + 1).into(), &[422]);
        }
        if let Some(least) = schema["minLength"].as_u64() {
            spoil("too short", "x".repeat(usize::try_from(least).unwrap() - 1).into(), &[422]);
        }
        if text {
            // What no account, token or song is called; signing out of nothing is no fault.
            let expected: &[u16] = if operation.path == "/auth/logout" { &[200] } else { &[401, 404, 422] };
            spoil("NUL", json!("\0"), expected);
        }
        let nested = format!("{{\"{name}\":{}{}}}", "[".repeat(3_000), "]".repeat(3_000));
        traps.push(trap(&format!("{name} is deeply nested"), &[400, 422]).with_body(json, nested));
    }
    traps
}

/// Methods that a path does not know.
fn traps_of_methods(operations: &[Operation]) -> Vec<Trap> {
    let paths: BTreeSet<&str> = operations.iter().map(|operation| operation.path.as_str()).collect();
    let mut traps = Vec::new();
    for path in paths {
        let here: Vec<_> = operations.iter().filter(|operation| operation.path == path).collect();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "BREW"] {
            let method: Method = method.parse().unwrap();
            if here.iter().all(|operation| operation.method != method) {
                let trap = Trap::new(here[0], "an unknown method", here[0].filled(sample), &[405]);
                traps.push(Trap { method, ..trap });
            }
        }
    }
    traps
}

/// Who plays here, and what is theirs.
struct World<'a> {
    app: &'a App,
    admin: Listener<'a>,
    ada: Listener<'a>,
    adas_song: String,
    bobs_song: String,
    bobs_job: String,
}

impl<'a> World<'a> {
    async fn start(topology: Topology) -> App {
        App::start_after(topology, &[], async |backends| {
            for source in [SOURCE, BOBS] {
                shelve(backends, source, 1_000).await;
            }
        })
        .await
    }

    async fn new(app: &'a App) -> Self {
        let admin = app.administrator("root@example.com").await;
        let (ada, bob) = (app.listener("ada@example.com").await, app.listener("bob@example.com").await);
        let adas_song = take(&ada, SOURCE).await;
        let bobs_song = take(&bob, BOBS).await;
        let jobs = bob.get("/jobs").await;
        let bobs_job = jobs["jobs"][0]["id"].as_str().unwrap().to_owned();
        Self { app, admin, ada, adas_song, bobs_song, bobs_job }
    }

    fn caller(&self, path: &str) -> &Listener<'a> {
        if path.starts_with("/admin/") { &self.admin } else { &self.ada }
    }

    async fn operations(&self) -> Vec<Operation> {
        let answer = self.app.call(Method::GET, "/openapi.json").send().await.unwrap();
        Operation::all(&json_of(answer, StatusCode::OK).await)
    }

    /// All that a bad request could have changed.
    async fn state(&self) -> Value {
        json!({
            "users": self.admin.get("/admin/users?limit=500").await,
            "songs": self.admin.get("/admin/songs?limit=500").await,
            "jobs": self.admin.get("/admin/jobs?limit=500").await,
            "library": self.ada.get("/library").await,
            "files": files(&self.app.settings.data_dir),
            "objects": objects(self.app).await,
        })
    }

    /// Springs all traps on both listeners.
    async fn spring(&self, traps: &[Trap]) {
        assert!(!traps.is_empty());
        let before = self.state().await;
        let mut complaints = Vec::new();
        for base in [self.app.gateway.clone(), format!("{}/api", self.app.web)] {
            for trap in traps {
                complaints.extend(trap.complaint(&base, Some(self.caller(&trap.path)), self.app).await);
            }
        }
        assert!(complaints.is_empty(), "{} of them:\n{}", complaints.len(), complaints.join("\n"));
        assert_eq!(self.state().await, before);
    }
}

async fn objects(app: &App) -> Vec<String> {
    let listed = app.backends.blobs().unwrap().list();
    let mut keys: Vec<String> = listed.map_ok(|info| info.key).try_collect().await.unwrap();
    keys.sort();
    keys
}

/// What is kept on the disk, without what the database does behind its file's name.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let name = path.display().to_string();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !name.contains("songkeep.db") && !name.contains("/cache/") {
            found.push(name);
        }
    }
    found.sort();
    found
}

in_all_topologies! {
    async fn ids_queries_and_methods_that_cannot_be_are_refused(topology: Topology) {
        let app = World::start(topology).await;
        let world = World::new(&app).await;
        let operations = world.operations().await;
        let mut traps = traps_of_methods(&operations);
        for operation in &operations {
            traps.extend(traps_in_the_path(operation));
            traps.extend(traps_in_the_query(operation));
        }
        world.spring(&traps).await;
        app.stop().await;
    }
}

in_all_topologies! {
    async fn bodies_that_cannot_be_are_refused(topology: Topology) {
        let app = World::start(topology).await;
        let world = World::new(&app).await;
        let ada = world.ada.get("/auth/me").await["id"].as_str().unwrap().to_owned();
        let own = |name: &str, _: &Value| if name == "song_id" { world.adas_song.clone() } else { ada.clone() };
        let operations = world.operations().await;
        let traps: Vec<_> =
            operations.iter().flat_map(|operation| traps_in_the_body(operation, &own)).collect();
        world.spring(&traps).await;
        app.stop().await;
    }
}

in_all_topologies! {
    async fn what_is_somebody_elses_is_not_there(topology: Topology) {
        let app = World::start(topology).await;
        let world = World::new(&app).await;
        let before = world.state().await;
        let mut complaints = Vec::new();
        for operation in world.operations().await {
            for id in [&world.bobs_song, &world.bobs_job] {
                let path = operation.filled(|name, schema| match schema["format"].as_str() {
                    Some("uuid") => id.clone(),
                    _ => sample(name, schema),
                });
                let trap = |what, expected| {
                    let trap = Trap::new(&operation, what, path.clone(), expected);
                    match &operation.body {
                        Some(schema) => trap.with_json(sample_body(schema)),
                        None => trap,
                    }
                };
                if operation.signed_in {
                    complaints.extend(trap("by nobody", &[401]).complaint(&app.gateway, None, &app).await);
                }
                let by_ada = if operation.for_admins() {
                    trap("by a listener", &[403])
                } else if operation.signed_in && !operation.in_path.is_empty() {
                    trap("Bob's", &[404])
                } else {
                    continue;
                };
                complaints.extend(by_ada.complaint(&app.gateway, Some(&world.ada), &app).await);
            }
        }
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
        assert_eq!(world.state().await, before);
        app.stop().await;
    }
}

in_all_topologies! {
    async fn sources_that_cannot_be_are_refused_and_nothing_leaves_its_folder(topology: Topology) {
        let app = World::start(topology).await;
        let world = World::new(&app).await;
        let outside = format!("songkeep-{}", JobId::new());
        let escape = format!("{VIDEO}#/../../../{outside}");
        let before = world.state().await;
        let long = "a".repeat(300);
        let wishes = [
            escape.as_str(), "", " ", "\0", "dQw4w9WgXc\0", &long, "dQw4w9WgXc", "dQw4w9WgXcQQ", "dQw4w9WgXc/",
            "../../etc/x", "dQw4w9WgXc\n", "ｄQw4w9WgXcQ", "-o/tmp/x.py;",
        ]
        .map(|id| json!({ "source_provider": "youtube", "source_id": id }))
        .into_iter()
        .chain(["", "\0", "YouTube", "vimeo", "file", "../youtube"].map(
            |provider| json!({ "source_provider": provider, "source_id": VIDEO }),
        ))
        .chain([
            json!({}),
            json!({ "source_provider": "youtube" }),
            json!({ "source_id": VIDEO }),
            json!({ "source_provider": "youtube", "source_id": VIDEO, "url": "https://youtu.be/dQw4w9WgXcQ" }),
            json!({ "url": "file:///etc/passwd" }),
            json!({ "url": "http://127.0.0.1:8000/watch?v=dQw4w9WgXcQ" }),
            json!({ "url": format!("https://www.youtube.com/watch?v={}", escape.replace('#', "%23")) }),
            json!({ "source_provider": "youtube", "source_id": VIDEO, "candidate_meta": [] }),
            json!({ "source_provider": "youtube", "source_id": VIDEO, "candidate_meta": "x" }),
            json!({ "source_provider": "youtube", "source_id": VIDEO, "candidate_meta": { "a": "\0" } }),
            json!({ "source_provider": "youtube", "source_id": VIDEO, "title": "x".repeat(301) }),
        ]);
        for wish in wishes {
            let answer = world.ada.call(Method::POST, "/songs/import").json(&wish).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{wish}");
            assert_eq!(problem_of(answer, StatusCode::UNPROCESSABLE_ENTITY).await, "invalid", "{wish}");
        }
        for (size, base) in [(9 << 10, &app.gateway), (30 << 20, &app.gateway), (30 << 20, &format!("{}/api", app.web))] {
            let wish = json!({
                "source_provider": "youtube", "source_id": VIDEO, "candidate_meta": { "a": "x".repeat(size) },
            });
            let request = app.client.post(format!("{base}/songs/import")).bearer_auth(&world.ada.access);
            let answer = request.json(&wish).send().await.unwrap();
            assert_eq!(problem_of(answer, StatusCode::PAYLOAD_TOO_LARGE).await, "payload_too_large", "{size}");
        }
        assert_eq!(world.state().await, before);
        for folder in app.settings.data_dir.canonicalize().unwrap().ancestors() {
            assert!(!folder.join(&outside).exists(), "{} was written to", folder.display());
        }
        app.stop().await;
    }
}
