//! Where brackets stand in a title and where it breaks into parts. All positions are byte offsets at
//! boundaries of characters.

use std::ops::Range;

/// Pairs whose content is a remark.
const BRACKETS: [(char, char); 6] =
    [('(', ')'), ('[', ']'), ('{', '}'), ('【', '】'), ('（', '）'), ('［', '］')];
/// Pairs whose content is a name.
const QUOTES: [(char, char); 5] = [('「', '」'), ('『', '』'), ('《', '》'), ('〈', '〉'), ('“', '”')];

/// A closed bracket that stands in no other one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bracket {
    /// With the brackets themselves.
    pub outer: Range<usize>,
    pub inner: Range<usize>,
    /// Whether it is a bracket for remarks, rather than a quotation.
    pub is_remark: bool,
}

/// The outermost brackets and quotations, in order. What is never closed is no bracket.
#[must_use]
pub fn brackets(text: &str) -> Vec<Bracket> {
    let mut open: Vec<(usize, usize, char, bool)> = Vec::new();
    let mut found: Vec<Bracket> = Vec::new();
    for (at, c) in text.char_indices() {
        let opened = |pairs: &[(char, char)]| pairs.iter().find(|pair| pair.0 == c).map(|pair| pair.1);
        if let Some(closer) = opened(&BRACKETS) {
            open.push((at, at + c.len_utf8(), closer, true));
        } else if let Some(closer) = opened(&QUOTES) {
            open.push((at, at + c.len_utf8(), closer, false));
        } else if let Some(index) = open.iter().rposition(|(_, _, closer, _)| *closer == c) {
            let (start, inner_start, _, is_remark) = open[index];
            open.truncate(index);
            // An outer pair swallows those inside of it.
            found.retain(|bracket| bracket.outer.start < start);
            found.push(Bracket { outer: start..at + c.len_utf8(), inner: inner_start..at, is_remark });
        }
    }
    found
}

/// Where one of `marks` stands outside of brackets with spaces on both sides; each range covers the mark
/// and its spaces.
#[must_use]
pub fn breaks(text: &str, marks: &[&str]) -> Vec<Range<usize>> {
    let brackets = brackets(text);
    let mut found: Vec<Range<usize>> = marks
        .iter()
        .flat_map(|mark| text.match_indices(mark).map(|(at, mark)| at..at + mark.len()))
        .filter(|range| !brackets.iter().any(|bracket| bracket.outer.contains(&range.start)))
        .filter(|range| text[..range.start].ends_with(' ') && text[range.end..].starts_with(' '))
        .map(|range| range.start - 1..range.end + 1)
        .collect();
    found.sort_by_key(|range| range.start);
    // "A - - B" has one break that counts.
    found.dedup_by(|next, kept| next.start < kept.end);
    found
}
