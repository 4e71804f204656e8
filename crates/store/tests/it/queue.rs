//! The queue as a whole: leases that run out, many workers at once, many jobs.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait as _, Database};
use songkeep_domain::{
    PageRequest,
    bus::Notice,
    job::{ClaimedJob, FailureCode, ImportFailure, JobFilter, JobStatus, JobStore as _, Reaped},
    library::CatalogStore as _,
};
use songkeep_store::Store;

use crate::world::{DAY, LEASE, World, at_once, done, next_source, song, told_states};

async fn vanish(world: &World) -> ClaimedJob {
    world.store.claim_job("a worker that vanished", Duration::ZERO).await.unwrap().unwrap()
}

pub async fn expired_leases_are_queued_again_until_the_last_attempt(world: World) {
    let user = world.user().await;
    let job = world.enqueue(user, &next_source()).await;
    assert_eq!(world.store.reap_expired().await.unwrap(), Reaped::default());
    for attempt in 1..=2 {
        assert_eq!(vanish(&world).await.job.attempt, attempt);
        world.heard();
        let requeued = Reaped { requeued: 1, ..Reaped::default() };
        assert_eq!(world.store.reap_expired().await.unwrap(), requeued);
        assert!(world.heard().contains(&Notice::JobReady));
    }
    vanish(&world).await;
    assert_eq!(world.store.reap_expired().await.unwrap(), Reaped { failed: 1, ..Reaped::default() });
    let job = world.job(job.id).await;
    assert_eq!((job.status, job.failure_code), (JobStatus::Failed, Some(FailureCode::Internal)));
    let told = told_states(&world.events_after(user, 0).await);
    assert_eq!(told.iter().filter(|state| state.starts_with("queued")).count(), 3);
    assert_eq!(told.last().map(String::as_str), Some("failed/done/0"));

    world.enqueue(user, &next_source()).await;
    world.claim().await;
    assert_eq!(world.store.reap_expired().await.unwrap(), Reaped::default(), "a living lease is left alone");
}

pub async fn expired_leases_of_jobs_to_be_cancelled_are_cancelled(world: World) {
    let user = world.user().await;
    let job = world.enqueue(user, &next_source()).await;
    vanish(&world).await;
    world.store.cancel_job(job.id, None).await.unwrap();
    assert_eq!(world.store.reap_expired().await.unwrap(), Reaped { cancelled: 1, ..Reaped::default() });
    assert_eq!(world.job(job.id).await.status, JobStatus::Cancelled);
}

pub async fn parallel_reapers_take_each_job_back_once(world: World) {
    let users = [world.user().await, world.user().await, world.user().await];
    for n in 0..12 {
        world.enqueue(users[n % 3], &next_source()).await;
        vanish(&world).await;
    }
    let stores = [world.store.clone(), world.another().await];
    let reaped = at_once(4, |n| {
        let store = stores[n % 2].clone();
        async move { store.reap_expired().await.unwrap() }
    })
    .await;
    assert_eq!(reaped.iter().map(|reaped| reaped.requeued).sum::<u64>(), 12);
    for user in users {
        assert_eq!(world.events_after(user, 0).await.len(), 12);
    }
}

pub async fn forfeited_leases_are_free_at_once(world: World) {
    let user = world.user().await;
    let mut jobs = Vec::new();
    let mut claims = Vec::new();
    for _ in 0..2 {
        jobs.push(world.enqueue(user, &next_source()).await.id);
        claims.push(world.claim().await);
    }
    world.store.cancel_job(jobs[1], None).await.unwrap();
    let failed = world.enqueue(user, &next_source()).await.id;
    for attempt in 1..=3 {
        let claimed = world.claim().await;
        assert_eq!((claimed.job.id, claimed.job.attempt), (failed, attempt));
        if attempt < 3 {
            let failure = ImportFailure::new(FailureCode::Timeout, "");
            world.store.fail_job(&claimed.claim, &failure, Some(Duration::ZERO)).await.unwrap();
        }
    }
    world.heard();
    assert_eq!(world.store.forfeit_leases().await.unwrap(), 3);
    assert!(world.heard().contains(&Notice::JobReady));
    assert_eq!(world.job(jobs[0]).await.status, JobStatus::Queued);
    assert_eq!(world.job(jobs[1]).await.status, JobStatus::Cancelled);
    assert_eq!(world.job(failed).await.status, JobStatus::Failed, "a job is not begun for ever");
    let again = world.claim().await;
    assert_eq!((again.job.id, again.job.attempt), (jobs[0], 2));
    assert!(!world.store.release_job(&claims[0].claim).await.unwrap());
    world.store.release_job(&again.claim).await.unwrap();
    assert_eq!(world.store.forfeit_leases().await.unwrap(), 0);
}

pub async fn the_next_due_moment_is_known(world: World) {
    assert_eq!(world.store.next_due_in().await.unwrap(), None);
    let user = world.user().await;
    for delay in [DAY, DAY / 2] {
        world.enqueue(user, &next_source()).await;
        let claimed = world.claim().await;
        let failure = ImportFailure::new(FailureCode::Timeout, "");
        world.store.fail_job(&claimed.claim, &failure, Some(delay)).await.unwrap();
    }
    let due = world.store.next_due_in().await.unwrap().unwrap();
    assert!(due <= DAY / 2 && due > DAY / 2 - Duration::from_secs(60), "{due:?}");
    world.enqueue(user, &next_source()).await;
    assert_eq!(world.store.next_due_in().await.unwrap(), Some(Duration::ZERO));
    world.claim().await;
    assert!(world.store.next_due_in().await.unwrap().unwrap() > Duration::ZERO);
}

/// Workers of two processes.
async fn two_processes(world: &World) -> [Store; 2] {
    [world.store.clone(), world.another().await]
}

pub async fn parallel_claims_never_give_a_job_twice(world: World) {
    let user = world.user().await;
    for _ in 0..40 {
        world.enqueue(user, &next_source()).await;
    }
    let stores = two_processes(&world).await;
    let claimed = at_once(8, |n| {
        let store = stores[n % 2].clone();
        async move {
            let mut claimed = Vec::new();
            while let Some(job) = store.claim_job(&format!("worker {n}"), LEASE).await.unwrap() {
                assert_eq!(job.job.attempt, 1);
                claimed.push(job.job.id);
            }
            claimed
        }
    })
    .await
    .concat();
    assert_eq!(claimed.iter().collect::<HashSet<_>>().len(), claimed.len(), "a job was given twice");
    let mut all = claimed.len();
    // A worker may have looked away while another's claim was still open.
    while world.find_claim().await.is_some() {
        all += 1;
    }
    assert_eq!(all, 40);
}

pub async fn parallel_claims_of_one_source_give_one(world: World) {
    let source = next_source();
    for _ in 0..8 {
        let user = world.user().await;
        world.enqueue(user, &source).await;
    }
    let stores = two_processes(&world).await;
    for left in (1..=8).rev() {
        let claimed = at_once(8, |n| {
            let store = stores[n % 2].clone();
            async move { store.claim_job("a worker", LEASE).await.unwrap() }
        })
        .await;
        let claimed: Vec<ClaimedJob> = claimed.into_iter().flatten().collect();
        assert_eq!(claimed.len(), 1, "with {left} left");
        let published = world.store.publish_import(&claimed[0].claim, song(&source, "One")).await.unwrap();
        done(published);
    }
    let totals = world.store.library_totals().await.unwrap();
    assert_eq!((totals.songs, totals.library_entries), (1, 8));
}

pub async fn a_queue_under_load_imports_each_song_once(world: World) {
    let users = [world.user().await, world.user().await, world.user().await];
    let sources: Vec<_> = (0..10).map(|_| next_source()).collect();
    for source in &sources {
        for user in users {
            world.enqueue(user, source).await;
        }
    }
    let stores = two_processes(&world).await;
    let began = Instant::now();
    at_once(6, |n| {
        let store = stores[n % 2].clone();
        async move {
            let unfinished = async || {
                let stats = store.queue_stats().await.unwrap();
                stats.queued + stats.processing > 0
            };
            while unfinished().await {
                assert!(began.elapsed() < Duration::from_secs(60));
                let Some(job) = store.claim_job("a worker", LEASE).await.unwrap() else { continue };
                if store.link_existing(&job.claim).await.unwrap().is_none() {
                    store
                        .publish_import(&job.claim, song(&job.job.source, "Imported"))
                        .await
                        .map(drop)
                        .unwrap();
                }
            }
        }
    })
    .await;
    let totals = world.store.library_totals().await.unwrap();
    assert_eq!((totals.songs, totals.library_entries), (10, 30));
    let jobs = world.store.list_jobs(&JobFilter::default(), &PageRequest::first(100)).await.unwrap().items;
    assert_eq!(jobs.len(), 30);
    assert!(jobs.iter().all(|job| job.status == JobStatus::Completed && job.attempt == 1));
    for user in users {
        let seen: Vec<i64> = world.events_after(user, 0).await.iter().map(|event| event.seq).collect();
        assert_eq!(seen, (1..=40).collect::<Vec<_>>());
    }
}

pub async fn a_claim_is_fast_with_a_hundred_thousand_jobs(world: World) {
    let user = world.user().await;
    let waiting = world.enqueue(user, &next_source()).await;
    let (numbers, id) = if world.is_sqlite() {
        (
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100000)",
            "randomblob(16)",
        )
    } else {
        ("WITH numbers (n) AS (SELECT generate_series(1, 100000))", "gen_random_uuid()")
    };
    let columns = "user_id, source_provider, title, search_text, status, stage, priority, max_attempts, hints, \
                   created_at, updated_at";
    // Half of them are due, before the first job; half of them wait for tomorrow.
    let fill = format!(
        "{numbers} INSERT INTO jobs (id, source_id, run_at, {columns}) \
         SELECT {id}, 'bulk' || substr('0000000' || CAST(n AS TEXT), -7), \
         CASE WHEN n % 2 = 0 THEN run_at - n ELSE run_at + 86400000000 + n END, {columns} FROM jobs, numbers"
    );
    let fill = if world.is_sqlite() {
        fill
    } else {
        fill.replace("substr('0000000' || CAST(n AS TEXT), -7)", "lpad(CAST(n AS TEXT), 7, '0')")
    };
    let connection = Database::connect(&world.url).await.unwrap();
    connection.execute_unprepared(&fill).await.unwrap();

    let began = Instant::now();
    for n in 0..20 {
        let claimed = world.claim().await;
        assert_eq!(claimed.job.source.id(), format!("bulk{:07}", 100_000 - 2 * n), "the oldest first");
    }
    let each = began.elapsed() / 20;
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(world.store.next_due_in().await.unwrap(), Some(Duration::ZERO));
    }
    let next_due = began.elapsed() / 20;
    println!("with 100,000 jobs a claim takes {each:?}, the next due moment {next_due:?}");
    assert!(each < Duration::from_millis(50), "a claim takes {each:?}");
    assert!(next_due < Duration::from_millis(50), "the next due moment takes {next_due:?}");
    assert_eq!(world.job(waiting.id).await.status, JobStatus::Queued);
}
