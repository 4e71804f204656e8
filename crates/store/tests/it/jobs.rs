//! Import jobs as listeners and administrators see them.

use std::{collections::HashSet, time::Duration};

use songkeep_domain::{
    PageRequest, StoreError,
    bus::Notice,
    event::{EventBody, LibraryChange},
    job::{
        Enqueued, FailureCode, ImportFailure, ImportHints, ImportStage, Job, JobChange, JobFilter,
        JobProgress, JobStatus, JobStore as _, NewImport,
    },
    library::CatalogStore as _,
};

use crate::world::{DAY, World, at_once, done, next_source, now, song, source, told_states, wish};

async fn list(world: &World, filter: JobFilter) -> Vec<Job> {
    world.store.list_jobs(&filter, &PageRequest::first(100)).await.unwrap().items
}

fn failure() -> ImportFailure {
    ImportFailure::new(FailureCode::Private, "a tool's last lines")
}

pub async fn a_wish_becomes_a_queued_job_and_is_told(world: World) {
    let user = world.user().await;
    let source = next_source();
    world.heard();
    let new = NewImport {
        hints: ImportHints { title: Some("A hint".to_owned()), ..ImportHints::default() },
        ..wish(user, &source)
    };
    let Enqueued::Created(job) = world.store.enqueue_import(new.clone()).await.unwrap() else {
        panic!("it is new")
    };
    assert_eq!((job.id, job.user_id, &job.source), (new.id, user, &source));
    assert_eq!((job.title.as_str(), job.status, job.attempt), ("A hint", JobStatus::Queued, 0));
    assert_eq!(job.progress, JobProgress { stage: ImportStage::Queued, percent: 0 });
    assert_eq!((job.failure_code, job.song_id), (None, None));
    assert_eq!(job.created_at, job.updated_at);
    assert_eq!(world.store.find_job(job.id, Some(user)).await.unwrap(), Some(job.clone()));
    let events = world.events_after(user, 0).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].body, EventBody::Job { job: Box::new(job) });
    assert!(world.heard().contains(&Notice::JobReady));
    assert_eq!(world.enqueue(user, &crate::world::source("AAAAAAAAAAA")).await.title, "AAAAAAAAAAA");
}

pub async fn the_same_wish_again_is_the_same_job(world: World) {
    let user = world.user().await;
    let source = next_source();
    let job = world.enqueue(user, &source).await;
    let again = world.store.enqueue_import(wish(user, &source)).await.unwrap();
    assert_eq!(again, Enqueued::Existing(job.clone()));
    let claimed = world.claim().await;
    let again = world.store.enqueue_import(wish(user, &source)).await.unwrap();
    assert_eq!(again, Enqueued::Existing(claimed.job));
    world.store.fail_job(&claimed.claim, &failure(), None).await.unwrap();
    let again = world.store.enqueue_import(wish(user, &source)).await.unwrap();
    assert!(matches!(&again, Enqueued::Created(new) if new.id != job.id), "{again:?}");
}

pub async fn parallel_wishes_of_one_account_make_one_job(world: World) {
    let user = world.user().await;
    let stores = [world.store.clone(), world.another().await];
    for _ in 0..5 {
        let source = next_source();
        let results = at_once(8, |n| {
            let store = stores[n % 2].clone();
            let wish = wish(user, &source);
            async move { store.enqueue_import(wish).await.unwrap() }
        })
        .await;
        let created = results.iter().filter(|result| matches!(result, Enqueued::Created(_))).count();
        let ids: HashSet<_> = results.into_iter().map(|result| result.into_job().id).collect();
        assert_eq!((created, ids.len()), (1, 1));
    }
    assert_eq!(list(&world, JobFilter::default()).await.len(), 5);
    assert_eq!(world.events_after(user, 0).await.len(), 5);
}

pub async fn two_accounts_have_a_job_each_for_one_source(world: World) {
    let source = next_source();
    let users = [world.user().await, world.user().await];
    let jobs = [world.enqueue(users[0], &source).await, world.enqueue(users[1], &source).await];
    assert_ne!(jobs[0].id, jobs[1].id);
    for (user, job) in users.into_iter().zip(jobs) {
        assert_eq!(list(&world, JobFilter { user_id: Some(user), ..JobFilter::default() }).await, [job]);
    }
}

pub async fn an_existing_song_is_linked_at_once(world: World) {
    let [user, other] = [world.user().await, world.user().await];
    let source = next_source();
    let id = world.add(user, &source, song(&source, "There already")).await;
    world.heard();
    let new = NewImport {
        hints: ImportHints {
            title: Some("Not better".to_owned()),
            artist: Some("A name".to_owned()),
            candidate_meta: None,
        },
        ..wish(other, &source)
    };
    let Enqueued::Linked(job) = world.store.enqueue_import(new).await.unwrap() else {
        panic!("the song exists")
    };
    assert_eq!(
        (job.status, job.song_id, job.title.as_str()),
        (JobStatus::Completed, Some(id), "There already")
    );
    assert_eq!(job.progress, JobProgress { stage: ImportStage::Done, percent: 100 });
    let entry = world.store.find_library_song(other, id).await.unwrap().unwrap();
    assert_eq!((entry.title.as_str(), entry.artist.as_deref()), ("There already", Some("A name")));
    let told: Vec<EventBody> =
        world.events_after(other, 0).await.into_iter().map(|event| event.body).collect();
    let added = EventBody::Library { change: LibraryChange::Added, song_id: id, song: Some(Box::new(entry)) };
    assert_eq!(told, [added, EventBody::Job { job: Box::new(job) }]);
    assert!(!world.heard().contains(&Notice::JobReady));
    assert!(world.find_claim().await.is_none());
}

pub async fn a_song_one_has_already_brings_no_second_job(world: World) {
    let user = world.user().await;
    let source = next_source();
    let id = world.add(user, &source, song(&source, "Had")).await;
    let job = list(&world, JobFilter::default()).await.remove(0);
    let seen = world.events_after(user, 0).await.len();
    assert_eq!(world.store.enqueue_import(wish(user, &source)).await.unwrap(), Enqueued::Linked(job.clone()));
    assert_eq!(list(&world, JobFilter::default()).await, std::slice::from_ref(&job));
    assert_eq!(world.events_after(user, 0).await.len(), seen);

    world.store.remove_entry(user, id, now()).await.unwrap();
    let again = world.store.enqueue_import(wish(user, &source)).await.unwrap();
    assert!(matches!(&again, Enqueued::Linked(new) if new.id != job.id), "it comes back: {again:?}");
    assert!(world.store.find_library_song(user, id).await.unwrap().is_some());
}

pub async fn parallel_wishes_for_an_existing_song_make_one_entry(world: World) {
    let [user, other] = [world.user().await, world.user().await];
    let source = next_source();
    world.add(user, &source, song(&source, "There already")).await;
    let stores = [world.store.clone(), world.another().await];
    let results = at_once(8, |n| {
        let store = stores[n % 2].clone();
        let wish = wish(other, &source);
        async move { store.enqueue_import(wish).await.unwrap() }
    })
    .await;
    let ids: HashSet<_> = results.into_iter().map(|result| result.into_job().id).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(world.events_after(other, 0).await.len(), 2);
}

pub async fn jobs_of_others_are_not_found(world: World) {
    let [user, other] = [world.user().await, world.user().await];
    let job = world.enqueue(user, &next_source()).await;
    assert!(world.store.find_job(job.id, Some(other)).await.unwrap().is_none());
    assert_eq!(world.store.cancel_job(job.id, Some(other)).await.unwrap(), JobChange::NotFound);
    assert_eq!(world.store.retry_job(job.id, Some(other)).await.unwrap(), JobChange::NotFound);
    assert_eq!(world.job(job.id).await, job);
    let nothing = songkeep_domain::JobId::new();
    assert!(world.store.find_job(nothing, None).await.unwrap().is_none());
    assert_eq!(world.store.cancel_job(nothing, None).await.unwrap(), JobChange::NotFound);
    assert_eq!(world.store.retry_job(nothing, None).await.unwrap(), JobChange::NotFound);
}

pub async fn jobs_are_listed_newest_first_in_pages(world: World) {
    let user = world.user().await;
    let mut made = Vec::new();
    for _ in 0..7 {
        made.insert(0, world.enqueue(user, &next_source()).await);
    }
    let mut page = PageRequest::first(3);
    let mut listed = Vec::new();
    loop {
        let found = world.store.list_jobs(&JobFilter::default(), &page).await.unwrap();
        listed.extend(found.items);
        let Some(cursor) = found.next_cursor else { break };
        page.cursor = Some(cursor);
    }
    assert_eq!(listed, made);
    page.cursor = Some("e30".to_owned());
    assert!(matches!(world.store.list_jobs(&JobFilter::default(), &page).await, Err(StoreError::BadCursor)));
}

pub async fn jobs_are_filtered_by_account_status_and_words(world: World) {
    let [user, other] = [world.user().await, world.user().await];
    let named = |title: &str, id: &str, user| NewImport {
        hints: ImportHints { title: Some(title.to_owned()), ..ImportHints::default() },
        ..wish(user, &source(id))
    };
    let mine = world.store.enqueue_import(named("Été 100%", "aaaaaaaaaaa", user)).await.unwrap().into_job();
    let theirs = world.store.enqueue_import(named("Winter", "BBBBBBBBBBB", other)).await.unwrap().into_job();
    let theirs = match world.store.cancel_job(theirs.id, None).await.unwrap() {
        JobChange::Changed(job) => job,
        other => panic!("{other:?}"),
    };
    let status = |status| JobFilter { status: Some(status), ..JobFilter::default() };
    assert_eq!(list(&world, status(JobStatus::Queued)).await, std::slice::from_ref(&mine));
    assert_eq!(list(&world, status(JobStatus::Cancelled)).await, std::slice::from_ref(&theirs));
    assert!(list(&world, status(JobStatus::Failed)).await.is_empty());
    let search = |q: &str| JobFilter { q: Some(q.to_owned()), ..JobFilter::default() };
    for (q, expected) in [("ÉTÉ", &mine), ("%", &mine), ("winter", &theirs), ("bbbb", &theirs)] {
        assert_eq!(list(&world, search(q)).await, std::slice::from_ref(expected), "{q}");
    }
    let both = JobFilter { user_id: Some(user), status: Some(JobStatus::Cancelled), q: None };
    assert!(list(&world, both).await.is_empty());
}

pub async fn a_queued_job_is_cancelled_at_once(world: World) {
    let user = world.user().await;
    let job = world.enqueue(user, &next_source()).await;
    let JobChange::Changed(cancelled) = world.store.cancel_job(job.id, Some(user)).await.unwrap() else {
        panic!("it waits");
    };
    assert_eq!(cancelled.status, JobStatus::Cancelled);
    assert_eq!(world.job(job.id).await, cancelled);
    assert_eq!(told_states(&world.events_after(user, 0).await), ["queued/queued/0", "cancelled/done/0"]);
    assert!(world.find_claim().await.is_none());
}

pub async fn a_running_job_is_asked_to_stop(world: World) {
    let user = world.user().await;
    let job = world.enqueue(user, &next_source()).await;
    world.claim().await;
    world.heard();
    for _ in 0..2 {
        let change = world.store.cancel_job(job.id, Some(user)).await.unwrap();
        assert!(
            matches!(&change, JobChange::Changed(job) if job.status == JobStatus::Processing),
            "{change:?}"
        );
        assert_eq!(world.heard(), [Notice::JobCancelRequested { job_id: job.id }]);
    }
}

pub async fn a_finished_job_cannot_be_cancelled(world: World) {
    let user = world.user().await;
    let job = world.enqueue(user, &next_source()).await;
    world.store.cancel_job(job.id, None).await.unwrap();
    let cancelled = world.job(job.id).await;
    assert_eq!(world.store.cancel_job(job.id, None).await.unwrap(), JobChange::NotNow(cancelled));
    world.add_song(user, "Done").await;
    let done = list(&world, JobFilter::default()).await.remove(0);
    assert_eq!(world.store.cancel_job(done.id, None).await.unwrap(), JobChange::NotNow(done));
}

pub async fn a_failed_job_is_tried_again_with_fresh_attempts(world: World) {
    let user = world.user().await;
    let job = world.enqueue(user, &next_source()).await;
    let first = world.claim().await;
    world.store.fail_job(&first.claim, &failure(), None).await.unwrap();
    world.heard();
    let JobChange::Changed(queued) = world.store.retry_job(job.id, Some(user)).await.unwrap() else {
        panic!("it failed");
    };
    assert_eq!((queued.status, queued.attempt, queued.failure_code), (JobStatus::Queued, 0, None));
    assert_eq!((queued.failure_detail.as_deref(), queued.created_at), (None, job.created_at));
    assert!(world.heard().contains(&Notice::JobReady));
    let second = world.claim().await;
    assert_eq!((second.job.id, second.job.attempt), (job.id, 1));
    assert!(second.claim.fence > first.claim.fence);
    assert_eq!(
        world.store.delete_finished_jobs(now().plus(DAY)).await.unwrap(),
        0,
        "it is no finished job any more"
    );
}

pub async fn only_ended_jobs_are_tried_again(world: World) {
    let user = world.user().await;
    let job = world.enqueue(user, &next_source()).await;
    assert_eq!(world.store.retry_job(job.id, None).await.unwrap(), JobChange::NotNow(job.clone()));
    let claimed = world.claim().await;
    assert_eq!(world.store.retry_job(job.id, None).await.unwrap(), JobChange::NotNow(claimed.job.clone()));
    done(world.store.publish_import(&claimed.claim, song(&job.source, "Done")).await.unwrap());
    let completed = world.job(job.id).await;
    assert_eq!(world.store.retry_job(job.id, None).await.unwrap(), JobChange::NotNow(completed));

    let cancelled = world.enqueue(user, &next_source()).await;
    world.store.cancel_job(cancelled.id, None).await.unwrap();
    assert!(matches!(world.store.retry_job(cancelled.id, None).await.unwrap(), JobChange::Changed(_)));
}

pub async fn a_job_is_not_tried_again_beside_a_live_one(world: World) {
    let user = world.user().await;
    let source = next_source();
    let old = world.enqueue(user, &source).await;
    world.store.cancel_job(old.id, None).await.unwrap();
    let old = world.job(old.id).await;
    let live = world.enqueue(user, &source).await;
    assert_eq!(world.store.retry_job(old.id, None).await.unwrap(), JobChange::NotNow(old.clone()));
    assert_eq!(world.job(old.id).await, old);
    world.store.cancel_job(live.id, None).await.unwrap();

    let stores = [world.store.clone(), world.another().await];
    let results = at_once(6, |n| {
        let (store, id) = (stores[n % 2].clone(), [old.id, live.id][n % 2]);
        async move { store.retry_job(id, None).await.unwrap() }
    })
    .await;
    let changed = results.iter().filter(|change| matches!(change, JobChange::Changed(_))).count();
    assert_eq!(changed, 1, "{results:?}");
}

pub async fn the_queue_is_counted(world: World) {
    let user = world.user().await;
    let empty = world.store.queue_stats().await.unwrap();
    assert_eq!((empty.queued, empty.oldest_due_secs), (0, 0.0));
    world.add_song(user, "Completed").await;
    for _ in 0..2 {
        world.enqueue(user, &next_source()).await;
        let claimed = world.claim().await;
        world.store.fail_job(&claimed.claim, &failure(), None).await.unwrap();
    }
    world.enqueue(user, &next_source()).await;
    world.claim().await;
    let cancelled = world.enqueue(user, &next_source()).await;
    world.store.cancel_job(cancelled.id, None).await.unwrap();
    for _ in 0..3 {
        world.enqueue(user, &next_source()).await;
    }
    let stats = world.store.queue_stats().await.unwrap();
    assert_eq!((stats.queued, stats.processing, stats.completed), (3, 1, 1));
    assert_eq!((stats.failed, stats.cancelled), (2, 1));
    assert!((0.0..60.0).contains(&stats.oldest_due_secs));
    let claimed = world.claim().await;
    world.store.fail_job(&claimed.claim, &failure(), Some(DAY)).await.unwrap();
    for _ in 0..2 {
        world.claim().await;
    }
    let stats = world.store.queue_stats().await.unwrap();
    assert_eq!((stats.queued, stats.oldest_due_secs), (1, 0.0), "the one that waits is not due");
}

pub async fn finished_jobs_are_forgotten(world: World) {
    let user = world.user().await;
    let song = world.add_song(user, "Completed").await;
    let cancelled = world.enqueue(user, &next_source()).await;
    world.store.cancel_job(cancelled.id, None).await.unwrap();
    let live = world.enqueue(user, &next_source()).await;
    assert_eq!(world.store.delete_finished_jobs(now().minus(DAY)).await.unwrap(), 0);
    assert_eq!(world.store.delete_finished_jobs(now().plus(DAY)).await.unwrap(), 2);
    assert_eq!(list(&world, JobFilter::default()).await, [live]);
    assert!(world.store.find_library_song(user, song).await.unwrap().is_some());
}

pub async fn the_databases_clock_is_read(world: World) {
    let before = now();
    let database = world.store.database_now().await.unwrap();
    // SQLite's clock counts milliseconds.
    assert!(before.since(database) < Duration::from_millis(2), "{before} {database}");
    assert!(database.since(now()) < Duration::from_millis(2));
}
