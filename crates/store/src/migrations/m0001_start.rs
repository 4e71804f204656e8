//! Accounts, songs, libraries, jobs, events, audit.

pub const UP: &str = "
CREATE TABLE IF NOT EXISTS users (
    id {uuid} PRIMARY KEY,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL UNIQUE,
    password_hash TEXT,
    role TEXT NOT NULL,
    verified_at BIGINT,
    disabled_at BIGINT,
    event_seq BIGINT NOT NULL DEFAULT 0,
    song_count BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS sessions (
    id {uuid} PRIMARY KEY,
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    ended_at BIGINT,
    end_reason TEXT,
    user_agent TEXT,
    ip TEXT
);
CREATE INDEX IF NOT EXISTS sessions_user ON sessions (user_id);
CREATE INDEX IF NOT EXISTS sessions_expires ON sessions (expires_at);

CREATE TABLE IF NOT EXISTS refresh_tokens (
    id {uuid} PRIMARY KEY,
    session_id {uuid} NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    hash {bytes} NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    successor_id {uuid},
    successor_nonce {bytes}
);
CREATE INDEX IF NOT EXISTS refresh_tokens_session ON refresh_tokens (session_id);

CREATE TABLE IF NOT EXISTS one_time_tokens (
    id {uuid} PRIMARY KEY,
    user_id {uuid} REFERENCES users (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL,
    hash {bytes} NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX IF NOT EXISTS one_time_tokens_user ON one_time_tokens (user_id, purpose);

CREATE TABLE IF NOT EXISTS songs (
    id {uuid} PRIMARY KEY,
    source_provider TEXT NOT NULL,
    source_id TEXT NOT NULL,
    title TEXT NOT NULL,
    artist TEXT,
    album TEXT,
    search_text TEXT NOT NULL,
    channel TEXT,
    release_year BIGINT,
    container TEXT NOT NULL,
    codec TEXT NOT NULL,
    bitrate_kbps BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    storage_key TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    loudness_lufs {double},
    created_at BIGINT NOT NULL,
    orphaned_at BIGINT,
    UNIQUE (source_provider, source_id)
);
CREATE INDEX IF NOT EXISTS songs_storage_key ON songs (storage_key);
CREATE INDEX IF NOT EXISTS songs_orphaned ON songs (orphaned_at) WHERE orphaned_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS library_entries (
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    song_id {uuid} NOT NULL REFERENCES songs (id) ON DELETE CASCADE,
    title TEXT,
    artist TEXT,
    album TEXT,
    sort_title {sorted text} NOT NULL,
    sort_artist {sorted text} NOT NULL,
    sort_album {sorted text} NOT NULL,
    search_text TEXT NOT NULL,
    duration_ms BIGINT NOT NULL,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, song_id)
);
CREATE INDEX IF NOT EXISTS library_entries_song ON library_entries (song_id);
CREATE INDEX IF NOT EXISTS library_entries_added ON library_entries (user_id, added_at, song_id);
CREATE INDEX IF NOT EXISTS library_entries_title ON library_entries (user_id, sort_title, song_id);
CREATE INDEX IF NOT EXISTS library_entries_artist ON library_entries (user_id, sort_artist, song_id);
CREATE INDEX IF NOT EXISTS library_entries_album ON library_entries (user_id, sort_album, song_id);
CREATE INDEX IF NOT EXISTS library_entries_duration ON library_entries (user_id, duration_ms, song_id);

CREATE TABLE IF NOT EXISTS jobs (
    id {uuid} PRIMARY KEY,
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    source_provider TEXT NOT NULL,
    source_id TEXT NOT NULL,
    title TEXT NOT NULL,
    search_text TEXT NOT NULL,
    status TEXT NOT NULL,
    stage TEXT NOT NULL,
    percent BIGINT NOT NULL DEFAULT 0,
    priority BIGINT NOT NULL DEFAULT 0,
    run_at BIGINT NOT NULL,
    attempt BIGINT NOT NULL DEFAULT 0,
    max_attempts BIGINT NOT NULL,
    fence BIGINT NOT NULL DEFAULT 0,
    lease_owner TEXT,
    lease_until BIGINT,
    cancel_requested_at BIGINT,
    hints TEXT NOT NULL,
    traceparent TEXT,
    failure_code TEXT,
    failure_detail TEXT,
    song_id {uuid} REFERENCES songs (id) ON DELETE SET NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE UNIQUE INDEX IF NOT EXISTS jobs_live ON jobs (user_id, source_provider, source_id)
    WHERE status IN ('queued', 'processing');
CREATE UNIQUE INDEX IF NOT EXISTS jobs_working ON jobs (source_provider, source_id) WHERE status = 'processing';
CREATE INDEX IF NOT EXISTS jobs_due ON jobs (priority DESC, run_at, id) WHERE status = 'queued';
CREATE INDEX IF NOT EXISTS jobs_run_at ON jobs (run_at) WHERE status = 'queued';
CREATE INDEX IF NOT EXISTS jobs_leases ON jobs (lease_until) WHERE status = 'processing';
CREATE INDEX IF NOT EXISTS jobs_user ON jobs (user_id, id);
CREATE INDEX IF NOT EXISTS jobs_status ON jobs (status, id);
CREATE INDEX IF NOT EXISTS jobs_song ON jobs (song_id);
CREATE INDEX IF NOT EXISTS jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS events (
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    payload TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, seq)
);
CREATE INDEX IF NOT EXISTS events_created ON events (created_at);

CREATE TABLE IF NOT EXISTS audit_log (
    id {uuid} PRIMARY KEY,
    at BIGINT NOT NULL,
    actor_id {uuid},
    action TEXT NOT NULL,
    target TEXT,
    ip TEXT,
    detail TEXT NOT NULL
);
";
