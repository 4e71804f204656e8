//! What listeners type, made fit to be stored.

use songkeep_domain::{ServiceError, ServiceResult};
use unicode_normalization::UnicodeNormalization;

/// Longest title, artist or album in characters.
pub const MAX_NAME_CHARS: usize = 500;
/// Longest filter of a list in characters.
pub const MAX_QUERY_CHARS: usize = 300;

/// NFC and trimmed.
///
/// # Errors
/// `invalid` for control characters and texts longer than `max_chars`.
pub fn clean(field: &str, text: &str, max_chars: usize) -> ServiceResult<String> {
    let text: String = text.trim().nfc().collect();
    if text.chars().any(char::is_control) {
        let detail = format!("The {field} must not contain control characters.");
        return Err(ServiceError::invalid(field, "control_characters", detail));
    }
    if text.chars().count() > max_chars {
        let detail = format!("The {field} must not be longer than {max_chars} characters.");
        return Err(ServiceError::invalid(field, "too_long", detail));
    }
    Ok(text)
}
