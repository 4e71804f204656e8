//! The CONNECT proxy: ends TLS for YouTube's hosts itself, and lets nothing else through.

use std::{convert::Infallible, sync::Arc, time::Duration};

use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{
    Shared,
    site::{self, Body, text},
};

/// Hosts that YouTube is made of, with everything below them.
const HOSTS: [&str; 8] = [
    "youtube.com",
    "youtu.be",
    "youtube-nocookie.com",
    "googlevideo.com",
    "ytimg.com",
    "googleapis.com",
    "ggpht.com",
    "googleusercontent.com",
];

#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) shared: Arc<Shared>,
    pub(super) tls: TlsAcceptor,
    /// Ends the listener and every connection.
    pub(super) stop: CancellationToken,
}

impl Proxy {
    pub(super) fn spawn(self, listener: TcpListener) {
        let stop = self.stop.clone();
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => self.spawn_connection(stream),
                    Err(error) => {
                        tracing::warn!(%error, "the fake YouTube cannot take a connection");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        }));
    }

    fn spawn_connection(&self, stream: TcpStream) {
        let proxy = self.clone();
        tokio::spawn(self.stop.clone().run_until_cancelled_owned(async move {
            // Without it small answers wait for the peer's acknowledgement.
            stream.set_nodelay(true).ok();
            let service = service_fn(move |request| {
                let answer = proxy.front(request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to the fake YouTube broke");
            }
        }));
    }

    /// Answers what comes before TLS.
    fn front(&self, request: Request<Incoming>) -> Response<Body> {
        let authority = request.uri().authority();
        let host = authority.map(|authority| authority.host().to_ascii_lowercase());
        match host {
            Some(host) if request.method() == Method::CONNECT => {
                let port = authority.and_then(|authority| authority.port_u16());
                if port == Some(443) && is_youtube(&host) {
                    self.shared.note_tunnel(&host);
                    self.spawn_tunnel(hyper::upgrade::on(request), host);
                    return text(StatusCode::OK, "");
                }
                self.refuse(host)
            }
            Some(host) => self.refuse(host),
            None => {
                let host = request.headers().get(hyper::header::HOST).and_then(|host| host.to_str().ok());
                self.refuse(host.unwrap_or_default().to_owned())
            }
        }
    }

    fn refuse(&self, host: String) -> Response<Body> {
        tracing::info!(host, "the fake YouTube refused a host");
        self.shared.note_denied(host);
        text(StatusCode::FORBIDDEN, "This proxy leads to the fake YouTube only.\n")
    }

    fn spawn_tunnel(&self, upgrade: OnUpgrade, host: String) {
        let proxy = self.clone();
        tokio::spawn(self.stop.clone().run_until_cancelled_owned(async move {
            if let Err(error) = proxy.tunnel(upgrade, &host).await {
                tracing::debug!(host, %error, "a tunnel to the fake YouTube broke");
            }
        }));
    }

    async fn tunnel(self, upgrade: OnUpgrade, host: &str) -> anyhow::Result<()> {
        let tls = self.tls.accept(TokioIo::new(upgrade.await?)).await?;
        let service = service_fn(|request| {
            let shared = Arc::clone(&self.shared);
            let host = host.to_owned();
            async move { Ok::<_, Infallible>(site::answer(&shared, &host, request).await) }
        });
        auto::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(tls), service)
            .await
            .map_err(|error| anyhow::anyhow!(error))
    }
}

fn is_youtube(host: &str) -> bool {
    HOSTS
        .iter()
        .any(|name| host.strip_suffix(name).is_some_and(|below| below.is_empty() || below.ends_with('.')))
}
