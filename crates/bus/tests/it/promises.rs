//! What any bus promises.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _};
use songkeep_domain::{
    JobId, SessionId,
    bus::{Notice, RateDecision},
};

use crate::kit::{Subject, all_before, next, rule, some_news, soon};

pub async fn every_subscriber_hears_everything_from_then_on_in_order(Subject { bus, _server }: Subject) {
    bus.publish(some_news()).await.unwrap();
    let (mut first, mut second) = (bus.subscribe(), bus.subscribe());
    let mut notices = vec![
        Notice::SessionEnded { session_id: SessionId::new() },
        some_news(),
        Notice::JobCancelRequested { job_id: JobId::new() },
        Notice::Lagged,
    ];
    bus.committed(notices.clone());
    notices.push(some_news());
    bus.publish(notices[4].clone()).await.unwrap();
    for subscriber in [&mut first, &mut second] {
        for notice in &notices {
            assert_eq!(subscriber.next().now_or_never().flatten().as_ref(), Some(notice), "at once");
        }
        assert_eq!(subscriber.next().now_or_never(), None);
    }
}

pub async fn a_wake_up_for_jobs_is_heard(Subject { bus, _server }: Subject) {
    let mut subscriber = bus.subscribe();
    bus.committed(vec![Notice::JobReady]);
    assert_eq!(next(&mut subscriber).await, Notice::JobReady);
    bus.publish(Notice::JobReady).await.unwrap();
    assert_eq!(next(&mut subscriber).await, Notice::JobReady);
}

pub async fn telling_nobody_is_no_error(Subject { bus, _server }: Subject) {
    bus.committed(vec![Notice::JobReady; 10_000]);
    bus.committed(vec![some_news(); 10_000]);
    bus.check().await.unwrap();
}

pub async fn a_slow_subscriber_hears_that_it_missed_something_and_goes_on(Subject { bus, _server }: Subject) {
    let (mut slow, mut quick) = (bus.subscribe(), bus.subscribe());
    let news = some_news();
    for _ in 0..10_000 {
        bus.committed(vec![news.clone()]);
        assert_eq!(next(&mut quick).await, news, "others are not slowed down");
    }
    assert_eq!(next(&mut slow).await, Notice::Lagged);
    let last = some_news();
    bus.committed(vec![last.clone()]);
    let rest = all_before(&mut slow, &last).await;
    let lags = rest.iter().filter(|notice| **notice == Notice::Lagged).count();
    // Publishing while it is at the limit costs it at most one more.
    assert!(lags <= 1, "{lags}");
    assert!(rest.len() <= 1_100, "{} notices are kept", rest.len());
}

pub async fn a_subscription_lives_as_long_as_the_bus(Subject { bus, _server }: Subject) {
    let mut subscriber = bus.subscribe();
    assert_eq!(subscriber.next().now_or_never(), None);
    drop(bus);
    assert_eq!(soon(subscriber.next()).await, None);
}

pub async fn many_callers_at_once_get_the_burst_and_no_more(Subject { bus, _server }: Subject) {
    let rule = rule(20, Duration::from_secs(3_600));
    let calls = (0..200).map(|_| {
        let bus = Arc::clone(&bus);
        tokio::spawn(async move { bus.check_rate(rule, "192.0.2.7").await.unwrap() })
    });
    let decisions = futures::future::join_all(calls).await;
    let allowed =
        decisions.into_iter().filter(|decision| *decision.as_ref().unwrap() == RateDecision::Allowed);
    assert_eq!(allowed.count(), 20);
}

pub async fn a_client_that_waits_as_long_as_it_was_told_is_let_in(Subject { bus, _server }: Subject) {
    let period = Duration::from_millis(900);
    for burst in [1, 2, 3] {
        let rule = rule(burst, period);
        let key = burst.to_string();
        for _ in 0..2 {
            let retry_after = loop {
                if let RateDecision::Refused { retry_after } = bus.check_rate(rule, &key).await.unwrap() {
                    break retry_after;
                }
            };
            assert!(retry_after <= period / burst + Duration::from_micros(1), "{retry_after:?}");
            tokio::time::sleep(retry_after).await;
            assert_eq!(
                bus.check_rate(rule, &key).await.unwrap(),
                RateDecision::Allowed,
                "a burst of {burst}"
            );
        }
    }
}

pub async fn a_refused_call_costs_nothing(Subject { bus, _server }: Subject) {
    let rule = rule(2, Duration::from_secs(3_600));
    for _ in 0..2 {
        assert_eq!(bus.check_rate(rule, "a").await.unwrap(), RateDecision::Allowed);
    }
    let mut shortest = Duration::from_secs(1_800);
    for _ in 0..100 {
        let RateDecision::Refused { retry_after } = bus.check_rate(rule, "a").await.unwrap() else {
            panic!("allowed")
        };
        assert!(retry_after <= shortest, "{retry_after:?} after {shortest:?}");
        shortest = retry_after;
    }
    assert!(shortest > Duration::from_secs(1_700), "{shortest:?}");
}

pub async fn keys_and_rules_are_counted_apart(Subject { bus, _server }: Subject) {
    let first = rule(1, Duration::from_secs(3_600));
    let second = songkeep_domain::bus::RateRule { name: "another", ..first };
    let long = "a".repeat(100_000);
    for (rule, key) in
        [(first, "a"), (first, "b"), (second, "a"), (first, ""), (first, "\0 ü"), (first, &long)]
    {
        assert_eq!(bus.check_rate(rule, key).await.unwrap(), RateDecision::Allowed);
        assert!(matches!(bus.check_rate(rule, key).await.unwrap(), RateDecision::Refused { .. }));
    }
}

pub async fn a_limit_of_nothing_refuses_everything_and_huge_values_do_not_overflow(
    Subject { bus, _server }: Subject,
) {
    let nothing = RateDecision::Refused { retry_after: Duration::from_secs(9) };
    assert_eq!(bus.check_rate(rule(0, Duration::from_secs(9)), "a").await.unwrap(), nothing);
    let longest = rule(1, Duration::MAX);
    assert_eq!(bus.check_rate(longest, "a").await.unwrap(), RateDecision::Allowed);
    assert!(matches!(bus.check_rate(longest, "a").await.unwrap(), RateDecision::Refused { .. }));
    let most = rule(u32::MAX, Duration::MAX);
    assert_eq!(bus.check_rate(most, "b").await.unwrap(), RateDecision::Allowed);
}
