//! What the overview plots.

use std::time::Duration;

use songkeep_domain::{
    Timestamp, UserRole,
    event::EventStore as _,
    job::{FailureCode, ImportFailure, JobStore as _},
    library::CatalogStore as _,
    overview::{Activity, Buckets, OverviewStore as _, TrafficMinute},
    user::UserStore as _,
};
use uuid::Uuid;

use crate::world::{World, new_user, next_source, now};

const QUARTER: Duration = Duration::from_secs(900);

fn minute(minute: i64, requests: u64, errors: u64) -> TrafficMinute {
    TrafficMinute { minute, requests, errors }
}

async fn activity(world: &World, from: Timestamp, count: usize) -> Activity {
    world.store.activity(&Buckets { from, width: QUARTER, count }).await.unwrap()
}

pub async fn traffic_is_counted_once_for_each_node_and_minute(world: World) {
    let [one, other] = [Uuid::now_v7(), Uuid::now_v7()];
    let from = Timestamp::from_secs(900 * 2_000_000);
    let first = 15 * 2_000_000;
    let minutes =
        [minute(first - 1, 1, 1), minute(first, 10, 1), minute(first + 14, 20, 0), minute(first + 15, 5, 5)];
    for _ in 0..2 {
        world.store.record_traffic(one, &minutes).await.unwrap();
    }
    world.store.record_traffic(one, &[]).await.unwrap();
    let others = [minute(first, 100, 2), minute(first + 30, 7, 0)];
    world.store.record_traffic(other, &others).await.unwrap();
    let found = activity(&world, from, 2).await;
    assert_eq!((found.requests, found.errors), (vec![130, 5], vec![3, 5]));
    assert_eq!(found.imports_completed, [0, 0]);
    let many: Vec<TrafficMinute> = (0..1_000).map(|n| minute(first + 1_000 + n, 1, 0)).collect();
    world.store.record_traffic(one, &many).await.unwrap();
    let found = activity(&world, from, 200).await;
    assert_eq!(found.requests.iter().sum::<u64>(), 135 + 7 + 1_000);
}

pub async fn activity_falls_into_its_buckets(world: World) {
    let now = now();
    let from = now.minus(QUARTER * 2);
    let user = world.user().await;
    for age in [QUARTER * 3, QUARTER + Duration::from_secs(60)] {
        let mut new = new_user(&format!("{}@example.com", age.as_secs()), UserRole::User);
        new.created_at = now.minus(age);
        world.store.create_user(new, None).await.unwrap();
    }
    world.add_song(user, "One").await;
    world.add_song(user, "Two").await;
    world.enqueue(user, &next_source()).await;
    let claimed = world.claim().await;
    let failure = ImportFailure::new(FailureCode::Internal, "no");
    world.store.fail_job(&claimed.claim, &failure, None).await.unwrap();
    let cancelled = world.enqueue(user, &next_source()).await;
    world.store.cancel_job(cancelled.id, None).await.unwrap();
    let found = activity(&world, from, 3).await;
    let totals = world.store.library_totals().await.unwrap();
    assert_eq!(found.users_added, [1, 0, 1]);
    assert_eq!(found.songs_added, [0, 0, 2]);
    assert_eq!(found.bytes_added, [0, 0, totals.storage_bytes]);
    assert_eq!((found.imports_completed, found.imports_failed), (vec![0, 0, 2], vec![0, 0, 1]));
    assert_eq!((found.requests, found.errors), (vec![0; 3], vec![0; 3]));
}

pub async fn old_traffic_is_forgotten(world: World) {
    let minutes = [minute(1_000, 1, 0), minute(1_001, 1, 0), minute(1_002, 1, 0)];
    world.store.record_traffic(Uuid::now_v7(), &minutes).await.unwrap();
    assert_eq!(world.store.delete_traffic(Timestamp::from_secs(60 * 1_001)).await.unwrap(), 1);
    assert_eq!(world.store.delete_traffic(Timestamp::from_secs(60 * 1_001 + 59)).await.unwrap(), 0);
    assert_eq!(world.store.delete_traffic(Timestamp::from_secs(60 * 5_000)).await.unwrap(), 2);
}
