//! Reading YouTube's answers: walks for the rows by name wherever they stand, takes what is there, and
//! counts what it could not read. Never fails on shape alone, never panics.

use serde_json::Value;
use songkeep_domain::{
    SourceProvider, SourceRef,
    media::{HitKind, SourceHit},
};

use super::protocol;
use crate::metadata::{Provided, clean_text};

const MAX_TITLE_CHARS: usize = 300;
const MAX_NAME_CHARS: usize = 200;
const MAX_ARTISTS: usize = 20;
/// Answers nest some thirty deep; the JSON parser itself stops at 128.
const MAX_DEPTH: usize = 120;

/// The rows of one answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub hits: Vec<SourceHit>,
    /// Rows that ought to be recordings, and of which the id or the title could not be read.
    pub unreadable: u64,
    /// Whether the answer has the list that rows stand in, and no recording outside of rows that we know.
    pub is_understood: bool,
}

impl Page {
    /// Whether the answer says that nothing was found, rather than something that we cannot read.
    #[must_use]
    pub const fn is_certainly_empty(&self) -> bool {
        self.is_understood && self.unreadable == 0 && self.hits.is_empty()
    }
}

/// What a row turned out to be.
enum Row {
    Recording(SourceHit),
    /// An artist, an album, a song that is gone.
    Other,
    Unreadable,
}

/// The videos of a search on the site for videos.
#[must_use]
pub fn videos(answer: &Value) -> Page {
    page(answer, protocol::VIDEO_ROW, video)
}

/// The songs of a search on the site for music.
#[must_use]
pub fn songs(answer: &Value) -> Page {
    page(answer, protocol::MUSIC_ROW, song)
}

fn page(answer: &Value, row_name: &str, read: fn(&Value) -> Row) -> Page {
    let mut rows = Vec::new();
    walk(answer, row_name, MAX_DEPTH, &mut rows);
    let is_understood = first(answer, protocol::RESULT_LIST).is_some()
        && (!rows.is_empty() || first(answer, "videoId").is_none());
    let mut page = Page { is_understood, ..Page::default() };
    for row in rows {
        match read(row) {
            Row::Recording(hit) if page.hits.iter().any(|known| known.source == hit.source) => {}
            Row::Recording(hit) => page.hits.push(hit),
            Row::Other => {}
            Row::Unreadable => page.unreadable += 1,
        }
    }
    page
}

fn video(row: &Value) -> Row {
    let (Some(source), Some(title)) = (source_of(&row["videoId"]), text(&row["title"], MAX_TITLE_CHARS))
    else {
        return Row::Unreadable;
    };
    let views = text(&row["viewCountText"], MAX_NAME_CHARS).unwrap_or_default();
    let owner = ["ownerText", "longBylineText", "shortBylineText"];
    Row::Recording(SourceHit {
        source,
        title,
        artists: Vec::new(),
        album: None,
        channel: owner.into_iter().find_map(|field| text(&row[field], MAX_NAME_CHARS)),
        channel_verified: mentions(&row["ownerBadges"], "style", |style| style.contains("VERIFIED")),
        duration_sec: text(&row["lengthText"], MAX_NAME_CHARS).and_then(|length| seconds(&length)),
        view_count: count(&views, "view"),
        kind: HitKind::Unknown,
        is_live: is_live(row, &views),
    })
}

/// Running now, or announced.
fn is_live(row: &Value, views: &str) -> bool {
    views.contains("watching")
        || row.get("upcomingEventData").is_some()
        || mentions(&row["badges"], "style", |style| style.contains("LIVE_NOW"))
        || mentions(&row["thumbnailOverlays"], "style", |style| matches!(style, "LIVE" | "UPCOMING"))
}

fn song(row: &Value) -> Row {
    let columns: Vec<&Value> = row["flexColumns"].as_array().into_iter().flatten().map(column_text).collect();
    let id = source_of(&row["playlistItemData"]["videoId"])
        .or_else(|| columns.iter().find_map(|column| first(column, "videoId").and_then(source_of)))
        .or_else(|| first(&row["overlay"], "videoId").and_then(source_of));
    let Some(source) = id else {
        let leads_elsewhere = first(&row["navigationEndpoint"], "browseId").is_some();
        let policy = row["musicItemRendererDisplayPolicy"].as_str();
        let is_gone = policy.is_some_and(|policy| policy.contains("GREY_OUT"));
        return if leads_elsewhere || is_gone { Row::Other } else { Row::Unreadable };
    };
    let Some(title) = columns.first().and_then(|column| text(column, MAX_TITLE_CHARS)) else {
        return Row::Unreadable;
    };
    let credits = Credits::read(columns.get(1..).unwrap_or_default());
    let fixed = row["fixedColumns"].as_array().into_iter().flatten();
    let in_fixed =
        || fixed.filter_map(|column| text(first(column, "text")?, 40)).find_map(|text| seconds(&text));
    let kind = first(row, "musicVideoType").map_or(HitKind::Unknown, kind_of);
    Row::Recording(SourceHit {
        source,
        title,
        artists: credits.artists,
        album: credits.album,
        channel: credits.channel,
        channel_verified: false,
        duration_sec: credits.duration_sec.or_else(in_fixed),
        view_count: credits.plays,
        kind,
        is_live: false,
    })
}

fn column_text(column: &Value) -> &Value {
    &column["musicResponsiveListItemFlexColumnRenderer"]["text"]
}

/// What the columns behind the title say.
#[derive(Default)]
struct Credits {
    artists: Vec<String>,
    album: Option<String>,
    channel: Option<String>,
    duration_sec: Option<u32>,
    plays: Option<u64>,
}

impl Credits {
    /// Artist and album are told apart by the pages they lead to, not by where they stand. Only when
    /// nothing leads to an artist are the first words taken for one.
    fn read(columns: &[&Value]) -> Self {
        let mut credits = Self::default();
        let mut groups: Vec<Vec<String>> = vec![Vec::new()];
        for run in columns.iter().flat_map(|column| column["runs"].as_array().into_iter().flatten()) {
            let Some(words) = run["text"].as_str().map(|text| clean_text(text, MAX_NAME_CHARS)) else {
                continue;
            };
            match page_type(run) {
                Some(protocol::ARTIST_PAGE) => credits.artists.push(words),
                Some(protocol::ALBUM_PAGE) => credits.album = Some(words),
                Some(protocol::USER_PAGE) => credits.channel = Some(words),
                // Without links, several of them may stand in one run.
                _ => {
                    for (at, part) in words.split('•').map(str::trim).enumerate() {
                        if at > 0 {
                            groups.push(Vec::new());
                        }
                        groups.last_mut().expect("there is always a group").push(part.to_owned());
                    }
                }
            }
        }
        for words in groups.iter().flatten() {
            credits.duration_sec = credits.duration_sec.or_else(|| seconds(words));
            credits.plays = credits.plays.or_else(|| count(words, "play")).or_else(|| count(words, "view"));
        }
        if credits.artists.is_empty() && credits.channel.is_none() {
            credits.artists = groups.into_iter().find_map(unlinked_artists).unwrap_or_default();
        }
        credits.artists.retain(|name| !name.is_empty());
        credits.artists.truncate(MAX_ARTISTS);
        credits
    }
}

/// The names of a group that has no links; None when it is something else.
fn unlinked_artists(group: Vec<String>) -> Option<Vec<String>> {
    let is_other = |words: &str| {
        seconds(words).is_some()
            || count(words, "play").is_some()
            || count(words, "view").is_some()
            || matches!(words, "" | "Song" | "Video" | "Episode")
            || matches!(words, "," | "&" | "and" | "x")
    };
    let names: Vec<String> = group.into_iter().filter(|words| !is_other(words)).collect();
    if names.is_empty() { None } else { Some(names) }
}

fn page_type(run: &Value) -> Option<&str> {
    first(&run["navigationEndpoint"], "pageType")?.as_str()
}

fn kind_of(music_video_type: &Value) -> HitKind {
    match music_video_type.as_str() {
        Some(protocol::OFFICIAL_AUDIO) => HitKind::OfficialAudio,
        Some(protocol::OFFICIAL_VIDEO) => HitKind::OfficialVideo,
        Some(protocol::USER_VIDEO) => HitKind::User,
        _ => HitKind::Unknown,
    }
}

/// What an answer about one recording says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Description {
    Recording(Box<SourceHit>),
    NotThere,
    /// Not in a shape that we know, or withheld from us though others may have it.
    Unreadable,
}

/// The recording `source` as the player is told of it.
#[must_use]
pub fn description(answer: &Value, source: &SourceRef) -> Description {
    let playability = &answer["playabilityStatus"];
    let reason = text(&playability["reason"], MAX_TITLE_CHARS)
        .or_else(|| playability["reason"].as_str().map(str::to_owned))
        .unwrap_or_default();
    match playability["status"].as_str() {
        Some("ERROR") => return Description::NotThere,
        Some("LOGIN_REQUIRED") if reason.to_lowercase().contains("private") => return Description::NotThere,
        Some(_) => {}
        None => return Description::Unreadable,
    }
    let details = &answer["videoDetails"];
    // Clients that YouTube distrusts are told of another video.
    if details["videoId"].as_str() != Some(source.id()) {
        return Description::Unreadable;
    }
    let Some(title) = details["title"].as_str().map(|title| clean_text(title, MAX_TITLE_CHARS)) else {
        return Description::Unreadable;
    };
    if title.is_empty() {
        return Description::Unreadable;
    }
    let number = |field: &str| details[field].as_str().and_then(|digits| digits.parse::<u64>().ok());
    let flag = |field: &str| details[field].as_bool().unwrap_or(false);
    let provided = details["shortDescription"].as_str().and_then(|text| Provided::parse(text, &title));
    let provided = provided.unwrap_or_default();
    let name = |text: &str| Some(clean_text(text, MAX_NAME_CHARS)).filter(|name| !name.is_empty());
    Description::Recording(Box::new(SourceHit {
        source: source.clone(),
        artists: provided.artists.iter().take(MAX_ARTISTS).filter_map(|artist| name(artist)).collect(),
        album: provided.album.as_deref().and_then(name),
        channel: details["author"].as_str().and_then(name),
        channel_verified: false,
        duration_sec: number("lengthSeconds").filter(|secs| *secs > 0).and_then(|secs| secs.try_into().ok()),
        view_count: number("viewCount"),
        kind: kind_of(&details["musicVideoType"]),
        is_live: flag("isLive") || flag("isUpcoming"),
        title,
    }))
}

/// Puts both catalogues into one list, the one for music first. What both have stands once: the site for
/// music knows artists, album and kind, the other one views and channel.
#[must_use]
pub fn merge(songs: Vec<SourceHit>, videos: Vec<SourceHit>) -> Vec<SourceHit> {
    let mut merged = songs;
    for video in videos {
        let Some(song) = merged.iter_mut().find(|song| song.source == video.source) else {
            merged.push(video);
            continue;
        };
        song.channel_verified |= video.channel_verified;
        song.is_live |= video.is_live;
        song.view_count = video.view_count.or(song.view_count);
        song.duration_sec = song.duration_sec.or(video.duration_sec);
        song.channel = video.channel.or_else(|| song.channel.take());
    }
    merged
}

/// Collects the values called `name`, outermost first and in order, but none out of advertisements.
fn walk<'a>(value: &'a Value, name: &str, depth: usize, found: &mut Vec<&'a Value>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if key == name {
                    found.push(value);
                } else if !protocol::ADVERTISEMENTS.contains(&key.as_str()) {
                    walk(value, name, depth, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, name, depth, found)),
        _ => {}
    }
}

fn first<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let mut found = Vec::new();
    walk(value, name, MAX_DEPTH, &mut found);
    found.into_iter().next()
}

fn mentions(value: &Value, name: &str, test: impl Fn(&str) -> bool) -> bool {
    let mut found = Vec::new();
    walk(value, name, MAX_DEPTH, &mut found);
    found.into_iter().filter_map(Value::as_str).any(test)
}

fn source_of(id: &Value) -> Option<SourceRef> {
    SourceRef::new(SourceProvider::Youtube, id.as_str()?).ok()
}

/// YouTube's two forms of a text, cleaned; None when it is neither, or empty.
fn text(value: &Value, max_chars: usize) -> Option<String> {
    let joined = match value["simpleText"].as_str() {
        Some(text) => text.to_owned(),
        None => value["runs"].as_array()?.iter().filter_map(|run| run["text"].as_str()).collect(),
    };
    Some(clean_text(&joined, max_chars)).filter(|text| !text.is_empty())
}

/// Of "2:51" and "1:02:03".
fn seconds(text: &str) -> Option<u32> {
    let parts: Vec<&str> = text.trim().split(':').collect();
    if !(2..=3).contains(&parts.len()) {
        return None;
    }
    parts.iter().enumerate().try_fold(0u32, |total, (at, part)| {
        let well_formed = (1..=2).contains(&part.len()) || at == 0 && part.len() <= 4;
        let digits = well_formed && !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let value: u32 = if digits { part.parse().ok()? } else { return None };
        if at > 0 && value >= 60 { None } else { total.checked_mul(60)?.checked_add(value) }
    })
}

/// Of "1,234 views", "333K plays", "1.2M views", "No views"; `unit` in the singular.
fn count(text: &str, unit: &str) -> Option<u64> {
    let (number, said) = text.trim().split_once(' ')?;
    let said = said.trim().to_ascii_lowercase();
    if said.strip_suffix('s').unwrap_or(&said) != unit {
        return None;
    }
    if number.eq_ignore_ascii_case("no") {
        return Some(0);
    }
    let number = number.replace(',', "");
    let (digits, factor) = match number.chars().next_back()?.to_ascii_uppercase() {
        'K' => (&number[..number.len() - 1], 1_000),
        'M' => (&number[..number.len() - 1], 1_000_000),
        'B' => (&number[..number.len() - 1], 1_000_000_000),
        _ => (number.as_str(), 1),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.len() > 6 || !fraction.bytes().all(|b| b.is_ascii_digit()) || whole.starts_with('+') {
        return None;
    }
    let parts = 10u64.pow(u32::try_from(fraction.len()).ok()?);
    let fraction: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let whole = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    whole.checked_add(fraction * factor / parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_clocks_show_them() {
        for (text, secs) in [
            ("3:25", Some(205)),
            ("0:07", Some(7)),
            ("1:02:03", Some(3_723)),
            ("10:00:00", Some(36_000)),
            ("120:00", Some(7_200)),
            ("3:75", None),
            ("3", None),
            ("3:2a", None),
            ("LIVE", None),
            ("1:2:3:4", None),
            ("", None),
            (":", None),
            ("99999999:00", None),
        ] {
            assert_eq!(seconds(text), secs, "{text:?}");
        }
    }

    #[test]
    fn counts_are_read_in_full_and_in_short() {
        for (text, unit, number) in [
            ("1,234 views", "view", Some(1_234)),
            ("1 view", "view", Some(1)),
            ("No views", "view", Some(0)),
            ("333K plays", "play", Some(333_000)),
            ("333k plays", "play", Some(333_000)),
            ("1.2M views", "view", Some(1_200_000)),
            ("2.05B plays", "play", Some(2_050_000_000)),
            ("12 watching", "view", None),
            ("+5 views", "view", None),
            ("99999999999999999999 views", "view", None),
            ("18446744073709551615B views", "view", None),
            (". views", "view", None),
            ("é views", "view", None),
            ("views", "view", None),
            ("", "view", None),
        ] {
            assert_eq!(count(text, unit), number, "{text:?}");
        }
    }
}
