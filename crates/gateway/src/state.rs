//! What every handler has at hand: the services' clients, the settings, and what is kept between
//! requests. Nothing here outlives the process or needs to.

use std::{ops::Deref, sync::Arc, time::Duration};

use futures::StreamExt as _;
use songkeep_api::{
    admin::AdminClient,
    auth::AuthClient,
    catalog::CatalogClient,
    download::DownloadClient,
    search::SearchClient,
    token::{AccessTokens, ImageSigner},
};
use songkeep_domain::{
    Clock,
    bus::{Bus, Notice},
};
use tokio::task::AbortHandle;

use crate::{
    cookies::RefreshCookie,
    feed::Hub,
    limits::{Limiter, RateLimits},
    session::Sessions,
    traffic::Traffic,
};

/// What the operator decides.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    pub cookie: RefreshCookie,
    pub limits: RateLimits,
    /// Base of stream URLs, without a slash at its end; None: from the address that the caller used.
    pub public_stream_base: Option<String>,
    /// Port of the public stream listener, for callers who reach the gateway's own port.
    pub stream_port: u16,
    pub events: EventTimings,
    /// How often the admin service hears what was counted, where there is something.
    pub traffic_report: Duration,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            cookie: RefreshCookie::default(),
            limits: RateLimits::default(),
            public_stream_base: None,
            stream_port: 8005,
            events: EventTimings::default(),
            traffic_report: Duration::from_secs(15),
        }
    }
}

/// The rhythm of `GET /events`.
#[derive(Clone, Copy, Debug)]
pub struct EventTimings {
    /// A comment is sent when nothing else was for so long.
    pub keep_alive: Duration,
    /// How often an open stream asks whether its session still stands; below 5 s with the call's time.
    pub recheck: Duration,
}

impl Default for EventTimings {
    fn default() -> Self {
        Self { keep_alive: Duration::from_secs(15), recheck: Duration::from_secs(4) }
    }
}

/// What the gateway stands on.
pub struct GatewayPorts {
    pub auth: AuthClient,
    pub search: SearchClient,
    pub catalog: CatalogClient,
    pub download: DownloadClient,
    pub admin: AdminClient,
    pub bus: Arc<dyn Bus>,
    pub access_tokens: AccessTokens,
    pub images: ImageSigner,
    pub clock: Arc<dyn Clock>,
    pub settings: GatewaySettings,
}

/// State of the gateway's routes; a clone shares it.
#[derive(Clone)]
pub struct GatewayState(Arc<Parts>);

/// The ports, and what the gateway keeps besides.
pub struct Shared {
    ports: GatewayPorts,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) limiter: Limiter,
    pub(crate) hub: Arc<Hub>,
    pub(crate) traffic: Arc<Traffic>,
}

struct Parts {
    shared: Shared,
    /// What runs as long as the state does.
    tasks: [AbortHandle; 2],
}

impl GatewayState {
    /// Begins to listen to the bus and to report what is counted, so it must be called within a Tokio
    /// runtime. Both end with the last clone.
    #[must_use]
    pub fn new(ports: GatewayPorts) -> Self {
        let sessions = Arc::new(Sessions::new(ports.auth.clone()));
        let hub = Arc::new(Hub::default());
        let limiter = Limiter::new(Arc::clone(&ports.bus), ports.settings.limits);
        let listener = tokio::spawn(listen(Arc::clone(&ports.bus), Arc::clone(&sessions), Arc::clone(&hub)));
        let traffic = Arc::new(Traffic::new(Arc::clone(&ports.clock)));
        let report = Arc::clone(&traffic).report(ports.admin.clone(), ports.settings.traffic_report);
        let tasks = [listener.abort_handle(), tokio::spawn(report).abort_handle()];
        Self(Arc::new(Parts { shared: Shared { ports, sessions, limiter, hub, traffic }, tasks }))
    }
}

impl GatewayState {
    /// Ends the open event streams; to be called when the listener takes no more connections.
    pub fn close(&self) {
        self.hub.close();
    }
}

impl Deref for GatewayState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0.shared
    }
}

impl Deref for Shared {
    type Target = GatewayPorts;

    fn deref(&self) -> &GatewayPorts {
        &self.ports
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// The process's one subscription: forgets sessions that ended and hands events to open streams.
async fn listen(bus: Arc<dyn Bus>, sessions: Arc<Sessions>, hub: Arc<Hub>) {
    loop {
        let mut notices = bus.subscribe();
        while let Some(notice) = notices.next().await {
            match notice {
                Notice::Event(event) => hub.event(*event),
                Notice::SessionEnded { session_id } => {
                    sessions.forget_session(session_id).await;
                    hub.session_ended(session_id);
                }
                Notice::UserChanged { user_id } => {
                    sessions.forget_user(user_id).await;
                    hub.user_changed(user_id);
                }
                Notice::Lagged => {
                    sessions.forget_all();
                    hub.lagged();
                }
                Notice::JobReady | Notice::JobCancelRequested { .. } => {}
            }
        }
        // It should never end; when it does, anything may have been missed.
        tracing::error!("the subscription to the bus ended; subscribing again");
        sessions.forget_all();
        hub.lagged();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
