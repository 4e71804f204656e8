//! Songs that were taken out of a library and come back.

use std::time::Duration;

use songkeep_domain::{
    PageRequest, SongId, UserId,
    event::{EventBody, LibraryChange},
    library::{CatalogStore as _, EntryEdit, LibraryQuery, LibrarySong, LibrarySort, RESTORABLE_FOR},
};

use crate::world::{DAY, World, at_once, next_source, now, song};

fn query(q: Option<&str>) -> LibraryQuery {
    LibraryQuery {
        q: q.map(str::to_owned),
        artist: None,
        album: None,
        sort: LibrarySort::NewestFirst,
        page: PageRequest::first(50),
    }
}

async fn entries(world: &World, user: UserId) -> (Vec<LibrarySong>, u64) {
    let found = world.store.list_library(user, &query(None)).await.unwrap();
    (found.songs.items, found.total)
}

async fn restore(world: &World, user: UserId, song: SongId) -> Option<LibrarySong> {
    world.store.restore_entry(user, song, now()).await.unwrap()
}

pub async fn a_removed_song_comes_back_as_it_was(world: World) {
    let user = world.user().await;
    let [older, newer] = [world.add_song(user, "Older").await, world.add_song(user, "Newer").await];
    let edit = EntryEdit {
        title: Some(Some("My own".to_owned())),
        artist: Some(Some("Somebody".to_owned())),
        ..EntryEdit::default()
    };
    let before = world.store.update_entry(user, older, &edit, now()).await.unwrap().unwrap();
    assert!(world.store.remove_entry(user, older, now()).await.unwrap());
    assert!(world.store.find_library_song(user, older).await.unwrap().is_none());
    let (session, _) = world.session(user).await;
    let target = async || world.store.find_stream_target(user, session, older, now()).await.unwrap();
    assert!(target().await.is_none());

    assert_eq!(restore(&world, user, older).await.as_ref(), Some(&before));
    let (songs, total) = entries(&world, user).await;
    let ids: Vec<SongId> = songs.iter().map(|entry| entry.song.id).collect();
    assert_eq!((ids, total), (vec![newer, older], 2), "at its old place");
    assert!(target().await.is_some());
    let told = world.events_after(user, 0).await.pop().unwrap().body;
    let song = Some(Box::new(before));
    assert_eq!(told, EventBody::Library { change: LibraryChange::Added, song_id: older, song });
    assert_eq!(world.store.list_library(user, &query(Some("somebody"))).await.unwrap().total, 1);
}

pub async fn a_song_that_is_there_is_left_as_it_is(world: World) {
    let user = world.user().await;
    let id = world.add_song(user, "Here").await;
    let entry = world.store.find_library_song(user, id).await.unwrap();
    let events = world.events_after(user, 0).await.len();
    assert_eq!(restore(&world, user, id).await, entry);
    assert!(world.store.remove_entry(user, id, now()).await.unwrap());
    for _ in 0..3 {
        assert_eq!(restore(&world, user, id).await, entry);
    }
    assert_eq!(entries(&world, user).await.1, 1);
    assert_eq!(world.events_after(user, 0).await.len(), events + 2, "removed and added, once each");
}

pub async fn what_was_removed_long_ago_or_never_was_there_does_not_come_back(world: World) {
    let [user, other] = [world.user().await, world.user().await];
    let [early, late] = [world.add_song(user, "Early").await, world.add_song(user, "Late").await];
    let deleted = world.add_song(user, "Deleted").await;
    let at = now();
    for song in [early, late, deleted] {
        assert!(world.store.remove_entry(user, song, at).await.unwrap());
    }
    let last = at.plus(RESTORABLE_FOR - Duration::from_micros(1));
    assert!(world.store.restore_entry(user, early, last).await.unwrap().is_some());
    assert!(world.store.restore_entry(user, late, at.plus(RESTORABLE_FOR)).await.unwrap().is_none());
    assert!(world.store.delete_song(deleted, now()).await.unwrap());
    assert!(restore(&world, user, deleted).await.is_none());
    for id in [late, SongId::new()] {
        assert!(restore(&world, other, id).await.is_none());
    }
    assert_eq!((entries(&world, user).await.1, entries(&world, other).await.1), (1, 0));
    assert!(world.events_after(other, 0).await.is_empty());
}

pub async fn an_import_makes_an_earlier_removal_past(world: World) {
    let user = world.user().await;
    let source = next_source();
    let id = world.add(user, &source, song(&source, "Again")).await;
    let edit = EntryEdit { title: Some(Some("My own".to_owned())), ..EntryEdit::default() };
    world.store.update_entry(user, id, &edit, now()).await.unwrap();
    world.store.remove_entry(user, id, now()).await.unwrap();
    world.enqueue(user, &source).await;
    let entry = world.store.find_library_song(user, id).await.unwrap().unwrap();
    assert_eq!(entry.title, "Again", "a new entry");
    assert_eq!(restore(&world, user, id).await, Some(entry.clone()));
    world.store.remove_entry(user, id, now()).await.unwrap();
    assert_eq!(restore(&world, user, id).await, Some(entry), "the newer removal counts");
}

pub async fn a_song_that_can_come_back_is_not_forgotten(world: World) {
    let user = world.user().await;
    let id = world.add_song(user, "Kept").await;
    world.store.remove_entry(user, id, now()).await.unwrap();
    assert_eq!(world.store.delete_orphaned_songs(now().plus(DAY)).await.unwrap(), 0);
    assert!(restore(&world, user, id).await.is_some());
    let long_ago = now().minus(RESTORABLE_FOR * 2);
    world.store.remove_entry(user, id, long_ago).await.unwrap();
    assert_eq!(world.store.delete_orphaned_songs(now()).await.unwrap(), 1);
    assert!(world.store.find_song(id).await.unwrap().is_none());
    assert!(restore(&world, user, id).await.is_none());
}

pub async fn restores_and_removals_at_once_keep_the_count(world: World) {
    let users = [world.user().await, world.user().await];
    let source = next_source();
    let id = world.add(users[0], &source, song(&source, "Contested")).await;
    world.enqueue(users[1], &source).await;
    let stores = [world.store.clone(), world.another().await];
    for _ in 0..5 {
        at_once(12, |n| {
            let (store, user) = (stores[n % 2].clone(), users[n / 2 % 2]);
            async move {
                match n % 3 {
                    0 => store.remove_entry(user, id, now()).await.map(drop),
                    1 => store.restore_entry(user, id, now()).await.map(drop),
                    _ => store.delete_orphaned_songs(now().plus(DAY)).await.map(drop),
                }
                .unwrap();
            }
        })
        .await;
        for user in users {
            let (songs, total) = entries(&world, user).await;
            assert_eq!(u64::try_from(songs.len()).unwrap(), total);
            assert!(restore(&world, user, id).await.is_some());
            assert_eq!(entries(&world, user).await.1, 1);
        }
    }
}
