//! Words in titles that describe the upload and not the song: "(Official Video)", "[HD]", "| Lyrics".
//! Words that name a version (live, remix, acoustic) belong to the song and stay.

use super::outline::{brackets, breaks};

/// What parts of a title stand apart by, besides dashes.
const BARS: [&str; 7] = ["|", "｜", "//", "/", "•", "·", "~"];
pub const DASHES: [&str; 6] = ["-", "–", "—", "―", "−", "－"];

/// Words that only an upload has.
#[rustfmt::skip]
const UPLOAD_WORDS: &[&str] = &[
    "official", "officiel", "officielle", "oficial", "offiziell", "offizielle", "offizielles", "ufficiale",
    "resmi", "oficjalny", "oficjalne", "video", "videos", "videoclip", "videoclipe", "videoklip", "clip",
    "klip", "klibi", "teledysk", "musikvideo", "audio", "lyric", "lyrics", "lyrical", "letra", "letras",
    "legendado", "subtitulado", "subtitulada", "subtitles", "subtitle", "subtitled", "sub", "subs",
    "visualizer", "visualiser", "visualizador", "hd", "hq", "uhd", "fhd", "4k", "8k", "2k", "480p", "720p",
    "1080p", "1440p", "2160p", "50fps", "60fps", "mv", "pv", "hires", "explicit", "vevo",
    "официальный", "официальное", "официальная", "клип", "клипа", "видео", "видеоклип", "аудио", "текст",
    "公式", "公式mv", "ミュージックビデオ", "歌詞", "歌詞付き", "歌词", "動態歌詞", "动态歌词", "官方", "官方mv",
    "官方完整版mv", "字幕", "中文字幕", "中字", "高音質", "高音质", "高画質", "뮤직비디오", "가사", "자막",
    "فيديو", "كليب", "كلمات", "الرسمي", "קליפ", "הקליפ", "רשמי", "הרשמי",
];

/// Words that say nothing about the song when they stand among those.
#[rustfmt::skip]
const FILL_WORDS: &[&str] = &[
    "a", "an", "and", "the", "in", "of", "on", "with", "con", "com", "avec", "mit", "y", "e", "w", "new",
    "full", "original", "remaster", "remastered", "remastering", "upgrade", "upgraded", "upscaled", "version",
    "ver", "quality", "high", "definition", "resolution", "res", "hi", "music", "musical", "müzik", "muzik",
    "only", "color", "coded", "colour", "han", "rom", "eng", "kor", "jpn", "chn", "vostfr", "en", "esp",
    "español", "espanol", "spanish", "english", "deutsch", "french", "français", "francais", "português",
    "portugues", "italiano", "japanese", "korean", "chinese", "romaji", "romanized", "hangul", "kanji",
    "pinyin", "translation", "translated", "traducida", "traducido", "traduction", "премьера", "完整版", "フル",
];

/// Words that name a version of the song.
#[rustfmt::skip]
const VERSION_WORDS: &[&str] = &[
    "live", "acoustic", "remix", "instrumental", "karaoke", "cover", "demo", "extended", "unplugged",
    "orchestral", "piano", "session", "sessions", "performance", "mix", "edit", "radio", "dance", "practice",
    "slowed", "sped", "reverb", "nightcore", "8d", "album", "single", "mono", "stereo", "deluxe", "bonus",
    "track", "club", "dub", "vip", "ao", "vivo", "acapella",
];

/// Those that hardly ever are a song's whole name.
const SURE_VERSION_WORDS: &[&str] = &[
    "live",
    "acoustic",
    "remix",
    "instrumental",
    "karaoke",
    "demo",
    "edit",
    "mix",
    "version",
    "remaster",
    "remastered",
];

/// Whole remarks that say nothing about the song.
const UPLOAD_PHRASES: &[&str] = &[
    "ncs release",
    "monstercat release",
    "out now",
    "out now!",
    "free download",
    "free dl",
    "no copyright music",
    "copyright free",
    "copyright free music",
    "premiere",
];

/// How remarks about the film begin.
const FILM_CREDITS: &[&str] = &["directed by ", "dir. by ", "dir. ", "shot by ", "video by "];

/// What may stand at the end of a title without brackets. The longest that fits goes first.
#[rustfmt::skip]
const ENDINGS: &[&[&str]] = &[
    &["official", "music", "video"], &["official", "lyric", "video"], &["official", "lyrics", "video"],
    &["official", "hd", "video"], &["official", "4k", "video"], &["official", "video", "clip"],
    &["official", "video"], &["official", "audio"], &["official", "visualizer"], &["official", "visualiser"],
    &["official", "mv"], &["official", "m/v"], &["official", "clip"], &["official", "videoclip"],
    &["music", "video"], &["lyric", "video"], &["lyrics", "video"], &["video", "oficial"],
    &["videoclip", "oficial"], &["clip", "officiel"], &["audio", "oficial"], &["video", "ufficiale"],
    &["offizielles", "musikvideo"], &["offizielles", "video"], &["with", "lyrics"], &["video", "clip"],
    &["официальный", "клип"], &["официальное", "видео"], &["официальная", "премьера"],
    &["official"], &["lyrics"], &["letra"], &["hd"], &["hq"], &["4k"], &["8k"], &["uhd"], &["1080p"],
    &["720p"], &["mv"], &["m/v"], &["visualizer"], &["visualiser"], &["videoclip"], &["歌詞付き"], &["뮤직비디오"],
    &["公式"], &["官方mv"],
];

/// A word that an ending belongs to when it stands before it: "Make It Official".
const CLINGING_WORDS: &[&str] =
    &["the", "a", "of", "in", "my", "your", "for", "to", "and", "&", "no", "it", "its", "it's", "is"];

/// Words that are a song's name more often than a remark when they are all that follows a dash.
const SONG_LIKE_WORDS: &[&str] =
    &["audio", "video", "videos", "clip", "klip", "visualizer", "visualiser", "explicit"];

/// What a remark is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Remark {
    Song,
    Upload,
    /// About both; these words are about the song.
    Version(String),
}

/// Without all that describes the upload; never empty unless `text` is.
#[must_use]
pub fn without_upload_words(text: &str) -> String {
    let mut kept = without_noisy_brackets(text);
    // Each step may lay bare the next: "Song HD | Official Video #music".
    loop {
        let before = kept.len();
        kept = without_hashtags(&kept).to_owned();
        kept = without_noisy_segments(&kept);
        kept = without_ending(&kept).to_owned();
        if kept.len() == before {
            return kept;
        }
    }
}

/// Without brackets that describe the upload; of "(Official Live Video)" stays "(Live)". Never empty
/// unless `text` is.
#[must_use]
pub fn without_noisy_brackets(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut end = 0;
    for bracket in brackets(text).into_iter().filter(|bracket| bracket.is_remark) {
        kept.push_str(&text[end..bracket.outer.start]);
        end = bracket.outer.end;
        let inner = &text[bracket.inner.clone()];
        let (opening, closing) =
            (&text[bracket.outer.start..bracket.inner.start], &text[bracket.inner.end..bracket.outer.end]);
        let inner = match judge(inner) {
            Remark::Upload => {
                kept.push(' ');
                continue;
            }
            Remark::Version(words) => words,
            Remark::Song => without_noisy_brackets(inner),
        };
        kept.push_str(opening);
        kept.push_str(&inner);
        kept.push_str(closing);
    }
    kept.push_str(&text[end..]);
    let tidy = tidy(&kept);
    if tidy.is_empty() { text.trim().to_owned() } else { tidy }
}

/// Whether a text only says which version a recording is: "Remastered 2011", "Live at Wembley".
#[must_use]
pub fn is_only_version(text: &str) -> bool {
    let lower = text.to_lowercase();
    if ["live at ", "live from ", "live in ", "live on "].iter().any(|start| lower.starts_with(start)) {
        return true;
    }
    let mut names_version = false;
    for word in words(&lower) {
        names_version |= SURE_VERSION_WORDS.contains(&word);
        let known = VERSION_WORDS.contains(&word)
            || SURE_VERSION_WORDS.contains(&word)
            || FILL_WORDS.contains(&word)
            || UPLOAD_WORDS.contains(&word);
        if !known && !is_year(word) {
            return false;
        }
    }
    names_version
}

fn judge(remark: &str) -> Remark {
    let lower = remark.trim().to_lowercase();
    if lower.is_empty()
        || UPLOAD_PHRASES.contains(&lower.as_str())
        || FILM_CREDITS.iter().any(|start| lower.starts_with(start))
    {
        return Remark::Upload;
    }
    let (mut about_upload, mut names_version) = (false, false);
    let mut version = Vec::new();
    let joined = join_abbreviations(remark);
    for word in words(&joined) {
        let lower = word.to_lowercase();
        let lower = lower.as_str();
        if UPLOAD_WORDS.contains(&lower) {
            about_upload = true;
        } else if VERSION_WORDS.contains(&lower) {
            names_version = true;
            version.push(word);
        } else if is_year(lower) {
            version.push(word);
        } else if !FILL_WORDS.contains(&lower) {
            return Remark::Song;
        }
    }
    match (about_upload, names_version) {
        (false, _) => Remark::Song,
        (true, false) => Remark::Upload,
        (true, true) => Remark::Version(version.join(" ")),
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    // Marks carry the vowels of many scripts.
    text.split(|c: char| {
        !c.is_alphanumeric() && c.is_ascii() || c.is_whitespace() || matches!(c, '・' | '／' | '！')
    })
    .filter(|word| !word.is_empty())
}

/// `M/V` as one word.
fn join_abbreviations(text: &str) -> String {
    text.replace("M/V", "MV").replace("m/v", "mv").replace("Hi-Res", "HiRes")
}

fn is_year(word: &str) -> bool {
    word.len() == 4
        && (word.starts_with("19") || word.starts_with("20"))
        && word.bytes().all(|b| b.is_ascii_digit())
}

/// Without hashtags at the end, unless nothing else is there.
fn without_hashtags(text: &str) -> &str {
    let mut kept = text;
    while let Some((rest, last)) = kept.rsplit_once(' ') {
        if !last.starts_with('#') || last.chars().nth(1).is_none_or(|c| c.is_ascii_digit()) {
            break;
        }
        kept = rest.trim_end();
    }
    kept
}

/// Without first and last parts that describe the upload.
fn without_noisy_segments(text: &str) -> String {
    let mut kept = text.to_owned();
    while let Some((range, after_dash)) = edge_break(&kept, true) {
        let (rest, last) = (&kept[..range.start], kept[range.end..].trim());
        let alone = after_dash
            && breaks(&kept, &DASHES).len() == 1
            && SONG_LIKE_WORDS.contains(&last.to_lowercase().as_str());
        match judge(last) {
            Remark::Upload if !alone => kept = tidy(rest),
            Remark::Version(words) if words.len() < last.len() => {
                kept = format!("{}{}{words}", rest, &kept[range.clone()]);
            }
            _ => break,
        }
    }
    while let Some((range, _)) = edge_break(&kept, false) {
        if judge(&kept[..range.start]) != Remark::Upload || kept[..range.start].split(' ').count() < 2 {
            break;
        }
        kept = tidy(&kept[range.end..]);
    }
    while let Some(range) = noisy_middle(&kept) {
        kept.replace_range(range, "");
    }
    kept
}

/// A part between two bars that describes the upload, with the bar before it.
fn noisy_middle(text: &str) -> Option<std::ops::Range<usize>> {
    let bars = breaks(text, &BARS);
    bars.windows(2)
        .find(|pair| judge(&text[pair[0].end..pair[1].start]) == Remark::Upload)
        .map(|pair| pair[0].start..pair[1].start)
}

/// The last or first place where a title breaks, and whether it does so at a dash.
fn edge_break(text: &str, last: bool) -> Option<(std::ops::Range<usize>, bool)> {
    let dashes = breaks(text, &DASHES).into_iter().map(|range| (range, true));
    let bars = breaks(text, &BARS).into_iter().map(|range| (range, false));
    let all = dashes.chain(bars);
    if last { all.max_by_key(|(range, _)| range.start) } else { all.min_by_key(|(range, _)| range.start) }
}

/// Without "Official Video" and the like at the end, unless a name would be torn apart or lost.
fn without_ending(text: &str) -> &str {
    let mut at = 0;
    let words: Vec<(usize, String)> = text
        .split(' ')
        .map(|word| {
            let start = at;
            at += word.len() + 1;
            (start, word.trim_end_matches(['.', '!', ',', ':']).to_lowercase())
        })
        .collect();
    let ending = ENDINGS
        .iter()
        .filter(|ending| {
            words.len() > ending.len()
                && words[words.len() - ending.len()..]
                    .iter()
                    .zip(**ending)
                    .all(|((_, word), end)| word == end)
        })
        .max_by_key(|ending| ending.len());
    let Some(ending) = ending else { return text };
    let first = words.len() - ending.len();
    let before = words[first - 1].1.as_str();
    // After a dash it is all that there is of a title.
    if CLINGING_WORDS.contains(&before)
        || !before.chars().any(|c| c.is_alphanumeric() || !c.is_ascii())
        || is_dash(before)
    {
        return text;
    }
    text[..words[first].0].trim_end()
}

fn is_dash(word: &str) -> bool {
    DASHES.contains(&word) || BARS.contains(&word)
}

/// Single spaces, and no dashes or bars at the ends.
fn tidy(text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    while words.last().is_some_and(|word| is_dash(word)) {
        words.pop();
    }
    let start = words.iter().position(|word| !is_dash(word)).unwrap_or(words.len());
    words[start..].join(" ")
}
