//! Folded text for sorting and searching: what people type with and without accents and capitals
//! finds the same.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Lower case, compatibility forms unified, accents dropped, white space as single blanks.
pub fn fold(text: &str) -> String {
    let folded: String = text.nfkd().filter(|c| !is_combining_mark(*c)).collect::<String>().to_lowercase();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A LIKE pattern (with `\` as escape) for texts that contain the folded words. NUL, which PostgreSQL
/// refuses in any text, is left out.
pub fn contains_pattern(folded: &str) -> String {
    let mut pattern = String::with_capacity(folded.len() + 2);
    pattern.push('%');
    for c in folded.chars().filter(|c| *c != '\0') {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_accents_capitals_and_wide_forms() {
        assert_eq!(fold("  Beyoncé\u{3000}ＤＡＮＣＥ "), "beyonce dance");
        assert_eq!(fold("Ünïcödé"), fold("UNICODE"));
        assert_eq!(fold("東京"), "東京");
    }

    #[test]
    fn wildcards_are_plain_characters() {
        assert_eq!(contains_pattern("100%_a\\"), "%100\\%\\_a\\\\%");
    }
}
