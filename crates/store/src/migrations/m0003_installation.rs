//! Which installation a database belongs to, and whether the data of another one is being moved in.

pub const UP: &str = "
CREATE TABLE IF NOT EXISTS installation (
    id {uuid} PRIMARY KEY,
    moved_from {uuid},
    moved_at BIGINT
);
";
