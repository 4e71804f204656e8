//! The search service over its ports: validation, caches, and what a source's failures mean to callers.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use moka::future::Cache;
use songkeep_api::search::{EncodedImage, RankedHit, Search, SearchApi, SearchResults};
use songkeep_domain::{
    CallContext, ErrorCode, ServiceError, ServiceResult, SourceRef,
    media::{SongSource, SourceError, SourceHit, SourceImage},
};

use crate::{
    ranking::{RANKING_VERSION, rank},
    text::cache_key,
};

/// Longest query in characters.
const MAX_QUERY_CHARS: usize = 300;
const MAX_LIMIT: u32 = 50;
/// How long callers should wait after a source failed.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// Largest picture that is passed on.
const MAX_IMAGE_BYTES: usize = 2 * 1024 * 1024;
/// Formats of pictures that cannot carry scripts into our origin.
const IMAGE_TYPES: [&str; 5] = ["image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"];

/// What the service stands on.
#[derive(Clone)]
pub struct SearchPorts {
    pub source: Arc<dyn SongSource>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchSettings {
    /// How long the answer to a query is reused.
    pub cache_ttl: Duration,
    /// How many queries, and how many descriptions of recordings, are remembered.
    pub cache_entries: u64,
    /// How many recordings are asked for in each catalogue of the source, whatever the caller's limit:
    /// ranking needs a choice, and callers with different limits share the answer.
    pub fan_out: u32,
    /// After this long a source counts as down.
    pub source_timeout: Duration,
    /// Bytes of pictures that are remembered.
    pub thumbnail_cache_bytes: u64,
    pub thumbnail_ttl: Duration,
}

impl Default for SearchSettings {
    fn default() -> Self {
        Self {
            cache_ttl: Duration::from_secs(300),
            cache_entries: 2_000,
            fan_out: 20,
            source_timeout: Duration::from_secs(15),
            thumbnail_cache_bytes: 64 * 1024 * 1024,
            thumbnail_ttl: Duration::from_secs(24 * 3600),
        }
    }
}

/// Serves [`SearchApi`]. Equal questions asked at the same time reach the source once; failures are
/// never remembered.
pub struct SearchService {
    ports: SearchPorts,
    settings: SearchSettings,
    answers: Cache<String, Arc<Vec<RankedHit>>>,
    described: Cache<SourceRef, Arc<SourceHit>>,
    thumbnails: Cache<SourceRef, Arc<SourceImage>>,
}

impl SearchService {
    #[must_use]
    pub fn new(ports: SearchPorts, settings: SearchSettings) -> Self {
        let answers =
            Cache::builder().max_capacity(settings.cache_entries).time_to_live(settings.cache_ttl).build();
        let described =
            Cache::builder().max_capacity(settings.cache_entries).time_to_live(settings.cache_ttl).build();
        let thumbnails = Cache::builder()
            .weigher(|_, image: &Arc<SourceImage>| u32::try_from(image.bytes.len() + 256).unwrap_or(u32::MAX))
            .max_capacity(settings.thumbnail_cache_bytes)
            .time_to_live(settings.thumbnail_ttl)
            .build();
        Self { ports, settings, answers, described, thumbnails }
    }

    /// What stands at a pasted link or id, as the only hit; nothing when the source does not have it.
    async fn resolve_pasted(&self, source: &SourceRef) -> Result<Vec<RankedHit>, Arc<SourceError>> {
        let describe = self.in_time(self.ports.source.describe(source));
        let described = self
            .described
            .entry_by_ref(source)
            .or_try_insert_with(async { describe.await.map(Arc::new) })
            .await;
        match described {
            Ok(entry) => {
                count_cache("describe", entry.is_fresh());
                let hit = entry.into_value().as_ref().clone();
                let reasons = vec!["the link or id you pasted".to_owned()];
                Ok(vec![RankedHit { hit, confidence_score: 1.0, reasons }])
            }
            Err(error) if matches!(*error, SourceError::NotFound) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn search_words(&self, query: &str) -> Result<Arc<Vec<RankedHit>>, Arc<SourceError>> {
        let search = self.in_time(self.ports.source.search(query, self.settings.fan_out));
        let entry = self
            .answers
            .entry(cache_key(query))
            .or_try_insert_with(async { search.await.map(|hits| Arc::new(rank(query, hits))) })
            .await;
        match entry {
            Ok(entry) => {
                count_cache("search", entry.is_fresh());
                Ok(entry.into_value())
            }
            // Nothing there is an answer, and no failure.
            Err(error) if matches!(*error, SourceError::NotFound) => Ok(Arc::default()),
            Err(error) => Err(error),
        }
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<T, SourceError>>) -> Result<T, SourceError> {
        tokio::time::timeout(self.settings.source_timeout, call).await.unwrap_or(Err(SourceError::Timeout))
    }

    async fn find(&self, query: &str) -> Result<Arc<Vec<RankedHit>>, Arc<SourceError>> {
        if let Some(source) = SourceRef::from_pasted(query) {
            let hits = self.resolve_pasted(&source).await?;
            // A word that only looks like an id may still be something to search for.
            if !hits.is_empty() || is_link(query) {
                return Ok(Arc::new(hits));
            }
        }
        self.search_words(query).await
    }
}

#[async_trait]
impl SearchApi for SearchService {
    async fn search(&self, ctx: &CallContext, request: Search) -> ServiceResult<SearchResults> {
        ctx.require_user()?;
        let query = clean_query(&request.q)?;
        if !(1..=MAX_LIMIT).contains(&request.limit) {
            return Err(ServiceError::invalid(
                "limit",
                "out_of_range",
                format!("The limit must be between 1 and {MAX_LIMIT}."),
            ));
        }
        let hits = self.find(&query).await.map_err(|error| {
            count_search("unavailable");
            unavailable(&error)
        })?;
        count_search(if hits.is_empty() { "empty" } else { "found" });
        Ok(SearchResults {
            hits: hits.iter().take(request.limit as usize).cloned().collect(),
            total_candidates: u32::try_from(hits.len()).unwrap_or(u32::MAX),
            version: RANKING_VERSION.to_owned(),
        })
    }

    async fn thumbnail(&self, _ctx: &CallContext, source: SourceRef) -> ServiceResult<EncodedImage> {
        let fetch = self.in_time(self.ports.source.thumbnail(&source));
        let entry = self
            .thumbnails
            .entry_by_ref(&source)
            .or_try_insert_with(async { fetch.await.and_then(|image| check_image(image).map(Arc::new)) })
            .await
            .map_err(|error| match *error {
                SourceError::NotFound => ServiceError::not_found("This picture"),
                SourceError::Timeout | SourceError::Unavailable(_) => unavailable(&error),
            })?;
        count_cache("thumbnail", entry.is_fresh());
        let image = entry.into_value();
        Ok(EncodedImage { media_type: image.media_type.clone(), data: STANDARD.encode(&image.bytes) })
    }
}

/// Trimmed, with single spaces.
fn clean_query(q: &str) -> ServiceResult<String> {
    let q = q.trim();
    if q.chars().any(char::is_control) {
        return Err(ServiceError::invalid(
            "q",
            "control_characters",
            "The search words must not contain control characters.",
        ));
    }
    if q.is_empty() {
        return Err(ServiceError::invalid("q", "required", "Type something to search for."));
    }
    if q.chars().count() > MAX_QUERY_CHARS {
        return Err(ServiceError::invalid(
            "q",
            "too_long",
            format!("The search words must not be longer than {MAX_QUERY_CHARS} characters."),
        ));
    }
    if is_link(q) && SourceRef::from_pasted(q).is_none() {
        return Err(ServiceError::invalid(
            "q",
            "unsupported_url",
            "This link is not of a recording that can be imported. Paste the link of one YouTube video, or search by words.",
        ));
    }
    Ok(q.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn is_link(text: &str) -> bool {
    let has_site = text.contains("://") || text.contains("youtu.be/") || text.contains("youtube.com/");
    has_site && !text.contains(char::is_whitespace)
}

fn check_image(image: SourceImage) -> Result<SourceImage, SourceError> {
    let media_type = image.media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !IMAGE_TYPES.contains(&media_type.as_str()) || image.bytes.is_empty() {
        return Err(SourceError::NotFound);
    }
    if image.bytes.len() > MAX_IMAGE_BYTES {
        return Err(SourceError::Unavailable("the picture is too large".to_owned()));
    }
    Ok(SourceImage { media_type, ..image })
}

fn unavailable(error: &Arc<SourceError>) -> ServiceError {
    let detail = match **error {
        SourceError::Timeout => "YouTube takes too long to answer. Try again in a moment.",
        SourceError::NotFound | SourceError::Unavailable(_) => {
            "YouTube cannot be searched at the moment. Try again in a moment."
        }
    };
    ServiceError { retry_after: Some(RETRY_AFTER), ..ServiceError::new(ErrorCode::SearchUnavailable, detail) }
        .with_source(Arc::clone(error))
}

fn count_search(result: &'static str) {
    metrics::counter!("songkeep_search_total", "result" => result).increment(1);
}

fn count_cache(cache: &'static str, fetched: bool) {
    let outcome = if fetched { "miss" } else { "hit" };
    metrics::counter!("songkeep_search_cache_total", "cache" => cache, "outcome" => outcome).increment(1);
}
