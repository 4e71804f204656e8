//! What a connection may take its time over. A request's head must arrive within seconds; a connection
//! between two requests may rest for longer, so that a proxy in front never writes into one that is
//! just being closed; bodies may be as slow as they like. And how it ends when the client is still
//! sending what nobody wants.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};

use crate::send_file::{FileSender, is_stand_in, poll_send_ahead};

/// How long a connection may rest between two requests: longer than the clients we know keep theirs.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// Nothing of the next request has arrived.
const IDLE: u8 = 0;
/// A head is arriving.
const HEAD: u8 = 1;
/// A request is being answered, or the connection has many at once.
const BUSY: u8 = 2;

/// How long the end of a connection waits for a client that is still sending.
const LINGER: Duration = Duration::from_secs(2);

/// What a connection is at.
#[derive(Clone)]
pub(crate) struct Phase(Arc<Progress>);

struct Progress {
    phase: AtomicU8,
    /// A body was answered before it had been read to its end.
    has_unread: AtomicBool,
}

impl Phase {
    /// A connection owes us its first request from the start.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Progress { phase: AtomicU8::new(HEAD), has_unread: AtomicBool::new(false) }))
    }

    /// The connection will end with bytes of a request on their way.
    pub(crate) fn leave_unread(&self) {
        self.0.has_unread.store(true, Ordering::Release);
    }

    /// A request has arrived. The guard belongs to its answer.
    pub(crate) fn begin(&self, version: http::Version) -> Answering {
        self.0.phase.store(BUSY, Ordering::Release);
        // HTTP/2 has many requests at once, and its own pings.
        Answering { phase: self.clone(), last: version < http::Version::HTTP_2 }
    }
}

/// While it lives, an answer is being made or sent.
pub(crate) struct Answering {
    phase: Phase,
    /// Whether the connection is idle after it.
    last: bool,
}

impl Drop for Answering {
    fn drop(&mut self) {
        if self.last {
            self.phase.0.phase.store(IDLE, Ordering::Release);
        }
    }
}

/// An answer's body, with the guard of its connection.
pub(crate) struct AnswerBody {
    pub(crate) body: Body,
    pub(crate) _answering: Answering,
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket whose reads fail once a head takes too long.
pub(crate) struct TimedIo<T> {
    io: T,
    phase: Phase,
    /// How long a head may take, from the connection's start or its own first byte.
    head_timeout: Duration,
    head: Pin<Box<Sleep>>,
    files: FileSender,
    /// Nothing more will be sent.
    is_shut: bool,
}

impl<T> TimedIo<T> {
    pub(crate) fn new(io: T, phase: Phase, head_timeout: Duration) -> Self {
        let head = Box::pin(tokio::time::sleep(head_timeout));
        Self { io, phase, head_timeout, head, files: FileSender::default(), is_shut: false }
    }

    /// Sends files on this connection, for the bodies of its answers.
    pub(crate) fn files(&self) -> FileSender {
        self.files.clone()
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for TimedIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        let phase = &self.phase.0.phase;
        if phase.load(Ordering::Acquire) == IDLE && buffer.filled().len() > before {
            // Only from idle: the answer to a request may have begun meanwhile.
            let begun = phase.compare_exchange(IDLE, HEAD, Ordering::AcqRel, Ordering::Acquire).is_ok();
            if begun {
                let deadline = Instant::now() + self.head_timeout;
                self.head.as_mut().reset(deadline);
            }
        } else if phase.load(Ordering::Acquire) == HEAD && self.head.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<T: AsyncRead + Unpin> TimedIo<T> {
    /// Throws away what the client still sends, until it stops or [`LINGER`] is over. A socket closed with
    /// unread bytes makes the system tell the client so at once, which may cost it our answer.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut chunk = [0; 8 * 1024];
        while self.head.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut chunk);
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(())
    }
}

impl AsyncWrite for TimedIo<TcpStream> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if is_stand_in(bytes) {
            return self.files.poll_send(cx, &self.io, bytes.len());
        }
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
            self.is_shut = true;
            self.head.as_mut().reset(Instant::now() + LINGER);
        }
        if self.phase.0.has_unread.load(Ordering::Acquire) {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices.iter().position(|slice| is_stand_in(slice)) {
            Some(0) => self.files.poll_send(cx, &self.io, slices[0].len()),
            Some(_) => poll_send_ahead(cx, &self.io, &slices[0]),
            None => Pin::new(&mut self.io).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
