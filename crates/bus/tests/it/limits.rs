//! Limits that several processes share.

use std::{sync::Arc, time::Duration};

use songkeep_bus::{RedisBus, RedisBusSettings};
use songkeep_domain::bus::{Bus as _, RateDecision, RateRule};
use songkeep_testkit::redis::RedisServer;
use tokio::time::Instant;

use crate::kit::{bystander, client, connected, rule, until, until_connected};

/// How many of `calls`, all at once and spread over the buses, are allowed.
async fn allowed(buses: &[Arc<RedisBus>], rule: RateRule, key: &'static str, calls: usize) -> usize {
    let calls = buses.iter().cycle().take(calls).map(|bus| {
        let bus = Arc::clone(bus);
        tokio::spawn(async move { bus.check_rate(rule, key).await.unwrap() })
    });
    let decisions = futures::future::join_all(calls).await;
    decisions.into_iter().filter(|decision| *decision.as_ref().unwrap() == RateDecision::Allowed).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_buses_together_allow_exactly_the_burst() {
    let server = RedisServer::start().unwrap();
    let mut buses = Vec::new();
    for _ in 0..3 {
        buses.push(connected(&server, bystander()).await);
    }
    for burst in [1, 20, 99] {
        let rule = rule(burst, Duration::from_secs(86_400));
        let key = match burst {
            1 => "one",
            20 => "twenty",
            _ => "ninety-nine",
        };
        assert_eq!(allowed(&buses, rule, key, 300).await, burst as usize);
        assert_eq!(allowed(&buses, rule, key, 30).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_come_back_at_the_rate_and_no_faster() {
    let server = RedisServer::start().unwrap();
    let buses = [connected(&server, bystander()).await, connected(&server, bystander()).await];
    // One call per 50 ms, after four at once.
    let rule = rule(4, Duration::from_millis(200));
    let start = Instant::now();
    let mut allowed = 0;
    while start.elapsed() < Duration::from_millis(1_500) {
        for bus in &buses {
            allowed += u32::from(bus.check_rate(rule, "a").await.unwrap() == RateDecision::Allowed);
        }
    }
    let most = 4 + start.elapsed().as_micros() / 50_000 + 1;
    assert!(u128::from(allowed) <= most, "{allowed} of at most {most}");
    assert!(allowed >= 10, "{allowed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_is_forgotten_when_it_is_paid_for_and_holds_no_address() {
    let server = RedisServer::start().unwrap();
    let bus = connected(&server, bystander()).await;
    let mut client = client(&server).await;
    let period = Duration::from_millis(300);
    bus.check_rate(rule(1, period), "somebody@example.com").await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut client).await.unwrap();
    assert!(keys.len() <= 1, "{keys:?}");
    assert!(keys.iter().all(|key| key.starts_with("songkeep:rate:a_test:") && key.len() == 53), "{keys:?}");
    until(async || redis::cmd("DBSIZE").query_async::<usize>(&mut client).await.unwrap() == 0).await;
    assert_eq!(bus.check_rate(rule(1, period), "somebody@example.com").await.unwrap(), RateDecision::Allowed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_debt_beyond_what_the_rule_allows_is_cut_and_junk_is_none() {
    let server = RedisServer::start().unwrap();
    let bus = connected(&server, bystander()).await;
    let mut client = client(&server).await;
    let rule = rule(2, Duration::from_secs(3_600));
    bus.check_rate(rule, "a").await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut client).await.unwrap();
    for (value, most) in [("9007199254740991", 1_800), ("junk", 0)] {
        redis::cmd("SET").arg(&keys[0]).arg(value).exec_async(&mut client).await.unwrap();
        match bus.check_rate(rule, "a").await.unwrap() {
            RateDecision::Allowed => assert_eq!(most, 0, "{value}"),
            RateDecision::Refused { retry_after } => assert_eq!(retry_after.as_secs(), most, "{value}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_is_an_error_in_time() {
    let server = RedisServer::start().unwrap();
    let bus = connected(&server, RedisBusSettings::default()).await;
    server.pause();
    let start = Instant::now();
    bus.check_rate(rule(1, Duration::from_secs(1)), "a").await.unwrap_err();
    let took = start.elapsed();
    assert!((Duration::from_millis(250)..Duration::from_secs(3)).contains(&took), "{took:?}");
    server.resume();
    until_connected(&bus).await;
}
