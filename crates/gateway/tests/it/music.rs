//! Search, the library, and stream addresses.

use http::{HeaderName, Method, StatusCode, header};
use serde_json::json;
use songkeep_domain::{ErrorCode, SongId, library::SourceStatus};

use crate::{
    samples::{VIDEO, ranked, source},
    world::{Ask, World},
};

#[tokio::test]
async fn a_search_answers_candidates_with_what_the_library_knows_of_them() {
    let world = World::new().await;
    let song_id = SongId::new();
    {
        let mut state = world.services.state();
        state.hits = vec![ranked(VIDEO), ranked("aaaaaaaaaaa")];
        state.statuses = vec![SourceStatus { source: source(VIDEO), song_id, in_library: true }];
    }
    let answer = world.get("/songs/search?q=%20never%20gonna%20").signed_in().send().await;
    let found = answer.json(StatusCode::OK);
    let signature = world.images.sign(&source(VIDEO));
    assert_eq!(
        found["candidates"][0],
        json!({
            "source_provider": "youtube", "source_id": VIDEO, "title": "Song", "channel": "Singer",
            "duration_sec": 213, "confidence_score": 0.93, "reasons": ["official audio"],
            "thumbnail_url": format!("http://localhost:8000/thumbnails/youtube/{VIDEO}?sig={signature}"),
            "view_count": 1_000, "song_id": song_id, "in_library": true, "artists": ["Singer"], "album": null,
        })
    );
    assert_eq!(found["candidates"][1]["song_id"], json!(null));
    assert_eq!(found["candidates"][1]["in_library"], false);
    assert_eq!(found["scoring_meta"], json!({ "total_candidates": 37, "version": "3" }));
    let calls = world.services.calls();
    assert_eq!(calls[0].request, json!({ "q": "never gonna", "limit": 10 }));
    assert_eq!(calls[1].method, "catalog.source_statuses");
    assert!(calls.iter().all(|call| call.ctx.actor.as_ref() == Some(&world.user)));
}

#[tokio::test]
async fn finding_nothing_is_an_empty_list_and_asks_the_catalog_nothing() {
    let world = World::new().await;
    let found = world.get("/songs/search?q=x&limit=50").signed_in().send().await.json(StatusCode::OK);
    assert_eq!(found["candidates"], json!([]));
    assert_eq!(world.services.only_call().request["limit"], 50);
}

#[tokio::test]
async fn a_search_fails_with_the_source_and_with_the_catalog() {
    let world = World::new().await;
    world.services.state().hits = vec![ranked(VIDEO)];
    world.services.fail("catalog.source_statuses", ErrorCode::Unavailable);
    let answer = world.get("/songs/search?q=x").signed_in().send().await;
    answer.problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    world.services.fail("search.search", ErrorCode::SearchUnavailable);
    let answer = world.get("/songs/search?q=x").signed_in().send().await;
    answer.problem(StatusCode::SERVICE_UNAVAILABLE, "search_unavailable");
}

#[tokio::test]
async fn the_library_is_listed_with_words_order_and_pages() {
    let world = World::new().await;
    let answer = world.get("/library").signed_in().send().await.json(StatusCode::OK);
    assert_eq!((&answer["total"], &answer["next_cursor"]), (&json!(7), &json!("next")));
    let mut song = answer["songs"][0].clone();
    assert!(song.as_object_mut().unwrap().remove("id").is_some());
    assert_eq!(
        song,
        json!({
            "title": "My title", "artist": "Singer", "album": null, "duration_sec": 213.4,
            "source_provider": "youtube", "source_id": VIDEO, "source_channel": "Singer - Topic",
            "codec": "opus", "bitrate_kbps": 128, "loudness_lufs": null, "cover_url": null,
            "added_at": "2026-03-01T12:00:00.123456Z",
        })
    );
    let path = "/library?q=a+b&sort=-duration&cursor=abc&limit=500";
    world.get(path).signed_in().send().await.json(StatusCode::OK);
    let calls = world.services.calls();
    let first = json!({
        "q": null, "artist": null, "album": null, "sort": "-added_at", "cursor": null, "limit": 200,
    });
    assert_eq!(calls[0].request, first);
    let second = json!({
        "q": "a b", "artist": null, "album": null, "sort": "-duration", "cursor": "abc", "limit": 500,
    });
    assert_eq!(calls[1].request, second);
}

#[tokio::test]
async fn the_library_is_filtered_by_artist_and_album_and_sorted_by_the_words_for_it() {
    let world = World::new().await;
    let name = "é".repeat(500);
    let path = format!("/library?artist=%20Bj%C3%B6rk%20&album={}", "%C3%A9".repeat(500));
    world.get(&path).signed_in().send().await.json(StatusCode::OK);
    let call = world.services.only_call();
    assert_eq!((&call.request["artist"], &call.request["album"]), (&json!("Björk"), &json!(name)));
    let sorts = [
        ("newest", "-added_at"),
        ("oldest", "added_at"),
        ("title", "title"),
        ("artist", "artist"),
        ("album", "album"),
        ("duration", "duration"),
        ("-title", "-title"),
        ("-added_at", "-added_at"),
    ];
    for (word, sort) in sorts {
        world.get(&format!("/library?artist=&sort={word}")).signed_in().send().await.json(StatusCode::OK);
        let call = world.services.calls().pop().unwrap();
        assert_eq!((&call.request["sort"], &call.request["artist"]), (&json!(sort), &json!(null)), "{word}");
    }
}

#[tokio::test]
async fn artists_and_albums_are_listed_with_words_and_pages() {
    let world = World::new().await;
    let ask = async |path: &str| world.get(path).signed_in().send().await.json(StatusCode::OK);
    let artists = json!({
        "artists": [{ "name": "Singer", "song_count": 3, "album_count": 2, "cover_url": null }],
        "next_cursor": "next", "total": 7, "unknown_count": 1,
    });
    assert_eq!(ask("/library/artists?q=si+ng&cursor=abc&limit=500").await, artists);
    let albums = json!({
        "albums": [{
            "name": "Album", "artist": null, "song_count": 3, "duration_sec": 600.5, "cover_url": null,
        }],
        "next_cursor": null, "total": 1, "unknown_count": 4,
    });
    assert_eq!(ask("/library/albums?artist=Singer").await, albums);
    let calls = world.services.calls();
    assert_eq!(calls[0].request, json!({ "q": "si ng", "cursor": "abc", "limit": 500 }));
    assert_eq!(calls[1].request, json!({ "q": null, "artist": "Singer", "cursor": null, "limit": 200 }));
}

#[tokio::test]
async fn a_removed_song_is_put_back() {
    let world = World::new().await;
    let id = SongId::new();
    let path = format!("/library/{id}/restore");
    let song = world.post(&path).signed_in().send().await.json(StatusCode::OK);
    assert_eq!((&song["id"], &song["title"]), (&json!(id), &json!("My title")));
    assert_eq!(world.services.only_call().request, json!(id));
    world.services.fail("catalog.restore_entry", ErrorCode::NotFound);
    world.post(&path).signed_in().send().await.problem(StatusCode::NOT_FOUND, "not_found");
    let nonsense = world.post("/library/x/restore").signed_in().send().await;
    nonsense.problem(StatusCode::NOT_FOUND, "not_found");
}

#[tokio::test]
async fn an_edit_tells_null_from_absent() {
    let world = World::new().await;
    let id = SongId::new();
    let body = json!({ "title": "New", "artist": null });
    let answer = world.ask(Method::PATCH, &format!("/library/{id}")).signed_in().json(&body).send().await;
    assert_eq!(answer.json(StatusCode::OK)["id"], json!(id));
    let call = world.services.only_call();
    assert_eq!(call.request, json!({ "song_id": id, "edit": { "title": "New", "artist": null } }));
}

#[tokio::test]
async fn a_song_is_taken_out_of_the_library() {
    let world = World::new().await;
    let id = SongId::new();
    let answer = world.ask(Method::DELETE, &format!("/library/{id}")).signed_in().send().await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(world.services.only_call().request, json!(id));
    world.services.fail("catalog.remove_entry", ErrorCode::NotFound);
    let again = world.ask(Method::DELETE, &format!("/library/{id}")).signed_in().send().await;
    again.problem(StatusCode::NOT_FOUND, "not_found");
}

#[tokio::test]
async fn a_stream_address_takes_the_form_of_the_address_that_the_caller_used() {
    let id = SongId::new();
    let tail = format!("/public/stream/{id}?token=a.stream.token");
    let direct = World::new().await;
    let ask = || direct.get(&format!("/stream/{id}")).signed_in();
    assert_eq!(url(ask()).await, format!("http://localhost:8005{tail}"));
    let lan = ask().header(header::HOST, "192.168.1.7:8000");
    assert_eq!(url(lan).await, format!("http://192.168.1.7:8005{tail}"));
    let through_web = ask()
        .from("127.0.0.1")
        .header(X_FORWARDED_PREFIX, "/api")
        .header(X_FORWARDED_HOST, "nas:3000")
        .header(X_FORWARDED_PROTO, "https");
    assert_eq!(url(through_web).await, format!("https://nas:3000/api{tail}"));
    // A stranger's word on where it came through counts nothing.
    let forged = ask().header(X_FORWARDED_PREFIX, "/api").header(X_FORWARDED_HOST, "evil.example");
    assert_eq!(url(forged).await, format!("http://localhost:8005{tail}"));
    let base = "https://cdn.example/music/".to_owned();
    let fixed = World::with(|settings| settings.public_stream_base = Some(base)).await;
    let answer = fixed.get(&format!("/stream/{id}")).signed_in();
    assert_eq!(url(answer).await, format!("https://cdn.example/music{tail}"));
}

#[tokio::test]
async fn a_stream_address_of_a_song_of_others_is_404() {
    let world = World::new().await;
    world.services.fail("catalog.grant_stream", ErrorCode::NotFound);
    let answer = world.get(&format!("/stream/{}", SongId::new())).signed_in().send().await;
    answer.problem(StatusCode::NOT_FOUND, "not_found");
}

const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

async fn url(ask: Ask<'_>) -> String {
    let answer = ask.send().await.json(StatusCode::OK);
    assert_eq!(answer["expires_in"], 516);
    answer["stream_url"].as_str().unwrap().to_owned()
}
