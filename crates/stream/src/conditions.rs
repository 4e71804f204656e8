//! What a request's conditional headers mean for one stored file (RFC 9110, section 13). Pure.
//! Conditions for changes (`If-Match`, `If-Unmodified-Since`) have no meaning here and are ignored:
//! nothing can be changed, and the bytes of a song never differ.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, header};
use songkeep_domain::{Timestamp, library::StreamTarget};

use crate::range::{Selection, select};

/// By which a client tells whether it has these bytes already.
pub(crate) struct Validators {
    /// Strong, with its quotes.
    pub(crate) etag: String,
    /// Whole seconds, as in the header.
    modified_at: SystemTime,
}

impl Validators {
    pub(crate) fn of(target: &StreamTarget) -> Self {
        Self { etag: format!("\"{}\"", target.sha256), modified_at: whole_seconds(target.created_at) }
    }

    pub(crate) fn last_modified(&self) -> String {
        httpdate::fmt_http_date(self.modified_at)
    }

    /// Whether a client's copy is still good. `If-None-Match`, when present, is all that counts.
    pub(crate) fn is_unchanged(&self, headers: &HeaderMap) -> bool {
        if headers.contains_key(header::IF_NONE_MATCH) {
            let mut lists =
                headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
            return lists.any(|list| lists_tag(list, &self.etag));
        }
        let since =
            single(headers, header::IF_MODIFIED_SINCE).and_then(|date| httpdate::parse_http_date(date).ok());
        since.is_some_and(|since| self.modified_at <= since)
    }

    /// Which bytes a GET asks for.
    pub(crate) fn select(&self, headers: &HeaderMap, size_bytes: u64) -> Selection {
        match single(headers, header::RANGE) {
            Some(range) if self.range_applies(headers) => select(range, size_bytes),
            _ => Selection::Whole,
        }
    }

    /// `If-Range` compares strongly, and a date exactly; what is neither does not hold.
    fn range_applies(&self, headers: &HeaderMap) -> bool {
        if !headers.contains_key(header::IF_RANGE) {
            return true;
        }
        let Some(condition) = single(headers, header::IF_RANGE) else { return false };
        let is_tag = condition.starts_with('"') || condition.starts_with("W/");
        if is_tag {
            condition == self.etag
        } else {
            httpdate::parse_http_date(condition).is_ok_and(|date| date == self.modified_at)
        }
    }
}

/// The header's value when there is exactly one.
fn single(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// Whether `tag` (strong) is in a list of entity tags, compared weakly; `*` stands for any.
fn lists_tag(list: &str, tag: &str) -> bool {
    let mut rest = list.trim_matches([' ', '\t', ',']);
    if rest == "*" {
        return true;
    }
    // Tags may hold commas, so the list is walked and not split.
    while !rest.is_empty() {
        let opaque = rest.strip_prefix("W/").unwrap_or(rest);
        let Some(end) = opaque.strip_prefix('"').and_then(|inner| inner.find('"')) else { return false };
        let (candidate, after) = opaque.split_at(end + 2);
        if candidate == tag {
            return true;
        }
        rest = after.trim_start_matches([' ', '\t', ',']);
    }
    false
}

fn whole_seconds(moment: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(moment.as_secs()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_a_list_weak_or_strong() {
        let tag = "\"abc\"";
        for list in [
            "\"abc\"",
            "W/\"abc\"",
            "\"x\", \"abc\"",
            "\"x\" ,W/\"abc\",\"y\"",
            "*",
            " \"a,b\",\"abc\" ",
            ",,\"abc\"",
        ] {
            assert!(lists_tag(list, tag), "{list}");
        }
    }

    #[test]
    fn other_tags_and_garbage_do_not_match() {
        let tag = "\"abc\"";
        for list in [
            "",
            "abc",
            "\"ABC\"",
            "\"abc",
            "\"abcd\"",
            "w/\"abc\"",
            "\"x,\\\"abc\\\"\"",
            "**",
            "\"*\"",
            "x\"abc\"",
        ] {
            assert!(!lists_tag(list, tag), "{list}");
        }
    }
}
