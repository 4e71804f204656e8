//! The typed clients of a process: local where the role runs here, else over HTTP.

use std::sync::Arc;

use anyhow::Context as _;
use songkeep_api::{
    HttpTransport,
    admin::{AdminApi, AdminClient},
    auth::{AuthApi, AuthClient},
    catalog::{CatalogApi, CatalogClient},
    download::{DownloadApi, DownloadClient},
    search::{SearchApi, SearchClient},
    token::ServiceTokens,
};
use songkeep_config::settings::ServiceUrls;
use songkeep_domain::NodeRole;

/// The services that run in this process.
#[derive(Default)]
pub struct LocalServices {
    pub auth: Option<Arc<dyn AuthApi>>,
    pub search: Option<Arc<dyn SearchApi>>,
    pub catalog: Option<Arc<dyn CatalogApi>>,
    pub download: Option<Arc<dyn DownloadApi>>,
    pub admin: Option<Arc<dyn AdminApi>>,
}

pub struct Clients {
    pub auth: AuthClient,
    pub search: SearchClient,
    pub catalog: CatalogClient,
    pub download: DownloadClient,
    pub admin: AdminClient,
}

impl Clients {
    /// The gateway's clients.
    pub fn new(
        local: &LocalServices,
        urls: &ServiceUrls,
        tokens: &Arc<ServiceTokens>,
    ) -> anyhow::Result<Self> {
        let http = HttpTransport::pooled_client()?;
        let remote = |service: NodeRole| -> anyhow::Result<HttpTransport> {
            let url = urls.of(service).with_context(|| format!("the address of {service} is not set"))?;
            Ok(HttpTransport::new(http.clone(), tokens.clone(), NodeRole::Gateway, service, url))
        };
        Ok(Self {
            auth: match &local.auth {
                Some(service) => AuthClient::local(service.clone()),
                None => AuthClient::http(remote(NodeRole::Auth)?),
            },
            search: match &local.search {
                Some(service) => SearchClient::local(service.clone()),
                None => SearchClient::http(remote(NodeRole::Search)?),
            },
            catalog: match &local.catalog {
                Some(service) => CatalogClient::local(service.clone()),
                None => CatalogClient::http(remote(NodeRole::Catalog)?),
            },
            download: match &local.download {
                Some(service) => DownloadClient::local(service.clone()),
                None => DownloadClient::http(remote(NodeRole::Download)?),
            },
            admin: match &local.admin {
                Some(service) => AdminClient::local(service.clone()),
                None => AdminClient::http(remote(NodeRole::Admin)?),
            },
        })
    }
}
