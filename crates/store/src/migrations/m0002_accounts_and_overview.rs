//! Passwords bound to verification links, entries that can be restored, and what the overview counts.

pub const UP: &str = "
CREATE TABLE IF NOT EXISTS token_passwords (
    token_id {uuid} PRIMARY KEY REFERENCES one_time_tokens (id) ON DELETE CASCADE,
    password_hash TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS removed_entries (
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    song_id {uuid} NOT NULL REFERENCES songs (id) ON DELETE CASCADE,
    title TEXT,
    artist TEXT,
    album TEXT,
    added_at BIGINT NOT NULL,
    removed_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, song_id)
);
CREATE INDEX IF NOT EXISTS removed_entries_song ON removed_entries (song_id);
CREATE INDEX IF NOT EXISTS removed_entries_removed ON removed_entries (removed_at);

CREATE TABLE IF NOT EXISTS traffic (
    minute BIGINT NOT NULL,
    node {uuid} NOT NULL,
    requests BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    PRIMARY KEY (minute, node)
);

CREATE INDEX IF NOT EXISTS users_created ON users (created_at);
CREATE INDEX IF NOT EXISTS songs_created ON songs (created_at, size_bytes);
CREATE INDEX IF NOT EXISTS jobs_outcomes ON jobs (finished_at, status) WHERE finished_at IS NOT NULL;
";
