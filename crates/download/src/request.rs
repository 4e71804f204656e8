//! What a client asks to import, checked: one recording of a known source, and cleaned hints.

use songkeep_api::download::Import;
use songkeep_domain::{
    ErrorCode, FieldError, ServiceError, ServiceResult, SourceProvider, SourceRef, job::ImportHints,
};
use unicode_normalization::UnicodeNormalization;

/// Longest title or artist in characters.
const MAX_HINT_CHARS: usize = 300;
const MAX_URL_CHARS: usize = 2_048;
/// Of `candidate_meta` as compact JSON.
const MAX_META_BYTES: usize = 8 * 1024;

/// # Errors
/// `invalid` with the field at fault.
pub fn read_source(request: &Import) -> ServiceResult<SourceRef> {
    match (&request.source_provider, &request.source_id, &request.url) {
        (Some(provider), Some(id), None) => read_pair(provider, id),
        (None, None, Some(url)) => read_url(url),
        (None, None, None) => Err(fields(
            "Say what to import: a source_provider with its source_id, or a url.",
            &["source_provider", "source_id", "url"],
            "required",
        )),
        (Some(_), None, None) => {
            Err(ServiceError::invalid("source_id", "required", "The source_provider needs a source_id."))
        }
        (None, Some(_), None) => Err(ServiceError::invalid(
            "source_provider",
            "required",
            "The source_id needs a source_provider, such as youtube.",
        )),
        (_, _, Some(_)) => Err(fields(
            "Send either a source_provider with its source_id, or a url, not both.",
            &["source_provider", "source_id", "url"],
            "ambiguous",
        )),
    }
}

fn read_pair(provider: &str, id: &str) -> ServiceResult<SourceRef> {
    let provider = SourceProvider::parse(provider).ok_or_else(|| {
        ServiceError::invalid(
            "source_provider",
            "unknown",
            "This source_provider is not known here. Songs come from: youtube.",
        )
    })?;
    SourceRef::new(provider, id).map_err(|_| {
        ServiceError::invalid("source_id", "bad_id", format!("This source_id is not an id of {provider}."))
    })
}

fn read_url(url: &str) -> ServiceResult<SourceRef> {
    let unsupported = || {
        ServiceError::invalid(
            "url",
            "unsupported_url",
            "This link is not of a recording that can be imported. Send the link of one YouTube video.",
        )
    };
    if url.len() > MAX_URL_CHARS {
        return Err(unsupported());
    }
    SourceRef::from_url(url).map_err(|_| unsupported())
}

/// # Errors
/// `invalid` for overlong texts and a `candidate_meta` that is no object, `payload_too_large` for one
/// of more than 8 KiB.
pub fn read_hints(request: Import) -> ServiceResult<ImportHints> {
    Ok(ImportHints {
        title: clean_hint("title", request.title)?,
        artist: clean_hint("artist", request.artist)?,
        candidate_meta: request.candidate_meta.map(check_meta).transpose()?,
    })
}

/// Hints come from titles that clients found elsewhere, so stray characters are dropped and not refused.
fn clean_hint(field: &str, hint: Option<String>) -> ServiceResult<Option<String>> {
    let Some(hint) = hint else { return Ok(None) };
    let spaced: String = hint.nfc().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let visible: String = spaced.chars().filter(|c| !c.is_control() && !is_direction_mark(*c)).collect();
    let text = visible.trim();
    if text.chars().count() > MAX_HINT_CHARS {
        let detail = format!("The {field} must not be longer than {MAX_HINT_CHARS} characters.");
        return Err(ServiceError::invalid(field, "too_long", detail));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Marks that would reorder the text around a title.
const fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn check_meta(meta: serde_json::Value) -> ServiceResult<serde_json::Value> {
    if !meta.is_object() {
        return Err(ServiceError::invalid(
            "candidate_meta",
            "not_an_object",
            "The candidate_meta must be a JSON object.",
        ));
    }
    let text = serde_json::to_string(&meta).map_err(ServiceError::internal)?;
    if text.len() > MAX_META_BYTES {
        return Err(ServiceError::new(
            ErrorCode::PayloadTooLarge,
            "The candidate_meta must not be larger than 8 KiB.",
        ));
    }
    // Not every database can hold it.
    if text.contains("\\u0000") {
        return Err(ServiceError::invalid(
            "candidate_meta",
            "control_characters",
            "The candidate_meta must not contain the character U+0000.",
        ));
    }
    Ok(meta)
}

/// One sentence about several fields.
fn fields(detail: &str, names: &[&str], code: &str) -> ServiceError {
    let fields = names.iter().map(|name| FieldError {
        field: (*name).to_owned(),
        code: code.to_owned(),
        detail: detail.to_owned(),
    });
    ServiceError { fields: fields.collect(), ..ServiceError::new(ErrorCode::Invalid, detail) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hints_are_cleaned_and_empty_ones_dropped() {
        let hints = read_hints(Import {
            title: Some("  Cafe\u{301}\u{0} \u{202e}del\tMar\n".to_owned()),
            artist: Some(" \u{7} ".to_owned()),
            ..Import::default()
        })
        .unwrap();
        assert_eq!(hints.title.as_deref(), Some("Café del Mar"));
        assert_eq!(hints.artist, None);
    }

    #[test]
    fn overlong_hints_are_refused_by_name() {
        let error = read_hints(Import { artist: Some("x".repeat(301)), ..Import::default() }).unwrap_err();
        assert_eq!((error.code, error.fields[0].field.as_str()), (ErrorCode::Invalid, "artist"));
        assert!(read_hints(Import { artist: Some("é".repeat(300)), ..Import::default() }).is_ok());
    }

    #[test]
    fn meta_is_a_small_object_without_nul() {
        let read = |meta| read_hints(Import { candidate_meta: Some(meta), ..Import::default() });
        assert!(read(json!({"views": 5})).is_ok());
        assert_eq!(read(json!([1])).unwrap_err().fields[0].code, "not_an_object");
        assert_eq!(read(json!({"a": "\0"})).unwrap_err().fields[0].code, "control_characters");
        assert_eq!(read(json!({"a": "x".repeat(8_192)})).unwrap_err().code, ErrorCode::PayloadTooLarge);
    }
}
