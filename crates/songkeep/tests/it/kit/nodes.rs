//! The nodes of a test: one with all roles, or at least one for each.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures::future::join_all;
use songkeep::{
    backends::Backends,
    data_dir::DataDir,
    node::{Node, Overrides},
};
use songkeep_config::Settings;
use songkeep_domain::NodeRole;
use tokio::time::{Instant, sleep};

use super::{Outbox, RoundRobin, metrics};

/// How many nodes of a cluster have these roles; there is one of each other.
#[derive(Clone, Copy)]
pub struct Counts {
    pub gateways: usize,
    pub streams: usize,
    pub workers: usize,
}

impl Default for Counts {
    fn default() -> Self {
        Self { gateways: 1, streams: 1, workers: 1 }
    }
}

/// What nodes are started with.
pub struct Surroundings {
    pub settings: Settings,
    pub outbox: Arc<Outbox>,
    /// What only one process can have; None where each node opens its own.
    pub embedded: Option<Backends>,
}

#[derive(Default)]
pub struct Nodes {
    running: Vec<Running>,
    /// Before the gateways and before the streams, where there are several.
    gateways: Option<RoundRobin>,
    streams: Option<RoundRobin>,
}

struct Running {
    /// The only one; None for all.
    role: Option<NodeRole>,
    node: Node,
    backends: Backends,
}

impl Surroundings {
    async fn start(&self, role: Option<NodeRole>) -> Running {
        let roles = role.as_ref().map_or(&NodeRole::ALL[..], std::slice::from_ref);
        let mut settings = self.settings.clone();
        if let Some(role) = role {
            // Nodes share no folder.
            let name = format!("{role}-{}", songkeep_domain::JobId::new());
            settings.data_dir = settings.data_dir.join("nodes").join(name);
        }
        let mut backends = match &self.embedded {
            Some(backends) => backends.clone(),
            None => {
                let dir = DataDir::open(&settings.data_dir).unwrap();
                Backends::open(&settings, roles, &dir).await.unwrap()
            }
        };
        backends.mailer = self.outbox.clone();
        let overrides = Overrides { metrics: Some(metrics()) };
        let node = Node::start(&settings, roles, backends.clone(), overrides).await.unwrap();
        Running { role, node, backends }
    }
}

impl Running {
    async fn stop(self) {
        self.node.stop().await;
        self.backends.close().await;
    }

    fn has(&self, role: NodeRole) -> bool {
        self.role.is_none_or(|its| its == role)
    }
}

impl Nodes {
    pub async fn all_in_one(surroundings: Surroundings) -> Self {
        let nodes = Self { running: vec![surroundings.start(None).await], ..Self::default() };
        nodes.wait_for_buses().await;
        nodes
    }

    /// Every role alone, with one set of secrets.
    pub async fn cluster(mut surroundings: Surroundings, counts: Counts) -> Self {
        let called =
            [NodeRole::Auth, NodeRole::Search, NodeRole::Catalog, NodeRole::Download, NodeRole::Admin];
        let workers = std::iter::repeat_n(NodeRole::Worker, counts.workers);
        let first = called.into_iter().chain(workers).map(|role| surroundings.start(Some(role)));
        let mut running = join_all(first).await;
        for (role, started) in called.into_iter().zip(&running) {
            let url = Some(format!("http://{}", started.node.internal_addr));
            let urls = &mut surroundings.settings.service_urls;
            match role {
                NodeRole::Auth => urls.auth = url,
                NodeRole::Search => urls.search = url,
                NodeRole::Catalog => urls.catalog = url,
                NodeRole::Download => urls.download = url,
                _ => urls.admin = url,
            }
        }
        let (streams, stream) =
            several(&surroundings, &mut running, NodeRole::Stream, counts.streams, |node| node.stream_addr)
                .await;
        surroundings.settings.stream_addr = stream;
        surroundings.settings.service_urls.stream = Some(format!("http://{stream}"));
        let (gateways, gateway) =
            several(&surroundings, &mut running, NodeRole::Gateway, counts.gateways, |node| {
                node.gateway_addr
            })
            .await;
        surroundings.settings.service_urls.gateway = Some(format!("http://{gateway}"));
        running.push(surroundings.start(Some(NodeRole::Web)).await);
        let nodes = Self { running, gateways, streams };
        nodes.wait_for_buses().await;
        nodes
    }

    /// They connect in the background.
    async fn wait_for_buses(&self) {
        let uses_bus = |node: &&Running| node.role.is_none_or(NodeRole::uses_bus);
        join_all(self.running.iter().filter(uses_bus).map(async |node| {
            let deadline = Instant::now() + Duration::from_secs(30);
            while let Err(error) = node.backends.bus.check().await {
                assert!(Instant::now() < deadline, "{:?}: {error}", node.role);
                sleep(Duration::from_millis(5)).await;
            }
        }))
        .await;
    }

    fn addrs(&self, pick: fn(&Node) -> Option<SocketAddr>) -> Vec<String> {
        let addrs = self.running.iter().filter_map(|running| pick(&running.node));
        addrs.map(|addr| format!("http://{addr}")).collect()
    }

    fn one(&self, before: Option<&RoundRobin>, pick: fn(&Node) -> Option<SocketAddr>) -> String {
        match before {
            Some(before) => format!("http://{}", before.addr),
            None => self.addrs(pick).into_iter().next().expect("one node has this listener"),
        }
    }

    pub fn web(&self) -> String {
        self.one(None, |node| node.web_addr)
    }

    pub fn gateway(&self) -> String {
        self.one(self.gateways.as_ref(), |node| node.gateway_addr)
    }

    pub fn stream(&self) -> String {
        self.one(self.streams.as_ref(), |node| node.stream_addr)
    }

    pub fn gateways(&self) -> Vec<String> {
        self.addrs(|node| node.gateway_addr)
    }

    pub fn backends(&self) -> impl Iterator<Item = &Backends> {
        self.running.iter().map(|running| &running.backends)
    }

    pub fn internal(&self) -> Vec<(Option<NodeRole>, String)> {
        let nodes = self.running.iter();
        nodes.map(|running| (running.role, format!("http://{}", running.node.internal_addr))).collect()
    }

    pub async fn setup_link(&self) -> String {
        let auth = self.running.iter().find(|running| running.has(NodeRole::Auth));
        let auth = auth.expect("each role runs somewhere");
        auth.node.setup_link().await.unwrap().expect("there is no administrator yet")
    }

    pub async fn stop_role(&mut self, role: NodeRole) {
        let at = self.running.iter().position(|running| running.role == Some(role));
        self.running.remove(at.expect("a cluster has each role")).stop().await;
    }

    pub async fn stop(self) {
        join_all(self.running.into_iter().map(Running::stop)).await;
    }
}

/// Starts nodes of a role; where they are found.
async fn several(
    surroundings: &Surroundings,
    running: &mut Vec<Running>,
    role: NodeRole,
    count: usize,
    pick: fn(&Node) -> Option<SocketAddr>,
) -> (Option<RoundRobin>, SocketAddr) {
    let started = join_all((0..count).map(|_| surroundings.start(Some(role)))).await;
    let addr = |running: &Running| pick(&running.node).expect("the role has this listener");
    let addrs: Vec<_> = started.iter().map(addr).collect();
    running.extend(started);
    match addrs[..] {
        [only] => (None, only),
        _ => {
            let before = RoundRobin::before(addrs).await;
            let addr = before.addr;
            (Some(before), addr)
        }
    }
}
