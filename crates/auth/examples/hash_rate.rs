//! How many passwords this machine can hash: `hash_rate SECONDS` prints hashes a second of bare
//! Argon2id with the product's default parameters and allocator, on as many threads as cores, each in
//! memory of its own that it keeps. What sign-ins are measured against. Build it with `--release`.

use std::{
    error::Error,
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Block, Params, Version};

/// Defaults of `PASSWORD_HASH_MEMORY_KIB` and `PASSWORD_HASH_ITERATIONS`.
const MEMORY_KIB: u32 = 19_456;
const ITERATIONS: u32 = 2;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type AnyError = Box<dyn Error + Send + Sync>;

/// Hashes until the time is over; how many hashes, and the seconds that they took.
fn hash_for(time: Duration) -> Result<(u32, f64), argon2::Error> {
    let params = Params::new(MEMORY_KIB, ITERATIONS, 1, None)?;
    let mut memory = vec![Block::default(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let (mut hashes, mut output, start) = (0, [0; 32], Instant::now());
    while start.elapsed() < time {
        argon2.hash_password_into_with_memory(b"correct horse", &[7; 16], &mut output, &mut memory)?;
        black_box(&output);
        hashes += 1;
    }
    Ok((hashes, start.elapsed().as_secs_f64()))
}

fn main() -> Result<(), AnyError> {
    let seconds: f64 = std::env::args().nth(1).ok_or("usage: hash_rate SECONDS")?.parse()?;
    let time = Duration::try_from_secs_f64(seconds)?;
    let cores = thread::available_parallelism()?.get();
    let threads: Vec<_> = (0..cores).map(|_| thread::spawn(move || hash_for(time))).collect();
    let mut rate = 0.0;
    for thread in threads {
        let (hashes, seconds) = thread.join().map_err(|_| "a thread panicked")??;
        rate += f64::from(hashes) / seconds;
    }
    println!("{rate:.2}");
    Ok(())
}
