//! The one HTTP client with which this process itself leaves the machine: through the operator's
//! proxy when one is set, only to the hosts that YouTube's search and pictures live on, over TLS, with a
//! time limit and a size limit on every answer.

use std::{path::Path, time::Duration};

use bytes::{Bytes, BytesMut};
use reqwest::{Certificate, Client, RequestBuilder, Response, header::CONTENT_TYPE, redirect};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::MediaError;

/// Each name stands for itself and everything below it.
const ALLOWED_HOSTS: [&str; 5] =
    ["youtube.com", "ytimg.com", "ggpht.com", "googleusercontent.com", "youtubei.googleapis.com"];
const MAX_REDIRECTS: usize = 3;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The words of a browser, since the endpoints answer others differently.
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    #[error("no answer in time")]
    Timeout,
    #[error("answered with status {0}")]
    Status(u16),
    #[error("the answer is larger than allowed")]
    TooLarge,
    /// Not https, or a host that is not on the list (also as the target of a redirect).
    #[error("the address is not one that may be contacted")]
    Blocked,
    #[error("the request failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A pooled client; clones share it.
#[derive(Clone)]
pub struct Outgoing {
    client: Client,
}

impl Outgoing {
    /// `upstream_proxy` is `http://`, `https://` or `socks5://`, names are then resolved by it;
    /// `ca_file` (PEM) is trusted besides the system's roots. No proxy is taken from the environment.
    ///
    /// # Errors
    /// When the proxy's address or the file cannot be read.
    pub fn new(upstream_proxy: Option<&SecretString>, ca_file: Option<&Path>) -> Result<Self, MediaError> {
        let mut builder = Client::builder()
            .no_proxy()
            .user_agent(USER_AGENT)
            .https_only(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::custom(|attempt| {
                if attempt.previous().len() > MAX_REDIRECTS {
                    attempt.stop()
                } else if is_allowed(attempt.url()) {
                    attempt.follow()
                } else {
                    attempt.error(OutgoingError::Blocked)
                }
            }));
        if let Some(proxy) = upstream_proxy {
            let proxy = reqwest::Proxy::all(remote_resolving(proxy.expose_secret()))
                .map_err(|error| MediaError::Proxy(error.without_url()))?;
            builder = builder.proxy(proxy);
        }
        if let Some(path) = ca_file {
            let pem =
                std::fs::read(path).map_err(|source| MediaError::Folder { path: path.to_owned(), source })?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(MediaError::HttpClient)?;
            builder = builder.tls_certs_merge(certificates);
        }
        Ok(Self { client: builder.build().map_err(MediaError::HttpClient)? })
    }

    /// Posts JSON and reads the body of a 2xx answer.
    ///
    /// # Errors
    /// See [`OutgoingError`].
    pub async fn post_json(
        &self,
        url: &str,
        body: &serde_json::Value,
        timeout: Duration,
        max_bytes: usize,
    ) -> Result<Bytes, OutgoingError> {
        self.post_json_with_headers(url, &[], body, timeout, max_bytes).await
    }

    /// The same with more headers, as names in lower case and values.
    ///
    /// # Errors
    /// See [`OutgoingError`].
    pub async fn post_json_with_headers(
        &self,
        url: &str,
        headers: &[(&'static str, &'static str)],
        body: &serde_json::Value,
        timeout: Duration,
        max_bytes: usize,
    ) -> Result<Bytes, OutgoingError> {
        let mut request = self.client.post(checked(url)?).json(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Ok(send(request, timeout, max_bytes).await?.0)
    }

    /// The body of a 2xx answer and its content type.
    ///
    /// # Errors
    /// See [`OutgoingError`].
    pub async fn get(
        &self,
        url: &str,
        timeout: Duration,
        max_bytes: usize,
    ) -> Result<(Bytes, Option<String>), OutgoingError> {
        send(self.client.get(checked(url)?), timeout, max_bytes).await
    }
}

async fn send(
    request: RequestBuilder,
    timeout: Duration,
    max_bytes: usize,
) -> Result<(Bytes, Option<String>), OutgoingError> {
    let response = request.timeout(timeout).send().await.map_err(failure)?;
    if !response.status().is_success() {
        return Err(OutgoingError::Status(response.status().as_u16()));
    }
    let media_type =
        response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok((read_capped(response, max_bytes).await?, media_type))
}

async fn read_capped(mut response: Response, max_bytes: usize) -> Result<Bytes, OutgoingError> {
    let too_large = |bytes: u64| bytes > max_bytes as u64;
    if response.content_length().is_some_and(too_large) {
        return Err(OutgoingError::TooLarge);
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(failure)? {
        if too_large((body.len() + chunk.len()) as u64) {
            return Err(OutgoingError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn checked(url: &str) -> Result<Url, OutgoingError> {
    let url = Url::parse(url).map_err(|_| OutgoingError::Blocked)?;
    if is_allowed(&url) { Ok(url) } else { Err(OutgoingError::Blocked) }
}

fn is_allowed(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let on_list = ALLOWED_HOSTS
        .iter()
        .any(|name| host == *name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')));
    on_list && url.scheme() == "https" && url.port().is_none() && url.username().is_empty()
}

fn failure(error: reqwest::Error) -> OutgoingError {
    if error.is_timeout() {
        return OutgoingError::Timeout;
    }
    if error.is_redirect() {
        return OutgoingError::Blocked;
    }
    OutgoingError::Failed(Box::new(error.without_url()))
}

/// Names are resolved where the connection is made, so that nothing leaves the machine beside the proxy.
fn remote_resolving(proxy: &str) -> String {
    proxy.strip_prefix("socks5://").map_or_else(|| proxy.to_owned(), |rest| format!("socks5h://{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sources_own_hosts_over_tls_may_be_contacted() {
        for url in [
            "https://www.youtube.com/youtubei/v1/search",
            "https://youtube.com/",
            "https://music.youtube.com/youtubei/v1/search?prettyPrint=false",
            "https://i.ytimg.com/vi/x/hq720.jpg",
            "https://lh3.googleusercontent.com/abc=w512",
            "https://yt3.ggpht.com/x",
        ] {
            assert!(checked(url).is_ok(), "{url}");
        }
        for url in [
            "http://www.youtube.com/",
            "https://www.youtube.com:8443/",
            "https://user@www.youtube.com/",
            "https://notyoutube.com/",
            "https://youtube.com.evil.example/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://storage.googleapis.com/",
            "file:///etc/passwd",
            "nonsense",
        ] {
            assert!(matches!(checked(url), Err(OutgoingError::Blocked)), "{url}");
        }
    }

    #[test]
    fn socks_proxies_resolve_names_themselves() {
        assert_eq!(remote_resolving("socks5://u:p@vpn:1080"), "socks5h://u:p@vpn:1080");
        assert_eq!(remote_resolving("http://proxy:3128"), "http://proxy:3128");
    }
}
