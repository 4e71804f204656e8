//! Working on jobs: claims, heartbeats, how attempts end, and what a lost claim may not do.

use std::time::{Duration, Instant};

use songkeep_domain::{
    bus::Notice,
    event::EventBody,
    job::{
        Claim, FailureCode, Heartbeat, ImportFailure, ImportHints, ImportStage, JobProgress, JobStatus,
        JobStore as _, NewImport, Published,
    },
    library::CatalogStore as _,
    song::{NewSong, SongMetadata},
};

use crate::world::{DAY, LEASE, World, done, next_source, song, told_states, wish};

const DOWNLOADING: JobProgress = JobProgress { stage: ImportStage::Download, percent: 30 };

fn failure() -> ImportFailure {
    ImportFailure::new(FailureCode::RateLimited, "HTTP 429\0")
}

/// A claim of a job whose lease ran out and that waits again.
async fn lost_claim(world: &World) -> Claim {
    let claimed = world.store.claim_job("a worker that vanished", Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(world.store.reap_expired().await.unwrap().requeued, 1);
    claimed.claim
}

pub async fn a_claim_holds_all_that_the_work_needs(world: World) {
    let user = world.user().await;
    let source = next_source();
    let hints = ImportHints {
        title: Some("A \"hint\"".to_owned()),
        artist: None,
        candidate_meta: Some(serde_json::json!({ "a": [1, "é", null, "\u{0}"] })),
    };
    let new = NewImport {
        hints: hints.clone(),
        max_attempts: 7,
        traceparent: Some("00-trace".to_owned()),
        ..wish(user, &source)
    };
    world.store.enqueue_import(new.clone()).await.unwrap();
    let claimed = world.claim().await;
    assert_eq!((claimed.claim.job_id, claimed.job.id), (new.id, new.id));
    assert_eq!((claimed.job.status, claimed.job.attempt), (JobStatus::Processing, 1));
    assert_eq!(claimed.job.progress, JobProgress { stage: ImportStage::Resolve, percent: 0 });
    assert_eq!((claimed.hints, claimed.max_attempts), (hints, 7));
    assert_eq!(claimed.traceparent.as_deref(), Some("00-trace"));
    assert!(claimed.waited < Duration::from_secs(60));
    assert_eq!(world.job(new.id).await, claimed.job);
    let told = world.events_after(user, 1).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].body, EventBody::Job { job: Box::new(claimed.job) });
    assert!(world.find_claim().await.is_none());
}

pub async fn jobs_are_claimed_in_the_order_they_came(world: World) {
    let user = world.user().await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.push(world.enqueue(user, &next_source()).await.id);
        let now = world.store.database_now().await.unwrap();
        // SQLite's clock counts milliseconds.
        while world.store.database_now().await.unwrap() == now {}
    }
    for expected in waiting {
        assert_eq!(world.claim().await.job.id, expected);
    }
}

pub async fn one_source_is_worked_on_by_one(world: World) {
    let source = next_source();
    let [first, second] = [world.user().await, world.user().await];
    world.enqueue(first, &source).await;
    let waiting = world.enqueue(second, &source).await;
    let running = world.claim().await;
    assert!(world.find_claim().await.is_none());
    let other = world.enqueue(first, &next_source()).await;
    assert_eq!(world.claim().await.job.id, other.id, "others pass by");
    assert_eq!(world.store.next_due_in().await.unwrap(), Some(Duration::ZERO));
    world.store.fail_job(&running.claim, &failure(), Some(DAY)).await.unwrap();
    assert_eq!(world.claim().await.job.id, waiting.id);
}

pub async fn a_heartbeat_tells_only_of_changes(world: World) {
    let user = world.user().await;
    world.enqueue(user, &next_source()).await;
    let claimed = world.claim().await;
    let beat = async |progress: JobProgress, title: Option<&str>| {
        let answer = world.store.heartbeat(&claimed.claim, LEASE, progress, title).await.unwrap();
        assert_eq!(answer, Heartbeat::Extended { cancel_requested: false });
    };
    beat(claimed.job.progress, None).await;
    beat(DOWNLOADING, None).await;
    beat(DOWNLOADING, None).await;
    beat(DOWNLOADING, Some("Its title")).await;
    beat(DOWNLOADING, Some("Its title")).await;
    beat(JobProgress { percent: 31, ..DOWNLOADING }, None).await;
    let told = world.events_after(user, 0).await;
    assert_eq!(
        told_states(&told),
        [
            "queued/queued/0",
            "processing/resolve/0",
            "processing/download/30",
            "processing/download/30",
            "processing/download/31"
        ]
    );
    let job = world.job(claimed.job.id).await;
    assert_eq!((job.title.as_str(), job.progress.percent), ("Its title", 31));
    assert_eq!(told.last().unwrap().body, EventBody::Job { job: Box::new(job) });
}

pub async fn a_heartbeat_hears_of_cancellation(world: World) {
    let user = world.user().await;
    let job = world.enqueue(user, &next_source()).await;
    let claimed = world.store.claim_job("a worker", Duration::ZERO).await.unwrap().unwrap();
    world.store.cancel_job(job.id, None).await.unwrap();
    let answer = world.store.heartbeat(&claimed.claim, LEASE, DOWNLOADING, None).await.unwrap();
    assert_eq!(answer, Heartbeat::Extended { cancel_requested: true });
    assert_eq!(world.store.reap_expired().await.unwrap().cancelled, 0, "the lease was extended in time");
}

pub async fn a_publication_writes_song_entry_and_job_together(world: World) {
    let user = world.user().await;
    let source = next_source();
    let job = world.enqueue(user, &source).await;
    let claimed = world.claim().await;
    let new = song(&source, "Published");
    assert_eq!(done(world.store.publish_import(&claimed.claim, new.clone()).await.unwrap()), new.id);
    let job = world.job(job.id).await;
    assert_eq!(
        (job.status, job.song_id, job.title.as_str()),
        (JobStatus::Completed, Some(new.id), "Published")
    );
    assert_eq!(job.progress, JobProgress { stage: ImportStage::Done, percent: 100 });
    let entry = world.store.find_library_song(user, new.id).await.unwrap().unwrap();
    let told = world.events_after(user, 2).await;
    assert_eq!(told.len(), 2);
    assert!(matches!(&told[0].body, EventBody::Library { song: Some(song), .. } if **song == entry));
    assert_eq!(told[1].body, EventBody::Job { job: Box::new(job) });
    let again = world.store.publish_import(&claimed.claim, song(&source, "Again")).await.unwrap();
    assert_eq!(again, Published::Lost);
}

pub async fn a_song_that_exists_by_now_is_linked_instead(world: World) {
    let source = next_source();
    let [first, second] = [world.user().await, world.user().await];
    world.enqueue(first, &source).await;
    world.enqueue(second, &source).await;
    let slow = lost_claim(&world).await;
    let claimed = world.claim().await;
    let kept = done(world.store.publish_import(&claimed.claim, song(&source, "Kept")).await.unwrap());
    assert_eq!(world.store.publish_import(&slow, song(&source, "Late")).await.unwrap(), Published::Lost);
    let claimed = world.claim().await;
    let linked = done(world.store.publish_import(&claimed.claim, song(&source, "Dropped")).await.unwrap());
    assert_eq!(linked, kept);
    for user in [first, second] {
        assert_eq!(world.store.find_library_song(user, kept).await.unwrap().unwrap().title, "Kept");
    }
    assert_eq!(world.job(claimed.job.id).await.title, "Kept");
    assert_eq!(world.store.library_totals().await.unwrap().songs, 1);
}

pub async fn a_job_is_linked_to_the_song_of_another(world: World) {
    let source = next_source();
    let [first, second] = [world.user().await, world.user().await];
    world.enqueue(first, &source).await;
    world.enqueue(second, &source).await;
    let claimed = world.claim().await;
    assert_eq!(world.store.link_existing(&claimed.claim).await.unwrap(), None);
    assert_eq!(world.job(claimed.job.id).await.status, JobStatus::Processing);
    let song = done(world.store.publish_import(&claimed.claim, song(&source, "Shared")).await.unwrap());
    let claimed = world.claim().await;
    let linked = world.store.link_existing(&claimed.claim).await.unwrap();
    assert_eq!(linked, Some(Published::Done { song_id: song }));
    let job = world.job(claimed.job.id).await;
    assert_eq!((job.status, job.song_id), (JobStatus::Completed, Some(song)));
    assert_eq!(world.store.link_existing(&claimed.claim).await.unwrap(), Some(Published::Lost));
    for user in [first, second] {
        assert!(world.store.find_library_song(user, song).await.unwrap().is_some());
    }
}

pub async fn hints_fill_only_what_the_source_does_not_say(world: World) {
    let user = world.user().await;
    let hints = ImportHints {
        title: Some("Hinted title".to_owned()),
        artist: Some("Hinted artist".to_owned()),
        candidate_meta: None,
    };
    let mut entries = Vec::new();
    for (title, artist) in [("Said title", Some("Said artist")), ("", None)] {
        let source = next_source();
        world.store.enqueue_import(NewImport { hints: hints.clone(), ..wish(user, &source) }).await.unwrap();
        let metadata = SongMetadata {
            title: title.to_owned(),
            artist: artist.map(str::to_owned),
            ..SongMetadata::default()
        };
        let claimed = world.claim().await;
        let new = NewSong { metadata: metadata.clone(), ..song(&source, "") };
        let id = done(world.store.publish_import(&claimed.claim, new).await.unwrap());
        let entry = world.store.find_library_song(user, id).await.unwrap().unwrap();
        assert_eq!(entry.song.metadata, metadata, "the shared song is left alone");
        entries.push((entry.title, entry.artist.unwrap()));
    }
    let expected = [("Said title", "Said artist"), ("Hinted title", "Hinted artist")];
    assert_eq!(entries, expected.map(|(title, artist)| (title.to_owned(), artist.to_owned())));
}

pub async fn a_lost_claim_can_write_nothing(world: World) {
    let user = world.user().await;
    let source = next_source();
    let job = world.enqueue(user, &source).await;
    let stale = lost_claim(&world).await;
    let invented = Claim { job_id: songkeep_domain::JobId::new(), fence: 1 };
    let waiting = world.job(job.id).await;
    let current = world.claim().await;
    let running = world.job(job.id).await;
    let seen = world.events_after(user, 0).await.len();
    for claim in [&stale, &invented] {
        let store = &world.store;
        assert_eq!(store.heartbeat(claim, LEASE, DOWNLOADING, Some("x")).await.unwrap(), Heartbeat::Lost);
        assert_eq!(store.publish_import(claim, song(&source, "x")).await.unwrap(), Published::Lost);
        assert_eq!(store.link_existing(claim).await.unwrap(), Some(Published::Lost));
        assert!(!store.fail_job(claim, &failure(), None).await.unwrap());
        assert!(!store.fail_job(claim, &failure(), Some(DAY)).await.unwrap());
        assert!(!store.finish_cancelled(claim).await.unwrap());
        assert!(!store.release_job(claim).await.unwrap());
    }
    assert_eq!(world.job(job.id).await, running);
    assert_eq!(world.events_after(user, 0).await.len(), seen);
    assert_eq!(world.store.library_totals().await.unwrap().songs, 0);

    // A claim is lost too while nobody else has the job.
    world.store.release_job(&current.claim).await.unwrap();
    assert!(!world.store.release_job(&current.claim).await.unwrap());
    assert_eq!(world.job(job.id).await.status, waiting.status);
}

pub async fn a_failure_that_passes_waits_as_queued(world: World) {
    let user = world.user().await;
    let job = world.enqueue(user, &next_source()).await;
    let claimed = world.claim().await;
    world.store.heartbeat(&claimed.claim, LEASE, DOWNLOADING, None).await.unwrap();
    world.heard();
    assert!(world.store.fail_job(&claimed.claim, &failure(), Some(DAY)).await.unwrap());
    let job = world.job(job.id).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Queued, 1));
    assert_eq!(job.progress, JobProgress { stage: ImportStage::Queued, percent: 0 });
    assert_eq!(
        (job.failure_code, job.failure_detail.as_deref()),
        (Some(FailureCode::RateLimited), Some("HTTP 429"))
    );
    assert!(world.find_claim().await.is_none());
    let due = world.store.next_due_in().await.unwrap().unwrap();
    assert!(due <= DAY && due > DAY - Duration::from_secs(60));
    assert!(!world.heard().contains(&Notice::JobReady));
    let told = told_states(&world.events_after(user, 0).await);
    assert!(told.iter().all(|state| !state.starts_with("failed")), "{told:?}");
}

pub async fn a_retry_is_claimed_when_it_is_due(world: World) {
    let user = world.user().await;
    let job = world.enqueue(user, &next_source()).await;
    let first = world.claim().await;
    world.store.fail_job(&first.claim, &failure(), Some(Duration::from_millis(200))).await.unwrap();
    let began = Instant::now();
    let second = loop {
        if let Some(claimed) = world.find_claim().await {
            break claimed;
        }
        assert!(began.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(began.elapsed() > Duration::from_millis(150));
    assert_eq!((second.job.id, second.job.attempt), (job.id, 2));
    assert_eq!((second.job.failure_code, second.job.failure_detail), (None, None));
    assert!(second.claim.fence > first.claim.fence);
    world.heard();
    world.store.fail_job(&second.claim, &failure(), Some(Duration::ZERO)).await.unwrap();
    assert!(world.heard().contains(&Notice::JobReady));
    assert_eq!(world.claim().await.job.attempt, 3);
}

pub async fn a_failure_for_good_ends_the_job(world: World) {
    let user = world.user().await;
    let job = world.enqueue(user, &next_source()).await;
    let claimed = world.claim().await;
    assert!(world.store.fail_job(&claimed.claim, &failure(), None).await.unwrap());
    let job = world.job(job.id).await;
    assert_eq!((job.status, job.failure_code), (JobStatus::Failed, Some(FailureCode::RateLimited)));
    assert_eq!(job.failure_detail.as_deref(), Some("HTTP 429"));
    assert!(world.find_claim().await.is_none());
    assert_eq!(world.store.next_due_in().await.unwrap(), None);
    let told = world.events_after(user, 2).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].body, EventBody::Job { job: Box::new(job) });
}

pub async fn a_job_that_fails_while_being_cancelled_is_cancelled(world: World) {
    let user = world.user().await;
    let job = world.enqueue(user, &next_source()).await;
    let claimed = world.claim().await;
    world.store.cancel_job(job.id, None).await.unwrap();
    assert!(world.store.fail_job(&claimed.claim, &failure(), Some(Duration::ZERO)).await.unwrap());
    assert_eq!(world.job(job.id).await.status, JobStatus::Cancelled);
}

pub async fn a_released_attempt_does_not_count(world: World) {
    let user = world.user().await;
    let job = world.enqueue(user, &next_source()).await;
    for _ in 0..5 {
        let claimed = world.claim().await;
        assert_eq!(claimed.job.attempt, 1);
        world.heard();
        assert!(world.store.release_job(&claimed.claim).await.unwrap());
        assert!(world.heard().contains(&Notice::JobReady));
    }
    let released = world.job(job.id).await;
    assert_eq!((released.status, released.attempt), (JobStatus::Queued, 0));
    world.enqueue(user, &next_source()).await;
    assert_eq!(world.claim().await.job.id, job.id, "it keeps its place");
}

pub async fn a_released_job_that_was_to_be_cancelled_is_cancelled(world: World) {
    let user = world.user().await;
    let job = world.enqueue(user, &next_source()).await;
    let claimed = world.claim().await;
    world.store.cancel_job(job.id, None).await.unwrap();
    assert!(world.store.release_job(&claimed.claim).await.unwrap());
    assert_eq!(world.job(job.id).await.status, JobStatus::Cancelled);
}

pub async fn a_finished_cancellation_ends_the_job(world: World) {
    let user = world.user().await;
    let job = world.enqueue(user, &next_source()).await;
    let claimed = world.claim().await;
    world.store.cancel_job(job.id, None).await.unwrap();
    assert!(world.store.finish_cancelled(&claimed.claim).await.unwrap());
    let job = world.job(job.id).await;
    assert_eq!(job.status, JobStatus::Cancelled);
    let told = world.events_after(user, 2).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].body, EventBody::Job { job: Box::new(job.clone()) });
    world.store.retry_job(job.id, None).await.unwrap();
    let again = world.claim().await;
    let answer = world.store.heartbeat(&again.claim, LEASE, DOWNLOADING, None).await.unwrap();
    assert_eq!(answer, Heartbeat::Extended { cancel_requested: false }, "the old wish is forgotten");
}
