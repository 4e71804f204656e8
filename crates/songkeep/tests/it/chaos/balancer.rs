//! What stands before several nodes of a role: takes turns, leaves out who is not ready, and goes on to
//! the next when it cannot connect. Nothing is sticky, and nothing else is tried again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

/// How often nodes are asked.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Longest time for that, and for connecting.
const LOOK_LIMIT: Duration = Duration::from_secs(2);
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

pub struct Balancer {
    client: Client,
    nodes: Arc<Vec<Node>>,
    turn: AtomicUsize,
    _looking: AbortOnDropHandle<()>,
}

struct Node {
    base: String,
    is_out: AtomicBool,
}

impl Balancer {
    /// `bases` are the nodes' addresses, such as `http://127.0.0.1:8000`.
    pub async fn new(bases: Vec<String>) -> Self {
        let client = Client::builder()
            .no_proxy()
            .connect_timeout(LOOK_LIMIT)
            .timeout(REQUEST_LIMIT)
            .pool_idle_timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        let nodes = bases.into_iter().map(|base| Node { base, is_out: AtomicBool::new(false) });
        let nodes: Arc<Vec<Node>> = Arc::new(nodes.collect());
        look_once(&client, &nodes).await;
        let looking = tokio::spawn(look(client.clone(), Arc::clone(&nodes)));
        Self { client, nodes, turn: AtomicUsize::new(0), _looking: AbortOnDropHandle::new(looking) }
    }

    /// Sends what `make` makes for the base of an address.
    pub async fn send(
        &self,
        make: impl Fn(&Client, &str) -> RequestBuilder,
    ) -> Result<Response, reqwest::Error> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn = || (0..self.nodes.len()).map(|step| &self.nodes[(first + step) % self.nodes.len()]);
        let (out, ready): (Vec<_>, Vec<_>) = in_turn().partition(|node| node.is_out.load(Ordering::Relaxed));
        let mut refused = None;
        // Those that are out last: they may be better than they say.
        for node in ready.into_iter().chain(out) {
            match make(&self.client, &node.base).send().await {
                Err(error) if error.is_connect() => {
                    node.is_out.store(true, Ordering::Relaxed);
                    refused = Some(error);
                }
                answer => return answer,
            }
        }
        Err(refused.unwrap())
    }
}

async fn look(client: Client, nodes: Arc<Vec<Node>>) {
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        look_once(&client, &nodes).await;
    }
}

async fn look_once(client: &Client, nodes: &[Node]) {
    join_all(nodes.iter().map(|node| async {
        let asked = client.get(format!("{}/ready", node.base)).timeout(LOOK_LIMIT).send().await;
        let is_out = match asked {
            Ok(answer) => answer.status() == StatusCode::SERVICE_UNAVAILABLE,
            // A slow answer says nothing.
            Err(error) => !error.is_timeout() || error.is_connect(),
        };
        node.is_out.store(is_out, Ordering::Relaxed);
    }))
    .await;
}
