//! What a failed deserialisation tells the client: which value, and what it should have been. The
//! value itself is never repeated, for it may be a password.

use std::fmt::Display;

use serde_path_to_error::Path;
use songkeep_domain::ServiceError;

/// Longest field name that is repeated to whoever sent it.
const MAX_FIELD_CHARS: usize = 64;

/// The 422 for a value of another shape. `whole` names the input itself, when no value in it can be
/// named.
pub(crate) fn invalid(path: &Path, error: &impl Display, whole: &str) -> ServiceError {
    let message = error.to_string();
    // JSON errors end with the position, which says nothing that the field does not.
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(head, _)| head);
    let parent = if path.iter().len() == 0 { String::new() } else { path.to_string() };
    let here = if parent.is_empty() { whole } else { &parent };
    let (field, code, detail) = if let Some(name) = named(message, "missing field ") {
        let field = child(&parent, name);
        let detail = format!("`{field}` is missing.");
        (field, "required", detail)
    } else if let Some(name) = named(message, "duplicate field ") {
        let field = child(&parent, name);
        let detail = format!("`{field}` is given more than once.");
        (field, "duplicate", detail)
    } else if let Some(name) = named(message, "unknown field ") {
        let field = child(&parent, name);
        let detail = format!("`{field}` is not known here.");
        (field, "unknown", detail)
    } else {
        let field = cut(here);
        let (code, rest) = value_error(message);
        let detail = format!("`{field}` {rest}.");
        (field, code, detail)
    };
    ServiceError::invalid(&field, code, detail)
}

/// The code, and what the sentence about a value says after its name.
fn value_error(message: &str) -> (&'static str, String) {
    if message.starts_with("unknown variant") {
        let expected = message.rsplit_once("expected ").map_or("one of the known values", |(_, rest)| rest);
        return ("unknown_value", format!("must be {expected}"));
    }
    if let Some(rest) = message.strip_prefix("invalid type: ") {
        return ("wrong_type", format!("must be {}", expected(rest)));
    }
    if let Some(rest) = message.strip_prefix("invalid value: ") {
        let number = rest.starts_with("integer") || rest.starts_with("floating point");
        let code = if number { "out_of_range" } else { "invalid" };
        return (code, format!("is not within {}", expected(rest)));
    }
    // What the standard library says of text that should be a number or a truth value.
    match message {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            ("wrong_type", "must be a whole number".to_owned())
        }
        "number too large to fit in target type" | "number too small to fit in target type" => {
            ("out_of_range", "is out of range".to_owned())
        }
        "invalid float literal" | "cannot parse float from empty string" => {
            ("wrong_type", "must be a number".to_owned())
        }
        "provided string was not `true` or `false`" => ("wrong_type", "must be `true` or `false`".to_owned()),
        _ => ("invalid", "has a value that cannot be used".to_owned()),
    }
}

/// What serde expected, without the names of our types.
fn expected(message: &str) -> &'static str {
    match message.rsplit_once("expected ").map_or("", |(_, expected)| expected) {
        "a string" | "a borrowed string" | "str" | "string" => "text",
        "a boolean" | "bool" => "`true` or `false`",
        "f32" | "f64" => "a number",
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "a nonzero u32" | "a nonzero u64" => {
            "the whole numbers from zero"
        }
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "the whole numbers",
        "a sequence" => "a list",
        other if other.starts_with("struct ") || other.starts_with("a map") => "an object",
        _ => "what is expected here",
    }
}

/// The name between backticks after `prefix`.
fn named<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    message.strip_prefix(prefix)?.strip_prefix('`')?.split('`').next()
}

fn child(parent: &str, name: &str) -> String {
    // Some errors are reported at the value itself, some at what holds it.
    let ends_with_it = parent == name || parent.ends_with(&format!(".{name}"));
    if parent.is_empty() || ends_with_it {
        cut(if ends_with_it { parent } else { name })
    } else {
        cut(&format!("{parent}.{name}"))
    }
}

fn cut(field: &str) -> String {
    field.chars().take(MAX_FIELD_CHARS).collect()
}
