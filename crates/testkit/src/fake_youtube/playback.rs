//! The bytes of media: signed addresses, ranges, and the ways in which a download goes wrong.

use std::{collections::HashMap, io, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{Stream, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    Method, Response, StatusCode,
    body::Frame,
    header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE},
};

use super::{
    Behaviour, Shared,
    catalog::Format,
    signature::ClientKind,
    site::{Body, text},
};

const CHUNK: u64 = 64 * 1024;
/// After this much [`Behaviour::Hangs`] falls silent.
const HANGS_AFTER: u64 = 1024;
/// Long enough for earlier bytes to reach the other side of loopback.
const BEFORE_BREAKING: Duration = Duration::from_millis(50);
/// How often a throttled download moves on.
const TICKS_PER_SEC: u64 = 20;

/// Answers `videoplayback`. `header` is the value of `Range`.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    method: &Method,
    query: &HashMap<String, String>,
    header: Option<&str>,
) -> Response<Body> {
    let get = |name: &str| query.get(name).map_or("", String::as_str);
    if !shared.signatures.is_genuine(query) {
        tracing::info!(id = get("id"), "the fake YouTube refused an address of media");
        return text(StatusCode::FORBIDDEN, "");
    }
    let (Some(video), Some(format)) = (shared.catalog.find(get("id")), Format::of_itag(get("itag"))) else {
        return text(StatusCode::NOT_FOUND, "");
    };
    if ClientKind::of(get("c")) == ClientKind::Script {
        shared.state().solved_challenges += 1;
    }
    if forbids(shared, &video.id) {
        return text(StatusCode::FORBIDDEN, "");
    }
    let Ok(content) = tokio::fs::read(video.media.path(format)).await else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "the test media are gone");
    };
    let content = Bytes::from(content);
    let size = content.len() as u64;
    let (status, range) = match (header, query.get("range")) {
        (Some(header), _) => {
            (StatusCode::PARTIAL_CONTENT, header.strip_prefix("bytes=").and_then(|r| parse(r, size)))
        }
        // A range in the address is all that there is of the file.
        (None, Some(range)) => (StatusCode::OK, parse(range, size)),
        (None, None) => (StatusCode::OK, Some(0..size)),
    };
    let Some(range) = range else {
        let mut response = text(StatusCode::RANGE_NOT_SATISFIABLE, "");
        if let Ok(value) = format!("bytes */{size}").parse() {
            response.headers_mut().insert(CONTENT_RANGE, value);
        }
        return response;
    };
    if range.start == 0 && method == Method::GET {
        *shared.state().downloads.entry(video.id.clone()).or_default() += 1;
    }
    let mut response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, format.media_type())
        .header(ACCEPT_RANGES, "bytes")
        .header(CONTENT_LENGTH, range.end - range.start);
    if status == StatusCode::PARTIAL_CONTENT {
        response = response.header(CONTENT_RANGE, format!("bytes {}-{}/{size}", range.start, range.end - 1));
    }
    let fault = match shared.behaviour(&video.id) {
        Behaviour::Truncated => Fault::BreaksAt(size / 2),
        Behaviour::Hangs => Fault::SilentAt(range.start + HANGS_AFTER.min(size / 2)),
        _ => Fault::None,
    };
    let sending = Sending { shared: Arc::clone(shared), content, range, fault };
    response
        .body(StreamBody::new(sending.frames()).boxed_unsync())
        .expect("the headers above are well formed")
}

/// Whether a request for media is to be refused; counts down [`Behaviour::ForbiddenTimes`].
fn forbids(shared: &Shared, id: &str) -> bool {
    match shared.state().behaviours.get_mut(id) {
        Some(Behaviour::Forbidden) => true,
        Some(Behaviour::ForbiddenTimes(left)) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    }
}

/// `first-last`, `first-` or `-count`; None when nothing of the file is meant.
fn parse(range: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = range.split_once('-')?;
    let range = if first.is_empty() {
        size.saturating_sub(last.parse().ok()?)..size
    } else {
        let end = if last.is_empty() { size } else { last.parse::<u64>().ok()?.saturating_add(1).min(size) };
        first.parse().ok()?..end
    };
    (range.start < range.end).then_some(range)
}

#[derive(Clone, Copy)]
enum Fault {
    None,
    /// The connection breaks at this byte of the file.
    BreaksAt(u64),
    /// Nothing comes after this byte.
    SilentAt(u64),
}

impl Fault {
    /// Up to where bytes may be sent.
    const fn limit(self) -> u64 {
        match self {
            Self::None => u64::MAX,
            Self::BreaksAt(at) | Self::SilentAt(at) => at,
        }
    }
}

struct Sending {
    shared: Arc<Shared>,
    content: Bytes,
    /// What is left to be sent.
    range: Range<u64>,
    fault: Fault,
}

impl Sending {
    fn frames(self) -> impl Stream<Item = io::Result<Frame<Bytes>>> + Send {
        stream::try_unfold(self, |mut sending| async move {
            let chunk = sending.next().await?;
            Ok(chunk.map(|chunk| (Frame::data(chunk), sending)))
        })
    }

    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.range.is_empty() {
            return Ok(None);
        }
        let limit = self.fault.limit();
        if self.range.start >= limit {
            if matches!(self.fault, Fault::SilentAt(_)) {
                std::future::pending::<()>().await;
            }
            // What was sent before would be dropped with the connection.
            tokio::time::sleep(BEFORE_BREAKING).await;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let throttle = self.shared.state().throttle;
        let most = match throttle {
            None => CHUNK,
            Some(bytes_per_sec) => {
                tokio::time::sleep(Duration::from_millis(1000 / TICKS_PER_SEC)).await;
                (bytes_per_sec / TICKS_PER_SEC).max(1)
            }
        };
        let start = self.range.start;
        self.range.start = start.saturating_add(most).min(self.range.end).min(limit);
        let [from, to] = [start, self.range.start].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
        Ok(Some(self.content.slice(from..to)))
    }
}
