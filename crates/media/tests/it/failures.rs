use std::time::Duration;

use secrecy::SecretString;
use songkeep_domain::job::FailureCode;
use songkeep_testkit::fake_youtube::Behaviour;

use crate::world::World;

#[tokio::test]
async fn each_refusal_of_the_source_has_its_class() {
    let world = World::new().await;
    let id = world.fake.videos()[0].id.clone();
    for (number, (behaviour, code)) in [
        (Behaviour::Unavailable, FailureCode::Unavailable),
        (Behaviour::Private, FailureCode::Private),
        (Behaviour::AgeRestricted, FailureCode::AgeRestricted),
        (Behaviour::GeoBlocked, FailureCode::GeoBlocked),
        (Behaviour::BotCheck, FailureCode::BotCheck),
        (Behaviour::Live, FailureCode::Live),
        (Behaviour::TooLong, FailureCode::TooLong),
        (Behaviour::NoFormats, FailureCode::NoFormat),
    ]
    .into_iter()
    .enumerate()
    {
        world.fake.set(&id, behaviour);
        let failure = world.fetch(&id, &format!("job-{number}")).await.unwrap_err();
        assert_eq!(failure.code, code, "{behaviour:?}: {failure}");
        assert!(!failure.detail.is_empty());
    }
    assert_eq!(world.fake.media_downloads(&id), 0);
    world.fake.set(&id, Behaviour::Normal);
    world.fetch(&id, "at-last").await.unwrap();
    assert_eq!(world.pool.worker_pids().len(), 1, "no failure costs a worker");
}

#[tokio::test]
async fn failures_that_pass_have_their_classes_too() {
    let world = World::new().await;
    let id = world.fake.videos()[0].id.clone();
    for (number, (behaviour, code)) in [
        (Behaviour::RateLimited, FailureCode::RateLimited),
        (Behaviour::ServerError, FailureCode::Timeout),
        (Behaviour::Forbidden, FailureCode::ToolBroken),
    ]
    .into_iter()
    .enumerate()
    {
        world.fake.set(&id, behaviour);
        let failure = world.fetch(&id, &format!("job-{number}")).await.unwrap_err();
        assert_eq!(failure.code, code, "{behaviour:?}: {failure}");
        assert!(failure.code.is_transient());
    }
}

#[tokio::test]
async fn a_download_that_never_gets_whole_is_no_song() {
    let world = World::new().await;
    let id = world.fake.videos()[0].id.clone();
    world.fake.set(&id, Behaviour::Truncated);
    let failure = world.fetch(&id, "job").await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Timeout, "{failure}");
}

#[tokio::test]
async fn a_download_that_falls_silent_is_given_up() {
    let world = World::with(|pool, _| pool.stall_timeout = Duration::from_secs(8)).await;
    let id = world.fake.videos()[0].id.clone();
    world.fake.set(&id, Behaviour::Hangs);
    let failure = world.fetch(&id, "job").await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Timeout, "{failure}");
}

#[tokio::test]
async fn a_recording_over_the_limits_is_refused() {
    let world = World::with(|pool, limits| {
        pool.max_bytes = 4096;
        limits.max_bytes = 4096;
    })
    .await;
    let failure = world.fetch(&world.fake.videos()[0].id, "large").await.unwrap_err();
    assert_eq!(failure.code, FailureCode::TooLarge, "{failure}");

    let world = World::with(|_, limits| limits.max_duration_sec = 1).await;
    let failure = world.fetch(&world.fake.videos()[0].id, "long").await.unwrap_err();
    assert_eq!(failure.code, FailureCode::TooLong, "{failure}");
}

#[tokio::test]
async fn a_proxy_that_is_down_is_not_the_sources_fault() {
    let world = World::with(|pool, _| {
        pool.upstream_proxy = Some(SecretString::from("http://keeper:s3cret@127.0.0.1:9"));
    })
    .await;
    let failure = world.fetch(&world.fake.videos()[0].id, "job").await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Internal, "{failure}");
    assert!(!failure.detail.contains("s3cret"), "{failure}");
    assert!(world.fake.contacted_hosts().is_empty());
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let world = World::with(|pool, _| pool.ca_file = None).await;
    let failure = world.fetch(&world.fake.videos()[0].id, "job").await.unwrap_err();
    assert!(failure.detail.contains("CERTIFICATE_VERIFY_FAILED"), "{failure}");
    assert_eq!(world.fake.media_downloads(&world.fake.videos()[0].id), 0);
}
