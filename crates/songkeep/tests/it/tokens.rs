//! Each kind of token opens the doors that are made for it and no other, and only whole, unaltered and
//! in time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use songkeep_api::{
    catalog::ListLibrary,
    token::{AccessTokens, ImageSigner, ServiceTokens, StreamAccess, StreamTokens, derive_key},
};
use songkeep_domain::{
    Actor, CallContext, Clock, NodeRole, SongId, SourceProvider, SourceRef, SystemClock, Timestamp, UserId,
};

use crate::{
    in_all_topologies,
    kit::{App, Listener, Topology, json_of, problem_of},
    streaming::{shelve, take},
};

const SOURCE: &str = "ShelvedSong";
const OTHER: &str = "AnotherSong";

/// Stands still at one moment.
struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// Where a token is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Door {
    Api,
    Admin,
    Events,
    RefreshByCookie,
    RefreshByBody,
    Stream,
    Internal,
    Verification,
    SetUp,
    Reset,
    Picture,
}

const DOORS: [Door; 11] = [
    Door::Api,
    Door::Admin,
    Door::Events,
    Door::RefreshByCookie,
    Door::RefreshByBody,
    Door::Stream,
    Door::Internal,
    Door::Verification,
    Door::SetUp,
    Door::Reset,
    Door::Picture,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Access,
    Refresh,
    Stream,
    Service,
    Verification,
    SetUp,
    Reset,
    Picture,
}

impl Door {
    /// What opens it, and how it answers anything else.
    const fn wants(self) -> (Kind, StatusCode) {
        match self {
            Self::Api | Self::Admin | Self::Events => (Kind::Access, StatusCode::UNAUTHORIZED),
            Self::RefreshByCookie | Self::RefreshByBody => (Kind::Refresh, StatusCode::UNAUTHORIZED),
            Self::Stream => (Kind::Stream, StatusCode::UNAUTHORIZED),
            Self::Internal => (Kind::Service, StatusCode::UNAUTHORIZED),
            Self::Verification => (Kind::Verification, StatusCode::NOT_FOUND),
            Self::SetUp => (Kind::SetUp, StatusCode::NOT_FOUND),
            Self::Reset => (Kind::Reset, StatusCode::NOT_FOUND),
            Self::Picture => (Kind::Picture, StatusCode::FORBIDDEN),
        }
    }
}

/// An installation with a listener and her song.
struct World<'a> {
    app: &'a App,
    ada: Listener<'a>,
    song: String,
    internal_secret: SecretString,
    jwt_secret: SecretString,
}

async fn start(topology: Topology) -> App {
    App::start_after(topology, &[], async |backends| {
        for source in [SOURCE, OTHER] {
            shelve(backends, source, 10_000).await;
        }
    })
    .await
}

impl<'a> World<'a> {
    async fn new(app: &'a App) -> Self {
        let ada = app.listener("ada@example.com").await;
        let song = take(&ada, SOURCE).await;
        Self {
            app,
            ada,
            song,
            internal_secret: app.settings.internal_service_secret.clone().unwrap(),
            jwt_secret: app.settings.jwt_secret.clone().unwrap(),
        }
    }

    /// Ada, as her own access token says.
    fn actor(&self) -> Actor {
        let tokens = AccessTokens::new(&self.jwt_secret, Arc::new(SystemClock));
        tokens.verify(&self.ada.access).unwrap().actor
    }

    fn service_tokens(&self) -> ServiceTokens {
        ServiceTokens::new(&self.internal_secret, Arc::new(SystemClock))
    }

    fn service_token(&self, issuer: NodeRole, audience: NodeRole) -> String {
        let ctx = CallContext::for_actor(self.actor());
        self.service_tokens().sign(issuer, audience, &ctx).unwrap()
    }

    /// One fresh token of each kind that would open its door.
    async fn tokens(&self) -> BTreeMap<Kind, String> {
        let account = json!({ "email": "new@example.com", "password": "correct horse" });
        let answer = self.app.call(Method::POST, "/auth/signup").json(&account).send().await.unwrap();
        let signed_up = json_of(answer, StatusCode::CREATED).await;
        let source = SourceRef::new(SourceProvider::Youtube, &self.app.youtube.videos()[0].id).unwrap();
        let after = |text: String, mark| text.split_once(mark).expect("a token in it").1.to_owned();
        BTreeMap::from([
            (Kind::Access, self.ada.access.clone()),
            (Kind::Refresh, self.ada.refresh.clone()),
            (Kind::Stream, after(self.ada.stream_url(&self.song).await, "token=")),
            (Kind::Service, self.service_token(NodeRole::Gateway, NodeRole::Catalog)),
            (Kind::Verification, signed_up["verification_token"].as_str().unwrap().to_owned()),
            (Kind::SetUp, after(self.app.setup_link().await, "token=")),
            (Kind::Reset, self.reset_token().await),
            (Kind::Picture, ImageSigner::new(&self.internal_secret).sign(&source)),
        ])
    }

    /// Of an account that nothing else here belongs to.
    async fn reset_token(&self) -> String {
        let account = json!({ "email": "lost@example.com", "password": "correct horse" });
        for path in ["/auth/signup", "/auth/forgot-password"] {
            let answer = self.app.call(Method::POST, path).json(&account).send().await.unwrap();
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
        }
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        loop {
            let mails = self.app.outbox.0.lock().await;
            if let Some((_, rest)) = mails.iter().find_map(|mail| mail.text.split_once("/reset#token=")) {
                return rest.lines().next().unwrap().to_owned();
            }
            drop(mails);
            assert!(tokio::time::Instant::now() < deadline, "no mail came");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn internal(&self, token: &str) -> RequestBuilder {
        let url = format!("{}/internal/catalog/list_library", self.app.internal_of(NodeRole::Catalog));
        let request = ListLibrary {
            q: None,
            artist: None,
            album: None,
            sort: Default::default(),
            cursor: None,
            limit: 10,
        };
        self.app.client.post(url).header("x-service-token", token).json(&request)
    }

    async fn knock(&self, door: Door, token: &str) -> Response {
        let call = |method, path: &str| self.app.call(method, path);
        let request = match door {
            Door::Api => call(Method::GET, "/auth/me").bearer_auth(token),
            Door::Admin => call(Method::GET, "/admin/stats").bearer_auth(token),
            Door::Events => call(Method::GET, "/events").bearer_auth(token),
            Door::RefreshByCookie => {
                call(Method::POST, "/auth/refresh").header(header::COOKIE, format!("refresh_token={token}"))
            }
            Door::RefreshByBody => {
                call(Method::POST, "/auth/refresh").json(&json!({ "refresh_token": token }))
            }
            Door::Stream => {
                let url = format!("{}/public/stream/{}", self.app.stream, self.song);
                self.app.client.get(url).query(&[("token", token)])
            }
            Door::Internal => self.internal(token),
            Door::Verification => call(Method::POST, "/auth/verify-email").json(&json!({ "token": token })),
            Door::SetUp => {
                let account =
                    json!({ "token": token, "email": "root@example.com", "password": "correct horse" });
                call(Method::POST, "/auth/setup").json(&account)
            }
            Door::Reset => {
                let body = json!({ "token": token, "password": "another horse" });
                call(Method::POST, "/auth/reset-password").json(&body)
            }
            Door::Picture => {
                let path = format!("/thumbnails/youtube/{}", self.app.youtube.videos()[0].id);
                call(Method::GET, &path).query(&[("sig", token)])
            }
        };
        request.send().await.unwrap()
    }
}

in_all_topologies! {
    async fn no_kind_of_token_opens_the_door_of_another(topology: Topology) {
        let app = start(topology).await;
        let world = World::new(&app).await;
        let tokens = world.tokens().await;
        for door in DOORS {
            let (wanted, refusal) = door.wants();
            for (kind, token) in tokens.iter().filter(|(kind, _)| **kind != wanted) {
                let status = world.knock(door, token).await.status();
                assert_eq!(status, refusal, "{kind:?} at {door:?}");
            }
        }
        // None was used up or broken by that, and each opens its own.
        for door in DOORS.into_iter().filter(|door| *door != Door::RefreshByBody) {
            let status = world.knock(door, &tokens[&door.wants().0]).await.status();
            let let_in = if door == Door::Admin { status == StatusCode::FORBIDDEN } else { status.is_success() };
            assert!(let_in, "{door:?}: {status}");
        }
        app.stop().await;
    }
}

/// A token made by hand.
fn forged(head: &Value, claims: &Value, key: Option<hmac::Key>) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(head), encode(claims));
    let signature =
        key.map(|key| URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()))).unwrap_or_default();
    format!("{signed}.{signature}")
}

fn claims_of(token: &str) -> Value {
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

fn without(claims: &Value, name: &str) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// Tokens like `genuine` that must not hold. `key` is the one that `genuine` is signed with, `secret` what
/// that key is derived from.
fn forgeries(genuine: &str, key: &[u8], secret: &SecretString) -> Vec<(&'static str, String)> {
    let claims = claims_of(genuine);
    let now = SystemClock.now().as_secs();
    let hs = |key: &[u8]| Some(hmac::Key::new(hmac::HMAC_SHA256, key));
    let head = |alg: &str| json!({ "typ": "JWT", "alg": alg });
    let our = head("HS256");
    let signed = |claims: &Value| forged(&our, claims, hs(key));
    let (body, signature) = genuine.rsplit_once('.').unwrap();
    let (its_head, its_claims) = body.split_once('.').unwrap();
    let tampered = URL_SAFE_NO_PAD.encode(with(&claims, "role", json!("admin")).to_string());
    vec![
        ("no algorithm", forged(&head("none"), &claims, None)),
        ("no algorithm, in odd case", forged(&head("nOnE"), &claims, None)),
        ("no algorithm, but signed", forged(&head("none"), &claims, hs(key))),
        ("HS512", forged(&head("HS512"), &claims, Some(hmac::Key::new(hmac::HMAC_SHA512, key)))),
        ("HS384", forged(&head("HS384"), &claims, Some(hmac::Key::new(hmac::HMAC_SHA384, key)))),
        ("another algorithm's name", forged(&head("HS512"), &claims, hs(key))),
        ("RS256", forged(&head("RS256"), &claims, hs(key))),
        ("no algorithm's name", forged(&json!({ "typ": "JWT" }), &claims, hs(key))),
        ("the secret itself as key", forged(&our, &claims, hs(secret.expose_secret().as_bytes()))),
        ("an empty key", forged(&our, &claims, hs(b""))),
        ("another key", forged(&our, &claims, hs(&[7; 32]))),
        ("other claims under the old signature", format!("{its_head}.{tampered}.{signature}")),
        ("no signature", format!("{body}.")),
        ("two parts", body.to_owned()),
        ("half a signature", format!("{body}.{}", &signature[..20])),
        ("four parts", format!("{genuine}.{its_claims}")),
        ("expired", signed(&with(&claims, "exp", json!(now - 11)))),
        ("no expiry", signed(&without(&claims, "exp"))),
        ("an expiry in words", signed(&with(&claims, "exp", json!("tomorrow")))),
        ("no audience", signed(&without(&claims, "aud"))),
        ("another audience", signed(&with(&claims, "aud", json!("songkeep-admin")))),
        ("claims that are a list", signed(&json!([claims]))),
        ("nothing", String::new()),
        ("dots", "..".to_owned()),
        ("very long", "a".repeat(6_000)),
    ]
}

in_all_topologies! {
    async fn forged_and_stale_tokens_do_not_hold(topology: Topology) {
        let app = start(topology).await;
        let world = World::new(&app).await;
        let kinds = [
            (Door::Api, &world.jwt_secret, "access token"),
            (Door::Stream, &world.internal_secret, "stream token"),
            (Door::Internal, &world.internal_secret, "service token"),
        ];
        let tokens = world.tokens().await;
        for (door, secret, purpose) in kinds {
            let genuine = &tokens[&door.wants().0];
            let key = derive_key(secret, purpose);
            for (what, token) in forgeries(genuine, &key, secret) {
                let answer = world.knock(door, &token).await;
                assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{door:?}: {what}");
                let problem: Value = answer.json().await.unwrap();
                assert_eq!(problem["code"], "unauthenticated", "{door:?}: {what}");
            }
            // Only what was wrong with them kept them out.
            let again = with(&claims_of(genuine), "jti", json!("018f0000-0000-7000-8000-000000000001"));
            let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
            let again = forged(&json!({ "typ": "JWT", "alg": "HS256" }), &again, Some(key));
            assert_eq!(world.knock(door, &again).await.status(), StatusCode::OK, "{door:?}");
        }

        let hour = Duration::from_secs(3_600);
        let long_ago = Arc::new(At(SystemClock.now().minus(hour)));
        let stale = AccessTokens::new(&world.jwt_secret, long_ago.clone());
        let stale = stale.sign(&world.actor(), Duration::from_secs(1_800)).unwrap();
        assert_eq!(problem_of(world.knock(Door::Api, &stale).await, StatusCode::UNAUTHORIZED).await, "unauthenticated");
        let nobody = Actor { user_id: UserId::new(), ..world.actor() };
        let nobody = AccessTokens::new(&world.jwt_secret, Arc::new(SystemClock)).sign(&nobody, hour).unwrap();
        assert_eq!(world.knock(Door::Api, &nobody).await.status(), StatusCode::UNAUTHORIZED);
        streams_are_for_one_song_session_and_time(&world, long_ago).await;
        app.stop().await;
    }
}

async fn streams_are_for_one_song_session_and_time(world: &World<'_>, long_ago: Arc<At>) {
    let actor = world.actor();
    let other = take(&world.ada, OTHER).await;
    let access = StreamAccess {
        user_id: actor.user_id,
        session_id: actor.session_id,
        song_id: SongId(world.song.parse().unwrap()),
    };
    let hour = Duration::from_secs(3_600);
    let now = StreamTokens::new(&world.internal_secret, Arc::new(SystemClock));
    let for_other = StreamAccess { song_id: SongId(other.parse().unwrap()), ..access };
    let expired = StreamTokens::new(&world.internal_secret, long_ago).sign(access, hour / 2).unwrap();
    let bob = world.app.listener("bob@example.com").await;
    let bobs = world.app.listener("eve@example.com").await;
    let actor_of = |listener: &Listener<'_>| {
        AccessTokens::new(&world.jwt_secret, Arc::new(SystemClock)).verify(&listener.access).unwrap().actor
    };
    let without_entry =
        StreamAccess { user_id: actor_of(&bob).user_id, session_id: actor_of(&bob).session_id, ..access };
    let other_session = StreamAccess { session_id: actor_of(&bobs).session_id, ..access };
    for (what, token, status) in [
        ("expired", expired, StatusCode::UNAUTHORIZED),
        ("for another song", now.sign(for_other, hour).unwrap(), StatusCode::UNAUTHORIZED),
        ("not in the library", now.sign(without_entry, hour).unwrap(), StatusCode::NOT_FOUND),
        ("another's session", now.sign(other_session, hour).unwrap(), StatusCode::NOT_FOUND),
    ] {
        assert_eq!(world.knock(Door::Stream, &token).await.status(), status, "{what}");
    }
    let good = now.sign(access, hour).unwrap();
    assert_eq!(world.knock(Door::Stream, &good).await.status(), StatusCode::OK);
}

in_all_topologies! {
    async fn services_open_to_their_callers_only_and_once(topology: Topology) {
        let app = start(topology).await;
        let world = World::new(&app).await;
        let good = || world.service_token(NodeRole::Gateway, NodeRole::Catalog);

        let answer = world.internal(&good()).send().await.unwrap();
        assert_eq!(json_of(answer, StatusCode::OK).await["total"], 1);
        let once = good();
        assert_eq!(world.internal(&once).send().await.unwrap().status(), StatusCode::OK);
        refused("used before", world.internal(&once)).await;

        for issuer in NodeRole::ALL.into_iter().filter(|role| *role != NodeRole::Gateway) {
            let token = world.service_token(issuer, NodeRole::Catalog);
            refused(&format!("issued by {issuer}"), world.internal(&token)).await;
        }
        for audience in NodeRole::ALL.into_iter().filter(|role| *role != NodeRole::Catalog) {
            let token = world.service_token(NodeRole::Gateway, audience);
            refused(&format!("for {audience}"), world.internal(&token)).await;
        }
        let ctx = CallContext::for_actor(world.actor());
        for (what, offset) in [("of the future", 300), ("of the past", -300)] {
            let at = Timestamp::from_secs(SystemClock.now().as_secs() + offset);
            let tokens = ServiceTokens::new(&world.internal_secret, Arc::new(At(at)));
            let token = tokens.sign(NodeRole::Gateway, NodeRole::Catalog, &ctx).unwrap();
            refused(what, world.internal(&token)).await;
        }
        let key = derive_key(&world.internal_secret, "service token");
        let long_lived = with(&claims_of(&good()), "exp", json!(SystemClock.now().as_secs() + 600));
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let long_lived = forged(&json!({ "typ": "JWT", "alg": "HS256" }), &long_lived, Some(key));
        refused("made to last", world.internal(&long_lived)).await;
        refused("two tokens", world.internal(&good()).header("x-service-token", good())).await;
        refused("an access token", world.internal(&world.ada.access)).await;
        let url = format!("{}/internal/catalog/list_library", app.internal_of(NodeRole::Catalog));
        refused("no token", app.client.post(&url).json(&json!({}))).await;
        refused("a bearer", app.client.post(&url).bearer_auth(&world.ada.access).json(&json!({}))).await;
        refused("unknown method, no token", app.client.post(url.replace("list_library", "x"))).await;
        let query = format!("{url}?user_id={}", world.actor().user_id);
        refused("a user in the query", app.client.post(query).json(&json!({}))).await;

        every_listener_keeps_its_doors_shut(&world).await;
        app.stop().await;
    }
}

/// Refused, in the way by which the caller knows that its own token is at fault.
async fn refused(what: &str, request: RequestBuilder) {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{what}");
    let problem: Value = answer.json().await.unwrap();
    assert_eq!((&problem["code"], &problem["instance"]), (&json!("unauthenticated"), &json!("")), "{what}");
}

async fn every_listener_keeps_its_doors_shut(world: &World<'_>) {
    let app = world.app;
    for (role, base) in app.internal() {
        let url = format!("{base}/internal/catalog/list_library");
        refused(&format!("the listener of {role:?}"), app.client.post(url).json(&json!({}))).await;
    }
    let through_web = format!("{}/api", app.web);
    for base in [&app.web, &app.gateway, &app.stream, &through_web] {
        for path in
            ["/internal/catalog/list_library", "/internal/auth/check_session", "/internal", "/internal/"]
        {
            for method in [Method::GET, Method::POST] {
                let token = world.service_token(NodeRole::Gateway, NodeRole::Catalog);
                let request = app.client.request(method, format!("{base}{path}"));
                let answer = request.header("x-service-token", token).json(&json!({})).send().await.unwrap();
                assert_eq!(problem_of(answer, StatusCode::NOT_FOUND).await, "not_found", "{base}{path}");
            }
        }
    }
    // A service token is no sign-in, and makes nobody's word about addresses true.
    let token = world.service_token(NodeRole::Gateway, NodeRole::Gateway);
    for request in [
        app.call(Method::GET, "/library").header("x-service-token", &token),
        app.call(Method::GET, "/library").bearer_auth(&token),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(problem_of(answer, StatusCode::UNAUTHORIZED).await, "unauthenticated");
    }
    let forwarded = world
        .ada
        .call(Method::GET, &format!("/stream/{}", world.song))
        .header("x-service-token", &token)
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-prefix", "/api")
        .header("x-forwarded-proto", "https");
    let url = json_of(forwarded.send().await.unwrap(), StatusCode::OK).await;
    assert!(url["stream_url"].as_str().unwrap().starts_with(&app.stream), "{url}");
}
