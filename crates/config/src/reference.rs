//! Texts made from the list of settings: the reference page, `.env.example` and `config show`.

use std::fmt::Write as _;

use crate::{SPECS, Values, spec::Spec};

fn groups() -> Vec<(&'static str, Vec<&'static Spec>)> {
    let mut groups: Vec<(&str, Vec<&Spec>)> = Vec::new();
    for spec in SPECS {
        match groups.last_mut() {
            Some((group, specs)) if *group == spec.group => specs.push(spec),
            _ => groups.push((spec.group, vec![spec])),
        }
    }
    groups
}

/// `docs/configuration.md`.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(
        "# Configuration reference\n\n\
         Made from the code by `make gen`; do not edit.\n\n\
         A value comes from the first of these that has it: the environment (`NAME`, or the content of the file \
         that `NAME_FILE` names), the TOML file that `SONGKEEP_CONFIG` names (the same names in lower case), the \
         default. An empty value counts as unset. `songkeep config show` prints what is in force and where it comes \
         from.\n",
    );
    for (group, specs) in groups() {
        let _ = write!(text, "\n## {group}\n\n| Name | Default | Meaning |\n|---|---|---|\n");
        for spec in specs {
            let default = spec.default.map_or_else(String::new, |default| format!("`{default}`"));
            let secret = if spec.secret { " *Secret.*" } else { "" };
            let _ = writeln!(text, "| `{}` | {default} | {}{secret} |", spec.name, spec.about);
        }
    }
    text
}

/// `.env.example`.
#[must_use]
pub fn env_example() -> String {
    let mut text = String::from(
        "# Settings of Songkeep with their defaults. Copy to .env and change what you need.\n\
         # Made from the code by `make gen`; docs/configuration.md says more.\n",
    );
    for (group, specs) in groups() {
        let _ = write!(text, "\n# --- {group} ---\n");
        for spec in specs {
            let _ = write!(text, "# {}\n#{}={}\n", spec.about, spec.name, spec.default.unwrap_or_default());
        }
    }
    text
}

/// One line per setting: name, value (secrets masked) and where it comes from.
#[must_use]
pub fn show(values: &Values) -> String {
    let width = SPECS.iter().map(|spec| spec.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for spec in SPECS {
        let (value, origin) = match values.get(spec.name) {
            None => ("(unset)", ""),
            Some(value) if spec.secret => ("********", value.origin.as_str()),
            Some(value) => (value.text.as_str(), value.origin.as_str()),
        };
        let _ = writeln!(text, "{:width$}  {value}  {}", spec.name, origin);
    }
    for name in &values.unused {
        let _ = writeln!(text, "{name:width$}  is accepted and unused");
    }
    text
}
