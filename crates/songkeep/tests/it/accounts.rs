//! Accounts and sessions: who is who, who becomes an administrator, what ends a session and how soon, and
//! what a stranger cannot find out or do.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures::future::join_all;
use reqwest::{Method, Response, StatusCode, header};
use serde_json::{Value, json};
use songkeep_config::{Settings, Values};
use songkeep_domain::NodeRole;
use tokio::time::sleep;

use crate::{
    in_all_topologies,
    kit::{App, Listener, json_of, problem_of, refresh_cookie},
    sse::Events,
    streaming::{begin, ends_early, shelve, take, web_stream_url},
};

pub const PASSWORD: &str = "correct horse";
pub const WRONG: &str = "wrong horse";
const REVOKED_WITHIN: Duration = Duration::from_secs(5);

async fn sign_up(app: &App, email: &str, password: &str) -> Response {
    let account = json!({ "email": email, "password": password });
    app.call(Method::POST, "/auth/signup").json(&account).send().await.unwrap()
}

async fn sign_in(app: &App, email: &str, password: &str) -> Response {
    sign_in_from(app, &app.gateway, None, email, password).await
}

/// `forwarded` is what proxies say of the client, true or not.
pub async fn sign_in_from(
    app: &App,
    base: &str,
    forwarded: Option<&str>,
    email: &str,
    password: &str,
) -> Response {
    let account = json!({ "email": email, "password": password });
    let mut request = app.client.post(format!("{base}/auth/signin")).json(&account);
    if let Some(forwarded) = forwarded {
        request = request.header("x-forwarded-for", forwarded);
    }
    request.send().await.unwrap()
}

async fn verify(app: &App, token: &str) -> Response {
    let body = json!({ "token": token });
    app.call(Method::POST, "/auth/verify-email").json(&body).send().await.unwrap()
}

/// Polls until a call answers with this status.
async fn answers(status: StatusCode, within: Duration, call: impl AsyncFn() -> Response) {
    let started = Instant::now();
    loop {
        let got = call().await.status();
        if got == status {
            return;
        }
        assert!(started.elapsed() < within, "still {got} instead of {status} after {within:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

in_all_topologies! {
    async fn one_mailbox_is_one_account_and_the_bootstrap_address_one_administrator(topology: Topology) {
        let app = App::start_with(topology, &[("ADMIN_BOOTSTRAP_EMAIL", "Admin@Example.com")]).await;
        let signed_up = json_of(sign_up(&app, "aDmin@eXample.com", PASSWORD).await, StatusCode::CREATED).await;
        let refused = sign_in(&app, "admin@example.com", PASSWORD).await;
        assert_eq!(problem_of(refused, StatusCode::FORBIDDEN).await, "email_not_verified");
        let token = signed_up["verification_token"].as_str().unwrap();
        assert_eq!(verify(&app, token).await.status(), StatusCode::OK);
        let admin = app.sign_in("ADMIN@example.COM").await;
        assert_eq!(admin.get("/auth/me").await["role"], "admin");

        for (first, second) in [
            ("Case@example.com", "case@EXAMPLE.com"),
            ("ada@bücher.example", "Ada@xn--bcher-kva.example"),
            ("e\u{301}va@example.com", "\u{c9}VA@example.com"),
        ] {
            app.listener(first).await;
            assert_eq!(sign_up(&app, second, "another horse").await.status(), StatusCode::CREATED);
            let other = sign_in(&app, second, "another horse").await;
            assert_eq!(problem_of(other, StatusCode::UNAUTHORIZED).await, "invalid_credentials", "{second}");
            app.sign_in(second).await;
        }
        assert_eq!(sign_up(&app, "admin@example.com", "another horse").await.status(), StatusCode::CREATED);
        let users = admin.get("/admin/users").await;
        let roles: Vec<_> = users["users"].as_array().unwrap().iter().map(|user| &user["role"]).collect();
        assert_eq!(roles, ["user", "user", "user", "admin"], "{users}");
        app.stop().await;
    }
}

in_all_topologies! {
    async fn the_setup_link_makes_one_administrator_and_bootstrapping_is_over(topology: Topology) {
        let app = App::start_with(topology, &[("ADMIN_BOOTSTRAP_EMAIL", "late@example.com")]).await;
        let link = app.setup_link().await;
        assert!(link.starts_with("http://localhost:3000/setup?token="), "{link}");
        let (_, token) = link.split_once("token=").unwrap();
        let set_up = async |token: &str, email: &str, password: &str| {
            let body = json!({ "token": token, "email": email, "password": password });
            app.call(Method::POST, "/auth/setup").json(&body).send().await.unwrap()
        };
        let unknown = set_up("no such token", "root@example.com", PASSWORD).await;
        assert_eq!(problem_of(unknown, StatusCode::NOT_FOUND).await, "not_found");
        let short = set_up(token, "root@example.com", "short").await;
        assert_eq!(problem_of(short, StatusCode::UNPROCESSABLE_ENTITY).await, "invalid");
        // Two browsers at once.
        let both = join_all(["root@example.com", "toor@example.com"].map(|email| set_up(token, email, PASSWORD)));
        let statuses: Vec<_> = both.await.iter().map(Response::status).collect();
        let made = statuses.iter().position(|status| *status == StatusCode::CREATED).unwrap();
        assert_eq!(statuses[1 - made], StatusCode::BAD_REQUEST, "{statuses:?}");
        let used = set_up(token, "eve@example.com", PASSWORD).await;
        assert_eq!(problem_of(used, StatusCode::BAD_REQUEST).await, "token_expired");

        let admin = app.sign_in(["root@example.com", "toor@example.com"][made]).await;
        let late = app.listener("late@example.com").await;
        assert_eq!(late.get("/auth/me").await["role"], "user", "there is an administrator already");
        assert_eq!(admin.get("/admin/users").await["users"].as_array().unwrap().len(), 2);
        app.stop().await;
    }
}

in_all_topologies! {
    async fn without_verification_accounts_work_at_once_and_nobody_is_made_administrator(topology: Topology) {
        let settings = [("EMAIL_VERIFY_REQUIRED", "0"), ("ADMIN_BOOTSTRAP_EMAIL", "admin@example.com")];
        let app = App::start_with(topology, &settings).await;
        let signed_up = json_of(sign_up(&app, "admin@example.com", PASSWORD).await, StatusCode::CREATED).await;
        assert_eq!(signed_up["verification_required"], false);
        let admin = app.sign_in("admin@example.com").await;
        let me = admin.get("/auth/me").await;
        assert_eq!((&me["role"], &me["verified"]), (&json!("user"), &json!(false)));
        let token = signed_up["verification_token"].as_str().unwrap();
        assert_eq!(verify(&app, token).await.status(), StatusCode::OK);
        let me = admin.get("/auth/me").await;
        assert_eq!((&me["role"], &me["verified"]), (&json!("user"), &json!(true)));
        let taken = sign_up(&app, "Admin@example.com", PASSWORD).await;
        assert_eq!(problem_of(taken, StatusCode::CONFLICT).await, "email_taken");
        assert!(app.outbox.0.lock().await.is_empty(), "there is nothing to mail");
        app.stop().await;
    }
}

/// The link of the newest of `count` mails to somebody, once it is there.
async fn mail(app: &App, to: &str, count: usize) -> songkeep_domain::mail::Mail {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let mails = app.outbox.0.lock().await;
        let theirs: Vec<_> = mails.iter().filter(|mail| mail.to.as_str() == to).cloned().collect();
        drop(mails);
        assert!(theirs.len() <= count, "too many mails to {to}");
        match theirs.last() {
            Some(newest) if theirs.len() == count => return newest.clone(),
            _ => assert!(Instant::now() < deadline, "no mail to {to}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

in_all_topologies! {
    async fn strangers_do_not_learn_who_has_an_account_and_owners_do(topology: Topology) {
        let app = App::start_with(topology, &[("EXPOSE_VERIFICATION_TOKEN", "0")]).await;
        let told = async |email: &str, password: &str| {
            let answer = sign_up(&app, email, password).await;
            let names: BTreeSet<_> = answer.headers().keys().map(ToString::to_string).collect();
            (names, json_of(answer, StatusCode::CREATED).await)
        };
        let fresh = told("ada@example.com", PASSWORD).await;
        assert!(fresh.1.get("verification_token").is_none_or(Value::is_null), "{fresh:?}");
        let first = mail(&app, "ada@example.com", 1).await;
        let link = first.text.split_whitespace().find(|word| word.contains("/verify?token=")).unwrap();
        let token = link.strip_prefix("http://localhost:3000/verify?token=").unwrap();
        let unverified = sign_in(&app, "ada@example.com", PASSWORD).await;
        assert_eq!(problem_of(unverified, StatusCode::FORBIDDEN).await, "email_not_verified");

        assert_eq!(problem_of(verify(&app, "unknown").await, StatusCode::NOT_FOUND).await, "not_found");
        assert_eq!(verify(&app, token).await.status(), StatusCode::OK);
        assert_eq!(problem_of(verify(&app, token).await, StatusCode::BAD_REQUEST).await, "token_expired");
        app.sign_in("ada@example.com").await;

        assert_eq!(told("ADA@example.com", "a stranger's").await, fresh, "the same for an address that is taken");
        let warning = mail(&app, "ADA@example.com", 1).await;
        assert_eq!(warning.subject, "You have a Songkeep account already");
        assert!(!warning.text.contains("token="), "{}", warning.text);
        app.sign_in("ada@example.com").await;

        let mut refusals = Vec::new();
        for (email, password) in
            [("ada@example.com", "a stranger's"), ("nobody@example.com", PASSWORD), ("no address", PASSWORD)]
        {
            let mut problem = json_of(sign_in(&app, email, password).await, StatusCode::UNAUTHORIZED).await;
            problem.as_object_mut().unwrap().remove("instance");
            refusals.push(problem);
        }
        assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:?}");
        assert_eq!(refusals[0]["code"], "invalid_credentials");
        app.stop().await;
    }
}

in_all_topologies! {
    async fn eight_refreshes_at_once_have_one_successor(app: App) {
        let ada = app.listener("ada@example.com").await;
        let through_web = format!("{}/api", app.web);
        let refresh = async |base: &str, token: &str| {
            let cookie = format!("refresh_token={token}");
            let request = app.client.post(format!("{base}/auth/refresh")).header(header::COOKIE, cookie);
            request.send().await.unwrap()
        };
        let mut token = ada.refresh.clone();
        for _ in 0..3 {
            let bases = [app.gateway.as_str(), &through_web].into_iter().cycle().take(8);
            let answers = join_all(bases.map(|base| refresh(base, &token))).await;
            let successors: BTreeSet<_> = answers
                .iter()
                .map(|answer| {
                    assert_eq!(answer.status(), StatusCode::OK);
                    refresh_cookie(answer).unwrap()
                })
                .collect();
            assert_eq!(successors.len(), 1, "{successors:?}");
            token = successors.into_iter().next().unwrap();
        }
        let answer = refresh(&app.gateway, &ada.refresh).await;
        let cleared = answer.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
        assert!(cleared.starts_with("refresh_token=;") && cleared.contains("Max-Age=0"), "{cleared}");
        assert_eq!(problem_of(answer, StatusCode::UNAUTHORIZED).await, "unauthenticated");
        assert_eq!(refresh(&app.gateway, &token).await.status(), StatusCode::UNAUTHORIZED, "the family is dead");
        let me = async || ada.call(Method::GET, "/auth/me").send().await.unwrap();
        answers(StatusCode::UNAUTHORIZED, REVOKED_WITHIN, me).await;
        app.stop().await;
    }
}

in_all_topologies! {
    async fn what_is_taken_away_is_gone_within_seconds(topology: Topology) {
        let app = App::start_after(topology, &[], async |backends| {
            shelve(backends, "ShelvedSong", 64 << 20).await;
        });
        let app = app.await;
        let admin = app.administrator("root@example.com").await;
        let (ada, cyd) = (app.listener("ada@example.com").await, app.listener("cyd@example.com").await);
        let id_of = async |listener: &Listener<'_>| listener.get("/auth/me").await["id"].as_str().unwrap().to_owned();
        let (adas_id, cyds_id) = (id_of(&ada).await, id_of(&cyd).await);
        let act = async |path: String, body: Value| {
            let answer = admin.call(Method::POST, &path).json(&body).send().await.unwrap();
            json_of(answer, StatusCode::OK).await
        };
        let stats = async || cyd.call(Method::GET, "/admin/stats").send().await.unwrap();

        assert_eq!(problem_of(stats().await, StatusCode::FORBIDDEN).await, "forbidden");
        act(format!("/admin/users/{cyds_id}/role"), json!({ "role": "admin" })).await;
        answers(StatusCode::OK, REVOKED_WITHIN, stats).await;
        act(format!("/admin/users/{cyds_id}/role"), json!({ "role": "user" })).await;
        answers(StatusCode::FORBIDDEN, REVOKED_WITHIN, stats).await;
        assert!(cyd.library().await.is_empty(), "a listener she still is");

        let song = take(&ada, "ShelvedSong").await;
        let url = ada.stream_url(&song).await;
        let bodies =
            [begin(&app, &url).await, begin(&app, &web_stream_url(&ada, &song).await).await];
        let mut events = Events::open(&ada, None).await;
        events.hello().await;
        let through_web = app.client.get(format!("{}/api/events", app.web)).bearer_auth(&ada.access);
        let mut web_events = Events::of(through_web, None).await;
        web_events.hello().await;

        act(format!("/admin/users/{adas_id}/disable"), json!({})).await;
        let disabled_at = Instant::now();
        let ends = async |events: &mut Events| {
            while events.next().await.is_some() {}
            assert!(disabled_at.elapsed() < REVOKED_WITHIN, "{:?}", disabled_at.elapsed());
        };
        tokio::join!(ends(&mut events), ends(&mut web_events), async {
            join_all(bodies.into_iter().map(|body| ends_early(body, "a disabled account's song"))).await;
        });
        let library = async || ada.call(Method::GET, "/library").send().await.unwrap();
        answers(StatusCode::UNAUTHORIZED, REVOKED_WITHIN, library).await;
        let bytes = async || app.client.get(&url).send().await.unwrap();
        answers(StatusCode::NOT_FOUND, REVOKED_WITHIN, bytes).await;
        let refused = sign_in(&app, "ada@example.com", PASSWORD).await;
        assert_eq!(problem_of(refused, StatusCode::FORBIDDEN).await, "account_disabled");
        let stranger = sign_in(&app, "ada@example.com", WRONG).await;
        assert_eq!(problem_of(stranger, StatusCode::UNAUTHORIZED).await, "invalid_credentials");

        act(format!("/admin/users/{adas_id}/enable"), json!({})).await;
        assert_eq!(app.sign_in("ada@example.com").await.library().await.len(), 1);
        assert_eq!(library().await.status(), StatusCode::UNAUTHORIZED, "the old session stays dead");
        // Nobody may lock everybody out.
        let roots_id = id_of(&admin).await;
        for (path, body) in [("disable", json!({})), ("role", json!({ "role": "user" }))] {
            let path = format!("/admin/users/{roots_id}/{path}");
            let answer = admin.call(Method::POST, &path).json(&body).send().await.unwrap();
            assert_eq!(problem_of(answer, StatusCode::CONFLICT).await, "conflict");
        }
        app.stop().await;
    }
}

in_all_topologies! {
    async fn sign_out_ends_api_and_events_within_seconds_and_is_always_fine(app: App) {
        let ada = app.listener("ada@example.com").await;
        let other_device = app.sign_in("ada@example.com").await;
        let mut events = Events::open(&ada, None).await;
        events.hello().await;
        let cookie = format!("refresh_token={}", ada.refresh);
        let out = app.call(Method::POST, "/auth/logout").header(header::COOKIE, cookie).send().await.unwrap();
        let cleared = out.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
        assert!(cleared.starts_with("refresh_token=;") && cleared.contains("Max-Age=0"), "{cleared}");
        assert_eq!(out.status(), StatusCode::OK);
        let started = Instant::now();
        while events.next().await.is_some() {}
        assert!(started.elapsed() < REVOKED_WITHIN, "{:?}", started.elapsed());
        let me = async || ada.call(Method::GET, "/auth/me").send().await.unwrap();
        answers(StatusCode::UNAUTHORIZED, REVOKED_WITHIN, me).await;
        assert_eq!(other_device.get("/auth/me").await["email"], "ada@example.com");
        for body in [json!({}), json!({ "refresh_token": "unknown" }), json!({ "refresh_token": ada.refresh })] {
            let out = app.call(Method::POST, "/auth/logout").json(&body).send().await.unwrap();
            assert_eq!(out.status(), StatusCode::OK);
        }
        let without = app.call(Method::POST, "/auth/logout").send().await.unwrap();
        assert_eq!(without.status(), StatusCode::OK);
        app.stop().await;
    }
}

/// Tries a wrong password until it is refused for its frequency; how often it was tried.
pub async fn tries(app: &App, base: &str, forwarded: impl Fn(usize) -> Option<String>, email: &str) -> usize {
    for count in 1..=20 {
        let answer = sign_in_from(app, base, forwarded(count).as_deref(), email, WRONG).await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            let wait: u64 = answer.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
            assert!((1..=60).contains(&wait), "{wait}");
            assert_eq!(problem_of(answer, StatusCode::TOO_MANY_REQUESTS).await, "rate_limited");
            return count;
        }
        assert_eq!(problem_of(answer, StatusCode::UNAUTHORIZED).await, "invalid_credentials");
    }
    panic!("{email} may be tried for ever");
}

/// Attempts come back one by one while a test is slow.
const SLACK: usize = 2;

in_all_topologies! {
    async fn guessing_is_slowed_and_forged_addresses_do_not_help(topology: Topology) {
        let limits = [("RATE_LIMIT_SIGNIN_EMAIL_PER_MIN", "3"), ("RATE_LIMIT_SIGNIN_IP_PER_MIN", "12")];
        let app = App::start_with(topology, &limits).await;
        app.listener("bob@example.com").await;
        let forged = |count: usize| Some(format!("203.0.113.{count}"));
        let through_web = format!("{}/api", app.web);
        let counted = tries(&app, &app.gateway, forged, "ada@example.com").await;
        assert!((4..=4 + SLACK).contains(&counted), "{counted}");
        for base in [&app.gateway, &through_web] {
            let answer = sign_in_from(&app, base, Some("203.0.113.99"), "ADA@example.com", PASSWORD).await;
            assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "however the address is written");
        }
        // Others of the household are not concerned, until the address as a whole has had enough.
        app.sign_in("bob@example.com").await;
        let mut counted = 0;
        loop {
            let email = format!("somebody{counted}@example.com");
            let answer = sign_in_from(&app, &through_web, forged(counted).as_deref(), &email, WRONG).await;
            if answer.status() == StatusCode::TOO_MANY_REQUESTS {
                break;
            }
            counted += 1;
            assert!(counted <= 12 + SLACK, "an address may try for ever");
        }
        let answer = sign_in(&app, "bob@example.com", PASSWORD).await;
        assert_eq!(problem_of(answer, StatusCode::TOO_MANY_REQUESTS).await, "rate_limited");
        app.stop().await;
    }
}

in_all_topologies! {
    async fn behind_a_trusted_proxy_each_client_counts_and_a_stranger_locks_nobody_out(topology: Topology) {
        let settings = [
            ("RATE_LIMIT_SIGNIN_EMAIL_PER_MIN", "3"),
            ("RATE_LIMIT_SIGNIN_IP_PER_MIN", "12"),
            ("RATE_LIMIT_SIGNUP_IP_PER_HOUR", "2"),
            ("TRUSTED_PROXIES", "127.0.0.1, 192.0.2.0/24"),
        ];
        let app = App::start_with(topology, &settings).await;
        app.listener("ada@example.com").await;
        let through_web = format!("{}/api", app.web);
        for (base, stranger, owner) in
            [(&app.gateway, "198.51.100.1", "198.51.100.2"), (&through_web, "198.51.100.3", "2001:db8::7")]
        {
            // What the client itself wrote stands to the left.
            let behind = |count: usize| Some(format!("203.0.113.{count}, {stranger}, 192.0.2.9"));
            let counted = tries(&app, base, behind, "ada@example.com").await;
            assert!((4..=4 + SLACK).contains(&counted), "{counted}");
            let answer = sign_in_from(&app, base, Some(owner), "ada@example.com", PASSWORD).await;
            assert_eq!(answer.status(), StatusCode::OK, "the owner is elsewhere");
        }
        let mut statuses = Vec::new();
        for number in 0..4 {
            let account = json!({ "email": format!("new{number}@example.com"), "password": PASSWORD });
            let request = app.call(Method::POST, "/auth/signup").header("x-forwarded-for", "198.51.100.77");
            statuses.push(request.json(&account).send().await.unwrap().status());
        }
        assert_eq!(statuses[..2], [StatusCode::CREATED; 2]);
        assert_eq!(statuses[3], StatusCode::TOO_MANY_REQUESTS, "{statuses:?}");
        app.stop().await;
    }
}

/// Strong enough for strict mode.
const JWT_SECRET: &str = "9f3c1b7ae05d4c6288f1d23b5a7e9c04";
const INTERNAL_SECRET: &str = "b1e6d8f02c7a4935a6d1f8e3c5b70942";

in_all_topologies! {
    async fn strict_mode_hides_what_is_for_operators_and_marks_cookies_secure(topology: Topology) {
        let strict = [
            ("APP_ENV", "production"),
            ("JWT_SECRET", JWT_SECRET),
            ("INTERNAL_SERVICE_SECRET", INTERNAL_SECRET),
            ("EMAIL_VERIFY_REQUIRED", "0"),
            ("EXPOSE_VERIFICATION_TOKEN", "0"),
            ("APP_DOMAIN", "music.example"),
        ];
        let app = App::start_with(topology, &strict).await;
        let ada = app.listener("ada@example.com").await;
        let answer = sign_in(&app, "ada@example.com", PASSWORD).await;
        let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
        for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Secure", "Max-Age=1209600"] {
            assert!(cookie.split("; ").any(|part| part == attribute), "{attribute}: {cookie}");
        }
        assert!(answer.headers()[header::STRICT_TRANSPORT_SECURITY].to_str().unwrap().contains("max-age="));
        for base in [&app.web, &app.gateway, &app.stream, &format!("{}/api", app.web)] {
            let answer = app.client.get(format!("{base}/metrics")).send().await.unwrap();
            assert_eq!(problem_of(answer, StatusCode::NOT_FOUND).await, "not_found", "{base}");
        }
        for (role, base) in app.internal() {
            let answer = app.client.get(format!("{base}/metrics")).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{role:?}");
        }
        // Without a list, only our own pages and those of the domain may call.
        for (origin, status) in
            [("http://localhost:3000", StatusCode::FORBIDDEN), ("https://music.example", StatusCode::OK)]
        {
            let request = ada.call(Method::POST, "/auth/logout").header(header::ORIGIN, origin);
            assert_eq!(request.send().await.unwrap().status(), status, "{origin}");
        }
        app.stop().await;
    }
}

#[test]
fn strict_mode_refuses_secrets_that_are_none() {
    let problems = |own: &[(&str, &str)]| {
        let env = [("APP_ENV", "production")].iter().chain(own);
        let env = env.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings = Settings::from_values(&Values::from_env(env).unwrap()).unwrap();
        settings.validate(&NodeRole::ALL).map_or_else(|error| error.to_string(), |()| String::new())
    };
    let good = [
        ("JWT_SECRET", JWT_SECRET),
        ("INTERNAL_SERVICE_SECRET", INTERNAL_SECRET),
        ("EMAIL_VERIFY_REQUIRED", "0"),
    ];
    assert_eq!(problems(&good), "");
    let none = problems(&[]);
    for name in ["JWT_SECRET", "INTERNAL_SERVICE_SECRET", "SMTP_URL"] {
        assert!(none.contains(name), "{name}: {none}");
    }
    for weak in
        ["tiny", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "change-me-change-me-change-me-change-me"]
    {
        let told = problems(&[&good[1..], &[("JWT_SECRET", weak)]].concat());
        assert!(told.contains("JWT_SECRET") && !told.contains(weak), "{told}");
    }
    let exposed = problems(&[&good[..], &[("EXPOSE_VERIFICATION_TOKEN", "1")]].concat());
    assert!(exposed.contains("EXPOSE_VERIFICATION_TOKEN"), "{exposed}");
}

in_all_topologies! {
    async fn a_forgotten_password_is_replaced_by_a_mailed_link_and_ends_what_was_open(app: App) {
        let ada = app.listener("ada@example.com").await;
        let mut events = Events::open(&ada, None).await;
        events.hello().await;
        let post = async |path: &str, body: Value| app.call(Method::POST, path).json(&body).send().await.unwrap();
        let mailed = async || {
            let mails = app.outbox.0.lock().await;
            mails.iter().filter(|mail| mail.to.key() == "ada@example.com").cloned().collect::<Vec<_>>()
        };
        let before = mailed().await.len();
        let asked = post("/auth/forgot-password", json!({ "email": "ada@example.com" })).await;
        let asked = json_of(asked, StatusCode::OK).await;
        let unknown = post("/auth/forgot-password", json!({ "email": "nobody@example.com" })).await;
        assert_eq!(json_of(unknown, StatusCode::OK).await, asked);
        let started = Instant::now();
        let mail = loop {
            if let Some(mail) = mailed().await.get(before) {
                break mail.text.clone();
            }
            assert!(started.elapsed() < Duration::from_secs(10), "no mail came");
            sleep(Duration::from_millis(20)).await;
        };
        let (_, token) = mail.split_once("http://localhost:3000/reset#token=").unwrap();
        let token = token.lines().next().unwrap();
        let reset = async |token: &str, password: &str| {
            post("/auth/reset-password", json!({ "token": token, "password": password })).await
        };
        assert_eq!(problem_of(reset("no such token", WRONG).await, StatusCode::NOT_FOUND).await, "not_found");
        assert_eq!(problem_of(reset(token, "short").await, StatusCode::UNPROCESSABLE_ENTITY).await, "invalid");
        let verifies = verify(&app, token).await;
        assert_eq!(problem_of(verifies, StatusCode::NOT_FOUND).await, "not_found", "each link for its own");
        json_of(reset(token, "another horse").await, StatusCode::OK).await;
        let started = Instant::now();
        while events.next().await.is_some() {}
        assert!(started.elapsed() < REVOKED_WITHIN, "{:?}", started.elapsed());
        let me = async || ada.call(Method::GET, "/auth/me").send().await.unwrap();
        answers(StatusCode::UNAUTHORIZED, REVOKED_WITHIN, me).await;
        let used = reset(token, WRONG).await;
        assert_eq!(problem_of(used, StatusCode::BAD_REQUEST).await, "token_expired");
        let old = sign_in(&app, "ada@example.com", PASSWORD).await;
        assert_eq!(problem_of(old, StatusCode::UNAUTHORIZED).await, "invalid_credentials");
        assert_eq!(sign_in(&app, "ada@example.com", "another horse").await.status(), StatusCode::OK);
        app.stop().await;
    }
}

in_all_topologies! {
    async fn the_refresh_cookie_is_out_of_reach_of_pages(topology: Topology) {
        let app = App::start_with(topology, &[("REFRESH_COOKIE_NAME", "songkeep_session")]).await;
        let signed_up = json_of(sign_up(&app, "ada@example.com", PASSWORD).await, StatusCode::CREATED).await;
        verify(&app, signed_up["verification_token"].as_str().unwrap()).await;
        let answer = sign_in(&app, "ada@example.com", PASSWORD).await;
        assert_eq!(answer.headers().get_all(header::SET_COOKIE).iter().count(), 1);
        let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
        for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=1209600"] {
            assert!(cookie.split("; ").any(|part| part == attribute), "{attribute}: {cookie}");
        }
        assert!(!cookie.contains("Secure") && !cookie.contains("Domain"), "{cookie}");
        let (pair, _) = cookie.split_once(';').unwrap();
        let (name, token) = pair.split_once('=').unwrap();
        assert_eq!(name, "songkeep_session");
        let body = json_of(answer, StatusCode::OK).await;
        assert!(!body.to_string().contains(token), "the page cannot read it");
        assert_eq!(body["expires_in"], 1_800);
        for (cookie, status) in [
            (format!("refresh_token={token}"), StatusCode::UNAUTHORIZED),
            (format!("other=1; {pair}; more=2"), StatusCode::OK),
        ] {
            let request = app.call(Method::POST, "/auth/refresh").header(header::COOKIE, cookie);
            assert_eq!(request.send().await.unwrap().status(), status);
        }
        app.stop().await;
    }
}
