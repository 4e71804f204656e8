//! The one way to the S3 service, for object_store and for our own requests: every attempt has a time
//! limit, what may pass is tried again, answers are read whole (no connection is held while a listener
//! is slow), and all of it is counted.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
        HttpService,
    },
};
use tracing::debug;

use super::{failure::Failure, metrics};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// After so long without use a connection is closed.
const CONNECTION_IDLE: Duration = Duration::from_secs(30);
const MAX_IDLE_CONNECTIONS: usize = 64;
const MAX_ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// An upload may take longer than other requests: as long as it takes at this rate.
const SLOWEST_UPLOAD_BYTES_PER_SECOND: u64 = 128 * 1024;
/// Far above a range of an object and a page of a list.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

#[derive(Clone, Debug)]
pub(crate) struct Transport {
    client: reqwest::Client,
    /// For one attempt.
    patience: Duration,
}

impl Transport {
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new(patience: Duration) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .http1_only()
            .tcp_nodelay(true)
            // Bytes are wanted as they are stored.
            .no_gzip()
            .no_brotli()
            .connect_timeout(CONNECT_TIMEOUT.min(patience))
            .pool_idle_timeout(CONNECTION_IDLE)
            .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
            .build()?;
        Ok(Self { client, patience })
    }

    async fn attempt(&self, request: HttpRequest) -> Result<HttpResponse, Failure> {
        let upload = request.body().content_length() as u64 / SLOWEST_UPLOAD_BYTES_PER_SECOND;
        let patience = self.patience + Duration::from_secs(upload);
        tokio::time::timeout(patience, self.exchange(request))
            .await
            .unwrap_or_else(|_| Err(Failure::Timeout(patience)))
    }

    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, Failure> {
        let is_post = request.method() == Method::POST;
        let answer =
            HttpService::call(&self.client, request).await.map_err(|error| Failure::from_client(&error))?;
        let (head, body) = answer.into_parts();
        let body = read_whole(body).await?;
        // The completion of an upload begins its answer before it knows how it ends.
        if !head.status.is_success() || (is_post && contains(&body, b"<Error>")) {
            return Err(Failure::from_answer(head.status, &body));
        }
        Ok(HttpResponse::from_parts(head, body.into()))
    }
}

async fn read_whole(body: HttpResponseBody) -> Result<Bytes, Failure> {
    match Limited::new(body, MAX_ANSWER_BYTES).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Failure::Nonsense("it is too long".to_owned())),
        Err(error) => Err(error
            .downcast_ref::<HttpError>()
            .map_or_else(|| Failure::Broken(error.to_string()), Failure::from_client)),
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

#[async_trait]
impl HttpService for Transport {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let operation = operation(&request);
        let started = Instant::now();
        let mut attempts = 1;
        let result = loop {
            match self.attempt(request.clone()).await {
                // All our requests may be repeated. Two time limits are as long as anybody waits.
                Err(failure)
                    if failure.is_transient()
                        && attempts < MAX_ATTEMPTS
                        && started.elapsed() < self.patience * 2 =>
                {
                    debug!(operation, attempts, %failure, "an S3 request is tried again");
                    metrics::retried(operation);
                    tokio::time::sleep(FIRST_PAUSE * 4_u32.pow(attempts - 1)).await;
                    attempts += 1;
                }
                result => break result,
            }
        };
        metrics::ended(operation, started.elapsed(), result.as_ref().err());
        // Of this kind, so that object_store does not try again too.
        result.map_err(|failure| HttpError::new(HttpErrorKind::Unknown, failure))
    }
}

impl HttpConnector for Transport {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

/// The name of what is asked, for metrics.
fn operation(request: &HttpRequest) -> &'static str {
    let query = request.uri().query().unwrap_or_default();
    let asks = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    match *request.method() {
        Method::HEAD => "head",
        Method::GET if asks("list-type") => "list",
        Method::GET if asks("uploads") => "list_uploads",
        Method::GET => "get",
        Method::PUT if asks("partNumber") => "put_part",
        Method::PUT => "put",
        Method::POST if asks("uploads") => "begin_upload",
        Method::POST => "complete_upload",
        Method::DELETE if asks("uploadId") => "abort_upload",
        Method::DELETE => "delete",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use object_store::client::HttpRequestBody;

    use super::*;

    #[test]
    fn requests_are_named_by_what_they_ask() {
        for (method, path, name) in [
            (Method::HEAD, "/b/audio/aa/x.mp4", "head"),
            (Method::GET, "/b/audio/aa/x.mp4", "get"),
            (Method::GET, "/b?list-type=2&max-keys=1", "list"),
            (Method::GET, "/b?uploads=", "list_uploads"),
            (Method::PUT, "/b/x", "put"),
            (Method::PUT, "/b/x?partNumber=1&uploadId=2", "put_part"),
            (Method::POST, "/b/x?uploads=", "begin_upload"),
            (Method::POST, "/b/x?uploadId=2", "complete_upload"),
            (Method::DELETE, "/b/x?uploadId=2", "abort_upload"),
            (Method::DELETE, "/b/x", "delete"),
        ] {
            let request = http::Request::builder()
                .method(method)
                .uri(format!("http://s3{path}"))
                .body(HttpRequestBody::empty())
                .expect("a request");
            assert_eq!(operation(&request), name);
        }
    }
}
