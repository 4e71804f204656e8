//! How texts are made comparable: folding, words, and how alike two words are. Pure functions.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// Words that say little about which song is meant.
const WEAK_WORDS: &[&str] = &[
    "a",
    "an",
    "the",
    "of",
    "and",
    "by",
    "in",
    "on",
    "to",
    "feat",
    "ft",
    "featuring",
    "with",
    "de",
    "la",
    "el",
    "le",
    "les",
    "der",
    "die",
    "das",
];

/// What a query is cached under: queries with equal keys mean the same.
#[must_use]
pub fn cache_key(query: &str) -> String {
    let lower = query.nfkc().collect::<String>().to_lowercase();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Lower case, without accents, punctuation or styling, words apart by single spaces. `&` becomes
/// `and`, an apostrophe vanishes, and a `$` inside a name is an `s`.
#[must_use]
pub fn fold(text: &str) -> String {
    let plain: String = text
        .nfkd()
        // Accents of Latin, Greek and Cyrillic only: in other scripts marks carry vowels.
        .filter(|c| !('\u{300}'..='\u{36f}').contains(c))
        .nfc()
        .collect();
    let mut folded = String::with_capacity(plain.len());
    for c in plain.chars().flat_map(char::to_lowercase) {
        match c {
            '\'' | '\u{2019}' | '\u{2018}' | '`' | '\u{b4}' => {}
            '&' => folded.push_str(" and "),
            '$' => folded.push('s'),
            'ß' => folded.push_str("ss"),
            'ø' => folded.push('o'),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'ł' => folded.push('l'),
            'đ' => folded.push('d'),
            // Marks belong to the letter before them in the scripts that need them.
            c if c.is_alphanumeric() || is_mark(c) => folded.push(c),
            _ => folded.push(' '),
        }
    }
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

/// The words of a folded text. Runs of scripts without spaces between words are cut into overlapping
/// pairs of characters, so that a part of such a title is found in the whole.
#[must_use]
pub fn words(folded: &str) -> Vec<Cow<'_, str>> {
    folded.split(' ').filter(|word| !word.is_empty()).flat_map(split_unspaced).collect()
}

fn split_unspaced(word: &str) -> Vec<Cow<'_, str>> {
    let chars: Vec<char> = word.chars().collect();
    if chars.len() > 2 && chars.iter().all(|c| is_unspaced_script(*c)) {
        chars.windows(2).map(|pair| Cow::Owned(pair.iter().collect())).collect()
    } else {
        vec![Cow::Borrowed(word)]
    }
}

/// Han, Hiragana, Katakana and Thai.
const fn is_unspaced_script(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{e7f}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
}

/// How much a word counts.
#[must_use]
pub fn weight(word: &str) -> f64 {
    if WEAK_WORDS.contains(&word) { 0.25 } else { 1.0 }
}

/// 1 for equal words, less for likely typos and beginnings of words, 0 for different words.
#[must_use]
pub fn word_similarity(a: &str, b: &str) -> f64 {
    if a == b {
        return 1.0;
    }
    // A different number is a different song or year, never a typo.
    if a.bytes().chain(b.bytes()).any(|byte| byte.is_ascii_digit()) {
        return 0.0;
    }
    let (a_len, b_len) = (a.chars().count(), b.chars().count());
    let (short, long) = if a_len <= b_len { (a, b) } else { (b, a) };
    let (short_len, long_len) = (a_len.min(b_len), a_len.max(b_len));
    let allowed = match short_len {
        0..=3 => 0,
        4..=5 => 1,
        6..=9 => 2,
        _ => 3,
    };
    if allowed > 0 && long_len - short_len <= allowed {
        let edits = strsim::osa_distance(a, b);
        if edits <= allowed {
            let same_start = a.chars().next() == b.chars().next();
            let per_edit = if same_start { 0.11 } else { 0.2 };
            return 1.0 - per_edit * as_f64(edits);
        }
    }
    if short_len >= 4 && long.starts_with(short) { 0.6 } else { 0.0 }
}

/// 0..=1 for two whole texts, blind to where their words end ("night call" and "nightcall").
#[must_use]
pub fn joined_similarity(a: &str, b: &str) -> f64 {
    let squeeze = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
    let (a, b) = (squeeze(a), squeeze(b));
    let longest = a.chars().count().max(b.chars().count());
    if longest == 0 {
        return 0.0;
    }
    1.0 - as_f64(strsim::osa_distance(&a, &b)) / as_f64(longest)
}

/// Counts of words and edits, far below where precision ends.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
#[must_use]
pub const fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_forgets_case_accents_width_and_punctuation() {
        for (text, folded) in [
            ("Beyoncé – \"Déjà Vu\"", "beyonce deja vu"),
            ("AC/DC: T.N.T.", "ac dc t n t"),
            ("Don’t Stop Me Now", "dont stop me now"),
            ("Simon & Garfunkel", "simon and garfunkel"),
            ("A$AP Rocky", "asap rocky"),
            ("ＹＯＡＳＯＢＩ「夜に駆ける」", "yoasobi 夜に駆ける"),
            ("Sigur Rós", "sigur ros"),
            ("Röyksopp", "royksopp"),
            ("Ёлка", "елка"),
            ("가을 아침", "가을 아침"),
            ("", ""),
        ] {
            assert_eq!(fold(text), folded, "{text}");
        }
    }

    #[test]
    fn queries_that_differ_in_case_and_spaces_share_a_cache_entry() {
        assert_eq!(cache_key("  Daft   PUNK around"), cache_key("daft punk  Around "));
        assert_ne!(cache_key("daft punk"), cache_key("daftpunk"));
    }

    #[test]
    fn typos_are_near_and_other_words_are_not() {
        for (a, b) in [("bohemian", "bohemain"), ("rhapsody", "rapsody"), ("beyonce", "beyonse")] {
            assert!(word_similarity(a, b) > 0.6, "{a} {b}");
        }
        for (a, b) in [("1989", "1999"), ("him", "her"), ("love", "hate"), ("hello", "goodbye")] {
            assert!(word_similarity(a, b) < 0.1, "{a} {b}");
        }
    }

    #[test]
    fn a_part_of_a_title_without_spaces_is_found_in_it() {
        let title = words("夜に駆ける");
        assert!(words("駆ける").iter().all(|pair| title.contains(pair)));
    }
}
