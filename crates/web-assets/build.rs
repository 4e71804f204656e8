//! Lays out what is embedded: the built web apps where `make web` made them, else a page that says that
//! they are missing. A copy is embedded, so that a build of the apps that runs meanwhile is not torn.

use std::{env, fs, io, path::Path};

const APPS: [&str; 2] = ["player", "admin"];
const SHELL: &str = "index.html";

fn main() -> io::Result<()> {
    let here = env::var("CARGO_MANIFEST_DIR").expect("cargo names the package's folder");
    let here = Path::new(&here);
    let out = env::var("OUT_DIR").expect("cargo names a folder to write to");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=missing");
    let mut missing = Vec::new();
    for app in APPS {
        let built = here.join("../../web").join(app).join("build");
        // Cargo watches a folder, but takes one that is not there for changed each time. Where the sources
        // cannot be written, that costs a little time and nothing else.
        if !built.exists() && built.parent().is_some_and(Path::exists) {
            _ = fs::create_dir(&built);
        }
        println!("cargo::rerun-if-changed={}", built.display());
        let embedded = Path::new(&out).join(app);
        if embedded.exists() {
            fs::remove_dir_all(&embedded)?;
        }
        if copy(&built, &embedded).is_err() || !embedded.join(SHELL).is_file() {
            missing.push(app);
            copy(&here.join("missing"), &embedded)?;
        }
    }
    if !missing.is_empty() {
        println!(
            "cargo::warning=not built and so not embedded: the web app {}; `make web` builds it",
            missing.join(" and ")
        );
    }
    println!("cargo::rustc-env=SONGKEEP_WEB_IS_BUILT={}", u8::from(missing.is_empty()));
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
