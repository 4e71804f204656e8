//! The order of search results: which of the recordings that a source found is most likely the one that
//! was meant, how sure that is, and why. Pure: the same query and hits give the same answer.

use std::collections::HashSet;

use songkeep_api::search::RankedHit;
use songkeep_domain::{
    media::{HitKind, SourceHit},
    source::spaced_name,
};

use crate::{
    text::{as_f64, fold, joined_similarity, weight, word_similarity, words},
    versions::{self, Named, Version, has_phrase},
};

/// Changes whenever the same hits may come in another order.
pub const RANKING_VERSION: &str = "1";

/// Words of a query that are compared, so that a long one costs no more than a few milliseconds.
const MAX_QUERY_WORDS: usize = 40;

/// Words in titles that describe the upload and not the song.
const UPLOAD_WORDS: &[&str] = &[
    "official",
    "video",
    "audio",
    "music",
    "lyric",
    "lyrics",
    "lyrical",
    "visualizer",
    "visualiser",
    "visual",
    "hd",
    "hq",
    "4k",
    "8k",
    "uhd",
    "1080p",
    "720p",
    "60fps",
    "mv",
    "m",
    "v",
    "clip",
    "videoclip",
    "remaster",
    "remastered",
    "version",
    "original",
    "oficial",
    "officiel",
    "offizielles",
    "musikvideo",
    "letra",
    "with",
    "full",
    "song",
    "stereo",
    "mono",
    "explicit",
    "clean",
    "radio",
    "edit",
    "album",
    "single",
    "upgrade",
    "new",
];

/// Upload words that end a title without brackets ("Song Official Video").
const TRAILING_WORDS: &[&str] = &[
    "official",
    "video",
    "audio",
    "lyric",
    "lyrics",
    "visualizer",
    "visualiser",
    "hd",
    "hq",
    "4k",
    "8k",
    "mv",
    "oficial",
    "officiel",
    "letra",
    "remastered",
];

/// Ranks `hits`, best first; the order of equals is the source's. Recordings that stand twice are
/// kept once, as they came first.
#[must_use]
pub fn rank(query: &str, hits: Vec<SourceHit>) -> Vec<RankedHit> {
    let query = Query::new(query);
    let mut seen = HashSet::new();
    let hits: Vec<SourceHit> = hits.into_iter().filter(|hit| seen.insert(hit.source.clone())).collect();
    let views: Vec<Match> = hits.iter().map(|hit| Match::new(&query, hit)).collect();
    let usual_secs = usual_duration(&hits, &views);
    let count = hits.len();
    let mut ranked: Vec<RankedHit> = hits
        .into_iter()
        .zip(views)
        .enumerate()
        .map(|(position, (hit, matched))| {
            let prior = 1.0 - 0.5 * as_f64(position) / as_f64(count.max(1));
            score(&query, hit, &matched, prior, usual_secs)
        })
        .collect();
    // Stable, so equals keep the source's order.
    ranked.sort_by(|a, b| b.confidence_score.total_cmp(&a.confidence_score));
    ranked
}

/// What was typed, taken apart.
struct Query {
    folded: String,
    /// Without the words that ask for a version.
    song: String,
    asked: Vec<Version>,
}

impl Query {
    fn new(text: &str) -> Self {
        let folded = fold(text);
        let (asked, song) = versions::asked(&folded);
        let song = without_trailing_upload_words(&song, "");
        Self { folded, song, asked }
    }
}

/// A title, taken apart. All texts are folded.
struct Title {
    /// The name itself, without brackets and words about the upload.
    core: String,
    /// What stands in brackets and is part of the name or of its credits.
    aside: String,
    versions: Vec<Named>,
}

impl Title {
    fn new(title: &str, query: &str) -> Self {
        let (outside, brackets) = split_brackets(title);
        let segments: Vec<String> = split_segments(&outside).into_iter().map(fold).collect();
        let brackets: Vec<String> = brackets.iter().map(|text| fold(text)).collect();
        let versions = versions::named(&fold(title), &brackets, segments.get(1..).unwrap_or_default());
        let kept: Vec<&str> = segments
            .iter()
            .enumerate()
            .filter(|(at, segment)| *at == 0 || !is_about_upload(segment))
            .map(|(_, segment)| segment.as_str())
            .collect();
        let (core, credits) = split_credits(&without_trailing_upload_words(&kept.join(" "), query));
        let mut aside: Vec<&str> =
            brackets.iter().map(String::as_str).filter(|text| !is_about_upload(text)).collect();
        aside.push(&credits);
        let aside = aside.join(" ");
        // A title that is nothing but brackets is named by them.
        if core.is_empty() {
            Self { core: aside, aside: String::new(), versions }
        } else {
            Self { core, aside, versions }
        }
    }
}

/// How well a recording's words match the query's.
struct Match {
    /// 0..=1 over everything.
    text: f64,
    title_found: bool,
    artist_found: bool,
    /// Part of the query's words that were found.
    coverage: f64,
    /// Part of the title that the query or the artist's name explains.
    precision: f64,
    has_typos: bool,
    unasked: Vec<Version>,
    granted: Vec<Version>,
    missing: Vec<Version>,
    is_artists_own: bool,
}

impl Match {
    fn new(query: &Query, hit: &SourceHit) -> Self {
        let title = Title::new(&hit.title, &query.song);
        let artist = artist_names(hit);
        let (mut query_words, core, aside) = (words(&query.song), words(&title.core), words(&title.aside));
        query_words.truncate(MAX_QUERY_WORDS);
        let artist_words = words(&artist);
        let found = |word: &str, among: &[std::borrow::Cow<'_, str>]| {
            among.iter().map(|other| word_similarity(word, other)).fold(0.0, f64::max)
        };

        let (mut total, mut covered, mut exact) = (0.0, 0.0, 0.0);
        let (mut in_title, mut in_artist) = (0.0, 0.0);
        for word in &query_words {
            let w = weight(word);
            let (title_hit, aside_hit, artist_hit) =
                (found(word, &core), found(word, &aside), found(word, &artist_words));
            let best = title_hit.max(aside_hit).max(artist_hit);
            total += w;
            covered += w * best;
            exact += if best == 1.0 { w } else { 0.0 };
            in_title += w * title_hit.max(aside_hit);
            in_artist += w * artist_hit;
        }
        let coverage = if total > 0.0 { covered / total } else { 0.0 };

        let (mut core_total, mut explained) = (0.0, 0.0);
        for word in &core {
            let w = weight(word);
            core_total += w;
            explained += w * found(word, &query_words).max(0.97 * found(word, &artist_words));
        }
        let precision = if core_total > 0.0 { explained / core_total } else { 0.0 };

        // The whole text in both orders catches words that were written together or apart.
        let whole = if coverage < 0.95 && query.song.len() <= 80 {
            joined_similarity(&query.song, &title.core)
                .max(joined_similarity(&query.song, &format!("{} {artist}", title.core)))
                .max(joined_similarity(&query.song, &format!("{artist} {}", title.core)))
        } else {
            0.0
        };
        let by_words = coverage.powf(1.4) * (0.62 + 0.38 * precision);
        // Chance alone makes half of the letters of two texts agree.
        let by_letters = ((whole - 0.5) / 0.5).max(0.0) * 0.95;

        let excused = |named: &Named| {
            query.asked.contains(&named.version)
                || has_phrase(&query.folded, named.phrase)
                    && !(named.certain && has_phrase(&title.core, named.phrase))
        };
        let mut unasked: Vec<Version> =
            title.versions.iter().filter(|named| !excused(named)).map(|named| named.version).collect();
        let mut present: Vec<Version> = title.versions.iter().map(|named| named.version).collect();
        for name in hit.artists.iter().chain(&hit.channel) {
            if let Some(version) = versions::of_channel(&fold(name))
                && !present.contains(&version)
            {
                present.push(version);
                if !query.asked.contains(&version) && !has_phrase(&query.folded, &fold(name)) {
                    unasked.push(version);
                }
            }
        }
        let (granted, missing) = query.asked.iter().copied().partition(|version| present.contains(version));

        Self {
            text: by_words.max(by_letters),
            title_found: total > 0.0 && in_title > 0.0 && precision > 0.6,
            artist_found: in_artist > 0.0 && artist_named(&artist_words, &query_words),
            coverage: coverage.max(by_letters),
            precision,
            has_typos: covered > exact + 0.01,
            unasked,
            granted,
            missing,
            is_artists_own: !artist_words.is_empty()
                && artist_words.iter().all(|word| found(word, &query_words).max(found(word, &core)) >= 0.85),
        }
    }
}

/// Whether enough of one artist's name was typed to say that the artist was meant.
fn artist_named(artist: &[std::borrow::Cow<'_, str>], query: &[std::borrow::Cow<'_, str>]) -> bool {
    let strong = artist.iter().filter(|word| weight(word) >= 1.0).count().max(1);
    let named = artist
        .iter()
        .filter(|word| weight(word) >= 1.0 && query.iter().any(|other| word_similarity(word, other) > 0.6))
        .count();
    as_f64(named) >= as_f64(strong) * 0.5
}

fn score(query: &Query, hit: SourceHit, matched: &Match, prior: f64, usual_secs: Option<f64>) -> RankedHit {
    let mut reasons = Vec::new();
    text_reason(matched, &mut reasons);
    let official = official_bonus(&hit, matched, &mut reasons);
    let length = length_fit(&hit, usual_secs, &mut reasons);
    let views = hit.view_count.map_or(0.25, |views| {
        if views >= 50_000_000 {
            reasons.push("played very often".to_owned());
        }
        #[expect(clippy::cast_precision_loss, reason = "only its order of magnitude counts")]
        let views = views as f64;
        (((views + 1.0).log10() - 3.0) / 6.0).clamp(0.0, 1.0)
    });

    let text = 0.94 * matched.text + 0.06 * prior * matched.text.max(0.3);
    // Who names no artist most likely means the famous one.
    let fame = if matched.artist_found { 0.07 } else { 0.14 };
    let mut score = text * (0.70 + official + fame * views + 0.05 * length.clamp(0.0, 1.0));
    if length < 0.0 {
        score *= 1.0 + length;
    }
    for version in &matched.unasked {
        score *= version.factor();
        reasons.push(format!("{}, which you did not ask for", version.noun()));
    }
    for version in &matched.granted {
        score *= 1.12;
        reasons.push(format!("{}, as you asked", version.noun()));
    }
    for version in &matched.missing {
        score *= 0.7;
        reasons.push(format!("not {}, which you asked for", version.with_article()));
    }
    if hit.is_live {
        score *= 0.3;
        reasons.push("live stream, which cannot be imported yet".to_owned());
    }
    debug_assert!(score.is_finite(), "{:?}", query.folded);
    // Four digits, so that equal rows are equal on the wire.
    let confidence_score = (score.clamp(0.0, 1.0) * 10_000.0).round() / 10_000.0;
    RankedHit { hit, confidence_score, reasons }
}

fn text_reason(matched: &Match, reasons: &mut Vec<String>) {
    let complete = matched.coverage >= 0.85;
    let words = match (matched.title_found, matched.artist_found) {
        (true, true) if complete => "title and artist match",
        (true, false) if complete => "title matches",
        (false, true) if complete => "artist matches",
        _ if complete => "all your words occur",
        _ if matched.coverage >= 0.4 => "some of your words occur",
        _ => "few of your words occur",
    };
    reasons.push(words.to_owned());
    if complete && matched.has_typos {
        reasons.push("close to what you typed".to_owned());
    }
    if complete && matched.precision < 0.5 {
        reasons.push("the title says more than you typed".to_owned());
    }
}

fn official_bonus(hit: &SourceHit, matched: &Match, reasons: &mut Vec<String>) -> f64 {
    let topic = hit.channel.as_deref().is_some_and(|channel| channel.ends_with("- Topic"));
    let title = fold(&hit.title);
    let (bonus, reason) = match hit.kind {
        HitKind::OfficialAudio => (0.16, "official audio"),
        _ if topic => (0.15, "official audio"),
        HitKind::OfficialVideo => (0.11, "official video"),
        _ if hit.channel_verified && matched.is_artists_own && has_phrase(&title, "official audio") => {
            (0.14, "official audio")
        }
        _ if hit.channel_verified && matched.is_artists_own => (0.1, "the artist's verified channel"),
        _ if hit.channel_verified => (0.06, "verified channel"),
        _ if matched.is_artists_own => (0.03, "the artist's channel, it seems"),
        _ => return 0.0,
    };
    reasons.push(reason.to_owned());
    bonus
}

/// 1 at the usual length, falling to 0; negative (down to -0.35) when it can hardly be one song.
/// 0.5 when nothing can be said.
fn length_fit(hit: &SourceHit, usual_secs: Option<f64>, reasons: &mut Vec<String>) -> f64 {
    let Some(secs) = hit.duration_sec.map(f64::from) else { return 0.5 };
    let Some(usual) = usual_secs else {
        return if secs > 1_200.0 {
            reasons.push("much longer than a song".to_owned());
            -0.3
        } else {
            0.5
        };
    };
    if secs > usual * 2.5 && secs - usual > 180.0 {
        reasons.push("much longer than the others".to_owned());
        return -0.35;
    }
    if secs < usual * 0.45 {
        reasons.push("much shorter than the others".to_owned());
        return -0.35;
    }
    let fit = (-(secs - usual).abs() / (usual * 0.12).max(12.0)).exp();
    if fit > 0.75 {
        reasons.push("usual length".to_owned());
    }
    fit
}

/// The length in seconds that most of the well-matching recordings have, official ones counting more.
/// None when no two agree.
fn usual_duration(hits: &[SourceHit], matches: &[Match]) -> Option<f64> {
    let best = matches.iter().map(|matched| matched.text).fold(0.0, f64::max);
    let lengths: Vec<(f64, f64)> = hits
        .iter()
        .zip(matches)
        .filter(|(_, matched)| {
            matched.text >= best * 0.75 && matched.unasked.is_empty() && matched.missing.is_empty()
        })
        .filter_map(|(hit, _)| {
            let trust = match hit.kind {
                HitKind::OfficialAudio => 2.0,
                HitKind::OfficialVideo => 1.5,
                HitKind::User | HitKind::Unknown => 1.0,
            };
            hit.duration_sec.map(|secs| (f64::from(secs), trust))
        })
        .collect();
    let near = |a: f64, b: f64| (a - b).abs() <= (a * 0.025).max(3.0);
    let mut usual = None;
    let mut most = 0.0;
    for (secs, _) in &lengths {
        let agreeing = lengths.iter().filter(|(other, _)| near(*secs, *other));
        let (count, trust) = agreeing.fold((0, 0.0), |(count, sum), (_, trust)| (count + 1, sum + trust));
        if count >= 2 && trust > most {
            most = trust;
            usual = Some(*secs);
        }
    }
    usual
}

/// Names of artists and channel, folded, without what marks a channel as such.
fn artist_names(hit: &SourceHit) -> String {
    let channel = hit.channel.as_deref().unwrap_or_default();
    let channel = channel.strip_suffix("- Topic").unwrap_or(channel);
    let mut names: Vec<String> = Vec::new();
    for name in hit.artists.iter().map(String::as_str).chain([channel]) {
        // `RickAstleyVEVO` is Rick Astley.
        let folded = fold(&name.strip_suffix("VEVO").map_or_else(|| name.to_owned(), spaced_name));
        let name = folded.strip_suffix(" official").or(folded.strip_suffix(" channel")).unwrap_or(&folded);
        if !name.is_empty() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names.join(" ")
}

/// The text outside of brackets, and what stands in each of them.
fn split_brackets(title: &str) -> (String, Vec<String>) {
    let (mut outside, mut inside, mut brackets) = (String::new(), String::new(), Vec::new());
    let mut depth = 0usize;
    for c in title.chars() {
        match c {
            '(' | '[' | '{' | '【' | '（' | '［' => depth += 1,
            ')' | ']' | '}' | '】' | '）' | '］' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    brackets.push(std::mem::take(&mut inside));
                    outside.push(' ');
                }
            }
            c if depth > 0 => inside.push(c),
            c => outside.push(c),
        }
    }
    // A bracket that is never closed: a title that was cut.
    if !inside.is_empty() {
        brackets.push(inside);
    }
    (outside, brackets)
}

/// The parts of a title between dashes and bars that stand alone.
fn split_segments(title: &str) -> Vec<&str> {
    let mut segments = vec![title];
    for dash in [" - ", " – ", " — ", " | ", " // ", " · "] {
        segments = segments.into_iter().flat_map(|segment| segment.split(dash)).collect();
    }
    segments
}

/// Whether a folded text is only about the upload: "official music video", "remastered 2011".
fn is_about_upload(folded: &str) -> bool {
    folded.split(' ').all(|word| {
        word.is_empty()
            || UPLOAD_WORDS.contains(&word)
            || word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit())
    })
}

/// Takes words such as "official video" from the end, unless the query has them or nothing would be left.
fn without_trailing_upload_words(folded: &str, query: &str) -> String {
    let mut kept: Vec<&str> = folded.split(' ').filter(|word| !word.is_empty()).collect();
    let mut taken_official = false;
    while kept.len() > 1 {
        let last = kept[kept.len() - 1];
        // "music" goes only with what it belongs to: "official music video".
        let about_upload = TRAILING_WORDS.contains(&last) || last == "music" && taken_official;
        if !about_upload || has_phrase(query, last) {
            break;
        }
        taken_official = true;
        kept.pop();
    }
    kept.join(" ")
}

/// Cuts "feat. …" off a folded title: the name, and whom it credits.
fn split_credits(folded: &str) -> (String, String) {
    let credit = folded.split(' ').position(|word| matches!(word, "feat" | "ft" | "featuring"));
    match credit {
        Some(at) if at > 0 => {
            let all: Vec<&str> = folded.split(' ').collect();
            (all[..at].join(" "), all[at..].join(" "))
        }
        _ => (folded.to_owned(), String::new()),
    }
}
