//! Chores of the repository: `gen` writes the files that are made from the code, `check-layers`
//! proves that dependencies point one way.

mod generate;
mod layers;

use clap::Parser;

#[derive(Parser)]
enum Chore {
    /// Write openapi.json, docs/configuration.md and .env.example; check that docs/errors.md names each code.
    Gen {
        /// Change nothing; fail when a file is stale.
        #[arg(long)]
        check: bool,
    },
    /// Fail when a crate depends on one that it must not know.
    CheckLayers,
}

fn main() -> anyhow::Result<()> {
    match Chore::parse() {
        Chore::Gen { check } => generate::run(check),
        Chore::CheckLayers => layers::check(),
    }
}
