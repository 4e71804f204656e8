//! The catalog service over a real database, through its local and its HTTP client alike.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{path::PathBuf, sync::Arc, time::Duration};

use songkeep_api::{
    catalog::{CatalogClient, CatalogRpc, ListAlbums, ListArtists, ListLibrary, UpdateEntry},
    token::{StreamTokens, TokenError},
};
use songkeep_catalog::{CatalogPorts, CatalogService, CatalogSettings};
use songkeep_domain::{
    Clock, ErrorCode, SongId, StoreResult, UserRole,
    bus::CommitHook,
    library::{EntryEdit, LibrarySort},
};
use songkeep_store::Store;
use songkeep_testkit::{
    clock::ManualClock,
    remote,
    world::{nobody, source},
};

type World = songkeep_testkit::world::World<Store>;

async fn open(path: PathBuf, hook: Arc<dyn CommitHook>) -> StoreResult<Store> {
    let store = Store::open_sqlite(&path, hook).await?;
    store.migrate().await?;
    Ok(store)
}

struct Setup {
    world: World,
    clock: Arc<ManualClock>,
    tokens: StreamTokens,
    clients: [CatalogClient; 2],
}

async fn setup() -> Setup {
    let world = World::new(open).await;
    let clock = Arc::new(ManualClock::new());
    let secret = secrecy::SecretString::from("the secret of stream addresses in this test");
    let tokens = StreamTokens::new(&secret, Arc::clone(&clock) as Arc<dyn Clock>);
    let ports = CatalogPorts {
        store: Arc::clone(&world.store) as _,
        tokens: tokens.clone(),
        clock: Arc::clone(&clock) as _,
    };
    let service = Arc::new(CatalogService::new(ports, CatalogSettings::default()));
    let remote = remote::serve(Arc::new(CatalogRpc(Arc::clone(&service) as _))).await;
    Setup { world, clock, tokens, clients: [CatalogClient::local(service), CatalogClient::http(remote)] }
}

fn all() -> ListLibrary {
    ListLibrary { q: None, artist: None, album: None, sort: LibrarySort::default(), cursor: None, limit: 50 }
}

const fn artists() -> ListArtists {
    ListArtists { q: None, cursor: None, limit: 50 }
}

const fn albums() -> ListAlbums {
    ListAlbums { q: None, artist: None, cursor: None, limit: 50 }
}

fn edit(song_id: SongId, edit: EntryEdit) -> UpdateEntry {
    UpdateEntry { song_id, edit }
}

fn some(text: &str) -> Option<Option<String>> {
    Some(Some(text.to_owned()))
}

#[tokio::test]
async fn every_method_needs_a_signed_in_listener() {
    let setup = setup().await;
    for client in &setup.clients {
        let song = SongId::new();
        let codes = [
            client.source_statuses(&nobody(), vec![]).await.err(),
            client.list_library(&nobody(), all()).await.err(),
            client.get_library_song(&nobody(), song).await.err(),
            client.update_entry(&nobody(), edit(song, EntryEdit::default())).await.err(),
            client.list_artists(&nobody(), artists()).await.err(),
            client.list_albums(&nobody(), albums()).await.err(),
            client.remove_entry(&nobody(), song).await.err(),
            client.restore_entry(&nobody(), song).await.err(),
            client.grant_stream(&nobody(), song).await.err(),
        ];
        for error in codes {
            assert_eq!(error.unwrap().code, ErrorCode::Unauthenticated);
        }
    }
}

#[tokio::test]
async fn a_library_is_listed_filtered_and_paged() {
    let setup = setup().await;
    let caller = setup.world.caller(UserRole::User).await;
    for (id, title) in [("aaaaaaaaaa1", "One"), ("aaaaaaaaaa2", "Two"), ("aaaaaaaaaa3", "Three")] {
        setup.world.add_song(&caller, id, title).await;
    }
    for client in &setup.clients {
        let list = client.list_library(&caller, all()).await.unwrap();
        let titles: Vec<_> = list.songs.iter().map(|song| song.title.as_str()).collect();
        assert_eq!((titles, list.total, list.next_cursor), (vec!["Three", "Two", "One"], 3, None));
        let first = client.list_library(&caller, ListLibrary { limit: 2, ..all() }).await.unwrap();
        assert_eq!(first.songs.len(), 2);
        let rest = ListLibrary { cursor: first.next_cursor, limit: 2, ..all() };
        assert_eq!(client.list_library(&caller, rest).await.unwrap().songs[0].title, "One");
        let found = client.list_library(&caller, ListLibrary { q: Some(" TWO ".to_owned()), ..all() }).await;
        assert_eq!(found.unwrap().songs.len(), 1);
        let blank = client.list_library(&caller, ListLibrary { q: Some("  ".to_owned()), ..all() }).await;
        assert_eq!(blank.unwrap().total, 3);
    }
}

#[tokio::test]
async fn bad_lists_are_refused_with_the_field_at_fault() {
    let setup = setup().await;
    let caller = setup.world.caller(UserRole::User).await;
    for client in &setup.clients {
        for (request, field) in [
            (ListLibrary { limit: 0, ..all() }, "limit"),
            (ListLibrary { limit: 501, ..all() }, "limit"),
            (ListLibrary { q: Some("x".repeat(301)), ..all() }, "q"),
            (ListLibrary { q: Some("a\0b".to_owned()), ..all() }, "q"),
            (ListLibrary { artist: Some("x".repeat(501)), ..all() }, "artist"),
            (ListLibrary { album: Some("a\nb".to_owned()), ..all() }, "album"),
        ] {
            let error = client.list_library(&caller, request).await.unwrap_err();
            assert_eq!((error.code, error.fields[0].field.as_str()), (ErrorCode::Invalid, field));
        }
        let strange = ListLibrary { cursor: Some("never given".to_owned()), ..all() };
        assert_eq!(client.list_library(&caller, strange).await.unwrap_err().code, ErrorCode::Malformed);
        let many = (0..201).map(|n| source(&format!("song-{n:06}"))).collect();
        let error = client.source_statuses(&caller, many).await.unwrap_err();
        assert_eq!(error.fields[0].code, "too_many");
    }
}

#[tokio::test]
async fn sources_are_known_with_and_without_being_owned() {
    let setup = setup().await;
    let (ada, bob) = (setup.world.caller(UserRole::User).await, setup.world.caller(UserRole::User).await);
    let song = setup.world.add_song(&ada, "aaaaaaaaaa1", "One").await;
    for client in &setup.clients {
        let sources = vec![source("aaaaaaaaaa1"), source("unknown-one")];
        let own = client.source_statuses(&ada, sources.clone()).await.unwrap();
        assert_eq!((own.len(), own[0].song_id, own[0].in_library), (1, song, true));
        let others = client.source_statuses(&bob, sources).await.unwrap();
        assert_eq!((others[0].song_id, others[0].in_library), (song, false));
        assert!(client.source_statuses(&ada, vec![]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_song_of_somebody_else_is_not_found() {
    let setup = setup().await;
    let (ada, bob) = (setup.world.caller(UserRole::User).await, setup.world.caller(UserRole::User).await);
    let song = setup.world.add_song(&ada, "aaaaaaaaaa1", "One").await;
    for client in &setup.clients {
        let errors = [
            client.get_library_song(&bob, song).await.err(),
            client
                .update_entry(&bob, edit(song, EntryEdit { title: some("Mine"), ..EntryEdit::default() }))
                .await
                .err(),
            client.remove_entry(&bob, song).await.err(),
            client.restore_entry(&bob, song).await.err(),
            client.grant_stream(&bob, song).await.err(),
        ];
        for error in errors {
            assert_eq!(error.unwrap().code, ErrorCode::NotFound);
        }
        assert_eq!(client.get_library_song(&ada, song).await.unwrap().title, "One");
    }
}

#[tokio::test]
async fn edits_are_cleaned_and_null_or_empty_returns_to_the_source() {
    let setup = setup().await;
    let caller = setup.world.caller(UserRole::User).await;
    let song = setup.world.add_song(&caller, "aaaaaaaaaa1", "As the source says").await;
    for client in &setup.clients {
        let change = EntryEdit { title: some("  Cafe\u{301} "), artist: some("Me"), album: some("Mine") };
        let entry = client.update_entry(&caller, edit(song, change)).await.unwrap();
        assert_eq!(entry.title, "Café");
        assert_eq!((entry.artist.as_deref(), entry.album.as_deref()), (Some("Me"), Some("Mine")));

        let change = EntryEdit { title: None, artist: some("  "), album: Some(None) };
        let entry = client.update_entry(&caller, edit(song, change)).await.unwrap();
        assert_eq!(
            (entry.title.as_str(), entry.artist, entry.album),
            ("Café", None, None),
            "untouched title"
        );

        let change = EntryEdit { title: Some(None), ..EntryEdit::default() };
        let entry = client.update_entry(&caller, edit(song, change)).await.unwrap();
        assert_eq!(entry.title, "As the source says");
        assert_eq!(entry.song.metadata.title, "As the source says");
    }
}

#[tokio::test]
async fn bad_edits_change_nothing() {
    let setup = setup().await;
    let caller = setup.world.caller(UserRole::User).await;
    let song = setup.world.add_song(&caller, "aaaaaaaaaa1", "One").await;
    for client in &setup.clients {
        for (change, field) in [
            (EntryEdit { title: some("   "), artist: some("Me"), ..EntryEdit::default() }, "title"),
            (EntryEdit { title: some(&"é".repeat(501)), ..EntryEdit::default() }, "title"),
            (EntryEdit { title: some("Two"), artist: some("a\0b"), ..EntryEdit::default() }, "artist"),
            (EntryEdit { album: some("a\u{1b}[31m"), ..EntryEdit::default() }, "album"),
        ] {
            let error = client.update_entry(&caller, edit(song, change)).await.unwrap_err();
            assert_eq!((error.code, error.fields[0].field.as_str()), (ErrorCode::Invalid, field));
        }
        let entry = client.get_library_song(&caller, song).await.unwrap();
        assert_eq!((entry.title.as_str(), entry.artist, entry.album), ("One", None, None));
    }
}

#[tokio::test]
async fn a_removed_song_is_gone_and_cannot_be_removed_again() {
    let setup = setup().await;
    let caller = setup.world.caller(UserRole::User).await;
    for (client, id) in setup.clients.iter().zip(["aaaaaaaaaa1", "aaaaaaaaaa2"]) {
        let song = setup.world.add_song(&caller, id, "One").await;
        client.remove_entry(&caller, song).await.unwrap();
        assert_eq!(client.remove_entry(&caller, song).await.unwrap_err().code, ErrorCode::NotFound);
        assert_eq!(client.list_library(&caller, all()).await.unwrap().total, 0);
    }
}

#[tokio::test]
async fn a_removed_song_comes_back_within_an_hour() {
    let setup = setup().await;
    let caller = setup.world.caller(UserRole::User).await;
    for (client, id) in setup.clients.iter().zip(["aaaaaaaaaa1", "aaaaaaaaaa2"]) {
        let song = setup.world.add_song(&caller, id, "One").await;
        let renamed = edit(song, EntryEdit { title: some("Mine"), ..EntryEdit::default() });
        let entry = client.update_entry(&caller, renamed).await.unwrap();
        client.remove_entry(&caller, song).await.unwrap();
        assert_eq!(client.grant_stream(&caller, song).await.err().unwrap().code, ErrorCode::NotFound);
        setup.clock.advance(Duration::from_secs(3_599));
        for _ in 0..2 {
            assert_eq!(client.restore_entry(&caller, song).await.unwrap(), entry);
        }
        client.grant_stream(&caller, song).await.unwrap();
        client.remove_entry(&caller, song).await.unwrap();
        setup.clock.advance(Duration::from_secs(3_600));
        assert_eq!(client.restore_entry(&caller, song).await.unwrap_err().code, ErrorCode::NotFound);
        assert_eq!(client.restore_entry(&caller, SongId::new()).await.unwrap_err().code, ErrorCode::NotFound);
    }
}

#[tokio::test]
async fn artists_and_albums_are_listed_and_lead_to_their_songs() {
    let setup = setup().await;
    let caller = setup.world.caller(UserRole::User).await;
    for (id, title, artist, album) in [
        ("aaaaaaaaaa1", "One", "Björk", "Post"),
        ("aaaaaaaaaa2", "Two", "björk", "Debut"),
        ("aaaaaaaaaa3", "Three", "ABBA", "Post"),
    ] {
        let song = setup.world.add_song(&caller, id, title).await;
        let named = EntryEdit { artist: some(artist), album: some(album), ..EntryEdit::default() };
        setup.clients[0].update_entry(&caller, edit(song, named)).await.unwrap();
    }
    for client in &setup.clients {
        let found = client.list_artists(&caller, artists()).await.unwrap();
        let names: Vec<_> =
            found.groups.items.iter().map(|artist| (artist.name.as_str(), artist.song_count)).collect();
        assert_eq!((names, found.total), (vec![("ABBA", 1), ("Björk", 2)], 2));
        let first = client.list_artists(&caller, ListArtists { limit: 1, ..artists() }).await.unwrap();
        let rest = ListArtists { cursor: first.groups.next_cursor, ..artists() };
        assert_eq!(client.list_artists(&caller, rest).await.unwrap().groups.items[0].name, "Björk");
        let of_artist = ListAlbums { artist: Some(" BJÖRK ".to_owned()), ..albums() };
        let found = client.list_albums(&caller, of_artist).await.unwrap();
        let names: Vec<_> =
            found.groups.items.iter().map(|album| (album.name.as_str(), album.artist.as_deref())).collect();
        assert_eq!(names, [("Debut", Some("björk")), ("Post", Some("Björk"))]);
        let various = client.list_albums(&caller, albums()).await.unwrap().groups.items.pop().unwrap();
        assert_eq!((various.name.as_str(), various.artist), ("Post", None));
        let songs =
            ListLibrary { artist: Some("Björk".to_owned()), album: Some("Post".to_owned()), ..all() };
        let songs = client.list_library(&caller, songs).await.unwrap();
        assert_eq!((songs.songs[0].title.as_str(), songs.total), ("One", 1));
        for (request, field) in [
            (ListAlbums { limit: 0, ..albums() }, "limit"),
            (ListAlbums { q: Some("x".repeat(301)), ..albums() }, "q"),
            (ListAlbums { artist: Some("a\0b".to_owned()), ..albums() }, "artist"),
        ] {
            let error = client.list_albums(&caller, request).await.unwrap_err();
            assert_eq!((error.code, error.fields[0].field.as_str()), (ErrorCode::Invalid, field));
        }
        let strange = ListArtists { cursor: Some("never given".to_owned()), ..artists() };
        assert_eq!(client.list_artists(&caller, strange).await.unwrap_err().code, ErrorCode::Malformed);
    }
}

#[tokio::test]
async fn a_stream_token_names_listener_session_and_song_and_lives_twice_the_songs_length_longer() {
    let setup = setup().await;
    let caller = setup.world.caller(UserRole::User).await;
    let actor = caller.actor.clone().unwrap();
    let song = setup.world.add_song(&caller, "aaaaaaaaaa1", "One").await;
    for client in &setup.clients {
        let grant = client.grant_stream(&caller, song).await.unwrap();
        assert_eq!(grant.expires_in, 90 + 2 * 200);
        let access = setup.tokens.verify(&grant.token, song).unwrap();
        assert_eq!(
            (access.user_id, access.session_id, access.song_id),
            (actor.user_id, actor.session_id, song)
        );
        assert_eq!(setup.tokens.verify(&grant.token, SongId::new()), Err(TokenError::OtherSong));
        setup.clock.advance(Duration::from_secs(grant.expires_in - 1));
        assert!(setup.tokens.verify(&grant.token, song).is_ok());
        setup.clock.advance(Duration::from_secs(2));
        assert_eq!(setup.tokens.verify(&grant.token, song), Err(TokenError::Expired));
    }
}
