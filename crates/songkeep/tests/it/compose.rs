//! The containers: what the compose files say when they are merged, and that the services work together
//! with exactly these commands and environments, behind the TLS edge.

pub mod deployment;
mod project;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::{Duration, Instant},
};

use reqwest::{Method, RequestBuilder, Response, StatusCode, Version, header};
use serde_json::{Value, json};
use songkeep_config::{SPECS, Settings, Values};
use songkeep_domain::NodeRole;
use songkeep_testkit::media::{decoded_md5, find_ffmpeg};
use tokio::time::sleep;

use self::{
    deployment::{
        DOMAIN, Deployment, TLS_PORT, client, copy_folder, own_address, start_nginx, write_certificate,
    },
    project::{BASE, PRODUCTION, Project, root},
};
use crate::{
    kit::{App, Topology, json_of, problem_of},
    sse::{Events, is_over},
};

/// Variables of the files that are no settings of Songkeep: of Compose, PostgreSQL and the S3 service.
const OTHER_VARIABLES: [&str; 9] = [
    "CARGO_PROFILE",
    "EDGE_ADDRESS",
    "EDGE_SUBNET",
    "MINIO_ROOT_PASSWORD",
    "MINIO_ROOT_USER",
    "POSTGRES_DB",
    "POSTGRES_PASSWORD",
    "POSTGRES_USER",
    "SONGKEEP_IMAGE",
];
/// Settings that mean nothing in containers: their place is fixed there, or they are unused anyway.
const NOT_FOR_CONTAINERS: [&str; 6] = [
    "CELERY_RESULT_BACKEND",
    "DB_AUTO_CREATE",
    "FFMPEG_PATH",
    "JS_RUNTIME_PATH",
    "SONGKEEP_CONFIG",
    "YTDLP_PATH",
];

fn base() -> Project {
    Project::load(&[BASE], &BTreeMap::new()).unwrap()
}

/// What production cannot do without.
fn necessary() -> BTreeMap<String, String> {
    [("APP_DOMAIN", DOMAIN), ("POSTGRES_PASSWORD", "p"), ("MINIO_ROOT_PASSWORD", "m")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn production() -> Project {
    Project::load(&[BASE, PRODUCTION], &necessary()).unwrap()
}

fn published(project: &Project) -> Vec<(&str, u16, u16)> {
    let services = project.services.iter();
    services
        .flat_map(|(name, service)| service.ports.iter().map(move |(to, from)| (name.as_str(), *to, *from)))
        .collect()
}

fn roles(arguments: &[String]) -> Vec<NodeRole> {
    let Some(at) = arguments.iter().position(|argument| argument == "--roles") else { return Vec::new() };
    arguments[at + 1].split(',').map(|role| role.parse().unwrap()).collect()
}

#[test]
fn only_the_public_listeners_are_published_and_in_production_only_the_edge() {
    assert_eq!(
        published(&base()),
        [("api-gateway", 8000, 8000), ("stream-service", 8005, 8005), ("web", 3000, 3000)]
    );
    assert_eq!(published(&production()), [("edge", 80, 8080), ("edge", 443, 8443)]);
}

#[test]
fn each_role_is_one_service_and_what_it_is_given_will_do() {
    for project in [base(), production()] {
        let mut started = BTreeSet::new();
        for (name, service) in project.services.iter().filter(|(_, service)| service.is_ours()) {
            let roles = roles(&service.command);
            let mut environment = service.environment.clone();
            // Stands in for the files, which are the operator's.
            for (secret, file) in &service.secrets {
                let variable = secret.to_uppercase();
                assert_eq!(
                    environment.remove(&format!("{variable}_FILE")),
                    Some(format!("/run/secrets/{file}"))
                );
                environment.insert(variable, "postgresql://a-long-secret-of-an-operator".to_owned());
            }
            // An operator decides how mails are sent.
            environment.insert("EMAIL_VERIFY_REQUIRED".to_owned(), "0".to_owned());
            let values = Values::from_env(environment).unwrap();
            assert!(values.unused.is_empty(), "{name}: {:?}", values.unused);
            let settings = Settings::from_values(&values).unwrap();
            if roles.is_empty() {
                assert_eq!((name.as_str(), &service.command), ("db-migrate", &vec!["migrate".to_owned()]));
                continue;
            }
            settings.validate(&roles).unwrap_or_else(|error| panic!("{name}: {error}"));
            let internal = if name == "web" || name == "api-gateway" { 8010 } else { 8000 };
            assert_eq!(settings.internal_addr_for(&roles), ([0, 0, 0, 0], internal).into(), "{name}");
            assert!(roles.iter().all(|role| started.insert(*role)), "{name}: a role runs twice");
        }
        assert_eq!(started, NodeRole::ALL.into());
    }
}

#[test]
fn variables_are_settings_and_every_setting_can_be_made_in_the_env_file() {
    let known: BTreeSet<&str> = SPECS.iter().map(|spec| spec.name).collect();
    let mut reached: BTreeSet<String> = NOT_FOR_CONTAINERS.map(str::to_owned).into();
    for project in [base(), production()] {
        for (name, service) in project.services.iter().filter(|(_, service)| service.is_ours()) {
            for variable in service.environment.keys() {
                let setting = variable.strip_suffix("_FILE").filter(|_| !known.contains(variable.as_str()));
                let setting = setting.unwrap_or(variable);
                assert!(known.contains(setting), "{name}: {variable} is not in docs/configuration.md");
            }
            reached.extend(service.environment.keys().cloned());
        }
        for variable in &project.variables {
            let is_known = known.contains(variable.as_str()) || OTHER_VARIABLES.contains(&variable.as_str());
            assert!(is_known, "{variable} is not in docs/configuration.md");
        }
        reached.extend(project.variables);
    }
    let ignored: Vec<&&str> = known.iter().filter(|name| !reached.contains(**name)).collect();
    assert!(ignored.is_empty(), "docker-compose.yml hands these settings to no service: {ignored:?}");
}

#[test]
fn secrets_of_development_are_refused_in_production() {
    let mut without_files = production();
    let auth = without_files.services.remove("auth-service").unwrap();
    let secret = auth.environment["JWT_SECRET"].clone();
    assert_eq!(secret, "", "the file's content counts");
    for (name, service) in &base().services {
        let roles = roles(&service.command);
        if roles.is_empty() || roles == [NodeRole::Worker] {
            continue;
        }
        let strict = service.environment.clone().into_iter().chain([("APP_ENV".into(), "production".into())]);
        let settings = Settings::from_values(&Values::from_env(strict).unwrap()).unwrap();
        let error = settings.validate(&roles).unwrap_err().to_string();
        assert!(error.contains("INTERNAL_SERVICE_SECRET is a value from an example"), "{name}: {error}");
    }
    for missing in ["APP_DOMAIN", "POSTGRES_PASSWORD", "MINIO_ROOT_PASSWORD"] {
        let mut settings = necessary();
        settings.remove(missing);
        let error = Project::load(&[BASE, PRODUCTION], &settings).unwrap_err();
        assert!(error.contains(&format!("{missing} is missing")), "{error}");
    }
}

#[tokio::test]
async fn doctor_says_how_a_file_of_a_secret_becomes_readable() {
    let mut doctor = tokio::process::Command::new(env!("CARGO_BIN_EXE_songkeep"));
    doctor.arg("doctor").env_clear().env("JWT_SECRET_FILE", "/run/secrets/not-there");
    let output = doctor.output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success());
    assert!(said.contains("JWT_SECRET_FILE: cannot read /run/secrets/not-there"), "{said}");
    assert!(said.contains("sudo chown ") && said.contains("chmod 400"), "{said}");
}

#[test]
fn production_is_locked_down() {
    let project = production();
    let ways_out: BTreeMap<&str, Vec<&str>> = project
        .services
        .iter()
        .map(|(name, service)| {
            let out = service.networks.iter().filter(|network| !project.networks[network.as_str()]);
            (name.as_str(), out.map(String::as_str).collect::<Vec<_>>())
        })
        .filter(|(_, out)| !out.is_empty())
        .collect();
    let expected = [
        ("auth-service", vec!["mail"]),
        ("download-worker", vec!["egress"]),
        ("edge", vec!["public"]),
        ("search-service", vec!["egress"]),
    ];
    assert_eq!(ways_out, expected.into());

    let edge = &project.services["edge"];
    let address = edge.raw["networks"]["edge"]["ipv4_address"].as_str().unwrap();
    for (name, service) in &project.services {
        assert_eq!(service.texts("cap_drop"), ["ALL"], "{name}");
        assert_eq!(service.texts("security_opt"), ["no-new-privileges:true"], "{name}");
        for limit in ["cpus", "memory", "pids"] {
            assert!(!service.raw["deploy"]["resources"]["limits"][limit].is_null(), "{name}: {limit}");
        }
        let is_database = name == "postgres";
        assert_eq!(service.raw["read_only"] == true, !is_database, "{name}");
        // The image's own account is no root either.
        assert!(service.is_ours() || service.raw["user"].is_string(), "{name}");
        let tag = service.raw["image"].as_str().and_then(|image| image.rsplit_once(':')).unwrap().1;
        assert!(tag != "latest" && !tag.is_empty(), "{name}");
        if service.is_ours() {
            assert_eq!(service.environment["APP_ENV"], "production", "{name}");
            let proxies = service.environment.get("TRUSTED_PROXIES").map(String::as_str);
            assert_eq!(proxies, service.networks.contains("edge").then_some(address), "{name}");
        }
    }
    assert_eq!(
        project.secrets.values().collect::<Vec<_>>(),
        [
            "./infra/secrets/database_url.txt",
            "./infra/secrets/internal_service_secret.txt",
            "./infra/secrets/jwt_secret.txt",
            "./infra/secrets/tls.crt",
            "./infra/secrets/tls.key",
        ]
    );
    let ignored = fs::read_to_string(root().join(".dockerignore")).unwrap();
    assert!(ignored.contains("\n*\n") && !ignored.contains("infra"), "secrets are no part of the build");
}

/// A person at the edge.
struct Visitor<'a> {
    client: &'a reqwest::Client,
    access: String,
}

impl<'a> Visitor<'a> {
    async fn sign_in(client: &'a reqwest::Client, email: &str) -> Self {
        let mut visitor = Self { client, access: String::new() };
        let account = json!({ "email": email, "password": "correct horse" });
        let answer = visitor.call(Method::POST, "/auth/signin").json(&account).send().await.unwrap();
        let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
        assert!(cookie.contains("Secure") && cookie.contains("HttpOnly"), "{cookie}");
        let body = json_of(answer, StatusCode::OK).await;
        visitor.access = body["access_token"].as_str().unwrap().to_owned();
        visitor
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, at(&format!("/api{path}")));
        if self.access.is_empty() { request } else { request.bearer_auth(&self.access) }
    }

    async fn get(&self, path: &str) -> Value {
        json_of(self.call(Method::GET, path).send().await.unwrap(), StatusCode::OK).await
    }
}

fn at(path: &str) -> String {
    format!("https://{DOMAIN}:{TLS_PORT}{path}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn production_does_the_main_job_behind_its_tls_edge() {
    let mut deployment = Deployment::start().await;
    let started = deployment.folder.path().join("edge.log");
    let (edge, own) = (deployment.addresses["edge"], own_address());
    let client = client(&deployment.folder.path().join("secrets"), edge, own);

    the_edge_speaks_https_only(&client).await;
    let signed_up = Visitor { client: &client, access: String::new() }
        .call(Method::POST, "/auth/signup")
        .json(&json!({ "email": "ada@example.com", "password": "correct horse" }))
        .send()
        .await
        .unwrap();
    assert_eq!(signed_up.status(), StatusCode::CREATED);
    let ada = Visitor::sign_in(&client, "ada@example.com").await;
    import_and_play(&deployment, &ada).await;

    let create = ["user", "create", "root@example.com", "--role", "admin"].map(str::to_owned);
    let created = deployment.run("auth-service", &create, "correct horse\n").await;
    assert!(created.status.success(), "{created:?}");
    let admin = Visitor::sign_in(&client, "root@example.com").await;
    administer(&admin, &own.to_string()).await;
    // Who was disabled signs in anew.
    let ada = Visitor::sign_in(&client, "ada@example.com").await;
    let refused = ada.call(Method::GET, "/admin/users").send().await.unwrap();
    assert_eq!(problem_of(refused, StatusCode::FORBIDDEN).await, "forbidden");

    nothing_internal_can_be_reached(&ada).await;
    floods_are_stopped(&deployment).await;
    a_lost_gateway_is_told_and_found_again(&mut deployment, &ada).await;

    let log = fs::read_to_string(deployment.access_log()).unwrap();
    assert!(log.contains(r#""path":"/api/public/stream/"#), "{log}");
    assert!(!log.contains("token=") && !log.contains(&ada.access), "tokens are not for logs");
    assert!(deployment.youtube.denied_hosts().is_empty(), "{:?}", deployment.youtube.denied_hosts());
    deployment.assert_image_is_untouched(&started).await;
    deployment.stop().await;
}

async fn the_edge_speaks_https_only(client: &reqwest::Client) {
    let plain = client.get(format!("http://{DOMAIN}:8080/library?x=1")).send().await.unwrap();
    assert_eq!(plain.status(), StatusCode::PERMANENT_REDIRECT);
    assert_eq!(plain.headers()[header::LOCATION], format!("https://{DOMAIN}/library?x=1").as_str());

    let page = client.get(at("/")).send().await.unwrap();
    assert_eq!((page.status(), page.version()), (StatusCode::OK, Version::HTTP_2));
    let headers = page.headers();
    assert!(headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
    let lasting: Vec<_> = headers.get_all(header::STRICT_TRANSPORT_SECURITY).iter().collect();
    assert_eq!(lasting, ["max-age=63072000; includeSubDomains"]);
    let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains(&format!("https://{DOMAIN}:{TLS_PORT}")), "{policy}");
    assert_eq!(headers.get(header::SERVER).map(|name| name.to_str().unwrap()), Some("nginx"));
}

async fn import_and_play(deployment: &Deployment, ada: &Visitor<'_>) {
    let wanted = deployment.youtube.videos()[0].clone();
    let query = [("q", format!("{} {}", wanted.channel, wanted.title))];
    let answer = ada.call(Method::GET, "/songs/search").query(&query).send().await.unwrap();
    let found = json_of(answer, StatusCode::OK).await;
    assert_eq!(found["candidates"][0]["source_id"], wanted.id.as_str(), "{found}");
    let picture = found["candidates"][0]["thumbnail_url"].as_str().unwrap();
    assert!(picture.starts_with(&at("/api/")), "{picture}");
    assert_eq!(ada.client.get(picture).send().await.unwrap().status(), StatusCode::OK);

    let mut events = Events::of(ada.call(Method::GET, "/events"), None).await;
    let wish = json!({ "source_provider": "youtube", "source_id": wanted.id });
    // As the page sends it.
    let asked = ada.call(Method::POST, "/songs/import").header(header::ORIGIN, at("")).json(&wish);
    let job = json_of(asked.send().await.unwrap(), StatusCode::ACCEPTED).await;
    let mut seen = Vec::new();
    while !seen.last().is_some_and(is_over) {
        let event = events.next().await.expect("the job's events");
        seen.extend(event.job(job["id"].as_str()));
    }
    assert_eq!(seen.last().unwrap()["status"], "completed", "{seen:?}");
    assert!(seen.iter().any(|job| job["status"] == "processing"), "they come one by one: {seen:?}");

    let library = ada.get("/library").await;
    let song = library["songs"][0]["id"].as_str().unwrap();
    let url = ada.get(&format!("/stream/{song}")).await["stream_url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(&at(&format!("/api/public/stream/{song}?token="))), "{url}");
    let whole = ada.client.get(&url).send().await.unwrap().bytes().await.unwrap();
    let file = deployment.folder.path().join("song.mp4");
    fs::write(&file, &whole).unwrap();
    let ffmpeg = find_ffmpeg().unwrap();
    let heard = decoded_md5(&ffmpeg, &file).await.unwrap();
    assert_eq!(heard, decoded_md5(&ffmpeg, &wanted.media.webm_251).await.unwrap());
    let part = ada.client.get(&url).header(header::RANGE, "bytes=100-199").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes().await.unwrap(), whole[100..200]);
}

async fn administer(admin: &Visitor<'_>, own: &str) {
    let users = admin.get("/admin/users?q=ada").await;
    let ada = users["users"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(users["users"][0]["song_count"], 1, "{users}");
    assert_eq!(admin.get("/admin/songs").await["songs"][0]["owners"], 1);
    assert_eq!(admin.get("/admin/jobs").await["jobs"][0]["status"], "completed");
    assert_eq!(admin.get("/admin/stats").await["jobs"]["completed"], 1);
    for action in ["disable", "enable"] {
        let request = admin
            .call(Method::POST, &format!("/admin/users/{ada}/{action}"))
            // What a client writes here is not believed.
            .header("X-Forwarded-For", "203.0.113.7")
            .header("X-Forwarded-Proto", "http")
            .header("Forwarded", "for=203.0.113.7");
        assert!(request.send().await.unwrap().status().is_success());
    }
    let audit = admin.get("/admin/audit").await;
    let entry = audit["entries"].as_array().unwrap().iter().find(|entry| entry["target"].is_string());
    assert_eq!(entry.unwrap()["ip"], own, "{audit}");
}

async fn nothing_internal_can_be_reached(ada: &Visitor<'_>) {
    for path in ["/internal/catalog/library", "/../internal/catalog/library", "/%2e%2e/internal/x", "/none"] {
        let answer = ada.call(Method::POST, path).json(&json!({})).send().await.unwrap();
        let status = answer.status();
        assert!(matches!(status.as_u16(), 404 | 405), "{path}: {status}");
    }
    for path in ["/internal/catalog/library", "/metrics", "/api/metrics"] {
        let answer = ada.client.get(at(path)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let unknown = ada.call(Method::GET, "/none").send().await.unwrap();
    assert_eq!(problem_of(unknown, StatusCode::NOT_FOUND).await, "not_found");
    let large = vec![b' '; 2 << 20];
    let refused = ada.call(Method::POST, "/songs/import").body(large).send().await.unwrap();
    assert_eq!(problem_of(refused, StatusCode::PAYLOAD_TOO_LARGE).await, "payload_too_large");
}

/// The edge stops them before anybody is asked who is calling.
async fn floods_are_stopped(deployment: &Deployment) {
    let secrets = deployment.folder.path().join("secrets");
    let stranger = client(&secrets, deployment.addresses["edge"], own_address());
    for (path, method) in [("/api/songs/search", Method::GET), ("/api/songs/import", Method::POST)] {
        let mut stopped = None;
        for _ in 0..200 {
            let answer = stranger.request(method.clone(), at(path)).send().await.unwrap();
            if answer.status() == StatusCode::TOO_MANY_REQUESTS {
                stopped = Some(answer);
                break;
            }
            assert!(answer.status().is_client_error(), "{path}: {}", answer.status());
        }
        let stopped = stopped.expect("a flood is stopped");
        assert_eq!(stopped.headers()[header::RETRY_AFTER], "30", "{path}");
        assert!(stopped.headers().contains_key(header::STRICT_TRANSPORT_SECURITY), "{path}");
        assert_eq!(problem_of(stopped, StatusCode::TOO_MANY_REQUESTS).await, "rate_limited");
    }
    let account = json!({ "email": "ada@example.com", "password": "wrong password" });
    let mut stopped: Option<Response> = None;
    for _ in 0..60 {
        let answer = stranger.post(at("/api/auth/signin")).json(&account).send().await.unwrap();
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            stopped = Some(answer);
            break;
        }
    }
    assert!(stopped.is_some_and(|answer| answer.headers().contains_key(header::RETRY_AFTER)));
}

async fn a_lost_gateway_is_told_and_found_again(deployment: &mut Deployment, ada: &Visitor<'_>) {
    deployment.stop_service("api-gateway").await;
    let lost = ada.call(Method::GET, "/library").send().await.unwrap();
    assert_eq!(lost.headers()[header::RETRY_AFTER], "5");
    assert_eq!(problem_of(lost, StatusCode::SERVICE_UNAVAILABLE).await, "unavailable");
    assert_eq!(ada.client.get(at("/")).send().await.unwrap().status(), StatusCode::OK, "the page is there");
    deployment.start_service("api-gateway").await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while ada.call(Method::GET, "/library").send().await.unwrap().status() != StatusCode::OK {
        assert!(Instant::now() < deadline, "the gateway is not found again");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nginx_site_serves_songkeep_as_one_program() {
    let app = App::start_with(Topology::AllInOne, &[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let folder = tempfile::tempdir().unwrap();
    let (edge, own) = (own_address(), own_address());
    write_certificate(folder.path());
    copy_folder(&root().join("infra/nginx"), folder.path());
    rewrite_site(folder.path(), &app, edge);
    let config = folder.path().join("nginx.conf").display().to_string();
    let arguments = ["-e", "stderr", "-c", &config].map(str::to_owned).into_iter();
    let nginx = start_nginx(arguments, folder.path().join("nginx.log"), edge, TLS_PORT).await;

    let client = client(folder.path(), edge, own);
    let account = json!({ "email": "ada@example.com", "password": "correct horse" });
    let answer = client.post(at("/api/auth/signup")).json(&account).send().await.unwrap();
    let token = json_of(answer, StatusCode::CREATED).await["verification_token"].clone();
    let verify = client.post(at("/api/auth/verify-email")).json(&json!({ "token": token }));
    assert_eq!(verify.send().await.unwrap().status(), StatusCode::OK);
    let answer = client.post(at("/api/auth/signin")).json(&account).send().await.unwrap();
    let access = json_of(answer, StatusCode::OK).await["access_token"].as_str().unwrap().to_owned();
    let search = client.get(at("/api/songs/search")).query(&[("q", &app.youtube.videos()[0].title)]);
    let found = json_of(search.bearer_auth(&access).send().await.unwrap(), StatusCode::OK).await;
    // Built from what the edge says of the address that was used.
    let picture = found["candidates"][0]["thumbnail_url"].as_str().unwrap();
    assert!(picture.starts_with(&at("/api/")), "{picture}");
    assert_eq!(client.get(picture).send().await.unwrap().status(), StatusCode::OK);
    let page = client.get(at("/")).send().await.unwrap();
    assert_eq!((page.status(), page.version()), (StatusCode::OK, Version::HTTP_2));
    nginx.stop().await;
    app.stop().await;
}

/// The site with this machine's addresses and files, in a configuration around it.
fn rewrite_site(folder: &Path, app: &App, edge: std::net::Ipv4Addr) {
    let here = folder.display();
    let authority = |url: &str| url.trim_start_matches("http://").to_owned();
    let site = fs::read_to_string(folder.join("site.conf")).unwrap();
    let site: String =
        site.lines().filter(|line| !line.contains("[::]")).map(|line| format!("{line}\n")).collect();
    let site = site
        .replace("listen 80;", &format!("listen {edge}:8080;"))
        .replace("listen 443 ", &format!("listen {edge}:{TLS_PORT} "))
        .replace("127.0.0.1:3000", &authority(&app.web))
        .replace("127.0.0.1:8000", &authority(&app.gateway))
        .replace("127.0.0.1:8005", &authority(&app.stream))
        .replace("/etc/letsencrypt/live/music.example.com/fullchain.pem", &format!("{here}/tls.crt"))
        .replace("/etc/letsencrypt/live/music.example.com/privkey.pem", &format!("{here}/tls.key"))
        .replace("/var/log/nginx/", &format!("{here}/"));
    let around = format!(
        "daemon off;\npid {here}/nginx.pid;\nevents {{}}\nhttp {{\nclient_body_temp_path {here}/body;\n\
         proxy_temp_path {here}/proxy;\nfastcgi_temp_path {here}/fastcgi;\nuwsgi_temp_path {here}/uwsgi;\n\
         scgi_temp_path {here}/scgi;\n{site}}}\n"
    );
    fs::write(folder.join("nginx.conf"), around).unwrap();
}
