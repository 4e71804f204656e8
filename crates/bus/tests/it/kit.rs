//! Buses to try, and waiting with a deadline.

use std::{future::Future, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream::BoxStream};
use redis::aio::MultiplexedConnection;
use secrecy::SecretString;
use songkeep_bus::{LocalBus, RedisBus, RedisBusSettings};
use songkeep_domain::{
    UserId,
    bus::{Bus, CommitHook, Notice, RateRule},
};
use songkeep_testkit::redis::RedisServer;
use tokio::time::{Instant, sleep, timeout};

/// Nothing takes longer unless it hangs.
pub const DEADLINE: Duration = Duration::from_secs(30);

pub trait AnyBus: Bus + CommitHook {}
impl<B: Bus + CommitHook> AnyBus for B {}

/// A bus that is ready.
pub struct Subject {
    pub bus: Arc<dyn AnyBus>,
    pub _server: Option<RedisServer>,
}

impl Subject {
    pub fn local() -> Self {
        Self { bus: LocalBus::new(), _server: None }
    }

    pub async fn redis() -> Self {
        let server = RedisServer::start().unwrap();
        let bus = connected(&server, worker()).await;
        Self { bus, _server: Some(server) }
    }
}

/// Settings of a process that runs jobs. Limits may take their time, since the machine may be busy.
pub fn worker() -> RedisBusSettings {
    RedisBusSettings { wants_jobs: true, ..bystander() }
}

/// Settings of one that does not.
pub fn bystander() -> RedisBusSettings {
    RedisBusSettings { rate_limit_timeout: DEADLINE, ..RedisBusSettings::default() }
}

pub fn bus(server: &RedisServer, settings: RedisBusSettings) -> Arc<RedisBus> {
    RedisBus::connect(&SecretString::from(server.url()), settings).unwrap()
}

pub async fn connected(server: &RedisServer, settings: RedisBusSettings) -> Arc<RedisBus> {
    let bus = bus(server, settings);
    until_connected(&bus).await;
    bus
}

pub async fn until_connected(bus: &RedisBus) {
    until(async || bus.check().await.is_ok()).await;
}

pub async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition().await {
        assert!(Instant::now() < deadline, "it does not happen");
        sleep(Duration::from_millis(5)).await;
    }
}

pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.expect("it does not happen")
}

pub async fn next(subscription: &mut BoxStream<'static, Notice>) -> Notice {
    soon(subscription.next()).await.expect("the bus lives")
}

/// All notices up to `last`, without it.
pub async fn all_before(subscription: &mut BoxStream<'static, Notice>, last: &Notice) -> Vec<Notice> {
    let mut heard = Vec::new();
    loop {
        match next(subscription).await {
            notice if notice == *last => return heard,
            notice => heard.push(notice),
        }
    }
}

/// One that differs from all others.
pub fn some_news() -> Notice {
    Notice::UserChanged { user_id: UserId::new() }
}

pub fn rule(burst: u32, period: Duration) -> RateRule {
    RateRule { name: "a_test", burst, period }
}

/// A connection past the bus.
pub async fn client(server: &RedisServer) -> MultiplexedConnection {
    let client = redis::Client::open(server.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// Names of those who read wake-ups.
pub async fn consumers(client: &mut MultiplexedConnection) -> Vec<String> {
    let mut list = redis::cmd("XINFO");
    list.arg("CONSUMERS").arg("songkeep:jobs").arg("workers");
    let reply: redis::streams::StreamInfoConsumersReply = list.query_async(client).await.unwrap();
    reply.consumers.into_iter().map(|consumer| consumer.name).collect()
}
