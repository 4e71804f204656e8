//! What a page may load and run: its own files, the inline scripts and styles that its shell was built
//! with, known by their hashes, and nothing from other hosts but media.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;

/// What SvelteKit hides the element with that tells screen readers of a new page. It is the one `style`
/// attribute in the apps' files; all other styles are in files or set by scripts.
const ANNOUNCER_STYLE: &str = "position: absolute; left: 0; top: 0; clip: rect(0 0 0 0); \
     clip-path: inset(50%); overflow: hidden; white-space: nowrap; width: 1px; height: 1px";

/// The policy for an app with this shell, that may also play from `media_origins`.
pub(crate) fn content_policy(shell: &str, media_origins: &[String]) -> HeaderValue {
    let hashes = |tag| inline(shell, tag).map(|text| format!(" '{}'", hash(text))).collect::<String>();
    let media: String =
        media_origins.iter().filter(|origin| is_origin(origin)).map(|origin| format!(" {origin}")).collect();
    let policy = format!(
        "default-src 'self'; script-src 'self'{}; style-src 'self'{}; \
         style-src-attr 'unsafe-hashes' '{}'; img-src 'self' data: blob:; media-src 'self' blob:{media}; \
         connect-src 'self'; font-src 'self'; worker-src 'self'; manifest-src 'self'; object-src 'none'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        hashes("script"),
        hashes("style"),
        hash(ANNOUNCER_STYLE),
    );
    HeaderValue::from_str(&policy).expect("the parts are visible ASCII")
}

fn is_origin(origin: &str) -> bool {
    origin.split_once("://").is_some_and(|(scheme, host)| {
        matches!(scheme, "http" | "https")
            && !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'))
    })
}

fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

/// The texts of all elements `tag` that stand in the page itself.
fn inline<'a>(page: &'a str, tag: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
    let mut rest = page;
    std::iter::from_fn(move || {
        loop {
            rest = &rest[rest.find(&open)? + open.len()..];
            let (attributes, after) = rest.split_once('>')?;
            let (text, after) = after.split_once(&close)?;
            rest = after;
            if !attributes.contains("src=") {
                return Some(text);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(shell: &str) -> String {
        content_policy(shell, &[]).to_str().map(str::to_owned).unwrap_or_default()
    }

    #[test]
    fn inline_scripts_and_styles_are_known_by_their_hashes() {
        let policy = policy(
            "<style>a{}</style><script src=\"/x.js\"></script><script>one()</script><script type=\"module\">\ntwo()\n</script>",
        );
        for text in ["one()", "\ntwo()\n"] {
            assert!(policy.contains(&format!(" '{}'", hash(text))), "{policy}");
        }
        let styles = policy.split("; ").find(|rule| rule.starts_with("style-src ")).unwrap_or_default();
        assert_eq!(styles, format!("style-src 'self' '{}'", hash("a{}")));
        let scripts = policy.split("; ").find(|rule| rule.starts_with("script-src ")).unwrap_or_default();
        assert_eq!(scripts.matches("sha256-").count(), 2, "{scripts}");
        // The known hash of the empty text.
        assert_eq!(hash(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn a_shell_without_inline_parts_allows_none() {
        let policy = policy("<p>Nothing</p>");
        assert!(policy.contains("script-src 'self'; style-src 'self'; "), "{policy}");
        assert!(!policy.contains("unsafe-inline") && !policy.contains("unsafe-eval"), "{policy}");
    }
}
