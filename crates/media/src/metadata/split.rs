//! Telling artist and title apart in the title of a video.

use unicode_normalization::UnicodeNormalization;

use super::{
    MAX_NAME_CHARS, artist_of_account,
    noise::{DASHES, is_only_version, without_upload_words},
    outline::{brackets, breaks},
    strip_suffix_ignoring_case,
};

/// A title, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The song's name; the same as `whole` where no artist is named.
    pub title: String,
    pub artist: Option<String>,
    /// Artist and name as they stand, without words about the upload.
    pub whole: String,
}

/// Splits a cleaned title. `owner` is the channel or artist that it is known to be of: it settles on
/// which side of a dash the artist stands, and allows forms that mean nothing by themselves.
#[must_use]
pub fn split_title(text: &str, owner: Option<&str>) -> Split {
    let whole = without_upload_words(text);
    let owner = owner.map(Owner::new);
    let parts = if owner.as_ref().is_some_and(|owner| owner.is_topic) {
        // Such a channel names songs by their names alone.
        None
    } else {
        let had_upload_words = whole.len() < text.trim().len();
        at_dash(&whole, owner.as_ref())
            .or_else(|| at_quotation(&whole, owner.as_ref(), had_upload_words))
            .or_else(|| at_owner(&whole, owner.as_ref()?))
    };
    let parts = parts
        .map(|(artist, title)| (unquoted(artist.trim()).to_owned(), unquoted(title.trim()).to_owned()))
        .filter(|(artist, title)| is_name(artist) && !title.is_empty());
    match parts {
        Some((artist, title)) => Split { title, artist: Some(artist), whole },
        _ => Split { title: unquoted(&whole).to_owned(), artist: None, whole },
    }
}

/// What makes two spellings of a name equal: letters and digits alone, in lower case, without accents.
#[must_use]
pub fn comparable(name: &str) -> String {
    let letters: String =
        name.nfkd().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).nfc().collect();
    if letters.is_empty() { name.to_lowercase() } else { letters }
}

struct Owner {
    name: String,
    is_topic: bool,
}

impl Owner {
    fn new(account: &str) -> Self {
        let is_topic = strip_suffix_ignoring_case(account.trim(), "- Topic").is_some();
        let name = artist_of_account(account).unwrap_or_default();
        Self { name: without_affixes(&comparable(&name)).to_owned(), is_topic }
    }

    fn is_named(&self, text: &str) -> bool {
        let lead = without_guests(text);
        !self.name.is_empty()
            && [text, lead].iter().any(|text| without_affixes(&comparable(text.trim())) == self.name)
    }
}

/// "Queen Official" and "Queen" are the same artist.
fn without_affixes(comparable: &str) -> &str {
    let mut name = comparable;
    for suffix in ["channel", "official", "oficial", "music", "band", "vevo", "tv"] {
        name = name.strip_suffix(suffix).filter(|rest| !rest.is_empty()).unwrap_or(name);
    }
    for prefix in ["official", "the"] {
        name = name.strip_prefix(prefix).filter(|rest| !rest.is_empty()).unwrap_or(name);
    }
    name
}

/// The name before "feat. …".
fn without_guests(text: &str) -> &str {
    let guests = [" feat. ", " feat ", " ft. ", " ft ", " featuring ", " (feat", " (ft"];
    let at = guests.iter().filter_map(|mark| find_ignoring_case(text, mark)).min();
    at.map_or(text, |at| &text[..at])
}

fn find_ignoring_case(text: &str, ascii: &str) -> Option<usize> {
    text.as_bytes().windows(ascii.len()).position(|part| part.eq_ignore_ascii_case(ascii.as_bytes()))
}

/// "Artist - Title", or the other way round where the owner says so. Only dashes with spaces on both
/// sides count, outside of brackets.
fn at_dash(whole: &str, owner: Option<&Owner>) -> Option<(String, String)> {
    let is_owner = |text: &str| owner.is_some_and(|owner| owner.is_named(text));
    let mut text = whole;
    let mut dashes = breaks(text, &DASHES);
    // "01 - Artist - Title".
    if let [first, _, ..] = dashes.as_slice()
        && first.start <= 2
        && text[..first.start].bytes().all(|b| b.is_ascii_digit())
        && !is_owner(&text[..first.start])
    {
        text = &text[first.end..];
        dashes = breaks(text, &DASHES);
    }
    let dash = dashes.first()?;
    let (left, right) = (text[..dash.start].trim(), text[dash.end..].trim());
    if is_owner(left) {
        return Some((left.to_owned(), right.to_owned()));
    }
    // "Title - Artist (Live)".
    let last = dashes.last()?;
    let (name, aside) = before_brackets(text[last.end..].trim());
    if is_owner(name) {
        let title = format!("{} {aside}", text[..last.start].trim());
        return Some((name.to_owned(), title));
    }
    // "Title - Remastered 2011" names no artist.
    if is_only_version(right) {
        return None;
    }
    Some((left.to_owned(), right.to_owned()))
}

/// `Artist "Title"` and `Artist「Title」`, of which a quotation alone is no sign: the owner or words about
/// the upload must confirm it.
fn at_quotation(whole: &str, owner: Option<&Owner>, had_upload_words: bool) -> Option<(String, String)> {
    let (left, title) = last_quotation(whole)?;
    let confirmed = had_upload_words || owner.is_some_and(|owner| owner.is_named(left));
    (confirmed && is_name(left)).then(|| (left.to_owned(), title.to_owned()))
}

fn last_quotation(whole: &str) -> Option<(&str, &str)> {
    if let Some(quotation) = brackets(whole).pop().filter(|bracket| !bracket.is_remark) {
        let at_end = quotation.outer.end == whole.len();
        return at_end.then(|| (whole[..quotation.outer.start].trim_end(), &whole[quotation.inner]));
    }
    let (quote, opening) = match whole.chars().next_back()? {
        '"' => ('"', " \""),
        '\'' => ('\'', " '"),
        '’' => ('’', " ‘"),
        _ => return None,
    };
    let inside = &whole[..whole.len() - quote.len_utf8()];
    let at = inside.rfind(opening)?;
    Some((inside[..at].trim_end(), &inside[at + opening.len()..]))
}

/// Forms that are clear only because the owner is named: "Artist: Title", "Artist– Title",
/// "Title | Artist", "Title / Artist", "Title by Artist".
fn at_owner(whole: &str, owner: &Owner) -> Option<(String, String)> {
    let brackets = brackets(whole);
    for (at, mark) in whole.char_indices().filter(|(_, c)| matches!(c, '-' | '–' | '—' | ':' | '|' | '/'))
    {
        if brackets.iter().any(|bracket| bracket.outer.contains(&at)) {
            continue;
        }
        let (left, right) = (&whole[..at], &whole[at + mark.len_utf8()..]);
        let spaced = left.ends_with(' ') || right.starts_with(' ');
        // Inside of a word they belong to the word.
        if matches!(mark, '-' | '/') && !spaced {
            continue;
        }
        if owner.is_named(left) {
            return Some((left.to_owned(), right.to_owned()));
        }
        if matches!(mark, '|' | '/' | '–' | '—') && owner.is_named(right) {
            return Some((right.to_owned(), left.to_owned()));
        }
    }
    let at = whole.to_ascii_lowercase().rfind(" by ")?;
    let (name, aside) = before_brackets(&whole[at + 4..]);
    owner.is_named(name).then(|| (name.to_owned(), format!("{} {aside}", &whole[..at])))
}

/// A name and the brackets that follow it.
fn before_brackets(text: &str) -> (&str, &str) {
    let first = brackets(text).into_iter().find(|bracket| bracket.is_remark);
    let (name, aside) = text.split_at(first.map_or(text.len(), |bracket| bracket.outer.start));
    (name.trim(), aside)
}

/// Whether a text can be somebody's name.
fn is_name(text: &str) -> bool {
    text.chars().any(|c| c.is_alphanumeric() || c.is_ascii_punctuation())
        && text.chars().count() <= MAX_NAME_CHARS
}

/// Without the quotation marks around the whole of it.
fn unquoted(text: &str) -> &str {
    for (open, close) in [('"', '"'), ('“', '”'), ('\'', '\''), ('‘', '’'), ('「', '」'), ('『', '』')]
    {
        if let Some(inner) = text.strip_prefix(open).and_then(|text| text.strip_suffix(close))
            && !inner.contains([open, close])
            && !inner.trim().is_empty()
        {
            return inner.trim();
        }
    }
    text
}
