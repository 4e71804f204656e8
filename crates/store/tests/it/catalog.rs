//! Songs and who has them.

use std::time::Duration;

use songkeep_domain::{
    PageRequest, SessionId, SongId,
    event::{EventBody, LibraryChange},
    job::JobStore as _,
    library::{CatalogStore as _, EntryEdit, LibraryQuery, LibraryTotals, SongFilter, SourceStatus},
    session::{SessionEnd, SessionStore as _},
    song::{NewSong, SongMetadata},
    user::UserStore as _,
};

use crate::world::{DAY, World, at_once, next_source, now, song, source, wish};

fn words(text: &str) -> Option<Option<String>> {
    Some(Some(text.to_owned()))
}

fn whole_library() -> LibraryQuery {
    LibraryQuery {
        q: None,
        artist: None,
        album: None,
        sort: songkeep_domain::library::LibrarySort::NewestFirst,
        page: PageRequest::first(50),
    }
}

/// Too long ago to be restored.
fn long_ago() -> songkeep_domain::Timestamp {
    now().minus(songkeep_domain::library::RESTORABLE_FOR * 2)
}

/// Entries in the library, counted by rows and by the account's own count.
async fn library_size(world: &World, user: songkeep_domain::UserId) -> (usize, u64) {
    let page = world.store.list_library(user, &whole_library()).await.unwrap();
    (page.songs.items.len(), page.total)
}

pub async fn a_published_song_is_found_with_all_its_data(world: World) {
    let user = world.user().await;
    let source = next_source();
    let new = NewSong {
        metadata: SongMetadata {
            title: "Ænima — 東京".to_owned(),
            artist: Some("Björk".to_owned()),
            album: Some("Début".to_owned()),
            channel: Some("A channel".to_owned()),
            release_year: Some(1993),
        },
        ..song(&source, "")
    };
    let id = world.add(user, &source, new.clone()).await;
    assert_eq!(id, new.id);
    let found = world.store.find_song(id).await.unwrap().unwrap();
    assert_eq!((&found.source, &found.metadata, &found.audio), (&source, &new.metadata, &new.audio));
    assert_eq!(found.loudness_lufs, None);
    assert!(now().since(found.created_at) < Duration::from_secs(60));
    let entry = world.store.find_library_song(user, id).await.unwrap().unwrap();
    assert_eq!(
        (&entry.title, &entry.artist, &entry.album),
        (&new.metadata.title, &new.metadata.artist, &new.metadata.album)
    );
    assert_eq!(entry.song, found);
    assert!(world.store.find_song(SongId::new()).await.unwrap().is_none());
    let other = world.user().await;
    assert!(world.store.find_library_song(other, id).await.unwrap().is_none());
}

pub async fn known_sources_are_told_with_whether_one_has_them(world: World) {
    let [user, other] = [world.user().await, world.user().await];
    let [mine, theirs, unknown] = [next_source(), next_source(), next_source()];
    let my_song = world.add(user, &mine, song(&mine, "Mine")).await;
    let their_song = world.add(other, &theirs, song(&theirs, "Theirs")).await;
    let mut statuses =
        world.store.list_source_statuses(user, &[theirs.clone(), unknown, mine.clone()]).await.unwrap();
    statuses.sort_by_key(|status| status.song_id);
    assert_eq!(
        statuses,
        [
            SourceStatus { source: mine, song_id: my_song, in_library: true },
            SourceStatus { source: theirs, song_id: their_song, in_library: false },
        ]
    );
    assert!(world.store.list_source_statuses(user, &[]).await.unwrap().is_empty());
}

pub async fn an_edit_changes_only_its_own_entry(world: World) {
    let [user, other] = [world.user().await, world.user().await];
    let source = next_source();
    let id = world.add(user, &source, song(&source, "Title of the source")).await;
    world.enqueue(other, &source).await;
    let before = world.store.find_library_song(user, id).await.unwrap().unwrap();

    let edit = EntryEdit { title: words("Mine"), artist: words("Somebody"), album: None };
    let edited = world.store.update_entry(user, id, &edit, now()).await.unwrap().unwrap();
    assert_eq!(
        (edited.title.as_str(), edited.artist.as_deref(), edited.album.as_deref()),
        ("Mine", Some("Somebody"), None)
    );
    assert_eq!((edited.added_at, &edited.song), (before.added_at, &before.song));
    assert_eq!(world.store.find_library_song(user, id).await.unwrap().as_ref(), Some(&edited));
    assert_eq!(world.store.find_library_song(other, id).await.unwrap().unwrap().title, "Title of the source");
    let told = world.events_after(user, 0).await.pop().unwrap().body;
    let expected =
        EventBody::Library { change: LibraryChange::Updated, song_id: id, song: Some(Box::new(edited)) };
    assert_eq!(told, expected);

    let back = EntryEdit { title: Some(None), artist: None, album: None };
    let edited = world.store.update_entry(user, id, &back, now()).await.unwrap().unwrap();
    assert_eq!((edited.title.as_str(), edited.artist.as_deref()), ("Title of the source", Some("Somebody")));
}

pub async fn an_edit_of_what_is_not_there_changes_nothing(world: World) {
    let [user, other] = [world.user().await, world.user().await];
    let id = world.add_song(other, "Theirs").await;
    let edit = EntryEdit { title: words("Mine"), ..EntryEdit::default() };
    for id in [id, SongId::new()] {
        assert!(world.store.update_entry(user, id, &edit, now()).await.unwrap().is_none());
        assert!(!world.store.remove_entry(user, id, now()).await.unwrap());
    }
    assert!(world.events_after(user, 0).await.is_empty());
}

pub async fn a_removed_entry_leaves_other_libraries_alone(world: World) {
    let [user, other] = [world.user().await, world.user().await];
    let source = next_source();
    let id = world.add(user, &source, song(&source, "Shared")).await;
    world.enqueue(other, &source).await;
    assert!(world.store.remove_entry(user, id, now()).await.unwrap());
    assert!(!world.store.remove_entry(user, id, now()).await.unwrap());
    assert_eq!(library_size(&world, user).await, (0, 0));
    assert_eq!(library_size(&world, other).await, (1, 1));
    let told = world.events_after(user, 0).await.pop().unwrap().body;
    assert_eq!(told, EventBody::Library { change: LibraryChange::Removed, song_id: id, song: None });
    assert_eq!(world.store.delete_orphaned_songs(now().plus(DAY)).await.unwrap(), 0);
}

pub async fn a_song_without_owners_is_forgotten_after_its_grace(world: World) {
    let user = world.user().await;
    let [kept, gone] = [world.add_song(user, "Kept").await, world.add_song(user, "Gone").await];
    let at = long_ago();
    world.store.remove_entry(user, gone, at).await.unwrap();
    assert_eq!(world.store.delete_orphaned_songs(at).await.unwrap(), 0);
    assert!(world.store.find_song(gone).await.unwrap().is_some());
    assert_eq!(world.store.delete_orphaned_songs(at.plus(Duration::from_micros(1))).await.unwrap(), 1);
    assert!(world.store.find_song(gone).await.unwrap().is_none());
    assert!(world.store.find_song(kept).await.unwrap().is_some());
    let jobs = world
        .store
        .list_jobs(&songkeep_domain::job::JobFilter::default(), &PageRequest::first(9))
        .await
        .unwrap();
    let songs: Vec<Option<SongId>> = jobs.items.iter().map(|job| job.song_id).collect();
    assert_eq!(songs, [None, Some(kept)]);
}

pub async fn a_song_that_finds_an_owner_again_is_kept(world: World) {
    let [user, other] = [world.user().await, world.user().await];
    let source = next_source();
    let id = world.add(user, &source, song(&source, "Wanted again")).await;
    world.store.remove_entry(user, id, now()).await.unwrap();
    world.enqueue(other, &source).await;
    assert_eq!(world.store.delete_orphaned_songs(now().plus(DAY)).await.unwrap(), 0);
    assert_eq!(library_size(&world, other).await, (1, 1));
}

pub async fn owners_who_come_and_go_at_once_never_lose_a_song(world: World) {
    let stores = [world.store.clone(), world.another().await];
    for _ in 0..10 {
        let [user, other] = [world.user().await, world.user().await];
        let source = next_source();
        let id = world.add(user, &source, song(&source, "Contested")).await;
        at_once(3, |n| {
            let store = stores[n % 2].clone();
            let wish = wish(other, &source);
            async move {
                match n {
                    0 => store.remove_entry(user, id, long_ago()).await.map(drop),
                    1 => store.enqueue_import(wish).await.map(drop),
                    _ => store.delete_orphaned_songs(now().plus(DAY)).await.map(drop),
                }
                .unwrap();
            }
        })
        .await;
        // Either the song was linked in time and lives, or it had gone and the wish waits as a job.
        let waits = world.find_claim().await;
        let owned = world.store.find_library_song(other, id).await.unwrap();
        assert!(owned.is_some() != waits.is_some(), "linked: {}", owned.is_some());
        world.store.delete_orphaned_songs(now().plus(DAY)).await.unwrap();
        assert_eq!(world.store.find_song(id).await.unwrap().is_some(), owned.is_some());
    }
}

pub async fn a_deleted_song_leaves_all_libraries(world: World) {
    let [user, other] = [world.user().await, world.user().await];
    let source = next_source();
    let id = world.add(user, &source, song(&source, "Withdrawn")).await;
    let linked = world.enqueue(other, &source).await;
    assert_eq!(linked.song_id, Some(id));
    assert!(world.store.delete_song(id, now()).await.unwrap());
    assert!(!world.store.delete_song(id, now()).await.unwrap());
    for owner in [user, other] {
        assert_eq!(library_size(&world, owner).await, (0, 0));
        let told = world.events_after(owner, 0).await.pop().unwrap().body;
        assert_eq!(told, EventBody::Library { change: LibraryChange::Removed, song_id: id, song: None });
    }
    assert_eq!(world.job(linked.id).await.song_id, None);
    assert!(world.store.find_song(id).await.unwrap().is_none());
}

pub async fn songs_deleted_at_once_and_edited_meanwhile_do_not_block_each_other(world: World) {
    let users = [world.user().await, world.user().await, world.user().await];
    let mut songs = Vec::new();
    for n in 0..6 {
        let source = next_source();
        // Owned by all, in turns of another order.
        let id = world.add(users[n % 3], &source, song(&source, "Doomed")).await;
        for user in users {
            world.enqueue(user, &source).await;
        }
        songs.push(id);
    }
    let stores = [world.store.clone(), world.another().await];
    at_once(12, |n| {
        let (store, id, user) = (stores[n % 2].clone(), songs[n / 2], users[n % 3]);
        async move {
            if n % 2 == 0 {
                store.delete_song(id, now()).await.map(drop).unwrap();
            } else {
                let edit = EntryEdit { title: words("Last words"), ..EntryEdit::default() };
                store.update_entry(user, id, &edit, now()).await.map(drop).unwrap();
            }
        }
    })
    .await;
    for user in users {
        assert_eq!(library_size(&world, user).await, (0, 0));
    }
}

pub async fn a_song_is_served_only_to_those_who_may_hear_it(world: World) {
    let [user, other] = [world.user().await, world.user().await];
    let [(session, _), (theirs, _)] = [world.session(user).await, world.session(other).await];
    let source = next_source();
    let new = song(&source, "Heard");
    let id = world.add(user, &source, new.clone()).await;
    let target = world.store.find_stream_target(user, session, id, now()).await.unwrap().unwrap();
    assert_eq!(
        (&target.storage_key, target.container, target.size_bytes, &target.sha256),
        (&new.audio.storage_key, new.audio.container, new.audio.size_bytes, &new.audio.sha256)
    );
    let refused = [
        (user, session, SongId::new(), now()),
        (user, SessionId::new(), id, now()),
        (user, theirs, id, now()),
        (other, theirs, id, now()),
        (user, session, id, now().plus(2 * DAY)),
    ];
    for (user, session, song, at) in refused {
        assert!(world.store.find_stream_target(user, session, song, at).await.unwrap().is_none());
    }
    world.store.end_session(session, SessionEnd::SignedOut, now()).await.unwrap();
    assert!(world.store.find_stream_target(user, session, id, now()).await.unwrap().is_none());

    let (session, _) = world.session(user).await;
    assert!(world.store.find_stream_target(user, session, id, now()).await.unwrap().is_some());
    world.store.remove_entry(user, id, now()).await.unwrap();
    assert!(world.store.find_stream_target(user, session, id, now()).await.unwrap().is_none());
    world.enqueue(user, &source).await;
    world.store.set_disabled(user, true, now()).await.unwrap();
    assert!(world.store.find_stream_target(user, session, id, now()).await.unwrap().is_none());
}

pub async fn songs_are_listed_with_their_owners(world: World) {
    let [user, other] = [world.user().await, world.user().await];
    let sources = ["AbCdEfGhIj0", "AbCdEfGhIj1", "AbCdEfGhIj2", "zzzzzzzzzzz"].map(source);
    let mut ids = Vec::new();
    for (source, title) in sources.iter().zip(["Öde", "100 %", "Three", "Four"]) {
        ids.insert(0, world.add(user, source, song(source, title)).await);
    }
    world.enqueue(other, &sources[0]).await;
    let mut page = PageRequest::first(3);
    let first = world.store.list_songs(&SongFilter::default(), &page).await.unwrap();
    page.cursor = first.next_cursor;
    let second = world.store.list_songs(&SongFilter::default(), &page).await.unwrap();
    assert!(second.next_cursor.is_none());
    let listed: Vec<(SongId, u64)> =
        first.items.iter().chain(&second.items).map(|row| (row.song.id, row.owners)).collect();
    assert_eq!(listed, [(ids[0], 1), (ids[1], 1), (ids[2], 1), (ids[3], 2)]);

    let find = async |q: &str| {
        let filter = SongFilter { q: Some(q.to_owned()) };
        let found = world.store.list_songs(&filter, &PageRequest::first(9)).await.unwrap().items;
        found.into_iter().map(|row| row.song.metadata.title).collect::<Vec<_>>()
    };
    assert_eq!(find("ÖDE").await, ["Öde"]);
    assert_eq!(find("ode").await, ["Öde"]);
    assert_eq!(find("%").await, ["100 %"]);
    assert_eq!(find("ABCDEFGHIJ").await, ["Three", "100 %", "Öde"]);
    assert!(find("nothing").await.is_empty());
}

pub async fn totals_count_everything(world: World) {
    assert_eq!(world.store.library_totals().await.unwrap(), LibraryTotals::default());
    let [user, other] = [world.user().await, world.user().await];
    let source = next_source();
    world.add(user, &source, song(&source, "One")).await;
    world.enqueue(other, &source).await;
    world.add_song(user, "Two").await;
    let totals = LibraryTotals { users: 2, songs: 2, library_entries: 3, storage_bytes: 6_000_000 };
    assert_eq!(world.store.library_totals().await.unwrap(), totals);
}

pub async fn referenced_keys_are_told_from_others(world: World) {
    let user = world.user().await;
    let sources = [next_source(), next_source()];
    let mut wanted = Vec::new();
    for source in &sources {
        let new = song(source, "Stored");
        wanted.push(new.audio.storage_key.clone());
        world.add(user, source, new).await;
    }
    let mut asked: Vec<String> = (0..1_200).map(|n| format!("audio/00/{n}.mp4")).collect();
    asked.insert(0, wanted[0].clone());
    asked.push(wanted[1].clone());
    let mut found = world.store.list_referenced_keys(&asked).await.unwrap();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    assert!(world.store.list_referenced_keys(&[]).await.unwrap().is_empty());
}
