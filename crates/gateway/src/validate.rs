//! Reads the values of queries and turns what is out of bounds into a 422 that names the field.

use std::ops::RangeInclusive;

use songkeep_domain::{PageRequest, ServiceError, ServiceResult};

/// Characters that a search text may have.
const MAX_TEXT: usize = 300;
/// Characters that the name of an artist or album may have.
const MAX_NAME: usize = 500;
/// Characters of the longest cursor that we give, with room to spare: it may hold a name of 500 characters,
/// each folded into as many as 33 bytes, in base64.
const MAX_CURSOR: usize = 24_000;

/// # Errors
/// `invalid` outside `bounds`.
pub(crate) fn limit(value: Option<u32>, default: u32, bounds: RangeInclusive<u32>) -> ServiceResult<u32> {
    let value = value.unwrap_or(default);
    if bounds.contains(&value) {
        return Ok(value);
    }
    let (least, most) = bounds.into_inner();
    Err(ServiceError::invalid("limit", "out_of_range", format!("limit must be from {least} to {most}.")))
}

/// Blank text is none.
///
/// # Errors
/// `invalid` when it is too long or has control characters.
pub(crate) fn text(field: &str, value: Option<String>) -> ServiceResult<Option<String>> {
    bounded(field, value, MAX_TEXT)
}

fn bounded(field: &str, value: Option<String>, most: usize) -> ServiceResult<Option<String>> {
    let Some(value) = value else { return Ok(None) };
    let value = value.trim();
    if value.chars().count() > most {
        let detail = format!("{field} must not have more than {most} characters.");
        return Err(ServiceError::invalid(field, "too_long", detail));
    }
    if value.chars().any(char::is_control) {
        let detail = format!("{field} must not hold control characters.");
        return Err(ServiceError::invalid(field, "bad_character", detail));
    }
    Ok(Some(value.to_owned()).filter(|value| !value.is_empty()))
}

/// One of a closed list of words; blank is none.
///
/// # Errors
/// `invalid` for any other word.
pub(crate) fn word<T>(
    field: &str,
    value: Option<&str>,
    parse: impl Fn(&str) -> Option<T>,
    words: &str,
) -> ServiceResult<Option<T>> {
    match value {
        None | Some("") => Ok(None),
        Some(text) => parse(text).map(Some).ok_or_else(|| {
            ServiceError::invalid(field, "unknown", format!("{field} must be one of {words}."))
        }),
    }
}

/// A filter that this list does not have; blank is none.
///
/// # Errors
/// `invalid` when there is one: an answer without it would look as if it had been heeded.
pub(crate) fn absent(field: &str, value: Option<&str>) -> ServiceResult<()> {
    match value {
        None | Some("") => Ok(()),
        Some(_) => {
            let detail = format!("This list has no {field}; leave {field} out.");
            Err(ServiceError::invalid(field, "unknown", detail))
        }
    }
}

/// The name of an artist or album as a filter; blank is none.
///
/// # Errors
/// As [`text`], at a length that names may have.
pub(crate) fn name(field: &str, value: Option<String>) -> ServiceResult<Option<String>> {
    bounded(field, value, MAX_NAME)
}

/// # Errors
/// `invalid` for a bad limit, `malformed` for what cannot be a cursor of ours.
pub(crate) fn page(cursor: Option<String>, count: Option<u32>, default: u32) -> ServiceResult<PageRequest> {
    let cursor = cursor.filter(|cursor| !cursor.is_empty());
    if cursor.as_ref().is_some_and(|cursor| cursor.len() > MAX_CURSOR) {
        return Err(ServiceError::malformed("The cursor is not valid; start again without one."));
    }
    Ok(PageRequest { cursor, limit: limit(count, default, 1..=500)? })
}

#[cfg(test)]
mod tests {
    use songkeep_domain::ErrorCode;

    use super::*;

    #[test]
    fn a_limit_outside_its_bounds_is_invalid_and_names_the_field() {
        assert_eq!(limit(None, 10, 1..=50).expect("the default"), 10);
        assert_eq!(limit(Some(50), 10, 1..=50).expect("the most"), 50);
        for value in [0, 51, u32::MAX] {
            let error = limit(Some(value), 10, 1..=50).expect_err("out of bounds");
            assert_eq!((error.code, error.fields[0].field.as_str()), (ErrorCode::Invalid, "limit"));
        }
    }

    #[test]
    fn blank_text_is_none_and_long_or_unprintable_text_is_invalid() {
        assert_eq!(text("q", Some("  \t".to_owned())).expect("blank"), None);
        assert_eq!(text("q", Some(" a b ".to_owned())).expect("fine").as_deref(), Some("a b"));
        assert_eq!(text("q", Some("é".repeat(300))).expect("fine").map(|q| q.chars().count()), Some(300));
        assert!(text("q", Some("é".repeat(301))).is_err());
        assert!(text("q", Some("a\0b".to_owned())).is_err());
    }
}
