//! What is left of a request's body when its answer is ready. The rest has to be read before the
//! connection can carry another request; where that would take long, the answer says that the connection
//! ends, so that no client sends its next request into it.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, header};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

/// Most that is read of a body that nobody wanted.
const MOST: u64 = 64 * 1024;
/// How long that may take.
const PATIENCE: Duration = Duration::from_millis(250);

struct State {
    body: Incoming,
    ended: bool,
}

impl State {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.ended |= matches!(frame, Poll::Ready(None));
        frame
    }

    fn is_read(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }
}

/// The body as handlers get it.
struct Upload(Arc<Mutex<State>>);

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        lock(&self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.0).is_read()
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.0).body.size_hint()
    }
}

/// Only ever taken by one task at a time.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What handlers leave of a body; None when there is none.
pub(crate) struct Rest {
    state: Option<Arc<Mutex<State>>>,
    /// The client sends its body only when it is asked to.
    waits: bool,
}

/// The request as handlers get it.
pub(crate) fn watch(request: Request<Incoming>) -> (Request<Body>, Rest) {
    let waits = request.headers().contains_key(header::EXPECT);
    if request.body().is_end_stream() {
        return (request.map(Body::new), Rest { state: None, waits });
    }
    let (parts, body) = request.into_parts();
    let state = Arc::new(Mutex::new(State { body, ended: false }));
    let request = Request::from_parts(parts, Body::new(Upload(state.clone())));
    (request, Rest { state: Some(state), waits })
}

impl Rest {
    /// Whether the body has been read to its end, now at the latest.
    pub(crate) async fn finish(self) -> bool {
        let Some(state) = self.state else { return true };
        if lock(&state).is_read() {
            return true;
        }
        // A handler that still reads, such as a proxy, goes on with that beside its answer.
        let Ok(state) = Arc::try_unwrap(state) else { return false };
        let mut state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if self.waits || state.body.size_hint().lower() > MOST {
            return false;
        }
        tokio::time::timeout(PATIENCE, drain(&mut state)).await.unwrap_or(false)
    }
}

async fn drain(state: &mut State) -> bool {
    let mut left = MOST;
    loop {
        match poll_fn(|cx| state.poll_frame(cx)).await {
            None => return true,
            Some(Err(_)) => return false,
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                let Some(rest) = left.checked_sub(length) else { return false };
                left = rest;
            }
        }
    }
}
