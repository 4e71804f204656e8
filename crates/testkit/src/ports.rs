//! Ports for servers that are stopped and started again. They lie below those that the system gives to
//! whoever connects somewhere: one of these might take the port while the server is away, or connect to
//! itself on it.

use std::{
    io,
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering},
};

const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;

/// Ports of 127.0.0.1 that nobody listens on at the moment. This process is given each only once.
///
/// # Errors
/// When too many are taken.
pub(crate) fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that run at the same time have near ids, so these begin far apart.
    let start = u16::try_from(std::process::id().wrapping_mul(7_919) % u32::from(COUNT)).unwrap_or(0);
    let candidates = std::iter::repeat_with(|| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        FIRST + (start + step) % COUNT
    });
    let free = candidates
        .take(usize::from(COUNT))
        .filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .take(count)
        .collect::<Vec<_>>();
    if free.len() < count {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "there is no free port"));
    }
    Ok(free)
}
