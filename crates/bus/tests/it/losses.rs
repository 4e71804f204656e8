//! Redis away, frozen, emptied or refusing; messages that nobody understands.

use std::time::Duration;

use secrecy::SecretString;
use songkeep_bus::{RedisBus, RedisBusError, RedisBusSettings};
use songkeep_domain::bus::{Bus as _, CommitHook as _, Notice};
use songkeep_testkit::redis::RedisServer;
use tokio::time::Instant;

use crate::kit::{
    all_before, bus, bystander, client, connected, next, rule, some_news, until, until_connected, worker,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_starts_without_redis_and_finds_it_later() {
    let mut server = RedisServer::start().unwrap();
    server.stop();
    let bus = bus(&server, worker());
    let mut subscription = bus.subscribe();
    bus.check().await.unwrap_err();
    let news = some_news();
    bus.committed(vec![news.clone(), Notice::JobReady]);
    assert_eq!(next(&mut subscription).await, news);
    assert_eq!(next(&mut subscription).await, Notice::JobReady, "nobody else can be woken");
    server.restart().unwrap();
    until_connected(&bus).await;
    assert_eq!(next(&mut subscription).await, Notice::Lagged);
    bus.publish(Notice::JobReady).await.unwrap();
    assert_eq!(next(&mut subscription).await, Notice::JobReady);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_is_found_again_and_all_learn_that_they_missed_something() {
    let mut server = RedisServer::start().unwrap();
    let buses = [connected(&server, worker()).await, connected(&server, worker()).await];
    let mut subscriptions = buses.each_ref().map(|bus| bus.subscribe());
    for round in 0..2 {
        server.stop();
        for (bus, subscription) in buses.iter().zip(&mut subscriptions) {
            until(async || bus.check().await.is_err()).await;
            let news = some_news();
            let start = Instant::now();
            bus.committed(vec![news.clone()]);
            bus.publish(some_news()).await.unwrap_err();
            bus.check_rate(rule(1, Duration::from_secs(1)), "a").await.unwrap_err();
            assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
            let before = all_before(subscription, &news).await;
            // Later there may be some left from the round before.
            assert!(round > 0 || !before.contains(&Notice::Lagged), "too early");
        }
        server.restart().unwrap();
        for (bus, subscription) in buses.iter().zip(&mut subscriptions) {
            until_connected(bus).await;
            all_before(subscription, &Notice::Lagged).await;
            bus.check_rate(rule(1, Duration::from_secs(1)), "a").await.unwrap();
        }
        let news = some_news();
        buses[0].publish(news.clone()).await.unwrap();
        all_before(&mut subscriptions[1], &news).await;
        buses[0].publish(Notice::JobReady).await.unwrap();
        let [first, second] = &mut subscriptions;
        tokio::select! {
            _ = all_before(first, &Notice::JobReady) => {}
            _ = all_before(second, &Notice::JobReady) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wake_ups_go_on_after_redis_forgot_everything() {
    let server = RedisServer::start().unwrap();
    let gateway = connected(&server, bystander()).await;
    let worker = connected(&server, worker()).await;
    let mut at_worker = worker.subscribe();
    for _ in 0..3 {
        server.flush().unwrap();
        gateway.publish(Notice::JobReady).await.unwrap();
        // Either it, or the one for what may have been missed meanwhile.
        assert_eq!(next(&mut at_worker).await, Notice::JobReady);
        // Those that come next are heard, and by then the group is there.
        until(async || {
            let mut info = redis::cmd("XINFO");
            info.arg("GROUPS").arg("songkeep:jobs");
            let groups: redis::streams::StreamInfoGroupsReply =
                info.query_async(&mut client(&server).await).await.unwrap();
            groups.groups.len() == 1
        })
        .await;
        let end = some_news();
        gateway.publish(end.clone()).await.unwrap();
        all_before(&mut at_worker, &end).await;
        gateway.publish(Notice::JobReady).await.unwrap();
        assert_eq!(next(&mut at_worker).await, Notice::JobReady);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_subscriber_misses_news_of_others_and_hears_so() {
    let server = RedisServer::start().unwrap();
    let tells = connected(&server, bystander()).await;
    let hears = connected(&server, bystander()).await;
    let (mut slow, mut quick) = (hears.subscribe(), hears.subscribe());
    let end = some_news();
    for _ in 0..30 {
        tells.committed((0..99).map(|_| some_news()).collect());
        tells.publish(some_news()).await.unwrap();
    }
    tells.publish(end.clone()).await.unwrap();
    all_before(&mut quick, &end).await;
    assert_eq!(next(&mut slow).await, Notice::Lagged);
    assert!(all_before(&mut slow, &end).await.len() < 1_024);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_while_redis_is_frozen_never_blocks_and_is_bounded() {
    let server = RedisServer::start().unwrap();
    let tells = connected(&server, bystander()).await;
    let hears = connected(&server, bystander()).await;
    let mut at_hears = hears.subscribe();
    server.pause();
    let mut longest = Duration::ZERO;
    let (first, last) = (some_news(), some_news());
    tells.committed(vec![first.clone()]);
    for _ in 0..10_000 {
        let start = Instant::now();
        tells.committed(vec![some_news()]);
        longest = longest.max(start.elapsed());
    }
    tells.committed(vec![last.clone()]);
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    server.resume();
    let end = some_news();
    // The queue may still be full, or the connection be given up.
    until(async || {
        until_connected(&tells).await;
        until_connected(&hears).await;
        tells.publish(end.clone()).await.is_ok()
    })
    .await;
    let heard = all_before(&mut at_hears, &end).await;
    assert!(heard.len() < 5_000, "{} notices were kept", heard.len());
    assert!(!heard.contains(&last), "what was committed while the queue was full is dropped");
    if !heard.contains(&Notice::Lagged) {
        all_before(&mut at_hears, &Notice::Lagged).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_cannot_be_read_may_have_been_anything() {
    let server = RedisServer::start().unwrap();
    let bus = connected(&server, bystander()).await;
    let mut subscription = bus.subscribe();
    let mut client = client(&server).await;
    for message in ["", "junk", "somebody {\"notice\":\"from_the_future\"}"] {
        let mut publish = redis::cmd("PUBLISH");
        let heard_by: u32 =
            publish.arg("songkeep:0:news").arg(message).query_async(&mut client).await.unwrap();
        assert_eq!(heard_by, 1);
        assert_eq!(next(&mut subscription).await, Notice::Lagged);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_without_memory_refuses_wake_ups_and_limits_but_tells_news() {
    let server = RedisServer::start().unwrap();
    let tells = connected(&server, worker()).await;
    let hears = connected(&server, bystander()).await;
    let (mut at_tells, mut at_hears) = (tells.subscribe(), hears.subscribe());
    let mut full = redis::cmd("CONFIG");
    full.arg("SET").arg("maxmemory").arg("1");
    full.exec_async(&mut client(&server).await).await.unwrap();
    tells.check_rate(rule(1, Duration::from_secs(1)), "a").await.unwrap_err();
    tells.publish(Notice::JobReady).await.unwrap_err();
    assert_eq!(next(&mut at_tells).await, Notice::JobReady, "nobody else can be woken");
    let news = some_news();
    tells.publish(news.clone()).await.unwrap();
    let before = all_before(&mut at_hears, &news).await;
    assert!(before.iter().all(|notice| *notice == Notice::Lagged), "{before:?}");
    tells.check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_error_shows_a_password() {
    let server = RedisServer::start().unwrap();
    let address = server.url().replace("redis://", "");
    for url in [
        "http://:s3cret@localhost",
        "s3cret",
        "",
        "redis://user:s3cret@",
        "redis://:s3cret/with#a?slash@localhost",
        "redis://:s3cret@localhost/s3cret",
        "redis://:s3cret@localhost/?protocol=s3cret",
        "redis://:s3cret%FF@localhost",
        "redis://:s3cret@0.0.0.0",
        "rediss://:s3cret@localhost/#insecure",
        "rediss://:s3cret@localhost/#s3cret",
        "redis://:s3cret@localhost:99999",
    ] {
        let error = RedisBus::connect(&SecretString::from(url), bystander()).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(matches!(error, RedisBusError::Url(_)), "{url}: {text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
    // A password that the server does not want.
    let url = SecretString::from(format!("redis://:s3cret@{address}"));
    let bus = RedisBus::connect(&url, bystander()).unwrap();
    let error = bus.check().await.unwrap_err();
    let text = format!("{error} {error:?} {bus:?} {:?}", std::error::Error::source(&error));
    assert!(!text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn namespaces_are_plain_words() {
    let url = SecretString::from("redis://localhost");
    let long = "a".repeat(65);
    for namespace in ["", "a b", "a*", "ü", "a\n", long.as_str()] {
        let settings = RedisBusSettings { namespace: namespace.to_owned(), ..bystander() };
        let error = RedisBus::connect(&url, settings).unwrap_err();
        assert!(matches!(error, RedisBusError::Namespace), "{error}");
    }
}
