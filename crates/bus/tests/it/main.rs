//! What any bus promises, tried on the one inside a process.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _};
use songkeep_bus::LocalBus;
use songkeep_domain::{
    SessionId, UserId,
    bus::{Bus as _, CommitHook as _, Notice, RateDecision, RateRule},
};

#[tokio::test]
async fn every_subscriber_hears_everything_from_then_on_in_order() {
    let bus = LocalBus::new();
    bus.publish(Notice::JobReady).await.unwrap();
    let (mut first, mut second) = (bus.subscribe(), bus.subscribe());
    let session_id = SessionId::new();
    let user_id = UserId::new();
    let notices = vec![Notice::SessionEnded { session_id }, Notice::UserChanged { user_id }];
    bus.committed(notices.clone());
    bus.publish(Notice::JobReady).await.unwrap();
    for subscriber in [&mut first, &mut second] {
        for notice in &notices {
            assert_eq!(subscriber.next().await.as_ref(), Some(notice));
        }
        assert_eq!(subscriber.next().await, Some(Notice::JobReady));
        assert_eq!(subscriber.next().now_or_never(), None);
    }
}

#[tokio::test]
async fn telling_nobody_is_no_error() {
    let bus = LocalBus::new();
    bus.committed(vec![Notice::JobReady; 10_000]);
    bus.publish(Notice::JobReady).await.unwrap();
    bus.check().await.unwrap();
}

#[tokio::test]
async fn a_slow_subscriber_hears_once_that_it_missed_something_and_goes_on() {
    let bus = LocalBus::new();
    let (mut slow, mut quick) = (bus.subscribe(), bus.subscribe());
    let user_id = UserId::new();
    for _ in 0..10_000 {
        bus.publish(Notice::JobReady).await.unwrap();
        assert_eq!(quick.next().await, Some(Notice::JobReady), "others are not slowed down");
    }
    assert_eq!(slow.next().await, Some(Notice::Lagged));
    bus.publish(Notice::UserChanged { user_id }).await.unwrap();
    let last = Notice::UserChanged { user_id };
    let mut rest = Vec::new();
    while rest.last() != Some(&last) {
        rest.push(slow.next().await.unwrap());
    }
    let lags = rest.iter().filter(|notice| **notice == Notice::Lagged).count();
    // Publishing while it is at the limit costs it at most one more.
    assert!(lags <= 1, "{lags}");
    assert!(rest.len() <= 1_100, "{} notices are kept", rest.len());
}

#[tokio::test]
async fn a_subscription_lives_as_long_as_the_bus() {
    let bus = LocalBus::new();
    let mut subscriber = bus.subscribe();
    assert_eq!(subscriber.next().now_or_never(), None);
    drop(bus);
    assert_eq!(subscriber.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_at_once_get_the_burst_and_no_more() {
    let bus = LocalBus::new();
    let rule = RateRule { name: "signin_ip", burst: 20, period: Duration::from_secs(3_600) };
    let calls = (0..200).map(|_| {
        let bus = Arc::clone(&bus);
        tokio::spawn(async move { bus.check_rate(rule, "192.0.2.7").await.unwrap() })
    });
    let decisions = futures::future::join_all(calls).await;
    let allowed =
        decisions.into_iter().filter(|decision| *decision.as_ref().unwrap() == RateDecision::Allowed);
    assert_eq!(allowed.count(), 20);
}
