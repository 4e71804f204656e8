//! What reaches whom.

use std::time::Duration;

use futures::stream::BoxStream;
use songkeep_bus::RedisBusSettings;
use songkeep_domain::{
    JobId, SessionId,
    bus::{Bus as _, CommitHook as _, Notice},
};
use songkeep_testkit::redis::RedisServer;

use crate::kit::{all_before, bystander, client, connected, consumers, next, some_news, until, worker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_buses_hear_each_other_and_themselves_once() {
    let server = RedisServer::start().unwrap();
    let one = connected(&server, worker()).await;
    let other = connected(&server, bystander()).await;
    let (mut at_one, mut at_other) = (one.subscribe(), other.subscribe());
    let notices = vec![
        Notice::SessionEnded { session_id: SessionId::new() },
        Notice::JobCancelRequested { job_id: JobId::new() },
        some_news(),
    ];
    one.committed(notices[..2].to_vec());
    one.publish(notices[2].clone()).await.unwrap();
    let end = some_news();
    assert_eq!(all_before(&mut at_other, &notices[2]).await, notices[..2]);
    // What comes back to the first is before this, and would be heard twice.
    other.publish(end.clone()).await.unwrap();
    assert_eq!(all_before(&mut at_one, &end).await, notices);
    assert_eq!(all_before(&mut at_other, &end).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_wake_up_wakes_one_of_those_who_want_jobs() {
    let server = RedisServer::start().unwrap();
    let gateway = connected(&server, bystander()).await;
    let workers = [connected(&server, worker()).await, connected(&server, worker()).await];
    let mut at_gateway = gateway.subscribe();
    let mut at_workers = workers.each_ref().map(|worker| worker.subscribe());
    let mut woken = [0, 0];
    for round in 0..20 {
        // Also when it comes from one of them.
        match round % 3 {
            0 => gateway.committed(vec![Notice::JobReady]),
            1 => gateway.publish(Notice::JobReady).await.unwrap(),
            _ => workers[0].committed(vec![Notice::JobReady]),
        }
        let [first, second] = &mut at_workers;
        let (who, notice) = tokio::select! {
            notice = next(first) => (0, notice),
            notice = next(second) => (1, notice),
        };
        assert_eq!(notice, Notice::JobReady);
        woken[who] += 1;
    }
    assert!(woken.iter().all(|times| *times > 0), "both take their share: {woken:?}");
    let end = some_news();
    gateway.publish(end.clone()).await.unwrap();
    for subscription in at_workers.iter_mut().chain([&mut at_gateway]) {
        assert_eq!(all_before(subscription, &end).await, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wake_ups_from_before_the_first_worker_are_not_heard_and_few_are_kept() {
    let server = RedisServer::start().unwrap();
    let gateway = connected(&server, bystander()).await;
    for _ in 0..30 {
        gateway.committed(vec![Notice::JobReady; 99]);
        gateway.publish(Notice::JobReady).await.unwrap();
    }
    let kept: usize =
        redis::cmd("XLEN").arg("songkeep:jobs").query_async(&mut client(&server).await).await.unwrap();
    assert!((1_000..=1_200).contains(&kept), "{kept}");
    let worker = connected(&server, worker()).await;
    let mut at_worker = worker.subscribe();
    gateway.publish(Notice::JobReady).await.unwrap();
    assert_eq!(next(&mut at_worker).await, Notice::JobReady);
    let end = some_news();
    gateway.publish(end.clone()).await.unwrap();
    assert_eq!(all_before(&mut at_worker, &end).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_namespaces_and_databases_are_not_heard() {
    let server = RedisServer::start().unwrap();
    let named = RedisBusSettings { namespace: "another".to_owned(), ..worker() };
    let here = connected(&server, worker()).await;
    let there = connected(&server, named).await;
    let second_database = secrecy::SecretString::from(format!("{}/1", server.url()));
    let below = songkeep_bus::RedisBus::connect(&second_database, worker()).unwrap();
    until(async || below.check().await.is_ok()).await;
    let mut at_others = [there.subscribe(), below.subscribe()];
    let mut at_here = here.subscribe();
    here.publish(some_news()).await.unwrap();
    here.publish(Notice::JobReady).await.unwrap();
    all_before(&mut at_here, &Notice::JobReady).await;
    for (other, subscription) in [&there, &below].into_iter().zip(&mut at_others) {
        let end = some_news();
        other.publish(end.clone()).await.unwrap();
        assert_eq!(all_before(subscription, &end).await, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_closes_tells_all_and_leaves_the_readers_of_wake_ups() {
    let server = RedisServer::start().unwrap();
    let stays = connected(&server, worker()).await;
    let leaves = connected(&server, worker()).await;
    let mut client = client(&server).await;
    // Some versions of Redis know a reader only after its first wake-up.
    until(async || {
        stays.publish(Notice::JobReady).await.unwrap();
        consumers(&mut client).await.len() == 2
    })
    .await;
    let (mut at_stays, mut at_leaves) = (stays.subscribe(), leaves.subscribe());
    let notices: Vec<Notice> = (0..500).map(|_| some_news()).collect();
    leaves.committed(notices.clone());
    leaves.close().await;
    assert_eq!(consumers(&mut client).await.len(), 1);
    let last = some_news();
    // By another, so that it comes the same way as what was told before it.
    connected(&server, bystander()).await.publish(last.clone()).await.unwrap();
    assert_eq!(news_before(&mut at_stays, &last).await, notices);
    leaves.check().await.unwrap_err();
    leaves.publish(last.clone()).await.unwrap_err();
    leaves.close().await;
    assert_eq!(news_before(&mut at_leaves, &last).await, notices, "within the process the bus goes on");

    let dropped = connected(&server, worker()).await;
    until(async || {
        stays.publish(Notice::JobReady).await.unwrap();
        consumers(&mut client).await.len() == 2
    })
    .await;
    drop(dropped);
    until(async || consumers(&mut client).await.len() == 1).await;
}

async fn news_before(subscription: &mut BoxStream<'static, Notice>, last: &Notice) -> Vec<Notice> {
    let mut heard = all_before(subscription, last).await;
    heard.retain(|notice| *notice != Notice::JobReady);
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_wake_ups_that_are_gone_are_forgotten() {
    let server = RedisServer::start().unwrap();
    let mut client = client(&server).await;
    let forget = Duration::from_secs(3_600);
    let lives = connected(&server, worker()).await;
    for name in ["gone", "gone too"] {
        let mut create = redis::cmd("XGROUP");
        create.arg("CREATECONSUMER").arg("songkeep:jobs").arg("workers").arg(name);
        create.exec_async(&mut client).await.unwrap();
    }
    let patient = connected(&server, RedisBusSettings { forget_consumers_after: forget, ..worker() }).await;
    assert!(consumers(&mut client).await.iter().any(|name| name == "gone"));
    patient.close().await;
    until(async || {
        let settings = RedisBusSettings { forget_consumers_after: Duration::from_millis(20), ..worker() };
        let cleaner = connected(&server, settings).await;
        cleaner.close().await;
        !consumers(&mut client).await.iter().any(|name| name.starts_with("gone"))
    })
    .await;
    // Whoever is forgotten by mistake comes back.
    let mut at_lives = lives.subscribe();
    lives.publish(Notice::JobReady).await.unwrap();
    assert_eq!(next(&mut at_lives).await, Notice::JobReady);
}
