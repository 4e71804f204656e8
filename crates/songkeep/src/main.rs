//! The one binary. What it can do is in `songkeep::cli`; what a process is made of in `songkeep::node`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    songkeep::cli::run()
}
