//! Turns what the download tool says into a class of failure. The tool's sentences are those of the source
//! and change without notice: all of them are here, and nowhere else.

use songkeep_domain::job::{FailureCode, ImportFailure};

use crate::pool::Failure;

/// In order: the first that any of the words is part of wins. Compared in lower case, with straight
/// apostrophes.
const RULES: &[(FailureCode, &[&str])] = &[
    (
        FailureCode::BotCheck,
        &["not a bot", "requiring a captcha challenge", "unusual traffic", "automated queries"],
    ),
    (
        FailureCode::RateLimited,
        &[
            "http error 429",
            "too many requests",
            "rate-limited by youtube",
            "rate limited",
            "content isn't available, try again later",
        ],
    ),
    (
        FailureCode::AgeRestricted,
        &[
            "confirm your age",
            "age-restricted",
            "age restricted",
            "inappropriate for some users",
            "only available to adults",
        ],
    ),
    (
        FailureCode::GeoBlocked,
        &[
            "available in your country",
            "not available in your location",
            "blocked it in your country",
            "geo restriction",
            "geo-restricted",
            "from your location",
        ],
    ),
    (
        FailureCode::Private,
        &[
            "private video",
            "video is private",
            "members-only",
            "available to this channel's members",
            "join this channel",
        ],
    ),
    (
        FailureCode::Live,
        &[
            "premieres in",
            "premiere will begin",
            "live event will begin",
            "live event has ended",
            "live stream recording is not available",
            "live stream is offline",
            "is not currently live",
            "livestream",
        ],
    ),
    (
        FailureCode::NoJsRuntime,
        &["no supported javascript runtime", "javascript runtime could not", "no js runtime"],
    ),
    (FailureCode::DiskFull, &["no space left on device", "disk quota exceeded", "errno 28", "errno 122"]),
    (FailureCode::TooLarge, &["larger than max-filesize", "file too large", "errno 27"]),
    (
        FailureCode::BlockedAddress,
        &["tunnel connection failed: 403", "tunnel connection failed: 451", "blocked by the egress"],
    ),
    (
        FailureCode::UnsupportedUrl,
        &["unsupported url", "no suitable extractor", "is not a valid url", "incomplete youtube id"],
    ),
    (
        FailureCode::Unavailable,
        &[
            "video unavailable",
            "video is unavailable",
            "video isn't available",
            "video is not available",
            "video is no longer available",
            "has been removed",
            "removed by the uploader",
            "account associated with this video has been terminated",
            "account has been closed",
            "video does not exist",
            "copyright claim",
            "copyright grounds",
            "content isn't available",
            "http error 404",
            "http error 410",
        ],
    ),
    (
        FailureCode::NoFormat,
        &[
            "requested format is not available",
            "no video formats found",
            "only images are available",
            "drm protected",
            "requires payment",
            "music premium",
        ],
    ),
    // A proxy that is down is ours, and passes.
    (FailureCode::Internal, &["unable to connect to proxy", "proxyerror", "tunnel connection failed"]),
    (
        FailureCode::Timeout,
        &[
            "timed out",
            "timeout",
            "connection refused",
            "connection reset",
            "connection aborted",
            "connection broken",
            // "… bytes read, … more expected"
            "more expected",
            "remote end closed",
            "network is unreachable",
            "no route to host",
            "name resolution",
            "name or service not known",
            "getaddrinfo failed",
            "http error 500",
            "http error 502",
            "http error 503",
            "http error 504",
        ],
    ),
    // Media refused: the address went stale, or was made wrongly. A new one may do.
    (FailureCode::ToolBroken, &["http error 403"]),
];

/// What a failure of a proxy is called, whatever the words.
const PROXY_CAUSES: [&str; 3] = ["ProxyError", "Socks5Error", "ProxyConnectionError"];
/// The same for time running out and connections lost.
const NETWORK_CAUSES: [&str; 6] = [
    "TransportError",
    "IncompleteRead",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ContentTooShortError",
    "SSLError",
];

/// The class of a text that the tool ended with.
#[must_use]
pub fn classify_message(message: &str) -> Option<FailureCode> {
    let text = message.replace(['\u{2019}', '\u{2018}'], "'").to_lowercase();
    RULES.iter().find(|(_, words)| words.iter().any(|word| text.contains(word))).map(|(code, _)| *code)
}

/// Whether a new address of the media, from a new look at the page, may do at once.
#[must_use]
pub fn is_stale_address(failure: &ImportFailure) -> bool {
    failure.code == FailureCode::ToolBroken && failure.detail.contains("HTTP Error 403")
}

/// What a worker reports, as a failure of the import. `stderr` is what it wrote beside.
#[must_use]
pub(crate) fn worker_failure(failure: &Failure, stderr: &[String]) -> ImportFailure {
    let code = match failure.kind.as_str() {
        "live" => FailureCode::Live,
        "too_long" => FailureCode::TooLong,
        "too_large" => FailureCode::TooLarge,
        "no_file" => FailureCode::ToolBroken,
        "cancelled" => FailureCode::Internal,
        kind => code_of_error(kind, failure),
    };
    let mut lines: Vec<&str> = Vec::new();
    let message = failure.message.trim();
    lines.extend(message.lines());
    // The message is also the last line of the log.
    lines.extend(failure.tail.iter().map(|line| line.trim()).filter(|line| !message.contains(line)));
    lines.extend(stderr.iter().rev().take(5).rev().map(|line| line.trim()));
    ImportFailure::new(code, lines.join("\n"))
}

fn code_of_error(kind: &str, failure: &Failure) -> FailureCode {
    let is_cause = |names: &[&str]| failure.causes.iter().any(|cause| names.contains(&cause.as_str()));
    // Some failures are told in a warning, before a sentence that says nothing.
    let warned = || {
        let warnings = failure.tail.iter().filter(|line| line.starts_with("WARNING"));
        warnings.rev().find_map(|line| classify_message(line))
    };
    match classify_message(&failure.message).or_else(warned) {
        // "No formats" is what a missing runtime looks like.
        Some(FailureCode::NoFormat) if warned() == Some(FailureCode::NoJsRuntime) => FailureCode::NoJsRuntime,
        Some(code) => code,
        None if is_cause(&["GeoRestrictedError"]) => FailureCode::GeoBlocked,
        None if is_cause(&["UnsupportedError"]) => FailureCode::UnsupportedUrl,
        None if is_cause(&PROXY_CAUSES) => FailureCode::Internal,
        None if is_cause(&NETWORK_CAUSES) => FailureCode::Timeout,
        None if kind == "error" => FailureCode::ToolBroken,
        None => FailureCode::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_own_sentences_are_understood() {
        use FailureCode::*;
        for (code, message) in [
            (
                Private,
                "ERROR: [youtube] aaaaaaaaaaa: Private video. Sign in if you've been granted access to this video. Use --cookies-from-browser or --cookies for the authentication.",
            ),
            (
                Private,
                "ERROR: [youtube] aaaaaaaaaaa: Join this channel to get access to members-only content like this video, and other exclusive perks.",
            ),
            (Unavailable, "ERROR: [youtube] aaaaaaaaaaa: Video unavailable"),
            (
                Unavailable,
                "ERROR: [youtube] aaaaaaaaaaa: Video unavailable. This video is no longer available because the YouTube account associated with this video has been terminated.",
            ),
            (Unavailable, "ERROR: [youtube] aaaaaaaaaaa: This video has been removed by the uploader"),
            (
                Unavailable,
                "ERROR: [youtube] aaaaaaaaaaa: This video has been removed for violating YouTube's Terms of Service",
            ),
            (
                Unavailable,
                "ERROR: [youtube] aaaaaaaaaaa: Video unavailable. This video contains content from SME, who has blocked it on copyright grounds",
            ),
            (
                AgeRestricted,
                "ERROR: [youtube] aaaaaaaaaaa: Sign in to confirm your age. This video may be inappropriate for some users. Use --cookies-from-browser or --cookies for the authentication.",
            ),
            (
                BotCheck,
                "ERROR: [youtube] aaaaaaaaaaa: Sign in to confirm you\u{2019}re not a bot. Use --cookies-from-browser or --cookies for the authentication.",
            ),
            (
                BotCheck,
                "ERROR: [youtube] aaaaaaaaaaa: Sign in to confirm you're not a bot. This helps protect our community.",
            ),
            (
                GeoBlocked,
                "ERROR: [youtube] aaaaaaaaaaa: The uploader has not made this video available in your country",
            ),
            (
                GeoBlocked,
                "ERROR: [youtube] aaaaaaaaaaa: Video unavailable. This video is not available in your country",
            ),
            (
                GeoBlocked,
                "ERROR: [youtube] aaaaaaaaaaa: This video contains content from UMG, who has blocked it in your country on copyright grounds",
            ),
            (
                RateLimited,
                "ERROR: [youtube] aaaaaaaaaaa: Unable to download API page: HTTP Error 429: Too Many Requests (caused by <HTTPError 429: Too Many Requests>)",
            ),
            (
                RateLimited,
                "ERROR: [youtube] aaaaaaaaaaa: This content isn't available, try again later. The current session has been rate-limited by YouTube for up to an hour.",
            ),
            (Live, "ERROR: [youtube] aaaaaaaaaaa: Premieres in 2 hours"),
            (Live, "ERROR: [youtube] aaaaaaaaaaa: This live event will begin in 3 days."),
            (Live, "ERROR: [youtube] aaaaaaaaaaa: This live stream recording is not available."),
            (
                NoFormat,
                "ERROR: [youtube] aaaaaaaaaaa: Requested format is not available. Use --list-formats for a list of available formats",
            ),
            (NoFormat, "ERROR: [youtube] aaaaaaaaaaa: No video formats found!; please report this issue"),
            (NoFormat, "ERROR: [DRM] This video is DRM protected"),
            (NoFormat, "ERROR: [youtube] aaaaaaaaaaa: This video is only available to Music Premium members"),
            (
                NoJsRuntime,
                "No supported JavaScript runtime could be found. Only deno is enabled by default; to use another runtime add  --js-runtimes RUNTIME[:PATH]  to your command/config.",
            ),
            (
                Timeout,
                "ERROR: [youtube] aaaaaaaaaaa: Unable to download webpage: The read operation timed out (caused by TransportError('The read operation timed out'))",
            ),
            (
                Timeout,
                "ERROR: [youtube] aaaaaaaaaaa: Unable to download webpage: [Errno -3] Temporary failure in name resolution",
            ),
            (
                Timeout,
                "ERROR: [youtube] aaaaaaaaaaa: Unable to download webpage: HTTP Error 503: Service Unavailable",
            ),
            (
                Timeout,
                "ERROR: \r[download] Got error: 1682 bytes read, 76435 more expected. Giving up after 3 retries",
            ),
            (DiskFull, "ERROR: unable to write data: [Errno 28] No space left on device"),
            (TooLarge, "ERROR: unable to write data: [Errno 27] File too large"),
            (
                Internal,
                "ERROR: [youtube] aaaaaaaaaaa: Unable to download API page: ('Unable to connect to proxy', NewConnectionError(\"HTTPSConnection(host='127.0.0.1', port=9): Failed to establish a new connection: [Errno 111] Connection refused\"))",
            ),
            (
                BlockedAddress,
                "ERROR: Unable to download webpage: ('Unable to connect to proxy', OSError('Tunnel connection failed: 403 Forbidden'))",
            ),
            (UnsupportedUrl, "ERROR: Unsupported URL: https://example.com/"),
            (UnsupportedUrl, "ERROR: No suitable extractor (Youtube) found for URL https://example.com/"),
            (ToolBroken, "ERROR: unable to download video data: HTTP Error 403: Forbidden"),
        ] {
            assert_eq!(classify_message(message), Some(code), "{message}");
        }
        assert_eq!(classify_message("ERROR: something new"), None);
    }

    fn failure(kind: &str, message: &str, causes: &[&str], tail: &[&str]) -> Failure {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Failure {
            kind: kind.to_owned(),
            message: message.to_owned(),
            causes: owned(causes),
            tail: owned(tail),
        }
    }

    #[test]
    fn our_own_limits_need_no_guessing() {
        for (kind, code) in [
            ("live", FailureCode::Live),
            ("too_long", FailureCode::TooLong),
            ("too_large", FailureCode::TooLarge),
            ("no_file", FailureCode::ToolBroken),
        ] {
            assert_eq!(worker_failure(&failure(kind, "Video unavailable", &[], &[]), &[]).code, code);
        }
    }

    #[test]
    fn a_missing_runtime_is_told_from_missing_formats() {
        let message = "ERROR: [youtube] x: Requested format is not available";
        let warning = "WARNING: [youtube] No supported JavaScript runtime could be found.";
        assert_eq!(worker_failure(&failure("error", message, &[], &[]), &[]).code, FailureCode::NoFormat);
        assert_eq!(
            worker_failure(&failure("error", message, &[], &[warning]), &[]).code,
            FailureCode::NoJsRuntime
        );
    }

    #[test]
    fn classes_of_errors_help_where_words_are_new() {
        let code = |causes: &[&str], kind| worker_failure(&failure(kind, "new words", causes, &[]), &[]).code;
        assert_eq!(code(&["DownloadError", "GeoRestrictedError"], "error"), FailureCode::GeoBlocked);
        assert_eq!(code(&["DownloadError", "TransportError"], "error"), FailureCode::Timeout);
        assert_eq!(code(&["DownloadError", "TransportError", "ProxyError"], "error"), FailureCode::Internal);
        assert_eq!(code(&["DownloadError", "KeyError"], "error"), FailureCode::ToolBroken);
        assert_eq!(code(&["KeyError"], "internal"), FailureCode::Internal);
        let told = failure(
            "error",
            "ERROR: [youtube] x: Failed to extract any player response",
            &["DownloadError"],
            &["WARNING: [youtube] x: Unable to download API page: HTTP Error 429: Too Many Requests"],
        );
        assert_eq!(worker_failure(&told, &[]).code, FailureCode::RateLimited);
    }

    #[test]
    fn the_detail_says_everything_once() {
        let told = failure("error", "ERROR: gone", &[], &["[youtube] looking", "ERROR: gone"]);
        assert_eq!(
            worker_failure(&told, &["beside".to_owned()]).detail,
            "ERROR: gone\n[youtube] looking\nbeside"
        );
    }
}
