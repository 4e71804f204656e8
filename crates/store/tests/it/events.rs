//! Events: numbered per account, without gaps, in the order of commits.

use songkeep_domain::{
    UserId,
    bus::Notice,
    event::{Event, EventStore as _, EventsAfter},
    job::JobStore as _,
    library::{CatalogStore as _, EntryEdit},
};

use crate::world::{DAY, World, at_once, next_source, now, wish};

fn numbers(events: &[Event]) -> Vec<i64> {
    events.iter().map(|event| event.seq).collect()
}

async fn after(world: &World, user: UserId, seq: i64, limit: u32) -> EventsAfter {
    world.store.list_events_after(user, seq, limit).await.unwrap()
}

pub async fn each_account_counts_its_own_events(world: World) {
    let [user, other] = [world.user().await, world.user().await];
    assert_eq!(world.store.last_event_seq(user).await.unwrap(), 0);
    assert_eq!(after(&world, user, 0, 9).await, EventsAfter::Events(Vec::new()));
    for _ in 0..3 {
        world.enqueue(user, &next_source()).await;
    }
    world.enqueue(other, &next_source()).await;
    assert_eq!(world.store.last_event_seq(user).await.unwrap(), 3);
    let events = world.events_after(user, 0).await;
    assert_eq!(numbers(&events), [1, 2, 3]);
    assert!(events.iter().all(|event| event.user_id == user));
    assert_eq!(numbers(&world.events_after(other, 0).await), [1]);
    assert_eq!(world.store.last_event_seq(UserId::new()).await.unwrap(), 0);
}

pub async fn events_written_at_once_leave_no_gap(world: World) {
    let user = world.user().await;
    let song = world.add_song(user, "Edited by many").await;
    let before = world.store.last_event_seq(user).await.unwrap();
    let stores = [world.store.clone(), world.another().await];
    at_once(24, |n| {
        let store = stores[n % 2].clone();
        let wish = wish(user, &next_source());
        async move {
            if n % 3 == 0 {
                let edit = EntryEdit { title: Some(Some(format!("Title {n}"))), ..EntryEdit::default() };
                store.update_entry(user, song, &edit, now()).await.map(drop).unwrap();
            } else {
                store.enqueue_import(wish).await.map(drop).unwrap();
            }
        }
    })
    .await;
    let expected: Vec<i64> = (before + 1..=before + 24).collect();
    assert_eq!(numbers(&world.events_after(user, before).await), expected);
}

pub async fn events_are_read_on_from_any_that_was_seen(world: World) {
    let user = world.user().await;
    for _ in 0..7 {
        world.enqueue(user, &next_source()).await;
    }
    let mut seen = 2;
    let mut read = Vec::new();
    loop {
        let EventsAfter::Events(events) = after(&world, user, seen, 2).await else { panic!("a gap") };
        let Some(last) = events.last() else { break };
        seen = last.seq;
        read.extend(numbers(&events));
    }
    assert_eq!(read, [3, 4, 5, 6, 7]);
}

pub async fn an_unknown_number_is_a_gap(world: World) {
    let user = world.user().await;
    world.enqueue(user, &next_source()).await;
    assert_eq!(after(&world, user, 1, 9).await, EventsAfter::Events(Vec::new()));
    for seq in [2, i64::MAX, -1, i64::MIN] {
        assert_eq!(after(&world, user, seq, 9).await, EventsAfter::Gap, "{seq}");
    }
    assert_eq!(after(&world, UserId::new(), 1, 9).await, EventsAfter::Gap);
}

pub async fn forgotten_events_are_a_gap(world: World) {
    let user = world.user().await;
    for _ in 0..3 {
        world.enqueue(user, &next_source()).await;
    }
    assert_eq!(world.store.delete_events(now().minus(DAY)).await.unwrap(), 0);
    assert_eq!(world.store.delete_events(now().plus(DAY)).await.unwrap(), 3);
    assert_eq!(world.store.last_event_seq(user).await.unwrap(), 3);
    for seq in [0, 1, 2] {
        assert_eq!(after(&world, user, seq, 9).await, EventsAfter::Gap, "{seq}");
    }
    assert_eq!(after(&world, user, 3, 9).await, EventsAfter::Events(Vec::new()));
    world.enqueue(user, &next_source()).await;
    assert_eq!(after(&world, user, 2, 9).await, EventsAfter::Gap);
    assert_eq!(numbers(&world.events_after(user, 3).await), [4]);
}

pub async fn what_is_told_is_what_was_written(world: World) {
    let user = world.user().await;
    world.heard();
    world.add_song(user, "Told").await;
    let told: Vec<Event> = world
        .heard()
        .into_iter()
        .filter_map(|notice| match notice {
            Notice::Event(event) => Some(*event),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 4, "queued, claimed, added to the library, completed");
    assert_eq!(world.events_after(user, 0).await, told);
}
