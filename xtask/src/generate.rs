//! Files that are made from the code, committed, and proven fresh.

use std::path::Path;

use anyhow::{Context as _, bail};
use songkeep_domain::{ErrorCode, job::FailureCode};

pub fn run(check: bool) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
    let mut openapi = serde_json::to_string_pretty(&songkeep_gateway::openapi())?;
    openapi.push('\n');
    let files = [
        ("openapi.json", openapi),
        ("docs/configuration.md", songkeep_config::reference::markdown()),
        (".env.example", songkeep_config::reference::env_example()),
    ];
    check_errors_page(&std::fs::read_to_string(root.join("docs/errors.md"))?)?;
    let mut stale = Vec::new();
    for (name, fresh) in files {
        let path = root.join(name);
        if std::fs::read_to_string(&path).ok().as_deref() == Some(fresh.as_str()) {
            continue;
        }
        if check {
            stale.push(name);
        } else {
            std::fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
            std::fs::write(&path, fresh).with_context(|| format!("writing {name}"))?;
            println!("wrote {name}");
        }
    }
    if stale.is_empty() { Ok(()) } else { bail!("stale: {}; run `make gen`", stale.join(", ")) }
}

/// The page of errors is written by hand; it must name each code, and with its status.
fn check_errors_page(page: &str) -> anyhow::Result<()> {
    let rows = ErrorCode::ALL.iter().map(|code| format!("| `{code}` | {} |", code.status()));
    let failures = FailureCode::ALL.iter().map(|code| format!("`{}`", code.as_str()));
    let missing: Vec<String> = rows.chain(failures).filter(|text| !page.contains(text)).collect();
    if missing.is_empty() { Ok(()) } else { bail!("docs/errors.md lacks {}", missing.join(", ")) }
}
