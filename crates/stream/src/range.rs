//! Which bytes a `Range` header asks for (RFC 9110, section 14). Pure; knows nothing of conditions.

use std::ops::Range;

/// More ranges in one request than any player has a reason for; such a request gets the whole object.
pub const MAX_PARTS: usize = 16;

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Everything: the header asks for something that is not ours to understand, or for too much at once.
    Whole,
    /// Not empty, within the object.
    One(Range<u64>),
    /// Two to [`MAX_PARTS`], in the order of the header, each not empty and within the object,
    /// together not longer than it.
    Many(Vec<Range<u64>>),
    /// The header is well-formed, but the object has none of these bytes.
    Unsatisfiable,
}

/// One element of a well-formed header. Positions too large for 64 bits are as good as the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spec {
    /// First and, when given, last position, inclusive.
    From(u64, Option<u64>),
    /// So many bytes at the end.
    Suffix(u64),
}

/// Reads the value of a `Range` header against an object of `size` bytes.
#[must_use]
pub fn select(header: &str, size: u64) -> Selection {
    let Some(specs) = parse(header) else { return Selection::Whole };
    if specs.len() > MAX_PARTS {
        return Selection::Whole;
    }
    // The last byte of nothing is not a position, so no answer could name it in `Content-Range`.
    if size == 0 && specs.iter().any(|spec| matches!(spec, Spec::Suffix(1..))) {
        return Selection::Whole;
    }
    let mut ranges: Vec<Range<u64>> = specs.into_iter().filter_map(|spec| resolve(spec, size)).collect();
    let total = ranges.iter().fold(0, |sum: u64, range| sum.saturating_add(range.end - range.start));
    match ranges.len() {
        0 => Selection::Unsatisfiable,
        1 => Selection::One(ranges.remove(0)),
        // Overlapping ranges would make the answer longer than the object.
        _ if total > size => Selection::Whole,
        _ => Selection::Many(ranges),
    }
}

/// None when the unit is unknown or the value malformed, as also where the last position lies before
/// the first.
fn parse(header: &str) -> Option<Vec<Spec>> {
    let (unit, set) = header.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    // Empty elements of a list are allowed and mean nothing.
    let elements = set.split(',').map(|element| element.trim_matches([' ', '\t'])).filter(|e| !e.is_empty());
    let specs: Vec<Spec> = elements.map(parse_spec).collect::<Option<_>>()?;
    (!specs.is_empty()).then_some(specs)
}

fn parse_spec(text: &str) -> Option<Spec> {
    let (first, last) = text.split_once('-')?;
    match (first, last) {
        ("", suffix) => Some(Spec::Suffix(position(suffix)?)),
        (first, "") => Some(Spec::From(position(first)?, None)),
        (first, last) => {
            let (first, last) = (position(first)?, position(last)?);
            (first <= last).then_some(Spec::From(first, Some(last)))
        }
    }
}

/// Decimal digits and nothing else: no sign, no space.
fn position(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

fn resolve(spec: Spec, size: u64) -> Option<Range<u64>> {
    let range = match spec {
        Spec::From(first, last) => first..last.map_or(size, |last| last.saturating_add(1).min(size)),
        Spec::Suffix(length) => size.saturating_sub(length)..size,
    };
    (range.start < range.end).then_some(range)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(range: Range<u64>) -> Selection {
        Selection::One(range)
    }

    #[test]
    fn first_and_last_are_inclusive() {
        assert_eq!(select("bytes=0-0", 10), one(0..1));
        assert_eq!(select("bytes=0-9", 10), one(0..10));
        assert_eq!(select("bytes=3-5", 10), one(3..6));
        assert_eq!(select("bytes=9-9", 10), one(9..10));
    }

    #[test]
    fn an_open_range_goes_to_the_end() {
        assert_eq!(select("bytes=0-", 10), one(0..10));
        assert_eq!(select("bytes=9-", 10), one(9..10));
    }

    #[test]
    fn a_suffix_counts_from_the_end_and_may_be_longer_than_the_object() {
        assert_eq!(select("bytes=-1", 10), one(9..10));
        assert_eq!(select("bytes=-10", 10), one(0..10));
        assert_eq!(select("bytes=-500", 10), one(0..10));
    }

    #[test]
    fn a_last_position_beyond_the_end_is_cut() {
        assert_eq!(select("bytes=5-10", 10), one(5..10));
        assert_eq!(select("bytes=5-18446744073709551615", 10), one(5..10));
        assert_eq!(select("bytes=5-99999999999999999999999", 10), one(5..10));
    }

    #[test]
    fn what_begins_behind_the_end_is_unsatisfiable() {
        for header in [
            "bytes=10-",
            "bytes=10-10",
            "bytes=10-20",
            "bytes=18446744073709551615-",
            "bytes=99999999999999999999999-",
            "bytes=-0",
            "bytes=10-11,12-13,-0",
        ] {
            assert_eq!(select(header, 10), Selection::Unsatisfiable, "{header}");
        }
    }

    #[test]
    fn an_object_without_bytes_has_no_positions() {
        assert_eq!(select("bytes=0-", 0), Selection::Unsatisfiable);
        assert_eq!(select("bytes=0-0", 0), Selection::Unsatisfiable);
        assert_eq!(select("bytes=-0", 0), Selection::Unsatisfiable);
        assert_eq!(select("bytes=-5", 0), Selection::Whole);
    }

    #[test]
    fn what_is_malformed_or_of_another_unit_asks_for_everything() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=--1",
            "bytes=abc",
            "bytes=a-b",
            "bytes=1",
            "bytes=5-3",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=1 - 2",
            "bytes=1-2-3",
            "bytes=0x0-0x5",
            "bytes=1.5-2",
            "bytes=٠-٩",
            "bytes =0-1",
            " bytes=0-1",
            "bytes:0-1",
            "bytes=0-1;2-3",
            "bytes=0-1,x",
            "bytes=0-1,5-3",
            "bytes=0-1,bytes=3-4",
            "seconds=0-1",
            "items=0-5",
            "bytess=0-1",
        ] {
            assert_eq!(select(header, 10), Selection::Whole, "{header:?}");
        }
    }

    #[test]
    fn the_unit_is_known_in_any_case_and_space_around_elements_does_not_matter() {
        assert_eq!(select("BYTES=0-1", 10), one(0..2));
        assert_eq!(select("Bytes= 0-1", 10), one(0..2));
        assert_eq!(select("bytes=,, 0-1\t,", 10), one(0..2));
    }

    #[test]
    fn several_ranges_keep_their_order() {
        assert_eq!(select("bytes=0-1,4-5", 10), Selection::Many(vec![0..2, 4..6]));
        assert_eq!(select("bytes=-2 , 0-0", 10), Selection::Many(vec![8..10, 0..1]));
    }

    #[test]
    fn of_several_ranges_only_the_satisfiable_ones_count() {
        assert_eq!(select("bytes=0-1,50-60", 10), one(0..2));
        assert_eq!(select("bytes=50-60,-1,2-2", 10), Selection::Many(vec![9..10, 2..3]));
    }

    #[test]
    fn several_ranges_that_are_together_longer_than_the_object_ask_for_everything() {
        assert_eq!(select("bytes=0-5,4-9", 10), Selection::Whole);
        assert_eq!(select("bytes=0-,0-,0-", 10), Selection::Whole);
        assert_eq!(select("bytes=0-4,5-9", 10), Selection::Many(vec![0..5, 5..10]));
    }

    #[test]
    fn more_ranges_than_the_limit_ask_for_everything() {
        let header = |count: usize| {
            let ranges: Vec<String> = (0..count).map(|at| format!("{at}-{at}")).collect();
            format!("bytes={}", ranges.join(","))
        };
        assert!(
            matches!(select(&header(MAX_PARTS), 1_000), Selection::Many(parts) if parts.len() == MAX_PARTS)
        );
        assert_eq!(select(&header(MAX_PARTS + 1), 1_000), Selection::Whole);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_leave_the_object(header in ".{0,60}", size in any::<u64>()) {
            check(&select(&header, size), size);
        }

        #[test]
        fn no_list_of_numbers_makes_it_leave_the_object(
            specs in prop::collection::vec((prop::option::of(any::<u64>()), prop::option::of(any::<u64>())), 0..20),
            size in prop_oneof![0..20_u64, any::<u64>()],
        ) {
            let text = |number: Option<u64>| number.map(|n| n.to_string()).unwrap_or_default();
            let list: Vec<String> = specs.iter().map(|(a, b)| format!("{}-{}", text(*a), text(*b))).collect();
            check(&select(&format!("bytes={}", list.join(",")), size), size);
        }

        #[test]
        fn a_range_within_the_object_is_given_exactly(size in 1..u64::MAX, a in any::<u64>(), b in any::<u64>()) {
            let (first, last) = ((a % size).min(b % size), (a % size).max(b % size));
            prop_assert_eq!(select(&format!("bytes={first}-{last}"), size), Selection::One(first..last + 1));
            prop_assert_eq!(select(&format!("bytes={first}-"), size), Selection::One(first..size));
            prop_assert_eq!(select(&format!("bytes=-{}", size - first), size), Selection::One(first..size));
        }
    }

    fn check(selection: &Selection, size: u64) {
        let ranges = match selection {
            Selection::Whole | Selection::Unsatisfiable => return,
            Selection::One(range) => std::slice::from_ref(range),
            Selection::Many(ranges) => ranges.as_slice(),
        };
        assert!(
            ranges.iter().all(|range| range.start < range.end && range.end <= size),
            "{ranges:?} of {size}"
        );
        if ranges.len() > 1 {
            let total: u64 = ranges.iter().map(|range| range.end - range.start).sum();
            assert!(ranges.len() <= MAX_PARTS && total <= size);
        }
    }
}
