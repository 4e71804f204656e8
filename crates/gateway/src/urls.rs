//! Absolute addresses of ours, built from the address that the caller used, so that they work through
//! the web port, the gateway's own port and a TLS edge alike.

use songkeep_domain::{SongId, SourceRef};
use songkeep_http_kit::RequestOrigin;

/// Where a song's bytes are; `token` is safe in a query.
pub(crate) fn stream_url(
    origin: &RequestOrigin,
    public_base: Option<&str>,
    stream_port: u16,
    song: SongId,
    token: &str,
) -> String {
    let base = match public_base {
        Some(base) => base.trim_end_matches('/').to_owned(),
        None if origin.via_web => api_base(origin),
        None => format!("http://{}:{stream_port}", without_port(&origin.host)),
    };
    format!("{base}/public/stream/{song}?token={token}")
}

/// Where the picture of a recording is.
pub(crate) fn thumbnail_url(origin: &RequestOrigin, source: &SourceRef, signature: &str) -> String {
    format!("{}/thumbnails/{}/{}?sig={signature}", api_base(origin), source.provider(), source.id())
}

/// Base of the gateway's own paths as the caller reaches them.
fn api_base(origin: &RequestOrigin) -> String {
    let prefix = if origin.via_web { "/api" } else { "" };
    format!("{}://{}{prefix}", origin.scheme, origin.host)
}

fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        // `[::1]` has colons that begin no port.
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use songkeep_domain::SourceProvider;

    use super::*;

    fn origin(scheme: &str, host: &str, via_web: bool) -> RequestOrigin {
        RequestOrigin { scheme: scheme.into(), host: host.into(), via_web }
    }

    #[test]
    fn a_stream_url_takes_the_form_of_the_address_that_the_caller_used() {
        let song = SongId::new();
        let url = |origin, base| stream_url(&origin, base, 8005, song, "t.o.k");
        let tail = format!("/public/stream/{song}?token=t.o.k");
        let cases = [
            (origin("http", "localhost:8000", false), None, "http://localhost:8005"),
            (origin("http", "192.168.1.7:8000", false), None, "http://192.168.1.7:8005"),
            (origin("http", "[::1]:8000", false), None, "http://[::1]:8005"),
            (origin("http", "[::1]", false), None, "http://[::1]:8005"),
            (origin("http", "nas:3000", true), None, "http://nas:3000/api"),
            (origin("https", "music.example", true), None, "https://music.example/api"),
            (origin("https", "music.example", true), Some("https://cdn.example/"), "https://cdn.example"),
        ];
        for (origin, base, expected) in cases {
            assert_eq!(url(origin, base), format!("{expected}{tail}"));
        }
    }

    #[test]
    fn a_thumbnail_url_is_absolute_and_keeps_the_prefix_of_the_web_port() {
        let source = SourceRef::new(SourceProvider::Youtube, "dQw4w9WgXcQ").expect("a good id");
        let url = |via_web| thumbnail_url(&origin("http", "nas:3000", via_web), &source, "abc");
        assert_eq!(url(true), "http://nas:3000/api/thumbnails/youtube/dQw4w9WgXcQ?sig=abc");
        assert_eq!(url(false), "http://nas:3000/thumbnails/youtube/dQw4w9WgXcQ?sig=abc");
    }
}
