//! Who may depend on whom. The picture is in docs/architecture.md; change both together.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, bail};
use cargo_metadata::{DependencyKind, MetadataCommand};

/// Crates that a crate may use in its product code. `songkeep` and `xtask` wire things together and
/// are free.
const ALLOWED: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("telemetry", &[]),
    ("sandbox", &[]),
    ("config", &["domain"]),
    ("api", &["domain"]),
    ("http-kit", &["api", "domain"]),
    ("store", &["domain"]),
    ("blob", &["domain"]),
    ("bus", &["domain"]),
    ("mail", &["domain"]),
    ("jobs", &["domain"]),
    ("media", &["domain", "sandbox"]),
    ("worker", &["domain", "jobs"]),
    ("admin", &["http-kit", "api", "domain"]),
    ("auth", &["http-kit", "api", "domain"]),
    ("catalog", &["http-kit", "api", "domain"]),
    ("download", &["http-kit", "api", "domain"]),
    ("gateway", &["http-kit", "api", "domain"]),
    ("search", &["http-kit", "api", "domain"]),
    ("stream", &["http-kit", "api", "domain"]),
    ("web-assets", &["http-kit", "api", "domain"]),
    ("testkit", &["api", "domain"]),
];

/// Crates from outside that have one home: SQL in `store`, Redis in `bus`, mail in `mail`, web only
/// where requests are answered.
const HOMES: &[(&str, &[&str])] = &[
    ("sea-orm", &["store"]),
    ("sea-orm-migration", &["store"]),
    ("sqlx", &["store"]),
    ("redis", &["bus"]),
    ("object_store", &["blob"]),
    ("lettre", &["mail"]),
    ("axum", &["http-kit", "gateway", "stream", "web-assets", "songkeep", "testkit"]),
];

/// Calls that have one home, found in the text of product code.
const CALLS: &[(&str, &[&str])] =
    &[("env::var", &["config", "testkit", "xtask"]), ("process::Command", &["sandbox", "testkit", "xtask"])];

pub fn check() -> anyhow::Result<()> {
    let metadata = MetadataCommand::new().no_deps().exec().context("cargo metadata")?;
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut problems = Vec::new();
    for package in &metadata.packages {
        let name = package.name.strip_prefix("songkeep-").unwrap_or(&package.name).to_owned();
        let free = matches!(name.as_str(), "songkeep" | "xtask");
        if !free && !allowed.contains_key(name.as_str()) {
            problems.push(format!("{name}: no row in xtask/src/layers.rs says what it may depend on"));
            continue;
        }
        for dependency in package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development) {
            if let Some(ours) = dependency.name.strip_prefix("songkeep-") {
                if !free && !allowed[name.as_str()].contains(&ours) {
                    problems.push(format!("{name} must not depend on {ours}"));
                }
            } else if let Some((what, homes)) = HOMES.iter().find(|(what, _)| *what == dependency.name)
                && !homes.contains(&name.as_str())
            {
                problems.push(format!("{name} must not use {what}; its home is {}", homes.join(", ")));
            }
        }
        let folder = package.manifest_path.parent().context("a manifest lies in a folder")?.join("src");
        check_calls(folder.as_std_path(), &name, &mut problems)?;
    }
    if problems.is_empty() {
        println!("layers: {} crates in order", metadata.packages.len());
        return Ok(());
    }
    bail!("layers:\n{}", problems.join("\n"))
}

fn check_calls(folder: &Path, name: &str, problems: &mut Vec<String>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            check_calls(&path, name, problems)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path)?;
            for (call, homes) in CALLS {
                if text.contains(call) && !homes.contains(&name) {
                    problems.push(format!("{}: {call} belongs in {}", path.display(), homes.join(", ")));
                }
            }
        }
    }
    Ok(())
}
