//! A gateway with everything around it: fake services, a fake bus, a clock moved by hand, and two
//! signed-in accounts. Every answer is checked against the description of its route.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::ConnectInfo,
};
use futures::{StreamExt as _, stream::BoxStream};
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use secrecy::SecretString;
use serde_json::Value;
use songkeep_api::{
    admin::AdminClient,
    auth::AuthClient,
    catalog::CatalogClient,
    download::DownloadClient,
    search::SearchClient,
    token::{AccessTokens, ImageSigner},
};
use songkeep_domain::{
    Actor, SessionId, UserId, UserRole,
    bus::{Bus, BusError, Notice, RateDecision, RateRule},
    session::SessionState,
};
use songkeep_gateway::{GatewayPorts, GatewaySettings, GatewayState, openapi, router};
use songkeep_http_kit::{EdgeSettings, OriginPolicy, TrustedProxies, edge};
use songkeep_testkit::clock::ManualClock;
use tokio::sync::broadcast;
use tower::ServiceExt as _;

use crate::services::Services;

pub const JWT_SECRET: &str = "a secret of the tests that is long enough";
const INTERNAL_SECRET: &str = "another secret of the tests, long enough";

pub struct World {
    pub services: Arc<Services>,
    pub bus: Arc<FakeBus>,
    pub clock: Arc<ManualClock>,
    pub tokens: AccessTokens,
    pub images: ImageSigner,
    pub user: Actor,
    pub admin: Actor,
    router: Router,
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut GatewaySettings)) -> Self {
        let services = Arc::new(Services::default());
        let bus = Arc::new(FakeBus::new());
        let clock = Arc::new(ManualClock::new());
        let tokens = AccessTokens::new(&SecretString::from(JWT_SECRET), Arc::clone(&clock) as _);
        let images = ImageSigner::new(&SecretString::from(INTERNAL_SECRET));
        let mut settings = GatewaySettings::default();
        change(&mut settings);
        let state = GatewayState::new(GatewayPorts {
            auth: AuthClient::local(Arc::clone(&services) as _),
            search: SearchClient::local(Arc::clone(&services) as _),
            catalog: CatalogClient::local(Arc::clone(&services) as _),
            download: DownloadClient::local(Arc::clone(&services) as _),
            admin: AdminClient::local(Arc::clone(&services) as _),
            bus: Arc::clone(&bus) as _,
            access_tokens: tokens.clone(),
            images: images.clone(),
            clock: Arc::clone(&clock) as _,
            settings,
        });
        let origins = OriginPolicy {
            app_domain: Some("music.example".to_owned()),
            allowed: vec!["http://localhost:3001".to_owned()],
        };
        let router = edge(
            router(state, origins),
            EdgeSettings {
                listener: "gateway",
                trusted_proxies: TrustedProxies::parse(&["127.0.0.1/32".to_owned()]).unwrap(),
                peers: None,
                hsts: false,
            },
        );
        let [user, admin] = [UserRole::User, UserRole::Admin].map(|role| actor(&services, role));
        eventually("the gateway listens to the bus", || bus.notices.receiver_count() > 0).await;
        Self { services, bus, clock, tokens, images, user, admin, router }
    }

    pub fn get(&self, path: &str) -> Ask<'_> {
        self.ask(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> Ask<'_> {
        self.ask(Method::POST, path)
    }

    pub fn ask(&self, method: Method, path: &str) -> Ask<'_> {
        let headers = HeaderMap::from_iter([(header::HOST, "localhost:8000".parse().unwrap())]);
        Ask { world: self, method, path: path.to_owned(), headers, peer: "192.0.2.7", body: Bytes::new() }
    }

    pub fn token(&self, actor: &Actor) -> String {
        self.tokens.sign(actor, Duration::from_secs(1_800)).unwrap()
    }

    pub async fn publish(&self, notice: Notice) {
        self.bus.publish(notice).await.unwrap();
    }
}

/// An account with a session that stands.
fn actor(services: &Services, role: UserRole) -> Actor {
    let (user_id, session_id) = (UserId::new(), SessionId::new());
    services.state().sessions.insert(session_id, SessionState { session_id, user_id, role, alive: true });
    Actor { user_id, session_id, role }
}

/// Waits until `holds`, for at most 5 s.
pub async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let poll = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(5), poll).await.is_ok(), "never: {what}");
}

/// A request that is being made.
pub struct Ask<'a> {
    world: &'a World,
    method: Method,
    path: String,
    headers: HeaderMap,
    peer: &'static str,
    body: Bytes,
}

impl Ask<'_> {
    pub fn header(mut self, name: HeaderName, value: impl AsRef<[u8]>) -> Self {
        let value = http::HeaderValue::from_bytes(value.as_ref()).unwrap();
        if name == header::HOST {
            self.headers.insert(name, value);
        } else {
            self.headers.append(name, value);
        }
        self
    }

    /// As the user.
    pub fn signed_in(self) -> Self {
        let token = self.world.token(&self.world.user);
        self.bearer(&token)
    }

    pub fn by_admin(self) -> Self {
        let token = self.world.token(&self.world.admin);
        self.bearer(&token)
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header(header::AUTHORIZATION, format!("Bearer {token}"))
    }

    pub fn cookie(self, cookie: &str) -> Self {
        self.header(header::COOKIE, cookie)
    }

    /// The address that the connection comes from.
    pub fn from(mut self, peer: &'static str) -> Self {
        self.peer = peer;
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        if !content_type.is_empty() {
            self = self.header(header::CONTENT_TYPE, content_type);
        }
        self.body = body.into();
        self
    }

    /// The answer, its body unread.
    pub async fn open(self) -> http::Response<Body> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(self.path.as_str())
            .body(Body::from(self.body))
            .unwrap();
        *request.headers_mut() = self.headers;
        let peer = SocketAddr::new(self.peer.parse().unwrap(), 40_000);
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = self.world.router.clone().oneshot(request).await.unwrap();
        assert_described(&self.method, &self.path, answer.status());
        answer
    }

    pub async fn send(self) -> Answer {
        let (parts, body) = self.open().await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: HeaderName) -> &str {
        self.headers.get(&name).unwrap_or_else(|| panic!("no {name} in {self:?}")).to_str().unwrap()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The JSON of an answer of this status.
    #[track_caller]
    pub fn json(&self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header(header::CONTENT_TYPE), "application/json");
        assert_eq!(self.header(header::CACHE_CONTROL), "no-store");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The problem document, of this status and code.
    #[track_caller]
    pub fn problem(&self, status: StatusCode, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header(header::CONTENT_TYPE), "application/problem+json");
        assert_eq!(self.header(header::CACHE_CONTROL), "no-store");
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status.as_u16());
        assert_eq!(problem["type"], format!("/docs/errors#{code}"));
        assert_eq!(problem["instance"], self.header(HeaderName::from_static("x-request-id")));
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.ends_with('.')), "{problem}");
        assert!(!self.text().contains("secret internals"), "{problem}");
        problem
    }
}

/// Each route documents every status that it answers with.
fn assert_described(method: &Method, path: &str, status: StatusCode) {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::to_value(openapi()).unwrap());
    let path = path.split('?').next().unwrap();
    let fits = |template: &str| {
        let parts = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
        let (template, path) = (parts(template), parts(path));
        template.len() == path.len()
            && template.iter().zip(&path).all(|(part, value)| part.starts_with('{') || part == value)
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let Some((template, item)) = paths.iter().find(|(template, _)| fits(template)) else { return };
    if let Some(operation) = item.get(method.as_str().to_lowercase()) {
        let described = operation["responses"].get(status.as_str()).is_some();
        assert!(described, "{method} {template} answers {status}, which is not described");
    }
}

/// A bus within the test, which can be made to fail.
pub struct FakeBus {
    notices: broadcast::Sender<Notice>,
    counts: Mutex<HashMap<(&'static str, String), u32>>,
    down: AtomicBool,
}

impl FakeBus {
    fn new() -> Self {
        Self { notices: broadcast::Sender::new(256), counts: Mutex::default(), down: AtomicBool::new(false) }
    }

    pub fn go_down(&self) {
        self.down.store(true, Ordering::SeqCst);
    }

    /// What was counted, by limit and key.
    pub fn counted(&self) -> HashMap<(&'static str, String), u32> {
        self.counts.lock().unwrap().clone()
    }
}

#[async_trait]
impl Bus for FakeBus {
    async fn publish(&self, notice: Notice) -> Result<(), BusError> {
        self.notices.send(notice).map(drop).map_err(|error| BusError(error.into()))
    }

    fn subscribe(&self) -> BoxStream<'static, Notice> {
        futures::stream::unfold(self.notices.subscribe(), |mut notices| async move {
            notices.recv().await.ok().map(|notice| (notice, notices))
        })
        .boxed()
    }

    async fn check_rate(&self, rule: RateRule, key: &str) -> Result<RateDecision, BusError> {
        self.check().await?;
        let mut counts = self.counts.lock().unwrap();
        let count = counts.entry((rule.name, key.to_owned())).or_default();
        *count += 1;
        if *count <= rule.burst {
            Ok(RateDecision::Allowed)
        } else {
            Ok(RateDecision::Refused { retry_after: Duration::from_millis(29_500) })
        }
    }

    async fn check(&self) -> Result<(), BusError> {
        if self.down.load(Ordering::SeqCst) { Err(BusError("down".into())) } else { Ok(()) }
    }
}
