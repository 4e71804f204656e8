//! The artists and albums of a library.

use std::time::Instant;

use sea_orm::{ConnectionTrait as _, Database};
use songkeep_domain::{
    PageRequest, StoreError, UserId,
    library::{AlbumSummary, ArtistSummary, CatalogStore as _, EntryEdit, GroupPage, GroupQuery},
};

use crate::{
    library::add,
    world::{World, now},
};

fn all() -> GroupQuery {
    GroupQuery { q: None, artist: None, page: PageRequest::first(100) }
}

async fn artists(world: &World, user: UserId, query: &GroupQuery) -> GroupPage<ArtistSummary> {
    world.store.list_artists(user, query).await.unwrap()
}

async fn albums(world: &World, user: UserId, query: &GroupQuery) -> GroupPage<AlbumSummary> {
    world.store.list_albums(user, query).await.unwrap()
}

fn artist(name: &str, song_count: u64, album_count: u64) -> ArtistSummary {
    ArtistSummary { name: name.to_owned(), song_count, album_count }
}

fn album(name: &str, artist: Option<&str>, song_count: u64, seconds: u64) -> AlbumSummary {
    let artist = artist.map(str::to_owned);
    AlbumSummary { name: name.to_owned(), artist, song_count, duration_ms: seconds * 1_000 }
}

async fn shelf(world: &World) -> UserId {
    let user = world.user().await;
    for (words, seconds) in [
        (["Jóga", "Björk", "Homogenic"], 60),
        (["Hunter", "bjork", "HOMOGENIC"], 61),
        (["Army of Me", "Björk", "Post"], 62),
        (["Single", "Björk", ""], 63),
        (["One", "Sigur Rós", "Now 1"], 64),
        (["Two", "ABBA", "Now 1"], 65),
        (["Nobody knows", "", "Now 2"], 66),
        (["Nothing", "", ""], 67),
    ] {
        add(world, user, words, seconds).await;
    }
    user
}

pub async fn artists_are_listed_by_name_with_their_songs_and_albums(world: World) {
    let user = shelf(&world).await;
    let found = artists(&world, user, &all()).await;
    let expected = [artist("ABBA", 1, 1), artist("Björk", 4, 2), artist("Sigur Rós", 1, 1)];
    assert_eq!(found.groups.items, expected);
    assert_eq!((found.total, found.unknown_count, found.groups.next_cursor), (3, 2, None));
    let nobody = artists(&world, world.user().await, &all()).await;
    assert_eq!((nobody.groups.items, nobody.total, nobody.unknown_count), (vec![], 0, 0));
}

pub async fn albums_are_listed_by_name_with_their_common_artist(world: World) {
    let user = shelf(&world).await;
    let found = albums(&world, user, &all()).await;
    let expected = [
        album("Homogenic", Some("Björk"), 2, 121),
        album("Now 1", None, 2, 129),
        album("Now 2", None, 1, 66),
        album("Post", Some("Björk"), 1, 62),
    ];
    assert_eq!(found.groups.items, expected);
    assert_eq!((found.total, found.unknown_count), (4, 2));
    let query = GroupQuery { artist: Some("abba".to_owned()), ..all() };
    let found = albums(&world, user, &query).await;
    assert_eq!(found.groups.items, [album("Now 1", Some("ABBA"), 1, 65)], "the artist's songs alone count");
    assert_eq!((found.total, found.unknown_count), (1, 0));
    let query = GroupQuery { artist: Some("BJORK".to_owned()), ..all() };
    let found = albums(&world, user, &query).await;
    assert_eq!((found.groups.items.len(), found.total, found.unknown_count), (2, 2, 1));
}

pub async fn groups_follow_the_owners_own_words(world: World) {
    let [user, other] = [world.user().await, world.user().await];
    let id = add(&world, user, ["Song", "Of the source", "Album"], 60).await;
    add(&world, other, ["Song", "Of the source", "Album"], 60).await;
    let edit = EntryEdit {
        artist: Some(Some("My own".to_owned())),
        album: Some(Some("My album".to_owned())),
        ..EntryEdit::default()
    };
    world.store.update_entry(user, id, &edit, now()).await.unwrap();
    assert_eq!(artists(&world, user, &all()).await.groups.items, [artist("My own", 1, 1)]);
    let expected = [album("My album", Some("My own"), 1, 60)];
    assert_eq!(albums(&world, user, &all()).await.groups.items, expected);
    assert_eq!(artists(&world, other, &all()).await.groups.items, [artist("Of the source", 1, 1)]);
    world.store.remove_entry(user, id, now()).await.unwrap();
    assert_eq!(artists(&world, user, &all()).await.total, 0);
}

pub async fn a_group_is_spelled_as_its_first_song_spells_it(world: World) {
    let user = world.user().await;
    let first = add(&world, user, ["A", "the Cure", "x"], 60).await;
    add(&world, user, ["B", "THE CURE", "X"], 60).await;
    let name = async || artists(&world, user, &all()).await.groups.items[0].name.clone();
    assert_eq!(name().await, "the Cure");
    let edit = EntryEdit { artist: Some(Some("The Cure".to_owned())), ..EntryEdit::default() };
    world.store.update_entry(user, first, &edit, now()).await.unwrap();
    assert_eq!(name().await, "The Cure");
}

pub async fn groups_are_searched_by_words_and_paged(world: World) {
    let user = shelf(&world).await;
    let query = GroupQuery { q: Some("RÓS sig".to_owned()), ..all() };
    let found = artists(&world, user, &query).await;
    assert_eq!((found.groups.items, found.total), (vec![artist("Sigur Rós", 1, 1)], 1));
    let query = GroupQuery { q: Some("now".to_owned()), ..all() };
    assert_eq!(albums(&world, user, &query).await.total, 2);
    let query = GroupQuery { q: Some("100%".to_owned()), ..all() };
    assert_eq!(albums(&world, user, &query).await.total, 0);

    let whole: Vec<AlbumSummary> = albums(&world, user, &all()).await.groups.items;
    for limit in [1, 2, 3, 4] {
        let mut query = GroupQuery { page: PageRequest::first(limit), ..all() };
        let mut paged = Vec::new();
        loop {
            let found = albums(&world, user, &query).await;
            assert_eq!(found.total, 4);
            paged.extend(found.groups.items);
            let Some(cursor) = found.groups.next_cursor else { break };
            query.page.cursor = Some(cursor);
        }
        assert_eq!(paged, whole, "by {limit}");
    }
    let first = GroupQuery { page: PageRequest::first(1), ..all() };
    let cursor = albums(&world, user, &first).await.groups.next_cursor;
    for cursor in [cursor, Some("never given".to_owned())] {
        let page = PageRequest { cursor, limit: 1 };
        let refused = world.store.list_artists(user, &GroupQuery { page, ..all() }).await;
        assert!(matches!(refused, Err(StoreError::BadCursor)), "{refused:?}");
    }
}

/// A library of 50,000 songs: 25 to an artist, 10 to an album.
async fn large_library(world: &World) -> UserId {
    let user = world.user().await;
    let (numbers, id, owner) = if world.is_sqlite() {
        (
            "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 49999)",
            "randomblob(16)",
            format!("X'{}'", user.0.simple()),
        )
    } else {
        (
            "WITH numbers (n) AS (SELECT generate_series(0, 49999))",
            "gen_random_uuid()",
            format!("'{user}'::uuid"),
        )
    };
    let songs = format!(
        "INSERT INTO songs (id, source_provider, source_id, title, artist, album, search_text, container, codec, \
         bitrate_kbps, duration_ms, sha256, storage_key, size_bytes, created_at) {numbers} \
         SELECT {id}, 'youtube', 'bulk' || (1000000 + n), 'Song ' || n, 'Artist ' || (10000 + n / 25), \
         'Album ' || (10000 + n / 10), 'song', 'mp4', 'opus', 128, 200000, 'ab', 'bulk', 3000000, n FROM numbers"
    );
    let entries = format!(
        "INSERT INTO library_entries (user_id, song_id, sort_title, sort_artist, sort_album, search_text, \
         duration_ms, added_at) SELECT {owner}, id, lower(title), lower(artist), lower(album), search_text, \
         duration_ms, created_at FROM songs WHERE storage_key = 'bulk'"
    );
    let connection = Database::connect(&world.url).await.unwrap();
    for statement in [songs, entries] {
        connection.execute_unprepared(&statement).await.unwrap();
    }
    user
}

pub async fn groups_of_a_large_library_are_whole_and_their_times_are_told(world: World) {
    let user = large_library(&world).await;
    let began = Instant::now();
    let found = artists(&world, user, &all()).await;
    assert_eq!((found.groups.items.len(), found.total), (100, 2_000));
    assert_eq!(found.groups.items[99], artist("Artist 10099", 25, 3));
    let read_artists = began.elapsed();
    let began = Instant::now();
    let found = albums(&world, user, &all()).await;
    assert_eq!((found.groups.items.len(), found.total), (100, 5_000));
    assert_eq!(found.groups.items[0], album("Album 10000", Some("Artist 10000"), 10, 2_000));
    let read_albums = began.elapsed();
    println!("of 50,000 songs a page of artists takes {read_artists:?}, of albums {read_albums:?}");
}
