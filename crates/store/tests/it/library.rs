//! The list of a library: orders, pages, searches.

use std::{collections::HashSet, time::Duration};

use songkeep_domain::{
    PageRequest, SongId, StoreError, UserId,
    library::{CatalogStore as _, EntryEdit, LibraryPage, LibraryQuery, LibrarySong, LibrarySort},
    song::NewSong,
};

use crate::world::{World, next_source, now, song};

fn query(sort: LibrarySort, q: Option<&str>, limit: u32) -> LibraryQuery {
    LibraryQuery { q: q.map(str::to_owned), artist: None, album: None, sort, page: PageRequest::first(limit) }
}

async fn list(world: &World, user: UserId, query: &LibraryQuery) -> LibraryPage {
    world.store.list_library(user, query).await.unwrap()
}

/// Reads all pages of a list.
async fn read(world: &World, user: UserId, mut query: LibraryQuery) -> Vec<LibrarySong> {
    let mut songs = Vec::new();
    loop {
        let page = list(world, user, &query).await.songs;
        assert!(page.items.len() <= usize::try_from(query.page.limit).unwrap());
        songs.extend(page.items);
        let Some(cursor) = page.next_cursor else { return songs };
        query.page.cursor = Some(cursor);
    }
}

fn titles(songs: &[LibrarySong]) -> Vec<&str> {
    songs.iter().map(|entry| entry.title.as_str()).collect()
}

pub async fn add(world: &World, user: UserId, words: [&str; 3], seconds: u64) -> SongId {
    let source = next_source();
    let [title, artist, album] = words;
    let optional = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut new: NewSong = song(&source, title);
    new.metadata.artist = optional(artist);
    new.metadata.album = optional(album);
    new.audio.duration_ms = seconds * 1_000;
    world.add(user, &source, new).await
}

pub async fn every_order_gives_each_song_once_over_its_pages(world: World) {
    let user = world.user().await;
    let titles = [
        "Same",
        "same",
        "SAME",
        "Ünder",
        "under",
        "Zebra",
        "東京",
        "Ελλάδα",
        "ёлка",
        "🎵",
        "a b",
        "a  b",
        "\"%_\\'",
    ];
    let names = ["", "Björk", "bjork", "Sigur Rós"];
    for (n, title) in titles.into_iter().enumerate() {
        add(&world, user, [title, names[n % 4], names[(n + 1) % 4]], [60, 200, 200][n % 3]).await;
    }
    for (name, sort) in LibrarySort::ALL {
        let whole = read(&world, user, query(sort, None, 100)).await;
        assert_eq!(whole.len(), titles.len());
        let ids: Vec<SongId> = whole.iter().map(|entry| entry.song.id).collect();
        for limit in [1, 2, 5, 13] {
            let paged = read(&world, user, query(sort, None, limit)).await;
            assert!(ids.iter().eq(paged.iter().map(|entry| &entry.song.id)), "{name} by {limit}");
        }
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        let opposite = name.strip_prefix('-').map_or_else(|| format!("-{name}"), str::to_owned);
        let opposite = read(&world, user, query(LibrarySort::parse(&opposite).unwrap(), None, 4)).await;
        assert!(ids.iter().rev().eq(opposite.iter().map(|entry| &entry.song.id)), "{name} is not reversed");
        assert_eq!(list(&world, user, &query(sort, None, 1)).await.total, 13);
    }
    let longest = read(&world, user, query(LibrarySort::Longest, None, 4)).await;
    let durations: Vec<u64> = longest.iter().map(|entry| entry.song.audio.duration_ms).collect();
    assert!(durations.is_sorted_by(|a, b| a >= b), "{durations:?}");
    let oldest = read(&world, user, query(LibrarySort::OldestFirst, None, 4)).await;
    assert!(oldest.is_sorted_by_key(|entry| entry.added_at));
}

pub async fn titles_are_sorted_without_regard_to_case_and_accents(world: World) {
    let user = world.user().await;
    for title in ["zebra", "Éclair", "apple", "Übung", "eclipse", "東京", "10 Years", "Ａlpha"] {
        add(&world, user, [title, "", ""], 60).await;
    }
    let sorted = read(&world, user, query(LibrarySort::Title, None, 3)).await;
    assert_eq!(
        titles(&sorted),
        ["10 Years", "Ａlpha", "apple", "Éclair", "eclipse", "Übung", "zebra", "東京"]
    );
}

pub async fn own_words_decide_the_place_in_the_order(world: World) {
    let user = world.user().await;
    let first = add(&world, user, ["Aaa", "", ""], 60).await;
    add(&world, user, ["Mmm", "", ""], 60).await;
    let edit = EntryEdit { title: Some(Some("Zzz".to_owned())), ..EntryEdit::default() };
    world.store.update_entry(user, first, &edit, now()).await.unwrap();
    let sorted = read(&world, user, query(LibrarySort::Title, None, 1)).await;
    assert_eq!(titles(&sorted), ["Mmm", "Zzz"]);
    assert_eq!(list(&world, user, &query(LibrarySort::Title, Some("zz"), 9)).await.total, 1);
    assert_eq!(list(&world, user, &query(LibrarySort::Title, Some("aaa"), 9)).await.total, 0);
    let edit = EntryEdit { title: Some(None), ..EntryEdit::default() };
    world.store.update_entry(user, first, &edit, now()).await.unwrap();
    let sorted = read(&world, user, query(LibrarySort::Title, None, 1)).await;
    assert_eq!(titles(&sorted), ["Aaa", "Mmm"]);
}

pub async fn a_search_needs_all_words_in_any_case(world: World) {
    let user = world.user().await;
    add(&world, user, ["Jóga", "Björk", "Homogenic"], 60).await;
    add(&world, user, ["Army of Me", "Björk", "Post"], 60).await;
    add(&world, user, ["Hoppípolla", "Sigur Rós", "Takk..."], 60).await;
    let find = async |q: &str| {
        let found = list(&world, user, &query(LibrarySort::Title, Some(q), 9)).await;
        assert_eq!(found.total, u64::try_from(found.songs.items.len()).unwrap());
        titles(&found.songs.items).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(find("BJORK").await, ["Army of Me", "Jóga"]);
    assert_eq!(find("post björk").await, ["Army of Me"]);
    assert_eq!(find("ppi").await, ["Hoppípolla"]);
    assert_eq!(find("björk takk").await, Vec::<String>::new());
    assert_eq!(find("  ").await.len(), 3);
    assert_eq!(find("jo\0ga").await, ["Jóga"]);
    let paged = read(&world, user, query(LibrarySort::Title, Some("bjork"), 1)).await;
    assert_eq!(titles(&paged), ["Army of Me", "Jóga"]);
    assert_eq!(list(&world, user, &query(LibrarySort::Title, Some("bjork"), 1)).await.total, 2);
}

pub async fn wildcards_are_searched_for_as_they_are(world: World) {
    let user = world.user().await;
    for title in ["100% pure", "snake_case", "back\\slash", "plain"] {
        add(&world, user, [title, "", ""], 60).await;
    }
    for (q, expected) in [("%", "100% pure"), ("_", "snake_case"), ("\\", "back\\slash")] {
        let found = list(&world, user, &query(LibrarySort::Title, Some(q), 9)).await;
        assert_eq!(titles(&found.songs.items), [expected]);
    }
}

pub async fn cursors_of_other_lists_and_of_nobody_are_refused(world: World) {
    let user = world.user().await;
    for title in ["One", "Two"] {
        add(&world, user, [title, "", ""], 60).await;
    }
    let by_title = list(&world, user, &query(LibrarySort::Title, None, 1)).await.songs.next_cursor.unwrap();
    // {"list":"-added_at","key":"text","id":"…"} and the same without a key.
    let wrong_keys = [
        "eyJsaXN0IjoiLWFkZGVkX2F0Iiwia2V5IjoidGV4dCIsImlkIjoiMDE5YTAwMDAtMDAwMC03MDAwLTgwMDAtMDAwMDAwMDAwMDAwIn0",
        "eyJsaXN0IjoiLWFkZGVkX2F0IiwiaWQiOiIwMTlhMDAwMC0wMDAwLTcwMDAtODAwMC0wMDAwMDAwMDAwMDAifQ",
    ];
    let cases = [
        (LibrarySort::TitleDescending, by_title.as_str()),
        (LibrarySort::NewestFirst, by_title.as_str()),
        (LibrarySort::Title, ""),
        (LibrarySort::Title, "not base64!"),
        (LibrarySort::Title, "e30"),
        (LibrarySort::NewestFirst, wrong_keys[0]),
        (LibrarySort::NewestFirst, wrong_keys[1]),
    ];
    for (sort, cursor) in cases {
        let mut query = query(sort, None, 1);
        query.page.cursor = Some(cursor.to_owned());
        let refused = world.store.list_library(user, &query).await;
        assert!(matches!(refused, Err(StoreError::BadCursor)), "{sort:?} {cursor:?}: {refused:?}");
    }
}

pub async fn libraries_are_private(world: World) {
    let [user, other] = [world.user().await, world.user().await];
    add(&world, user, ["Mine", "", ""], 60).await;
    let theirs = list(&world, other, &query(LibrarySort::Title, None, 9)).await;
    assert_eq!((theirs.songs.items.len(), theirs.total), (0, 0));
    let found = list(&world, other, &query(LibrarySort::Title, Some("mine"), 9)).await;
    assert_eq!((found.songs.items.len(), found.total), (0, 0));
    let mine = list(&world, user, &query(LibrarySort::Title, None, 9)).await;
    assert!(now().since(mine.songs.items[0].added_at) < Duration::from_secs(60));
}

pub async fn a_page_that_was_read_before_shows_every_change_of_another_process(world: World) {
    let user = world.user().await;
    let first = add(&world, user, ["First", "", ""], 60).await;
    let query = query(LibrarySort::Title, None, 10);
    let other = world.another().await;
    let expect = async |wanted: &[&str]| {
        // Twice, so that the second may be one that was kept.
        for _ in 0..2 {
            let page = list(&world, user, &query).await;
            assert_eq!((titles(&page.songs.items), page.total), (wanted.to_vec(), wanted.len() as u64));
        }
    };
    expect(&["First"]).await;
    let edit = EntryEdit { title: Some(Some("Renamed".to_owned())), ..EntryEdit::default() };
    other.update_entry(user, first, &edit, now()).await.unwrap();
    expect(&["Renamed"]).await;
    add(&world, user, ["Second", "", ""], 60).await;
    expect(&["Renamed", "Second"]).await;
    other.remove_entry(user, first, now()).await.unwrap();
    expect(&["Second"]).await;
    // As many as before, but others.
    let third = add(&world, user, ["Third", "", ""], 60).await;
    other.remove_entry(user, third, now()).await.unwrap();
    add(&world, user, ["Fourth", "", ""], 60).await;
    expect(&["Fourth", "Second"]).await;
    other.delete_song(third, now()).await.unwrap();
    expect(&["Fourth", "Second"]).await;
}

pub async fn songs_are_filtered_by_the_whole_name_of_artist_and_album(world: World) {
    let user = world.user().await;
    for (title, artist, album) in [
        ("Jóga", "Björk", "Homogenic"),
        ("Army of Me", "Bjork", "Post"),
        ("Other", "Björk Guild", "Post"),
        ("Nameless", "", ""),
    ] {
        add(&world, user, [title, artist, album], 60).await;
    }
    let find = async |artist: Option<&str>, album: Option<&str>, limit: u32| {
        let filtered = LibraryQuery {
            artist: artist.map(str::to_owned),
            album: album.map(str::to_owned),
            ..query(LibrarySort::Title, None, limit)
        };
        let total = list(&world, user, &filtered).await.total;
        let songs = read(&world, user, filtered).await;
        assert_eq!(total, u64::try_from(songs.len()).unwrap());
        titles(&songs).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    for limit in [1, 50] {
        assert_eq!(find(Some("BJÖRK"), None, limit).await, ["Army of Me", "Jóga"]);
        assert_eq!(find(None, Some("post"), limit).await, ["Army of Me", "Other"]);
        assert_eq!(find(Some("björk"), Some("post"), limit).await, ["Army of Me"]);
        assert_eq!(find(Some("bj"), None, limit).await, Vec::<String>::new());
    }
    let searched =
        LibraryQuery { artist: Some("bjork".to_owned()), ..query(LibrarySort::Artist, Some("army"), 9) };
    assert_eq!(list(&world, user, &searched).await.total, 1);
    let mine = add(&world, user, ["Mine", "Nobody", ""], 60).await;
    let edit = EntryEdit { artist: Some(Some("Björk".to_owned())), ..EntryEdit::default() };
    world.store.update_entry(user, mine, &edit, now()).await.unwrap();
    assert_eq!(find(Some("bjork"), None, 9).await, ["Army of Me", "Jóga", "Mine"]);
    assert_eq!(find(Some("nobody"), None, 9).await, Vec::<String>::new());
}
