//! The port to YouTube: both catalogues at once, and the download tool when neither can be read.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use songkeep_domain::{
    SourceRef,
    media::{SongSource, SourceError, SourceHit, SourceImage},
};

use super::{
    parse::{self, Description, Page},
    protocol::{self, Client},
};
use crate::{
    flat_search::FlatSearch,
    outgoing::{Outgoing, OutgoingError},
};

/// Searches, describes and pictures recordings of YouTube.
pub struct YoutubeSource {
    outgoing: Outgoing,
    fallback: Arc<dyn FlatSearch>,
}

/// Why an answer of YouTube's own endpoints is of no use.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Outgoing(#[from] OutgoingError),
    #[error("the answer is no JSON")]
    NotJson(#[source] serde_json::Error),
    #[error("nothing in the answer can be read")]
    Unreadable,
}

impl YoutubeSource {
    /// `fallback` is asked when YouTube's own endpoints fail or find nothing.
    #[must_use]
    pub fn new(outgoing: Outgoing, fallback: Arc<dyn FlatSearch>) -> Self {
        Self { outgoing, fallback }
    }

    /// Both catalogues; None when at least one could not be read and the other has nothing.
    async fn ask_catalogues(&self, query: &str, limit: usize) -> Option<Vec<SourceHit>> {
        let (songs, videos) = tokio::join!(
            self.ask_catalogue(&protocol::WEB_REMIX, query, parse::songs),
            self.ask_catalogue(&protocol::WEB, query, parse::videos),
        );
        let all_answered = songs.is_ok() && videos.is_ok();
        let first = |page: Result<Page, AskError>| {
            page.map(|page| page.hits.into_iter().take(limit).collect()).unwrap_or_default()
        };
        let hits = parse::merge(first(songs), first(videos));
        (all_answered || !hits.is_empty()).then_some(hits)
    }

    async fn ask_catalogue(
        &self,
        client: &'static Client,
        query: &str,
        read: fn(&serde_json::Value) -> Page,
    ) -> Result<Page, AskError> {
        let (url, body) = (client.search_url(), client.search_body(query));
        let answer = self.ask(client, &url, &body, protocol::SEARCH_TIMEOUT).await;
        let page = answer.map(|answer| read(&answer)).and_then(|page| {
            count_unreadable_rows(client, page.unreadable);
            if page.hits.is_empty() && !page.is_certainly_empty() {
                Err(AskError::Unreadable)
            } else {
                Ok(page)
            }
        });
        if let Err(error) = &page {
            tracing::warn!(
                catalogue = client.name(),
                error = error as &dyn std::error::Error,
                "a catalogue cannot be searched"
            );
        }
        page
    }

    async fn ask(
        &self,
        client: &Client,
        url: &str,
        body: &serde_json::Value,
        timeout: std::time::Duration,
    ) -> Result<serde_json::Value, AskError> {
        let headers = client.headers();
        let answer = self
            .outgoing
            .post_json_with_headers(url, &headers, body, timeout, protocol::MAX_ANSWER_BYTES)
            .await?;
        serde_json::from_slice(&answer).map_err(AskError::NotJson)
    }
}

#[async_trait]
impl SongSource for YoutubeSource {
    async fn search(&self, query: &str, limit: u32) -> Result<Vec<SourceHit>, SourceError> {
        let started = Instant::now();
        let answered = self.ask_catalogues(query, usize::try_from(limit).unwrap_or(usize::MAX)).await;
        count_search("fast", answered.as_ref().map_or("failed", |hits| found_or_empty(hits)), started);
        if let Some(hits) = answered.as_ref().filter(|hits| !hits.is_empty()) {
            return Ok(hits.clone());
        }

        // "Nothing found" is doubted too: it is how many changes of the endpoint look at first.
        let started = Instant::now();
        let found = self.fallback.flat_search(query, limit).await;
        count_search("fallback", found.as_deref().map_or("failed", found_or_empty), started);
        match (found, answered) {
            (Err(error), Some(_)) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "nobody could confirm an empty answer"
                );
                Ok(Vec::new())
            }
            (found, _) => found,
        }
    }

    async fn describe(&self, source: &SourceRef) -> Result<SourceHit, SourceError> {
        let client = &protocol::WEB;
        let body = client.player_body(source);
        match self.ask(client, &client.player_url(), &body, protocol::DESCRIBE_TIMEOUT).await {
            Ok(answer) => match parse::description(&answer, source) {
                Description::Recording(hit) => return Ok(*hit),
                Description::NotThere => return Err(SourceError::NotFound),
                Description::Unreadable => tracing::debug!(%source, "YouTube does not describe it to us"),
            },
            Err(error) => {
                tracing::warn!(%source, error = &error as &dyn std::error::Error, "cannot ask for a description");
            }
        }
        self.fallback.describe(source).await
    }

    async fn thumbnail(&self, source: &SourceRef) -> Result<SourceImage, SourceError> {
        let url = protocol::thumbnail_url(source);
        let answer =
            self.outgoing.get(&url, protocol::THUMBNAIL_TIMEOUT, protocol::MAX_THUMBNAIL_BYTES).await;
        let (bytes, media_type) = answer.map_err(|error| match error {
            OutgoingError::Timeout => SourceError::Timeout,
            OutgoingError::Status(404 | 410) => SourceError::NotFound,
            error => SourceError::Unavailable(error.to_string()),
        })?;
        let media_type = media_type.unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        // Drawings may carry scripts; pictures of videos are never drawn.
        if !media_type.starts_with("image/") || media_type.starts_with("image/svg") || bytes.is_empty() {
            return Err(SourceError::Unavailable("what it sent is no picture".to_owned()));
        }
        Ok(SourceImage { bytes, media_type })
    }
}

const fn found_or_empty(hits: &[SourceHit]) -> &'static str {
    if hits.is_empty() { "empty" } else { "found" }
}

fn count_search(path: &'static str, result: &'static str, started: Instant) {
    metrics::counter!("songkeep_youtube_search_total", "path" => path, "result" => result).increment(1);
    metrics::histogram!("songkeep_youtube_search_seconds", "path" => path)
        .record(started.elapsed().as_secs_f64());
}

fn count_unreadable_rows(client: &Client, rows: u64) {
    let catalogue = client.name();
    metrics::counter!("songkeep_youtube_rows_unreadable_total", "catalogue" => catalogue).increment(rows);
}
