//! The grammar of keys: `<prefix>/<aa>/<sha256>.<extension>`. Whatever passes it is also a harmless
//! relative path: no dots but the one before the extension, no empty parts.

use songkeep_domain::blob::{BlobError, BlobResult};

const MAX_PREFIX: usize = 32;
const MAX_EXTENSION: usize = 8;
/// Hex digits of a SHA-256.
const HASH_DIGITS: usize = 64;
/// Leading digits that make the middle folder.
const FAN_OUT_DIGITS: usize = 2;

/// Builds the key of the bytes with this hash (lower-case hex).
pub(crate) fn compose(prefix: &str, sha256: &str, extension: &str) -> String {
    format!("{prefix}/{}/{sha256}.{extension}", &sha256[..FAN_OUT_DIGITS])
}

/// # Errors
/// `BadKey` when no key could have this prefix and extension.
pub(crate) fn check_parts(prefix: &str, extension: &str) -> BlobResult<()> {
    if is_prefix(prefix) && is_extension(extension) {
        Ok(())
    } else {
        Err(BlobError::BadKey(format!("{prefix}/….{extension}")))
    }
}

/// # Errors
/// `BadKey` when it is not one that [`compose`] makes.
pub(crate) fn check(key: &str) -> BlobResult<()> {
    if is_key(key) { Ok(()) } else { Err(BlobError::BadKey(key.to_owned())) }
}

pub(crate) fn is_key(key: &str) -> bool {
    let mut parts = key.split('/');
    let (Some(prefix), Some(fan_out), Some(name), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let Some((hash, extension)) = name.split_once('.') else { return false };
    is_prefix(prefix)
        && hash.len() == HASH_DIGITS
        && is_hex(hash)
        && fan_out.len() == FAN_OUT_DIGITS
        && hash.starts_with(fan_out)
        && is_extension(extension)
}

pub(crate) fn is_prefix(text: &str) -> bool {
    text.len() <= MAX_PREFIX
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

pub(crate) fn is_fan_out(text: &str) -> bool {
    text.len() == FAN_OUT_DIGITS && is_hex(text)
}

fn is_extension(text: &str) -> bool {
    (1..=MAX_EXTENSION).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "ab3456789012345678901234567890123456789012345678901234567890cdef";

    #[test]
    fn a_composed_key_is_a_key() {
        let key = compose("audio", HASH, "m4a");
        assert_eq!(key, format!("audio/ab/{HASH}.m4a"));
        assert!(is_key(&key));
    }

    #[test]
    fn anything_else_is_refused() {
        let upper = HASH.to_uppercase();
        let short = &HASH[..63];
        for key in [
            "",
            "/",
            "audio",
            "..",
            "../../etc/passwd",
            &format!("../ab/{HASH}.mp4"),
            &format!("audio/../ab/{HASH}.mp4"),
            &format!("audio/../{HASH}.mp4"),
            &format!("/audio/ab/{HASH}.mp4"),
            &format!("audio/ab/{HASH}.mp4/"),
            &format!("audio//{HASH}.mp4"),
            &format!("audio/ac/{HASH}.mp4"),
            &format!("audio/ab/{HASH}"),
            &format!("audio/ab/{HASH}."),
            &format!("audio/ab/{HASH}.tar.gz"),
            &format!("audio/ab/{HASH}.MP4"),
            &format!("audio/ab/{HASH}.mp4\0"),
            &format!("audio/ab/{HASH}.toolongext"),
            &format!("audio/ab/{short}.mp4"),
            &format!("audio/AB/{upper}.mp4"),
            &format!("Audio/ab/{HASH}.mp4"),
            &format!(".uploads/ab/{HASH}.mp4"),
            &format!("-/ab/{HASH}.mp4"),
            &format!("audio\\ab\\{HASH}.mp4"),
            &format!("audio/é/{HASH}.mp4"),
        ] {
            assert!(!is_key(key), "{key:?} passed");
            assert!(matches!(check(key), Err(BlobError::BadKey(bad)) if bad == key));
        }
    }

    #[test]
    fn a_prefix_or_extension_that_leaves_the_folder_is_refused() {
        for (prefix, extension) in
            [("", "mp4"), ("..", "mp4"), ("a/b", "mp4"), ("audio", ""), ("audio", "../x"), ("audio", "m.p")]
        {
            assert!(check_parts(prefix, extension).is_err(), "{prefix:?} {extension:?} passed");
        }
        assert!(check_parts("covers", "webp").is_ok());
    }
}
