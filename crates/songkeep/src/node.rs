//! One process: its services, its listeners, and its end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{Router, response::Redirect, routing::get};
use songkeep_api::token::ServiceTokens;
use songkeep_auth::AuthService;
use songkeep_config::{Settings, StreamDelivery, settings::ServiceUrls};
use songkeep_domain::NodeRole;
use songkeep_gateway::GatewayState;
use songkeep_http_kit::{
    CorsKind, EdgeSettings, Listener, Mount, OriginPolicy, ProxyTarget, Readiness, TrustedProxies, cors,
    edge, fallbacks, method_fallback, nest_api, operational, serve,
};
use songkeep_media::Media;
use songkeep_telemetry::Metrics;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    backends::Backends,
    clients::LocalServices,
    readiness::{Dependencies, Need, RemoteService},
    services,
};

/// How often recorded metrics are folded and free memory is given back.
const UPKEEP: Duration = Duration::from_secs(5);
/// Large enough that freeing it concerns the allocator's own store of memory.
const LARGE_PIECE: usize = 1 << 20;

/// Services that a gateway calls. Without auth it can do nothing for anybody who is signed in; without
/// another one it still does the rest, and no other gateway does more.
const GATEWAY_CALLS: [(NodeRole, Need); 6] = [
    (NodeRole::Auth, Need::Required),
    (NodeRole::Search, Need::Useful),
    (NodeRole::Catalog, Need::Useful),
    (NodeRole::Download, Need::Useful),
    (NodeRole::Admin, Need::Useful),
    (NodeRole::Stream, Need::Useful),
];
/// Services that the page's listener passes requests on to.
const WEB_CALLS: [(NodeRole, Need); 2] =
    [(NodeRole::Gateway, Need::Required), (NodeRole::Stream, Need::Useful)];

/// What a caller decides besides the settings.
#[derive(Default)]
pub struct Overrides {
    /// The process's metrics, for `/metrics`.
    pub metrics: Option<Metrics>,
}

/// A running process. Dropped without [`Node::stop`], its tasks go on until the runtime ends.
pub struct Node {
    pub web_addr: Option<SocketAddr>,
    pub gateway_addr: Option<SocketAddr>,
    pub stream_addr: Option<SocketAddr>,
    pub internal_addr: SocketAddr,
    /// The end is near: nothing new is begun, and everything is served yet.
    draining: CancellationToken,
    shutdown: CancellationToken,
    tasks: TaskTracker,
    media: Option<Media>,
    gateway: Option<GatewayState>,
    auth: Option<Arc<AuthService>>,
}

/// The sockets, bound before anything is started, so that a taken address is told at once.
struct Sockets {
    web: Option<Listener>,
    gateway: Option<Listener>,
    stream: Option<Listener>,
    internal: Listener,
}

impl Sockets {
    async fn bind(settings: &Settings, roles: &[NodeRole]) -> anyhow::Result<Self> {
        let public = async |role, name, setting, addr| -> anyhow::Result<Option<Listener>> {
            if roles.contains(&role) {
                Ok(Some(Listener::bind(name, setting, addr).await?))
            } else {
                Ok(None)
            }
        };
        Ok(Self {
            web: public(NodeRole::Web, "web", "SONGKEEP_WEB_ADDR", settings.web_addr).await?,
            gateway: public(NodeRole::Gateway, "gateway", "SONGKEEP_GATEWAY_ADDR", settings.gateway_addr)
                .await?,
            stream: public(NodeRole::Stream, "stream", "SONGKEEP_STREAM_ADDR", settings.stream_addr).await?,
            internal: Listener::bind("internal", "SONGKEEP_INTERNAL_ADDR", settings.internal_addr_for(roles))
                .await?,
        })
    }
}

/// The routers of a process, before its edge layers.
struct Routers {
    web: Option<Router>,
    gateway: Option<Router>,
    stream: Option<Router>,
    internal: Router,
}

/// What the routers are made of.
struct Parts<'a> {
    settings: &'a Settings,
    roles: &'a [NodeRole],
    /// None for a process that calls no service and is not called.
    tokens: Option<Arc<ServiceTokens>>,
    origins: OriginPolicy,
    readiness: Arc<dyn Readiness>,
    metrics: Option<Metrics>,
}

impl Parts<'_> {
    fn operational(&self, service: &str, public: bool) -> Router {
        let metrics = self.metrics.clone().filter(|_| !(public && self.settings.strict));
        let render = metrics
            .map(|metrics| -> Arc<dyn Fn() -> String + Send + Sync> { Arc::new(move || metrics.render()) });
        operational(service.to_owned(), self.readiness.clone(), render)
    }

    fn proxy(&self, service: NodeRole) -> anyhow::Result<Mount> {
        let setting = ServiceUrls::setting_of(service).unwrap_or_default();
        let url = self.settings.service_urls.of(service).with_context(|| format!("{setting} must be set"))?;
        let tokens = self.tokens.clone().context("INTERNAL_SERVICE_SECRET must be set")?;
        let target = ProxyTarget::new(url, NodeRole::Web, service, tokens)
            .with_context(|| format!("{setting} cannot be used"))?;
        Ok(Mount::Remote(target))
    }

    fn mount(&self, service: NodeRole, local: Option<&Router>) -> anyhow::Result<Mount> {
        local.map_or_else(|| self.proxy(service), |router| Ok(Mount::Local(router.clone())))
    }

    fn edge(&self, router: Router, listener: &'static str, role: Option<NodeRole>) -> anyhow::Result<Router> {
        Ok(edge(
            router,
            EdgeSettings {
                listener,
                trusted_proxies: TrustedProxies::parse(&self.settings.trusted_proxies)
                    .context("TRUSTED_PROXIES cannot be used")?,
                peers: self.tokens.clone().zip(role),
                hsts: self.settings.strict && self.settings.public_web_url.starts_with("https://"),
            },
        ))
    }

    fn routers(
        &self,
        backends: &Backends,
        local: &LocalServices,
        gateway: Option<&GatewayState>,
    ) -> anyhow::Result<Routers> {
        let gateway = gateway.map(|state| {
            songkeep_gateway::router(state.clone(), self.origins.clone())
                .merge(self.operational("gateway", true))
        });
        let stream = if self.roles.contains(&NodeRole::Stream) {
            let router = songkeep_stream::router(services::stream(self.settings, backends)?);
            let router = fallbacks(router.merge(self.operational("stream", true)));
            Some(cors(router, self.origins.clone(), CorsKind::Media))
        } else {
            None
        };
        let web = if self.roles.contains(&NodeRole::Web) {
            let media: Vec<String> = media_bases(self.settings).filter_map(origin_of).collect();
            let admin = self.settings.admin_web.then(songkeep_web_assets::admin);
            let pages = songkeep_web_assets::router(songkeep_web_assets::player(&media), admin);
            let page = pages.merge(self.operational("web", true));
            let gateway = self.mount(NodeRole::Gateway, gateway.as_ref())?;
            let stream = self.mount(NodeRole::Stream, stream.as_ref())?;
            Some(nest_api(docs_of_the_api(page), gateway, stream))
        } else {
            None
        };
        let mut internal = self.operational(&process_name(self.roles), false);
        if let Some(tokens) = &self.tokens {
            internal = internal.merge(songkeep_http_kit::internal(
                local.rpc(),
                tokens.clone(),
                backends.clock.clone(),
            ));
        }
        Ok(Routers { web, gateway, stream, internal: fallbacks(internal) })
    }
}

impl Node {
    /// Starts the process's roles; it serves when this returns.
    ///
    /// # Errors
    /// When the settings do not do for these roles, or an address cannot be bound.
    pub async fn start(
        settings: &Settings,
        roles: &[NodeRole],
        backends: Backends,
        overrides: Overrides,
    ) -> anyhow::Result<Self> {
        settings.validate(roles)?;
        let sockets = Sockets::bind(settings, roles).await?;
        let stream_port =
            sockets.stream.as_ref().map_or(settings.stream_addr.port(), |s| s.local_addr().port());
        let tokens = settings
            .internal_service_secret
            .as_ref()
            .map(|secret| Arc::new(ServiceTokens::new(secret, backends.clock.clone())));
        let goes_out = roles.iter().any(|role| role.uses_sources());
        let media = if goes_out { Some(services::media(settings)?) } else { None };
        let auth = if roles.contains(&NodeRole::Auth) {
            let (mailer, clock) = (backends.mailer.clone(), backends.clock.clone());
            Some(Arc::new(services::auth(settings, backends.store()?, mailer, clock)?))
        } else {
            None
        };
        let local = services::local(settings, roles, &backends, auth.as_ref(), media.as_ref())?;
        let gateway = if roles.contains(&NodeRole::Gateway) {
            let tokens = tokens.as_ref().context("INTERNAL_SERVICE_SECRET must be set")?;
            Some(services::gateway(settings, &backends, &local, tokens, stream_port)?)
        } else {
            None
        };
        let worker = media
            .as_ref()
            .filter(|_| roles.contains(&NodeRole::Worker))
            .map(|media| services::worker(settings, &backends, media))
            .transpose()?;
        let (draining, shutdown) = (CancellationToken::new(), CancellationToken::new());
        let dependencies = Dependencies {
            draining: draining.clone(),
            ..dependencies(settings, roles, &backends, media.as_ref(), worker.clone())?
        };
        let parts = Parts {
            settings,
            roles,
            tokens,
            origins: OriginPolicy {
                app_domain: settings.app_domain.clone(),
                allowed: settings.cors_allowed_origins.clone(),
            },
            readiness: Arc::new(dependencies),
            metrics: overrides.metrics.clone(),
        };
        let routers = parts.routers(&backends, &local, gateway.as_ref())?;

        let tasks = TaskTracker::new();
        let grace = settings.shutdown_grace;
        let open = |socket: Listener, router: Router| {
            let addr = socket.local_addr();
            let socket = socket.with_draining(draining.clone());
            tasks.spawn(serve(socket, router, shutdown.clone(), grace));
            addr
        };
        let public = |socket: Option<Listener>, router: Option<Router>, name, role| -> anyhow::Result<_> {
            let (Some(socket), Some(router)) = (socket, router) else { return Ok(None) };
            Ok(Some(open(socket, parts.edge(router, name, role)?)))
        };
        let web_addr = public(sockets.web, routers.web, "web", None)?;
        let gateway_addr = public(sockets.gateway, routers.gateway, "gateway", Some(NodeRole::Gateway))?;
        let stream_addr = public(sockets.stream, routers.stream, "stream", Some(NodeRole::Stream))?;
        let internal_addr = open(sockets.internal, parts.edge(routers.internal, "internal", None)?);
        if let Some(worker) = worker {
            let draining = draining.clone();
            tasks.spawn(async move {
                if let Err(error) = worker.run(draining).await {
                    tracing::error!(%error, "the folder for running imports cannot be used: nothing is imported");
                }
            });
            if let Some(media) = &media {
                media.tools.prepare_in_background();
            }
        }
        if let Some(metrics) = overrides.metrics {
            tasks.spawn(upkeep(metrics, shutdown.clone()));
        }
        Ok(Self {
            web_addr,
            gateway_addr,
            stream_addr,
            internal_addr,
            draining,
            shutdown,
            tasks,
            media,
            gateway,
            auth,
        })
    }

    /// The link by which the first administrator's account is made; None when there is one, or when this
    /// process does not keep the accounts.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn setup_link(&self) -> anyhow::Result<Option<String>> {
        match &self.auth {
            Some(auth) => Ok(auth.setup_link().await?),
            None => Ok(None),
        }
    }

    /// Says by `/ready` that it is stopping and begins no more imports, but goes on serving for `time`,
    /// in which balancers find another process.
    pub async fn drain(&self, time: Duration) {
        self.draining.cancel();
        tokio::time::sleep(time).await;
    }

    /// Lets running requests finish and hands running imports back.
    pub async fn stop(self) {
        self.draining.cancel();
        self.shutdown.cancel();
        if let Some(gateway) = &self.gateway {
            gateway.close();
        }
        self.tasks.close();
        self.tasks.wait().await;
        if let Some(media) = &self.media {
            media.stop().await;
        }
        if let Some(auth) = &self.auth {
            auth.finish_background().await;
        }
    }
}

fn dependencies(
    settings: &Settings,
    roles: &[NodeRole],
    backends: &Backends,
    media: Option<&Media>,
    worker: Option<songkeep_worker::Worker>,
) -> anyhow::Result<Dependencies> {
    let calls = [(NodeRole::Gateway, &GATEWAY_CALLS[..]), (NodeRole::Web, &WEB_CALLS[..])];
    let services = calls
        .into_iter()
        .filter(|(caller, _)| roles.contains(caller))
        .flat_map(|(_, callees)| callees)
        .filter(|(service, _)| !roles.contains(service))
        .filter_map(|(service, need)| {
            Some(RemoteService::new(*service, settings.service_urls.of(*service)?, *need))
        })
        .collect();
    Ok(Dependencies {
        draining: CancellationToken::new(),
        store: backends.store.clone(),
        blobs: backends.blobs.clone(),
        bus: roles.iter().any(|role| role.uses_bus()).then(|| backends.bus.clone()),
        tools: media.filter(|_| worker.is_some()).map(|media| media.tools.clone()),
        worker,
        clock: backends.clock.clone(),
        services,
        http: songkeep_api::HttpTransport::pooled_client()?,
    })
}

/// The API's pages are the gateway's; problem documents name them by a path without `/api`.
fn docs_of_the_api(page: Router) -> Router {
    let moved = |uri: axum::http::Uri| async move { Redirect::temporary(&format!("/api{uri}")) };
    let docs = Router::new()
        .route("/docs", get(moved))
        .route("/docs/{*page}", get(moved))
        .route("/openapi.json", get(moved));
    page.merge(method_fallback(docs))
}

async fn upkeep(metrics: Metrics, shutdown: CancellationToken) {
    let mut tick = tokio::time::interval(UPKEEP);
    while shutdown.run_until_cancelled(tick.tick()).await.is_some() {
        metrics.run_upkeep();
        give_memory_back();
    }
}

/// The allocator returns what was freed to the system a while later, and looks for it only when a large
/// piece is freed; a process that has become idle frees none, and would keep for ever what its last
/// passwords were hashed in. So one is freed, which was never touched.
fn give_memory_back() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGE_PIECE)));
}

/// What the internal listener calls this process.
fn process_name(roles: &[NodeRole]) -> String {
    if NodeRole::are_all(roles) {
        return "songkeep".to_owned();
    }
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join("+")
}

/// Other addresses from which the page plays.
fn media_bases(settings: &Settings) -> impl Iterator<Item = &str> {
    let redirects = settings.stream_delivery == StreamDelivery::Redirect;
    let s3 = settings.s3.as_ref().and_then(|s3| s3.public_endpoint.as_deref()).filter(|_| redirects);
    settings.public_stream_base.as_deref().into_iter().chain(s3)
}

/// Scheme, host and port of an address; None for what is no address.
fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split('/').next().filter(|host| !host.is_empty())?;
    Some(format!("{scheme}://{host}"))
}
