//! Who gets bytes, and how soon one gets none any more.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;
use songkeep_api::token::{AccessTokens, ServiceTokens, StreamAccess, StreamTokens};
use songkeep_domain::{
    Actor, CallContext, Clock, NodeRole, SessionId, SongId, UserId, UserRole,
    bus::Notice,
    event::{Event, EventBody, LibraryChange},
};

use crate::world::{World, secret};

/// The next piece of a body; None at its end.
async fn chunk(body: &mut axum::body::Body) -> Option<Result<Bytes, axum::Error>> {
    Some(body.frame().await?.map(|frame| frame.into_data().unwrap()))
}

async fn begin(world: &World) -> axum::body::Body {
    let response = world.begin(Method::GET, &world.address(), &[]).await;
    assert_eq!(response.status(), 200);
    response.into_body()
}

#[tokio::test]
async fn without_a_token_that_holds_there_is_a_401_problem() {
    let world = World::new(1_000).await;
    let path = format!("/public/stream/{}", world.access.song_id);
    let good = world.token();
    let [header, claims, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let flip = |text: &str| {
        let last = if text.ends_with('A') { "B" } else { "A" };
        format!("{last}{}", &text[1..])
    };
    let none = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"none"}"#);
    let hs512 = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"HS512"}"#);
    let clock = Arc::clone(&world.clock) as Arc<dyn Clock>;
    let StreamAccess { user_id, session_id, song_id } = world.access;
    let actor = Actor { user_id, session_id, role: UserRole::Admin };
    let other_song = StreamAccess { song_id: SongId::new(), ..world.access };
    let other_secret = StreamTokens::new(&"another secret".into(), Arc::clone(&clock));
    let lifetime = Duration::from_secs(600);
    let bad = [
        ("none", String::new()),
        ("garbage", "abc".to_owned()),
        ("changed claims", format!("{header}.{}.{signature}", flip(claims))),
        ("changed signature", format!("{header}.{claims}.{}", flip(signature))),
        ("no signature", format!("{header}.{claims}.")),
        ("algorithm none", format!("{none}.{claims}.")),
        ("algorithm none, signed", format!("{none}.{claims}.{signature}")),
        ("another algorithm", format!("{hs512}.{claims}.{signature}")),
        ("access token", AccessTokens::new(&secret(), Arc::clone(&clock)).sign(&actor, lifetime).unwrap()),
        (
            "service token",
            ServiceTokens::new(&secret(), clock)
                .sign(NodeRole::Gateway, NodeRole::Stream, &CallContext::for_actor(actor))
                .unwrap(),
        ),
        ("another song's", world.tokens.sign(other_song, lifetime).unwrap()),
        ("another secret's", other_secret.sign(world.access, lifetime).unwrap()),
    ];
    for (what, token) in bad {
        let answer = world.request(Method::GET, &format!("{path}?token={token}"), &[]).await;
        assert_eq!(answer.status, 401, "{what}");
        let problem = answer.problem();
        assert_eq!(problem.code.as_str(), "unauthenticated", "{what}");
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(token.is_empty() || !body.contains(&token), "{what}: the token stands in the answer");
    }
    for query in ["", "?", "?token", "?token=%FF%FE", "?Token=x", "?token=&token=x", &format!("?x={good}")] {
        assert_eq!(world.status(&format!("{path}{query}")).await, 401, "{query}");
    }
    assert_eq!(world.head(&[]).await.status, 200);
    assert_eq!(world.status(&format!("{path}?a=1&token={good}&b=2")).await, 200);
    assert_eq!(world.catalog.calls(), 1, "bad tokens never reach the store");
    assert_eq!(song_id, world.access.song_id);
}

#[tokio::test]
async fn a_token_holds_until_its_time_is_over() {
    let world = World::new(1_000).await;
    let address = world.address();
    world.clock.advance(Duration::from_secs(599));
    assert_eq!(world.status(&address).await, 200);
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(world.status(&address).await, 401);
}

#[tokio::test]
async fn what_is_no_id_of_a_song_is_not_found() {
    let world = World::new(1_000).await;
    let token = world.token();
    for id in ["1", "..%2f..%2fetc%2fpasswd", "%FF", "0192f3c1", "null"] {
        let answer = world.request(Method::GET, &format!("/public/stream/{id}?token={token}"), &[]).await;
        assert_eq!(answer.status, 404, "{id}");
        answer.problem();
    }
}

#[tokio::test]
async fn a_song_that_is_not_in_the_library_is_not_found() {
    let world = World::new(1_000).await;
    for access in [
        StreamAccess { user_id: UserId::new(), ..world.access },
        StreamAccess { session_id: SessionId::new(), ..world.access },
    ] {
        let token = world.tokens.sign(access, Duration::from_secs(60)).unwrap();
        let answer = world.request(Method::GET, &world.address_with(&token), &[]).await;
        assert_eq!((answer.status.as_u16(), answer.problem().code.as_str()), (404, "not_found"));
    }
}

#[tokio::test]
async fn a_store_that_is_down_is_a_503_without_internal_text() {
    let world = World::new(1_000).await;
    world.catalog.set_down(true);
    let answer = world.get(&[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "5"));
    assert!(!answer.problem().detail.contains("secret"));
}

#[tokio::test]
async fn an_object_that_is_missing_or_damaged_is_a_500_without_internal_text() {
    let world = World::new(1_000).await;
    let path = world.folder.path().join("blobs").join(&world.target.storage_key);
    std::fs::write(&path, "short").unwrap();
    let damaged = world.get(&[]).await;
    std::fs::remove_file(&path).unwrap();
    let missing = world.get(&[("range", "bytes=0-1")]).await;
    for answer in [damaged, missing] {
        assert_eq!((answer.status.as_u16(), answer.problem().code.as_str()), (500, "internal"));
        assert!(!String::from_utf8_lossy(&answer.body).contains(&world.target.sha256));
    }
}

#[tokio::test]
async fn a_file_that_is_cut_meanwhile_breaks_the_body_off() {
    let world = World::new(1_000_000).await;
    let mut body = begin(&world).await;
    chunk(&mut body).await.unwrap().unwrap();
    let path = world.folder.path().join("blobs").join(&world.target.storage_key);
    std::fs::File::options().write(true).open(path).unwrap().set_len(500_000).unwrap();
    let rest = body.collect().await;
    assert!(rest.is_err(), "the body ended as if it were whole");
}

#[tokio::test]
async fn requests_close_together_ask_the_store_once() {
    let world = World::new(1_000).await;
    let address = world.address();
    for _ in 0..5 {
        assert_eq!(world.status(&address).await, 200);
    }
    assert_eq!(world.catalog.calls(), 1);
    world.clock.advance(Duration::from_secs(3));
    assert_eq!(world.status(&address).await, 200);
    assert_eq!(world.catalog.calls(), 2);
}

#[tokio::test]
async fn a_right_that_ended_silently_is_gone_for_new_requests_after_three_seconds() {
    let world = World::new(1_000).await;
    let address = world.address();
    assert_eq!(world.status(&address).await, 200);
    world.catalog.revoke(world.access);
    assert_eq!(world.status(&address).await, 200, "not asked again yet");
    world.clock.advance(Duration::from_secs(3));
    assert_eq!(world.status(&address).await, 404);
}

#[tokio::test]
async fn a_right_that_ended_silently_ends_a_running_body_after_four_seconds() {
    let world = World::new(2_000_000).await;
    let mut body = begin(&world).await;
    chunk(&mut body).await.unwrap().unwrap();
    world.catalog.revoke(world.access);
    world.clock.advance(Duration::from_millis(3_900));
    chunk(&mut body).await.unwrap().unwrap();
    world.clock.advance(Duration::from_millis(200));
    let error = chunk(&mut body).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("right"), "{error}");
    assert!(chunk(&mut body).await.is_none(), "nothing follows an error");
}

#[tokio::test]
async fn a_right_that_holds_is_confirmed_while_a_body_runs_for_long() {
    let world = World::new(2_000_000).await;
    let mut body = begin(&world).await;
    let (mut got, mut pieces) = (Vec::new(), 0);
    while let Some(piece) = chunk(&mut body).await {
        pieces += 1;
        got.extend_from_slice(&piece.unwrap());
        world.clock.advance(Duration::from_secs(2));
    }
    assert!(got == world.song);
    let calls = world.catalog.calls();
    assert!((pieces / 3..=pieces).contains(&calls), "{calls} questions for {pieces} pieces");
}

#[tokio::test]
async fn a_body_does_not_run_on_when_the_right_cannot_be_checked() {
    let world = World::new(2_000_000).await;
    let mut body = begin(&world).await;
    chunk(&mut body).await.unwrap().unwrap();
    world.catalog.set_down(true);
    world.clock.advance(Duration::from_secs(4));
    chunk(&mut body).await.unwrap().unwrap_err();
}

fn library_event(world: &World, change: LibraryChange) -> Notice {
    let body = EventBody::Library { change, song_id: world.access.song_id, song: None };
    Notice::Event(Box::new(Event { user_id: world.access.user_id, seq: 1, at: world.clock.now(), body }))
}

#[tokio::test]
async fn news_of_an_ended_right_stops_new_requests_and_running_bodies_at_once() {
    for number in 0..4 {
        let world = World::new(2_000_000).await;
        let notice = [
            Notice::SessionEnded { session_id: world.access.session_id },
            Notice::UserChanged { user_id: world.access.user_id },
            library_event(&world, LibraryChange::Removed),
            Notice::Lagged,
        ]
        .into_iter()
        .nth(number)
        .unwrap();
        let address = world.address();
        let mut body = begin(&world).await;
        chunk(&mut body).await.unwrap().unwrap();
        world.catalog.revoke(world.access);
        world.bus.tell(&notice);
        // No time passes, so only the news can have an effect.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.status(&address).await, 404, "{notice:?} had no effect");
        chunk(&mut body).await.unwrap().unwrap_err();
    }
}

#[tokio::test]
async fn news_of_others_or_of_other_things_costs_nothing() {
    let world = World::new(1_000).await;
    let address = world.address();
    assert_eq!(world.status(&address).await, 200);
    // Ids that share no counter with ours.
    let other = |mine: uuid::Uuid| {
        let mut bytes = *mine.as_bytes();
        bytes[15] ^= 1;
        uuid::Uuid::from_bytes(bytes)
    };
    world.bus.tell(&Notice::SessionEnded { session_id: SessionId(other(world.access.session_id.0)) });
    world.bus.tell(&Notice::UserChanged { user_id: UserId(other(world.access.user_id.0)) });
    world.bus.tell(&library_event(&world, LibraryChange::Added));
    world.bus.tell(&Notice::JobReady);
    for _ in 0..10 {
        tokio::task::yield_now().await;
        assert_eq!(world.status(&address).await, 200);
    }
    assert_eq!(world.catalog.calls(), 1);
}

#[tokio::test]
async fn the_bus_is_left_when_the_server_is_gone() {
    let world = World::new(10).await;
    assert_eq!(world.bus.subscribers(), 1);
    let World { router, bus, .. } = world;
    drop(router);
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while bus.subscribers() > 0 {
        assert!(std::time::Instant::now() < deadline, "still listening");
        tokio::task::yield_now().await;
    }
}

#[test]
fn running_bodies_and_their_bytes_are_counted() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let world = World::new(1_000_000).await;
            let mut body = begin(&world).await;
            let first = chunk(&mut body).await.unwrap().unwrap().len();
            let second = chunk(&mut body).await.unwrap().unwrap().len();
            assert!(handle.render().contains("songkeep_stream_active 1"), "{}", handle.render());
            drop(body);
            assert!(handle.render().contains("songkeep_stream_active 0"), "{}", handle.render());
            let bytes = format!("songkeep_stream_bytes_total {}", first + second);
            assert!(handle.render().contains(&bytes), "{}", handle.render());
        });
    });
}
