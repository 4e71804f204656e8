//! Bodies whose bytes the kernel sends out of a file itself, so that they are never copied into this
//! process and a slow client holds no memory of it.
//!
//! Such a body is made of stand-ins: frames as long as the pieces of the file, of bytes that mean
//! nothing. The connection knows them by their address and sends the pieces in their place. That is
//! possible where one body at a time goes from its route to the socket and nothing in between copies
//! it, so requests have a [`FileSender`] only when they came over HTTP/1.

use std::{
    collections::VecDeque,
    fs::File,
    io,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use rustix::{
    fs::sendfile,
    net::{SendFlags, send},
};
use tokio::{io::Interest, net::TcpStream};

/// Longest piece of a file that one frame stands for, in bytes.
pub const MAX_PIECE: usize = 256 * 1024;

/// What stand-ins are slices of. Nobody reads it, so it takes up no memory.
static STAND_IN: [u8; MAX_PIECE] = [0; MAX_PIECE];

/// Sends pieces of files on one connection; in the extensions of its requests.
#[derive(Clone, Default)]
pub struct FileSender(Arc<Mutex<VecDeque<Piece>>>);

/// Bytes of a file that are still to be sent.
struct Piece {
    file: Arc<File>,
    range: Range<u64>,
}

impl FileSender {
    /// A frame that stands for the first bytes of `range`, at most [`MAX_PIECE`]. It must be the next
    /// frame of the answer to the request that the sender came with.
    #[must_use]
    pub fn stand_in(&self, file: Arc<File>, range: Range<u64>) -> Bytes {
        let length =
            usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(MAX_PIECE).min(MAX_PIECE);
        if length == 0 {
            return Bytes::new();
        }
        let range = range.start..range.start + length as u64;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(Piece { file, range });
        Bytes::from_static(&STAND_IN[..length])
    }

    /// Sends what the next stand-in, of which `length` bytes are left, stands for; how many bytes.
    pub(crate) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        socket: &TcpStream,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        let mut pieces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Without a piece the stand-in was copied somewhere or sent twice; its bytes must not go out.
        let Some(piece) = pieces.front_mut() else {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        };
        let mut at = piece.range.start;
        let left = usize::try_from(piece.range.end - at).unwrap_or(usize::MAX);
        let piece_to_socket = || Ok(sendfile(socket, &*piece.file, Some(&mut at), length.min(left))?);
        let sent = ready!(poll_write(cx, socket, piece_to_socket))?;
        if sent == 0 {
            // Its end was cut off since the answer's head was sent.
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        piece.range.start = at;
        if piece.range.is_empty() {
            pieces.pop_front();
        }
        Poll::Ready(Ok(sent))
    }
}

/// Sends bytes after which a stand-in comes at once, so that the system need not make a packet of them
/// alone.
pub(crate) fn poll_send_ahead(
    cx: &mut Context<'_>,
    socket: &TcpStream,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    poll_write(cx, socket, || Ok(send(socket, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?))
}

/// Tries until it is done or the socket can take nothing.
fn poll_write(
    cx: &mut Context<'_>,
    socket: &TcpStream,
    mut write: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(socket.poll_write_ready(cx))?;
        match socket.try_io(Interest::WRITABLE, &mut write) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            done => return Poll::Ready(done),
        }
    }
}

/// Whether these bytes of an answer are a stand-in or the rest of one.
pub(crate) fn is_stand_in(bytes: &[u8]) -> bool {
    !bytes.is_empty() && STAND_IN.as_ptr_range().contains(&bytes.as_ptr())
}
