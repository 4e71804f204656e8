//! The library as a whole: what is taken out of it and comes back, its artists and albums, its orders.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    in_all_topologies,
    kit::{App, Listener, json_of, problem_of},
    sse::{Event, Events},
    streaming::{begin, ends_early, shelve, take},
};

async fn edit(listener: &Listener<'_>, song: &str, words: Value) -> Value {
    let answer = listener.call(Method::PATCH, &format!("/library/{song}")).json(&words).send().await.unwrap();
    json_of(answer, StatusCode::OK).await
}

async fn remove(listener: &Listener<'_>, song: &str) {
    let answer = listener.call(Method::DELETE, &format!("/library/{song}")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
}

async fn restore(listener: &Listener<'_>, song: &str) -> reqwest::Response {
    listener.call(Method::POST, &format!("/library/{song}/restore")).send().await.unwrap()
}

fn of_library(change: &'static str) -> impl Fn(&Event) -> bool {
    move |event| event.name == "library" && event.json()["change"] == change
}

in_all_topologies! {
    async fn a_removed_song_stops_at_once_and_comes_back_as_it_was(topology: Topology) {
        let app = App::start_after(topology, &[], async |backends| {
            shelve(backends, "ShelvedSong", 64 << 20).await;
        });
        let app = app.await;
        let (ada, bob) = (app.listener("ada@example.com").await, app.listener("bob@example.com").await);
        let song = take(&ada, "ShelvedSong").await;
        let entry = edit(&ada, &song, json!({ "title": "My own", "artist": "Somebody" })).await;
        let mut events = Events::open(&ada, None).await;
        events.hello().await;
        let url = ada.stream_url(&song).await;
        let body = begin(&app, &url).await;

        remove(&ada, &song).await;
        ends_early(body, "a removed song").await;
        events.until(of_library("removed")).await;
        assert!(ada.library().await.is_empty());
        let path = format!("/stream/{song}");
        let refused = ada.call(Method::GET, &path).send().await.unwrap();
        assert_eq!(problem_of(refused, StatusCode::NOT_FOUND).await, "not_found");
        assert_eq!(problem_of(restore(&bob, &song).await, StatusCode::NOT_FOUND).await, "not_found");

        for _ in 0..2 {
            assert_eq!(json_of(restore(&ada, &song).await, StatusCode::OK).await, entry);
        }
        let told = events.until(of_library("added")).await.pop().unwrap().json();
        assert_eq!((&told["song_id"], &told["song"]["title"]), (&json!(song), &json!("My own")));
        assert_eq!(ada.library().await, [entry]);
        let again = app.client.get(ada.stream_url(&song).await).timeout(Duration::from_secs(20)).send().await;
        assert_eq!(again.unwrap().status(), StatusCode::OK);

        // Imported again, it is a new entry, and what was removed is past.
        remove(&ada, &song).await;
        assert_eq!(take(&ada, "ShelvedSong").await, song);
        let fresh = json_of(restore(&ada, &song).await, StatusCode::OK).await;
        assert_eq!(fresh["title"], "Song ShelvedSong");
        let admin = app.administrator("root@example.com").await;
        remove(&ada, &song).await;
        let deleted = admin.call(Method::DELETE, &format!("/admin/songs/{song}")).send().await.unwrap();
        assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
        assert_eq!(problem_of(restore(&ada, &song).await, StatusCode::NOT_FOUND).await, "not_found");
        app.stop().await;
    }
}

in_all_topologies! {
    async fn artists_albums_filters_and_orders_agree_with_each_other(topology: Topology) {
        let sources = ["ShelvedSon1", "ShelvedSon2", "ShelvedSon3", "ShelvedSon4"];
        let app = App::start_after(topology, &[], async |backends| {
            for (number, source) in sources.into_iter().enumerate() {
                shelve(backends, source, 1_000 + number).await;
            }
        });
        let app = app.await;
        let ada = app.listener("ada@example.com").await;
        for (source, words) in sources.into_iter().zip([
            json!({ "title": "One", "artist": "Björk", "album": "Post" }),
            json!({ "title": "Two", "artist": "BJÖRK", "album": "Debut" }),
            json!({ "title": "Three", "artist": "ABBA", "album": "Post" }),
            json!({ "title": "Four" }),
        ]) {
            let song = take(&ada, source).await;
            edit(&ada, &song, words).await;
        }
        let artists = ada.get("/library/artists").await;
        assert_eq!(
            artists,
            json!({
                "artists": [
                    { "name": "ABBA", "song_count": 1, "album_count": 1, "cover_url": null },
                    { "name": "Björk", "song_count": 2, "album_count": 2, "cover_url": null },
                ],
                "next_cursor": null, "total": 2, "unknown_count": 1,
            })
        );
        let albums = ada.get("/library/albums").await;
        let various = json!({
            "name": "Post", "artist": null, "song_count": 2, "duration_sec": 360.0, "cover_url": null,
        });
        assert_eq!((&albums["albums"][1], &albums["total"]), (&various, &json!(2)));
        let first = ada.get("/library/albums?limit=1").await;
        let cursor = first["next_cursor"].as_str().unwrap();
        assert_eq!(ada.get(&format!("/library/albums?limit=1&cursor={cursor}")).await["albums"][0], various);
        let strange = ada.call(Method::GET, &format!("/library/artists?cursor={cursor}")).send().await.unwrap();
        assert_eq!(problem_of(strange, StatusCode::BAD_REQUEST).await, "malformed");

        let titles = async |query: &str| {
            let found = ada.get(&format!("/library?{query}")).await;
            let songs = found["songs"].as_array().unwrap().iter();
            let titles: Vec<String> = songs.map(|song| song["title"].as_str().unwrap().to_owned()).collect();
            assert_eq!(found["total"], titles.len());
            titles
        };
        assert_eq!(titles("artist=bj%C3%B6rk&sort=title").await, ["One", "Two"]);
        assert_eq!(titles("album=Post&artist=ABBA").await, ["Three"]);
        assert_eq!(titles("artist=bj").await, Vec::<String>::new());
        assert_eq!(titles("sort=newest").await, ["Four", "Three", "Two", "One"]);
        assert_eq!(titles("sort=oldest").await, ["One", "Two", "Three", "Four"]);
        assert_eq!(titles("sort=title").await, ["Four", "One", "Three", "Two"]);
        assert_eq!(titles("sort=artist").await.first().unwrap(), "Four");
        assert_eq!(titles("sort=album").await[1], "Two");
        for sort in ["random", "-newest", "TITLE"] {
            let refused = ada.call(Method::GET, &format!("/library?sort={sort}")).send().await.unwrap();
            assert_eq!(problem_of(refused, StatusCode::UNPROCESSABLE_ENTITY).await, "invalid", "{sort}");
        }
        let bob = app.listener("bob@example.com").await;
        assert_eq!(bob.get("/library/artists").await["total"], 0);
        app.stop().await;
    }
}
