//! Search and description by the download tool, for when the source's own search cannot be read.

use async_trait::async_trait;
use songkeep_domain::{
    SourceProvider, SourceRef,
    job::{FailureCode, ImportFailure},
    media::{HitKind, SourceError, SourceHit},
};

use super::{DESCRIBE_TIMEOUT, Info, Pool, Request, SEARCH_TIMEOUT};
use crate::flat_search::FlatSearch;

const MAX_QUERY_CHARS: usize = 300;
const MAX_LIMIT: u32 = 50;

#[async_trait]
impl FlatSearch for Pool {
    async fn flat_search(&self, query: &str, limit: u32) -> Result<Vec<SourceHit>, SourceError> {
        // It stands behind a prefix of ours in one line.
        let query: String =
            query.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_QUERY_CHARS).collect();
        let query = query.trim().to_owned();
        if query.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        let request = Request::Search { query, limit: limit.min(MAX_LIMIT) };
        let done = self
            .run(request, SEARCH_TIMEOUT, SEARCH_TIMEOUT, &mut |_| ())
            .await
            .map_err(|failure| source_error(&failure))?;
        let mut hits: Vec<SourceHit> = Vec::new();
        for hit in done.entries.into_iter().filter_map(hit) {
            if !hits.iter().any(|other| other.source == hit.source) {
                hits.push(hit);
            }
        }
        Ok(hits)
    }

    async fn describe(&self, source: &SourceRef) -> Result<SourceHit, SourceError> {
        let request = Request::Describe { url: source.page_url() };
        let done = self
            .run(request, DESCRIBE_TIMEOUT, DESCRIBE_TIMEOUT, &mut |_| ())
            .await
            .map_err(|failure| source_error(&failure))?;
        done.info.and_then(hit).filter(|hit| hit.source == *source).ok_or(SourceError::NotFound)
    }
}

/// None for what is no recording (channels, playlists) or has no title.
fn hit(info: Info) -> Option<SourceHit> {
    let source = SourceRef::new(SourceProvider::Youtube, info.id.as_deref()?).ok()?;
    Some(SourceHit {
        source,
        title: info.title?,
        artists: info.artists,
        album: info.album,
        channel: info.channel.or(info.uploader),
        channel_verified: info.channel_verified,
        duration_sec: info.duration.filter(|_| !info.is_live).map(|seconds| seconds.round() as u32),
        view_count: info.view_count.map(|count| count as u64),
        kind: HitKind::Unknown,
        is_live: info.is_live,
    })
}

fn source_error(failure: &ImportFailure) -> SourceError {
    match failure.code {
        FailureCode::Timeout => SourceError::Timeout,
        FailureCode::Unavailable | FailureCode::Private | FailureCode::UnsupportedUrl => {
            SourceError::NotFound
        }
        code => {
            let line = failure.detail.lines().next().unwrap_or_default();
            SourceError::Unavailable(format!("{}: {line}", code.as_str()))
        }
    }
}
