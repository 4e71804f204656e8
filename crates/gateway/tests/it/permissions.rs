//! Who may call what: every described route has a row here, and is called as nobody, as a user and
//! as an administrator.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use songkeep_gateway::openapi;
use uuid::Uuid;

use crate::{
    samples::VIDEO,
    world::{Ask, World},
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Anyone,
    SignedIn,
    Admin,
}

use Who::{Admin, Anyone, SignedIn};

const TABLE: &[(&str, &str, Who)] = &[
    ("post", "/auth/signup", Anyone),
    ("post", "/auth/verify-email", Anyone),
    ("post", "/auth/setup", Anyone),
    ("post", "/auth/forgot-password", Anyone),
    ("post", "/auth/reset-password", Anyone),
    ("post", "/auth/signin", Anyone),
    ("post", "/auth/refresh", Anyone),
    ("post", "/auth/logout", Anyone),
    ("get", "/auth/me", SignedIn),
    ("get", "/songs/search", SignedIn),
    ("post", "/songs/import", SignedIn),
    ("get", "/jobs", SignedIn),
    ("get", "/jobs/{id}", SignedIn),
    ("delete", "/jobs/{id}", SignedIn),
    ("post", "/jobs/{id}/retry", SignedIn),
    ("get", "/events", SignedIn),
    ("get", "/library", SignedIn),
    ("get", "/library/artists", SignedIn),
    ("get", "/library/albums", SignedIn),
    ("patch", "/library/{song_id}", SignedIn),
    ("delete", "/library/{song_id}", SignedIn),
    ("post", "/library/{song_id}/restore", SignedIn),
    ("get", "/stream/{song_id}", SignedIn),
    ("get", "/thumbnails/{provider}/{id}", Anyone),
    ("get", "/admin/users", Admin),
    ("post", "/admin/users/{id}/disable", Admin),
    ("post", "/admin/users/{id}/enable", Admin),
    ("post", "/admin/users/{id}/role", Admin),
    ("get", "/admin/songs", Admin),
    ("delete", "/admin/songs/{id}", Admin),
    ("get", "/admin/jobs", Admin),
    ("post", "/admin/jobs/{id}/retry", Admin),
    ("post", "/admin/jobs/{id}/cancel", Admin),
    ("get", "/admin/stats", Admin),
    ("get", "/admin/audit", Admin),
];

#[test]
fn every_described_route_has_a_row_and_every_row_a_route() {
    let document = serde_json::to_value(openapi()).unwrap();
    let described: BTreeSet<(String, String)> =
        operations(&document).map(|(method, path, _)| (method.to_owned(), path.to_owned())).collect();
    let rows: BTreeSet<_> =
        TABLE.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(described, rows);
}

#[test]
fn the_description_asks_for_the_bearer_token_where_it_is_needed() {
    let document = serde_json::to_value(openapi()).unwrap();
    for (method, path, operation) in operations(&document) {
        let (_, _, who) = TABLE.iter().find(|(m, p, _)| (*m, *p) == (method, path)).unwrap();
        let bearer = operation["security"] == json!([{ "bearer": [] }]);
        assert_eq!(bearer, *who != Anyone, "{method} {path}");
        assert!(bearer || operation.get("security").is_none(), "{method} {path}");
    }
}

#[tokio::test]
async fn nobody_gets_past_what_the_table_says() {
    let world = World::new().await;
    for (method, path, who) in TABLE {
        let ask = || world.ask(method.to_uppercase().parse().unwrap(), &filled(path)).json(&json!({}));
        let nobody = status(ask()).await;
        let user = status(ask().signed_in()).await;
        let admin = status(ask().by_admin()).await;
        let name = format!("{method} {path}");
        match who {
            Anyone => assert!(user == nobody && admin == nobody, "{name}: {nobody} {user} {admin}"),
            SignedIn => {
                assert_eq!(nobody, StatusCode::UNAUTHORIZED, "{name}");
                assert!(let_in(user) && let_in(admin), "{name}: {user} {admin}");
            }
            Admin => {
                assert_eq!(nobody, StatusCode::UNAUTHORIZED, "{name}");
                assert_eq!(user, StatusCode::FORBIDDEN, "{name}");
                assert!(let_in(admin), "{name}: {admin}");
            }
        }
    }
    let uncalled =
        world.services.calls().into_iter().filter(|call| {
            call.method.starts_with("admin.") && call.ctx.actor.as_ref() != Some(&world.admin)
        });
    assert_eq!(uncalled.count(), 0);
}

#[tokio::test]
async fn who_is_not_let_in_hears_nothing_of_the_values_they_sent() {
    let world = World::new().await;
    for (method, path, who) in TABLE.iter().filter(|(_, _, who)| *who != Anyone) {
        let path = format!("{}?limit=abc", path.replace("{id}", "x").replace("{song_id}", "x"));
        let ask = world.ask(method.to_uppercase().parse().unwrap(), &path).body("text/plain", "{");
        let answer = ask.send().await;
        answer.problem(StatusCode::UNAUTHORIZED, "unauthenticated");
        assert_eq!(answer.header(http::header::WWW_AUTHENTICATE), "Bearer");
        if *who == Admin {
            let ask = world.ask(method.to_uppercase().parse::<Method>().unwrap(), &path).signed_in();
            ask.send().await.problem(StatusCode::FORBIDDEN, "forbidden");
        }
    }
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter();
        operations.map(move |(method, operation)| (method.as_str(), path.as_str(), operation))
    })
}

fn filled(path: &str) -> String {
    let id = Uuid::now_v7().to_string();
    path.replace("{provider}/{id}", &format!("youtube/{VIDEO}"))
        .replace("{id}", &id)
        .replace("{song_id}", &id)
}

async fn status(ask: Ask<'_>) -> StatusCode {
    // The body is left alone: that of `/events` has no end.
    ask.open().await.status()
}

fn let_in(status: StatusCode) -> bool {
    !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
        && !status.is_server_error()
}
