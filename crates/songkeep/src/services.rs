//! Builds the services of a process from its settings and backends.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use secrecy::SecretString;
use songkeep_admin::{AdminPorts, AdminService};
use songkeep_api::{
    service::RpcServices,
    token::{AccessTokens, ImageSigner, ServiceTokens, StreamTokens},
};
use songkeep_auth::{AuthPorts, AuthService, AuthSettings};
use songkeep_catalog::{CatalogPorts, CatalogService, CatalogSettings};
use songkeep_config::{Settings, StreamDelivery};
use songkeep_domain::{Clock, NodeRole, mail::Mailer};
use songkeep_download::{DownloadPorts, DownloadService, DownloadSettings};
use songkeep_gateway::{GatewayPorts, GatewaySettings, GatewayState, RateLimits, RefreshCookie, SameSite};
use songkeep_jobs::{EngineSettings, RetryPolicy};
use songkeep_media::{Media, MediaSettings};
use songkeep_search::{SearchPorts, SearchService, SearchSettings};
use songkeep_store::Store;
use songkeep_stream::{BytesFrom, StreamPorts, StreamState};
use songkeep_worker::{SweepSettings, Worker, WorkerPorts, WorkerSettings};

use crate::{
    backends::Backends,
    clients::{Clients, LocalServices},
};

/// The tools and the ways out to sources.
pub fn media(settings: &Settings) -> anyhow::Result<Media> {
    let import = settings.import.clone();
    Media::new(MediaSettings {
        tools_dir: import.tools_dir,
        work_dir: settings.data_dir.join("cache"),
        workers: import.workers,
        upstream_proxy: import.upstream_proxy,
        ca_file: import.ca_file,
        max_duration_sec: import.max_duration_sec,
        max_bytes: import.max_bytes,
        ytdlp_path: import.ytdlp_path,
        ffmpeg_path: import.ffmpeg_path,
        js_runtime_path: import.js_runtime_path,
        environment: songkeep_config::process_environment(),
    })
    .context("imports cannot be set up")
}

/// The auth service, for a serving process and for commands.
pub fn auth(
    settings: &Settings,
    store: &Store,
    mailer: Arc<dyn Mailer>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<AuthService> {
    let jwt_secret = jwt_secret(settings)?;
    let accounts = &settings.accounts;
    let ports = AuthPorts {
        users: Arc::new(store.clone()),
        sessions: Arc::new(store.clone()),
        audit: Arc::new(store.clone()),
        mailer,
        access_tokens: AccessTokens::new(&jwt_secret, clock.clone()),
        clock,
    };
    let settings = AuthSettings {
        public_web_url: settings.public_web_url.clone(),
        access_lifetime: accounts.access_lifetime,
        refresh_lifetime: accounts.refresh_lifetime,
        email_verify_required: accounts.email_verify_required,
        expose_verification_token: accounts.expose_verification_token,
        admin_bootstrap_email: accounts.admin_bootstrap_email.clone(),
        hash_memory_kib: accounts.hash_memory_kib,
        hash_iterations: accounts.hash_iterations,
        refresh_secret: jwt_secret,
    };
    AuthService::new(ports, settings).context("accounts cannot be set up")
}

fn jwt_secret(settings: &Settings) -> anyhow::Result<SecretString> {
    settings.jwt_secret.clone().context("JWT_SECRET must be set")
}

/// The secret between services.
fn internal_secret(settings: &Settings) -> anyhow::Result<SecretString> {
    settings.internal_service_secret.clone().context("INTERNAL_SERVICE_SECRET must be set")
}

/// The services of these roles; `auth` and `media` are there when auth and search are among them.
pub fn local(
    settings: &Settings,
    roles: &[NodeRole],
    backends: &Backends,
    auth: Option<&Arc<AuthService>>,
    media: Option<&Media>,
) -> anyhow::Result<LocalServices> {
    let mut services = LocalServices::default();
    if let Some(auth) = auth {
        services.auth = Some(auth.clone());
    }
    if let (true, Some(media)) = (roles.contains(&NodeRole::Search), media) {
        let ports = SearchPorts { source: media.source.clone() };
        services.search = Some(Arc::new(SearchService::new(ports, SearchSettings::default())));
    }
    if roles.contains(&NodeRole::Catalog) {
        let ports = CatalogPorts {
            store: Arc::new(backends.store()?.clone()),
            tokens: StreamTokens::new(&internal_secret(settings)?, backends.clock.clone()),
            clock: backends.clock.clone(),
        };
        let settings = CatalogSettings { stream_url_ttl: settings.stream_url_ttl };
        services.catalog = Some(Arc::new(CatalogService::new(ports, settings)));
    }
    if roles.contains(&NodeRole::Download) {
        let store = Arc::new(backends.store()?.clone());
        let ports = DownloadPorts { jobs: store.clone(), events: store };
        let settings = DownloadSettings { max_attempts: settings.jobs.max_attempts };
        services.download = Some(Arc::new(DownloadService::new(ports, settings)));
    }
    if roles.contains(&NodeRole::Admin) {
        let store = Arc::new(backends.store()?.clone());
        let ports = AdminPorts {
            users: store.clone(),
            catalog: store.clone(),
            jobs: store.clone(),
            audit: store.clone(),
            overview: store,
            clock: backends.clock.clone(),
        };
        services.admin = Some(Arc::new(AdminService::new(ports)));
    }
    Ok(services)
}

impl LocalServices {
    /// As the internal listener serves them.
    pub fn rpc(&self) -> RpcServices {
        use songkeep_api::{
            admin::AdminRpc, auth::AuthRpc, catalog::CatalogRpc, download::DownloadRpc, search::SearchRpc,
        };
        let mut services = RpcServices::new();
        if let Some(service) = &self.auth {
            services.push(Arc::new(AuthRpc(service.clone())));
        }
        if let Some(service) = &self.search {
            services.push(Arc::new(SearchRpc(service.clone())));
        }
        if let Some(service) = &self.catalog {
            services.push(Arc::new(CatalogRpc(service.clone())));
        }
        if let Some(service) = &self.download {
            services.push(Arc::new(DownloadRpc(service.clone())));
        }
        if let Some(service) = &self.admin {
            services.push(Arc::new(AdminRpc(service.clone())));
        }
        services
    }
}

/// State of the public API; `stream_port` is where the stream listener is.
pub fn gateway(
    settings: &Settings,
    backends: &Backends,
    local: &LocalServices,
    tokens: &Arc<ServiceTokens>,
    stream_port: u16,
) -> anyhow::Result<GatewayState> {
    let Clients { auth, search, catalog, download, admin } =
        Clients::new(local, &settings.service_urls, tokens)?;
    let accounts = &settings.accounts;
    let limits = settings.limits;
    Ok(GatewayState::new(GatewayPorts {
        auth,
        search,
        catalog,
        download,
        admin,
        bus: backends.bus.clone(),
        access_tokens: AccessTokens::new(&jwt_secret(settings)?, backends.clock.clone()),
        images: ImageSigner::new(&internal_secret(settings)?),
        clock: backends.clock.clone(),
        settings: GatewaySettings {
            cookie: RefreshCookie {
                name: accounts.cookie_name.clone(),
                secure: accounts.cookie_secure,
                same_site: match accounts.cookie_same_site {
                    songkeep_config::SameSite::Lax => SameSite::Lax,
                    songkeep_config::SameSite::Strict => SameSite::Strict,
                    songkeep_config::SameSite::None => SameSite::None,
                },
                domain: accounts.cookie_domain.clone(),
            },
            limits: RateLimits {
                signin_ip_per_min: limits.signin_ip_per_min,
                signin_email_per_min: limits.signin_email_per_min,
                signup_ip_per_hour: limits.signup_ip_per_hour,
                reset_ip_per_hour: limits.reset_ip_per_hour,
                reset_email_per_hour: limits.reset_email_per_hour,
                search_per_min: limits.search_per_min,
                import_per_hour: limits.import_per_hour,
            },
            public_stream_base: settings.public_stream_base.clone(),
            stream_port,
            ..GatewaySettings::default()
        },
    }))
}

pub fn stream(settings: &Settings, backends: &Backends) -> anyhow::Result<StreamState> {
    let bytes_from = match settings.stream_delivery {
        StreamDelivery::Proxy => BytesFrom::Here,
        StreamDelivery::Redirect => BytesFrom::Store,
    };
    Ok(StreamState::new(StreamPorts {
        catalog: Arc::new(backends.store()?.clone()),
        blobs: backends.blobs()?.clone(),
        bus: backends.bus.clone(),
        tokens: StreamTokens::new(&internal_secret(settings)?, backends.clock.clone()),
        clock: backends.clock.clone(),
    })
    .with_bytes_from(bytes_from))
}

pub fn worker(settings: &Settings, backends: &Backends, media: &Media) -> anyhow::Result<Worker> {
    let (jobs, keep) = (&settings.jobs, &settings.retention);
    let store = Arc::new(backends.store()?.clone());
    let ports = WorkerPorts {
        jobs: store.clone(),
        catalog: store.clone(),
        events: store,
        blobs: backends.blobs()?.clone(),
        fetcher: media.fetcher.clone(),
        bus: backends.bus.clone(),
        clock: backends.clock.clone(),
    };
    let engine = EngineSettings {
        node: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        slots: settings.import.workers,
        lease: jobs.lease,
        // Shorter than the process's own grace, so that jobs are handed back before it ends.
        grace: settings.shutdown_grace.saturating_sub(Duration::from_secs(2)),
        job_timeout: jobs.timeout,
        retry: RetryPolicy { base: jobs.retry_base, ..RetryPolicy::default() },
        ..EngineSettings::default()
    };
    let sweep = SweepSettings {
        orphan_grace: keep.orphans,
        object_grace: keep.orphans,
        finished_jobs_kept: keep.jobs,
        events_kept: keep.events,
        dead_sessions_kept: keep.sessions,
        ..SweepSettings::default()
    };
    Ok(Worker::new(ports, WorkerSettings { engine, work_dir: backends.work_dir.clone(), sweep }))
}
