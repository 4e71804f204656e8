//! The blob store over any S3 service (MinIO and its kin, SeaweedFS, Garage, AWS), objects by path under
//! one bucket. Nothing is asked of the service before it is needed, so a process starts without it.

mod bucket;
mod failure;
mod metrics;
mod object;
mod transport;
mod upload;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use http::{Method, StatusCode};
use object_store::{
    ClientOptions, ObjectMeta, ObjectStoreExt, PutPayload, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    client::HttpConnector,
    multipart::MultipartStore,
    path::Path as ObjectPath,
    signer::Signer,
};
use secrecy::{ExposeSecret, SecretString};
use songkeep_domain::{
    Timestamp,
    blob::{Blob, BlobError, BlobInfo, BlobResult, BlobStore, StoredBlob},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use self::{
    bucket::Bucket,
    failure::{Failure, failed},
    object::S3Object,
    transport::Transport,
    upload::Source,
};
use crate::key;

/// How long one attempt of a request may take, uploads of bytes apart.
const PATIENCE: Duration = Duration::from_secs(10);
/// As many as a page may have.
const LIST_PAGE: u16 = 1000;
/// What `check` writes once; no key looks like it.
const PROBE: &str = ".check";
/// Longer than a week no service accepts a signed address.
const MAX_PRESIGNED: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a client must see in `Content-Type` when it fetches an object itself, by extension.
const MEDIA_TYPES: [(&str, &str); 13] = [
    ("mp4", "audio/mp4"),
    ("m4a", "audio/mp4"),
    ("mp3", "audio/mpeg"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/ogg"),
    ("webm", "audio/webm"),
    ("wav", "audio/wav"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
];

#[derive(Clone, Debug)]
pub struct S3Settings {
    /// Base of the service's address, `http` or `https`, without a path.
    pub endpoint: String,
    pub access_key: SecretString,
    pub secret_key: SecretString,
    pub bucket: String,
    pub region: String,
    /// Base under which clients reach the service, if they do; addresses for them are signed for it.
    pub public_endpoint: Option<String>,
    /// Whether the bucket is made when it is missing.
    pub create_bucket: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum S3SetupError {
    #[error("{0:?} is not the base of an http or https address")]
    BadEndpoint(String),
    #[error("{0:?} is not a valid name of a bucket")]
    BadBucket(String),
    #[error("the client for S3 cannot be made")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Objects in one bucket of an S3 service, which several processes may share.
pub struct S3Blobs {
    bucket: Arc<Bucket>,
    /// Signs addresses for clients.
    public: Option<AmazonS3>,
    /// Whether an object was written through it once.
    proven: AtomicBool,
}

impl S3Blobs {
    /// Asks nothing of the service.
    ///
    /// # Errors
    /// When the settings cannot be right, or TLS cannot be set up.
    pub fn connect(settings: S3Settings) -> Result<Self, S3SetupError> {
        Self::connect_with_patience(settings, PATIENCE)
    }

    /// As [`Self::connect`]; `patience` is how long one attempt of a request may take, uploads of bytes
    /// apart. A request has up to three attempts, and no further one after twice the patience.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub fn connect_with_patience(settings: S3Settings, patience: Duration) -> Result<Self, S3SetupError> {
        let transport = Transport::new(patience).map_err(|error| S3SetupError::Client(Box::new(error)))?;
        if !is_bucket_name(&settings.bucket) {
            return Err(S3SetupError::BadBucket(settings.bucket));
        }
        let mut url = base(&settings.endpoint)?;
        let store = client(&settings, &url, &transport)?;
        let public = settings.public_endpoint.as_deref().map(base).transpose()?;
        let public = public.map(|url| client(&settings, &url, &transport)).transpose()?;
        let http = transport
            .connect(&ClientOptions::new())
            .map_err(|error| S3SetupError::Client(Box::new(error)))?;
        url.set_path(&settings.bucket);
        metrics::describe();
        let bucket = Bucket {
            store,
            http,
            url,
            region: settings.region,
            may_create: settings.create_bucket,
            seen: AtomicBool::new(false),
        };
        Ok(Self { bucket: Arc::new(bucket), public, proven: AtomicBool::new(false) })
    }

    /// None when there is no such object.
    async fn head(&self, key: &str) -> BlobResult<Option<(ObjectPath, ObjectMeta)>> {
        let path = object_path(key)?;
        match self.bucket.store.head(&path).await.map_err(Failure::from) {
            Ok(meta) => Ok(Some((path, meta))),
            Err(failure) if failure.is_missing() => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn list_page(&self, token: Option<String>) -> BlobResult<(Vec<BlobInfo>, Option<String>)> {
        self.bucket.ensure().await?;
        let mut page = self.bucket.list_objects(token.as_deref(), LIST_PAGE).await?;
        let next = page.next();
        let mut found = Vec::with_capacity(page.contents.len());
        // What else lies in the bucket is none of ours.
        for object in page.contents.into_iter().filter(|object| key::is_key(&object.key)) {
            let modified_at = object.modified_at()?;
            found.push(BlobInfo { key: object.key, size_bytes: object.size, modified_at });
        }
        Ok((found, next))
    }
}

#[async_trait]
impl BlobStore for S3Blobs {
    /// An object that is there already is sent again: that renews its time and heals it if it was
    /// damaged, and it is rare. (A copy onto itself is refused or done wrongly by some services.)
    async fn put_file(&self, source: &Path, prefix: &str, extension: &str) -> BlobResult<StoredBlob> {
        key::check_parts(prefix, extension)?;
        // A thread of the blocking pool cannot be dropped, so it is told when its caller was.
        let stop = CancellationToken::new();
        let _stop_on_drop = stop.clone().drop_guard();
        let source = Source::open(source, stop.clone()).await.map_err(failed)?;
        let (sha256, size_bytes) = (source.sha256.clone(), source.size_bytes);
        let key = key::compose(prefix, &sha256, extension);
        self.bucket.ensure().await?;
        source.send(&self.bucket, &object_path(&key)?, stop).await.map_err(failed)?;
        Ok(StoredBlob { key, sha256, size_bytes })
    }

    async fn open(&self, key: &str) -> BlobResult<Arc<dyn Blob>> {
        let (path, meta) = self.head(key).await?.ok_or_else(|| BlobError::NotFound(key.to_owned()))?;
        Ok(Arc::new(S3Object { bucket: Arc::clone(&self.bucket), path, size_bytes: meta.size }))
    }

    async fn stat(&self, key: &str) -> BlobResult<Option<BlobInfo>> {
        let found = self.head(key).await?;
        Ok(found.map(|(_, meta)| BlobInfo {
            key: key.to_owned(),
            size_bytes: meta.size,
            modified_at: Timestamp::from_micros(meta.last_modified.timestamp_micros()),
        }))
    }

    async fn delete(&self, key: &str) -> BlobResult<()> {
        match self.bucket.store.delete(&object_path(key)?).await.map_err(Failure::from) {
            Err(failure) if !failure.is_missing() => Err(failure.into()),
            _ => Ok(()),
        }
    }

    fn list(&self) -> BoxStream<'_, BlobResult<BlobInfo>> {
        let pages = stream::try_unfold(Some(None), move |token: Option<Option<String>>| async move {
            let Some(token) = token else { return Ok::<_, BlobError>(None) };
            let (found, next) = self.list_page(token).await?;
            Ok(Some((stream::iter(found.into_iter().map(Ok)), next.map(Some))))
        });
        pages.try_flatten().boxed()
    }

    /// Where the service cannot list uploads, as MinIO without their keys, it clears them away itself.
    async fn delete_abandoned_uploads(&self, before: Timestamp) -> BlobResult<u64> {
        self.bucket.ensure().await?;
        let (mut deleted, mut marker) = (0, None);
        loop {
            let mut page = match self.bucket.list_uploads(marker.as_ref()).await {
                Err(Failure::Answer { status: StatusCode::NOT_IMPLEMENTED, .. }) => return Ok(deleted),
                page => page?,
            };
            marker = page.next();
            for upload in page.uploads.into_iter().filter(|upload| key::is_key(&upload.key)) {
                if upload.began_at()? >= before {
                    continue;
                }
                let path = object_path(&upload.key)?;
                match self.bucket.store.abort_multipart(&path, &upload.upload_id).await.map_err(Failure::from)
                {
                    Ok(()) => deleted += 1,
                    // One that ends meanwhile is gone by itself.
                    Err(failure) if failure.is_missing() => {}
                    Err(failure) => return Err(failure.into()),
                }
            }
            if marker.is_none() {
                return Ok(deleted);
            }
        }
    }

    /// Lists one object; the first time also writes a few bytes, as proof that uploads are possible.
    async fn check(&self) -> BlobResult<()> {
        self.bucket.ensure().await?;
        let listed = self.bucket.list_objects(None, 1).await;
        listed.inspect_err(|failure| self.bucket.note(failure))?;
        if !self.proven.load(Ordering::Relaxed) {
            let payload = PutPayload::from_bytes(Bytes::from_static(b"check"));
            let path = ObjectPath::parse(PROBE).map_err(|_| BlobError::BadKey(PROBE.to_owned()))?;
            self.bucket.store.put(&path, payload).await.map_err(Failure::from)?;
            self.proven.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn presign_get(&self, key: &str, lifetime: Duration) -> BlobResult<Option<Url>> {
        let path = object_path(key)?;
        let Some(public) = &self.public else { return Ok(None) };
        let lifetime = lifetime.clamp(Duration::from_secs(1), MAX_PRESIGNED);
        Ok(Some(public.signed_url(Method::GET, &path, lifetime).await.map_err(Failure::from)?))
    }
}

/// # Errors
/// `BadKey` when it is none of ours.
fn object_path(key: &str) -> BlobResult<ObjectPath> {
    key::check(key)?;
    ObjectPath::parse(key).map_err(|_| BlobError::BadKey(key.to_owned()))
}

fn client(settings: &S3Settings, endpoint: &Url, transport: &Transport) -> Result<AmazonS3, S3SetupError> {
    let options = MEDIA_TYPES.iter().fold(ClientOptions::new(), |options, (extension, media_type)| {
        options.with_content_type_for_suffix(*extension, *media_type)
    });
    AmazonS3Builder::new()
        .with_endpoint(endpoint.as_str())
        .with_bucket_name(&settings.bucket)
        .with_region(&settings.region)
        .with_access_key_id(settings.access_key.expose_secret())
        .with_secret_access_key(settings.secret_key.expose_secret())
        .with_virtual_hosted_style_request(false)
        .with_allow_http(true)
        // One object after another; not every service knows how to delete several.
        .with_disable_bulk_delete(true)
        // The transport tries again.
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
        .with_client_options(options)
        .with_http_connector(transport.clone())
        .build()
        .map_err(|error| S3SetupError::Client(Box::new(error)))
}

/// # Errors
/// `BadEndpoint`, without whatever secret the address holds.
fn base(text: &str) -> Result<Url, S3SetupError> {
    let bad = || S3SetupError::BadEndpoint(text.split_once('@').map_or(text, |(_, rest)| rest).to_owned());
    let url = Url::parse(text).map_err(|_| bad())?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.host().is_some()
        && url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    if plain { Ok(url) } else { Err(bad()) }
}

fn is_bucket_name(name: &str) -> bool {
    let is_end =
        |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    (3..=63).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
        && is_end(name.bytes().next())
        && is_end(name.bytes().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(endpoint: &str, bucket: &str) -> S3Settings {
        S3Settings {
            endpoint: endpoint.to_owned(),
            access_key: "key-id".into(),
            secret_key: "very-secret".into(),
            bucket: bucket.to_owned(),
            region: "us-east-1".to_owned(),
            public_endpoint: None,
            create_bucket: true,
        }
    }

    #[test]
    fn settings_that_cannot_be_right_are_refused_and_no_secret_is_told() {
        for endpoint in [
            "",
            "minio:9000",
            "ftp://minio",
            "http://minio/path",
            "http://minio/?x=1",
            "http://user:hidden@minio",
        ] {
            let error = S3Blobs::connect(settings(endpoint, "songkeep")).err().expect("refused");
            assert!(matches!(error, S3SetupError::BadEndpoint(_)), "{endpoint}");
            assert!(!error.to_string().contains("hidden"));
        }
        for bucket in ["", "ab", "Songs", "songs/x", "-songs", "songs.", &"x".repeat(64)] {
            let refused = S3Blobs::connect(settings("http://minio:9000", bucket));
            assert!(matches!(refused, Err(S3SetupError::BadBucket(_))), "{bucket}");
        }
        assert!(!format!("{:?}", settings("http://minio", "songs")).contains("very-secret"));
    }

    #[tokio::test]
    async fn an_address_for_clients_is_signed_for_the_public_endpoint() {
        let key = format!("audio/00/{}.mp4", "0".repeat(64));
        let inner = S3Blobs::connect(settings("http://minio:9000", "songs")).expect("connected");
        assert_eq!(inner.presign_get(&key, Duration::from_secs(60)).await.expect("signed"), None);
        let public_endpoint = Some("https://media.example.com".to_owned());
        let outer =
            S3Blobs::connect(S3Settings { public_endpoint, ..settings("http://minio:9000", "songs") })
                .expect("connected");
        let url =
            outer.presign_get(&key, Duration::from_secs(60)).await.expect("signed").expect("an address");
        assert_eq!((url.scheme(), url.host_str()), ("https", Some("media.example.com")));
        assert_eq!(url.path(), format!("/songs/{key}"));
        assert!(url.query_pairs().any(|(name, value)| name == "X-Amz-Expires" && value == "60"));
        assert!(!url.as_str().contains("very-secret"));
        assert!(matches!(outer.presign_get("../x", MAX_PRESIGNED).await, Err(BlobError::BadKey(_))));
    }
}
