//! What a source says of a recording, made fit for a library: which words are the title, who plays it,
//! and which words only describe the upload. Pure functions; nothing here asks the source anything.

mod noise;
mod outline;
mod provided;
mod split;
#[cfg(test)]
mod tests;

use songkeep_domain::{song::SongMetadata, source::spaced_name};
use unicode_normalization::UnicodeNormalization;

pub(crate) use provided::Provided;

/// Longest title in characters.
const MAX_TITLE_CHARS: usize = 300;
/// Longest artist, album or channel in characters.
const MAX_NAME_CHARS: usize = 200;
/// How many artists one song is credited to.
const MAX_ARTISTS: usize = 20;
/// Sound has been recorded since then.
const YEARS: std::ops::RangeInclusive<u16> = 1860..=2199;
/// What a song is called of which nothing is known.
const UNTITLED: &str = "Untitled";

/// A recording as the source describes it, in its own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawMetadata {
    /// Title of the page or video.
    pub title: String,
    /// Title of the song, where the source knows it as one.
    pub track: Option<String>,
    /// Artists of the song, where the source knows it as one.
    pub artists: Vec<String>,
    pub album: Option<String>,
    pub channel: Option<String>,
    /// Name of the account, where that differs from the channel.
    pub uploader: Option<String>,
    pub release_year: Option<u16>,
    pub description: Option<String>,
}

/// The song's own metadata: fields for music first, then what a label wrote into the description, then
/// what the title and the channel suggest. The title is never empty, no text has control characters.
#[must_use]
pub fn clean_metadata(raw: &RawMetadata) -> SongMetadata {
    let provided = raw.description.as_deref().and_then(|text| Provided::parse(text, &raw.title));
    let provided = provided.unwrap_or_default();
    let channel = [&raw.channel, &raw.uploader].into_iter().find_map(|name| clean_name(name.as_deref()));
    let credited = if raw.artists.is_empty() { &provided.artists } else { &raw.artists };
    let credited = join_artists(credited);
    let track = clean_title(raw.track.as_deref()).or_else(|| clean_title(provided.title.as_deref()));

    let (title, artist) = if let Some(track) = track {
        let artist = credited.or_else(|| artist_of_title(&raw.title, channel.as_deref()));
        (track, artist)
    } else {
        let owner = credited.as_deref().or(channel.as_deref());
        let split = split::split_title(&clean_text(&raw.title, MAX_TITLE_CHARS), owner);
        match credited {
            // Only what is certainly the artist's name may leave the title.
            Some(artist) => {
                let names_artist = split.artist.as_deref().is_some_and(|name| same_name(name, &artist));
                (if names_artist { split.title } else { split.whole }, Some(artist))
            }
            None => (split.title, split.artist),
        }
    };
    SongMetadata {
        title: limit(&title, MAX_TITLE_CHARS).unwrap_or_else(|| UNTITLED.to_owned()),
        artist: artist
            .or_else(|| channel.as_deref().and_then(artist_of_channel))
            .and_then(|artist| limit(&artist, MAX_NAME_CHARS)),
        album: clean_name(raw.album.as_deref()).or_else(|| clean_name(provided.album.as_deref())),
        channel,
        release_year: raw.release_year.filter(|year| YEARS.contains(year)).or(provided.year),
    }
}

/// Composed (NFC), without control characters, invisible ones and those that turn the direction of writing; every kind of
/// space becomes a single one; at most `max_chars` characters.
pub(crate) fn clean_text(text: &str, max_chars: usize) -> String {
    let visible: String = text
        .nfc()
        .filter(|c| !is_invisible(*c))
        .map(|c| if c.is_whitespace() || c.is_control() { ' ' } else { c })
        .collect();
    let words = visible.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(max_chars) {
        Some((end, _)) => words[..end].trim_end().to_owned(),
        None => words,
    }
}

/// Joiners stay: Persian, Indic scripts and emoji need them.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

fn limit(text: &str, max_chars: usize) -> Option<String> {
    Some(clean_text(text, max_chars)).filter(|text| !text.is_empty())
}

fn clean_name(text: Option<&str>) -> Option<String> {
    limit(text?, MAX_NAME_CHARS)
}

/// The name of a song that is known as one; only words about the upload go.
fn clean_title(text: Option<&str>) -> Option<String> {
    let text = limit(text?, MAX_TITLE_CHARS)?;
    limit(&noise::without_noisy_brackets(&text), MAX_TITLE_CHARS)
}

/// "A, B", each once; None without any usable name.
fn join_artists(names: &[String]) -> Option<String> {
    let mut artists: Vec<String> = Vec::new();
    for name in names.iter().take(MAX_ARTISTS) {
        let Some(name) = clean_name(Some(name)).and_then(|name| artist_of_account(&name)) else { continue };
        if !artists.iter().any(|known| split::comparable(known) == split::comparable(&name)) {
            artists.push(name);
        }
    }
    if artists.is_empty() { None } else { Some(artists.join(", ")) }
}

fn artist_of_title(title: &str, channel: Option<&str>) -> Option<String> {
    split::split_title(&clean_text(title, MAX_TITLE_CHARS), channel).artist
}

fn same_name(a: &str, b: &str) -> bool {
    let (a, b) = (split::comparable(a), split::comparable(b));
    !a.is_empty() && a == b
}

/// The artist that a channel belongs to; None where it can be nobody's own.
fn artist_of_channel(channel: &str) -> Option<String> {
    let lower = channel.to_lowercase();
    let mut words = lower.split(|c: char| !c.is_alphanumeric());
    if words.any(|word| PUBLISHER_WORDS.iter().any(|publisher| word.ends_with(publisher))) {
        return None;
    }
    let name = [" - Official", " Official Channel", " Official"]
        .iter()
        .find_map(|suffix| strip_suffix_ignoring_case(channel, suffix))
        .unwrap_or(channel);
    artist_of_account(name)
}

/// The artist's name in the name of an account that a label keeps for them ("X - Topic", "XVEVO"); other
/// names are the artist's own. None for the accounts that stand for nobody.
fn artist_of_account(name: &str) -> Option<String> {
    let name = name.trim();
    let name = match strip_suffix_ignoring_case(name, "Topic") {
        Some(rest) if rest.trim_end().ends_with(['-', '–', '—']) => {
            rest.trim_end().trim_end_matches(['-', '–', '—']).trim_end()
        }
        _ => name,
    };
    if matches!(name, "" | "Release" | "Various Artists" | "Topic") {
        return None;
    }
    match strip_suffix_ignoring_case(name, "VEVO") {
        Some(joined) => Some(spaced_name(joined.trim_end())).filter(|name| !name.is_empty()),
        None => Some(name.to_owned()),
    }
}

/// How words end in names of channels that publish the music of many.
const PUBLISHER_WORDS: &[&str] = &[
    "lyrics",
    "letras",
    "karaoke",
    "records",
    "recordings",
    "nightcore",
    "covers",
    "playlist",
    "playlists",
    "compilation",
    "compilations",
];

fn strip_suffix_ignoring_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(suffix.len())?;
    (text.is_char_boundary(at) && text[at..].eq_ignore_ascii_case(suffix)).then(|| &text[..at])
}
