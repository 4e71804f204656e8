//! Search, and the addresses of bytes.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::search::RankedHit;

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SearchParams {
    /// Words, a YouTube link, or a video id.
    #[param(required = true, min_length = 1, max_length = 300)]
    pub q: Option<String>,
    /// 1..50.
    #[param(minimum = 1, maximum = 50, default = 10)]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Candidate {
    #[schema(example = "youtube")]
    pub source_provider: String,
    #[schema(example = "dQw4w9WgXcQ")]
    pub source_id: String,
    pub title: String,
    pub channel: Option<String>,
    pub duration_sec: Option<u32>,
    /// 0..1.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub confidence_score: f64,
    /// Why it ranks where it does.
    pub reasons: Vec<String>,
    /// Absolute, of this server.
    pub thumbnail_url: String,
    pub view_count: Option<u64>,
    /// The stored song, when somebody imported it already.
    pub song_id: Option<Uuid>,
    pub in_library: bool,
    pub artists: Vec<String>,
    pub album: Option<String>,
}

impl Candidate {
    #[must_use]
    pub fn new(ranked: RankedHit, thumbnail_url: String, song_id: Option<Uuid>, in_library: bool) -> Self {
        let hit = ranked.hit;
        Self {
            source_provider: hit.source.provider().as_str().to_owned(),
            source_id: hit.source.id().to_owned(),
            channel: hit.channel.or_else(|| hit.artists.first().cloned()),
            title: hit.title,
            duration_sec: hit.duration_sec,
            confidence_score: ranked.confidence_score,
            reasons: ranked.reasons,
            thumbnail_url,
            view_count: hit.view_count,
            song_id,
            in_library,
            artists: hit.artists,
            album: hit.album,
        }
    }
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ScoringMeta {
    /// How many recordings were ranked before the limit.
    pub total_candidates: u32,
    /// Version of the ranking.
    pub version: String,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SearchAnswer {
    /// Best first.
    pub candidates: Vec<Candidate>,
    pub scoring_meta: ScoringMeta,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StreamAnswer {
    /// Absolute; holds a token, so keep it out of logs.
    pub stream_url: String,
    /// Seconds.
    pub expires_in: u64,
}
