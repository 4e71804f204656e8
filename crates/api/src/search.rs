//! The search service: find recordings at the source, best first.

use serde::{Deserialize, Serialize};
use songkeep_domain::{SourceRef, media::SourceHit};

use crate::service::service;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Search {
    /// What was typed: words, a link or an id.
    pub q: String,
    /// 1..=50.
    pub limit: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedHit {
    pub hit: SourceHit,
    /// 0..=1.
    pub confidence_score: f64,
    /// Why it ranks where it does, in words.
    pub reasons: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchResults {
    /// Best first.
    pub hits: Vec<RankedHit>,
    /// How many were ranked before the limit.
    pub total_candidates: u32,
    /// Version of the ranking.
    pub version: String,
}

/// An image; `data` is base64.
#[derive(Clone, Serialize, Deserialize)]
pub struct EncodedImage {
    pub media_type: String,
    pub data: String,
}

service! {
    /// Search at the sources.
    role Search, trait SearchApi, client SearchClient, remote RemoteSearch, rpc SearchRpc;

    /// `search_unavailable` when no source answers; never invented rows.
    [Gateway; idempotent] fn search(Search) -> SearchResults;

    /// The picture of a recording, fetched through the guarded way out and cached. No sign-in needed:
    /// the address is signed.
    [Gateway; idempotent] fn thumbnail(SourceRef) -> EncodedImage;
}
