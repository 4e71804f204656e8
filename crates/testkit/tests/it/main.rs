//! What the test kit itself promises. None of it needs yt-dlp.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod fake_youtube;
mod media;
mod playback;
