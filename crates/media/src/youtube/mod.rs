//! YouTube as a source of songs: its own search, asked directly, with the download tool as the way round
//! when that cannot be read any more. What YouTube expects and answers is written down in `protocol`
//! and `parse` alone.

mod parse;
#[cfg(test)]
mod parse_tests;
mod protocol;
mod source;

pub use source::YoutubeSource;
