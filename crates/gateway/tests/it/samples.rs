//! Rows as the services would answer them.

use songkeep_api::search::RankedHit;
use songkeep_domain::{
    AuditId, JobId, SongId, SourceProvider, SourceRef, Timestamp, UserId, UserRole,
    audit::AuditEntry,
    job::{FailureCode, ImportStage, Job, JobProgress, JobStatus},
    library::LibrarySong,
    media::{HitKind, SourceHit},
    song::{Container, Song, SongMetadata, StoredAudio},
    user::User,
};

pub const VIDEO: &str = "dQw4w9WgXcQ";
/// 2026-03-01T12:00:00.123456Z.
pub const MOMENT: Timestamp = Timestamp::from_micros(1_772_366_400_123_456);

pub fn source(id: &str) -> SourceRef {
    SourceRef::new(SourceProvider::Youtube, id).unwrap()
}

pub fn user(id: UserId, role: UserRole) -> User {
    User {
        id,
        email: "ada@example.com".to_owned(),
        role,
        verified_at: Some(MOMENT),
        disabled_at: None,
        created_at: MOMENT,
    }
}

pub fn song(id: SongId) -> Song {
    Song {
        id,
        source: source(VIDEO),
        metadata: SongMetadata {
            title: "Song".to_owned(),
            artist: Some("Singer".to_owned()),
            album: None,
            channel: Some("Singer - Topic".to_owned()),
            release_year: None,
        },
        audio: StoredAudio {
            container: Container::Mp4,
            codec: "opus".to_owned(),
            bitrate_kbps: 128,
            duration_ms: 213_400,
            sha256: "ab".repeat(32),
            storage_key: "audio/ab/abab.mp4".to_owned(),
            size_bytes: 3_456_789,
        },
        loudness_lufs: None,
        created_at: MOMENT,
    }
}

pub fn library_song(id: SongId) -> LibrarySong {
    LibrarySong {
        song: song(id),
        title: "My title".to_owned(),
        artist: Some("Singer".to_owned()),
        album: None,
        added_at: MOMENT,
    }
}

pub fn job(id: JobId, user_id: UserId) -> Job {
    Job {
        id,
        user_id,
        source: source(VIDEO),
        title: "Song".to_owned(),
        status: JobStatus::Failed,
        progress: JobProgress { stage: ImportStage::Download, percent: 40 },
        attempt: 2,
        failure_code: Some(FailureCode::Private),
        failure_detail: Some("ERROR: Private video".to_owned()),
        song_id: None,
        created_at: MOMENT,
        updated_at: MOMENT,
    }
}

pub fn ranked(id: &str) -> RankedHit {
    RankedHit {
        hit: SourceHit {
            source: source(id),
            title: "Song".to_owned(),
            artists: vec!["Singer".to_owned()],
            album: None,
            channel: None,
            channel_verified: true,
            duration_sec: Some(213),
            view_count: Some(1_000),
            kind: HitKind::OfficialAudio,
            is_live: false,
        },
        confidence_score: 0.93,
        reasons: vec!["official audio".to_owned()],
    }
}

pub fn audit() -> AuditEntry {
    AuditEntry {
        id: AuditId::new(),
        at: MOMENT,
        actor_id: None,
        action: "auth.signin".to_owned(),
        target: Some("ada@example.com".to_owned()),
        ip: Some("192.0.2.7".to_owned()),
        detail: serde_json::json!({}),
    }
}
