//! Where values come from: defaults, then a TOML file, then the environment, then `NAME_FILE`.
//! An empty value counts as unset, because compose files pass unset variables as empty ones.

use std::{collections::BTreeMap, ffi::OsString, path::Path};

use crate::{
    ConfigError,
    spec::{self, SPECS},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File,
    Environment,
    /// Read from the file that `NAME_FILE` names.
    SecretFile,
}

impl Origin {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "settings file",
            Self::Environment => "environment",
            Self::SecretFile => "secret file",
        }
    }
}

#[derive(Clone)]
pub struct Value {
    pub text: String,
    pub origin: Origin,
}

/// The environment as this process got it, for the one child that needs it: pip, which heeds the machine's
/// proxy and index settings.
#[must_use]
pub fn process_environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// All set values by name.
#[derive(Clone, Default)]
pub struct Values {
    values: BTreeMap<&'static str, Value>,
    /// Names that were given and mean nothing.
    pub unused: Vec<String>,
}

impl Values {
    /// Reads the process's environment and the files that it names.
    ///
    /// # Errors
    /// When a file cannot be read, or holds a name that is no setting.
    pub fn load() -> Result<Self, ConfigError> {
        Self::from_env(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// The same from given variables, as tests do.
    ///
    /// # Errors
    /// When a file cannot be read, or holds a name that is no setting.
    pub fn from_env(env: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let env: BTreeMap<String, String> =
            env.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect();
        let mut loaded = Self::default();
        for spec in SPECS {
            if let Some(default) = spec.default {
                loaded.set(spec.name, default, Origin::Default);
            }
        }
        if let Some(path) = env.get("SONGKEEP_CONFIG") {
            loaded.read_file(Path::new(path))?;
        }
        let mut problems = Vec::new();
        for spec in SPECS {
            let file_name = format!("{}_FILE", spec.name);
            match (env.get(spec.name), env.get(&file_name)) {
                (Some(_), Some(_)) => {
                    problems.push(format!("{} and {file_name} are both set; keep one", spec.name));
                }
                (Some(value), None) => loaded.set(spec.name, value, Origin::Environment),
                // IMPORT_CA_FILE and its like are settings themselves, not the file of another one.
                (None, Some(path)) if spec::find(&file_name).is_none() => match std::fs::read_to_string(path)
                {
                    Ok(text) => {
                        loaded.set(spec.name, text.trim_end_matches(['\r', '\n']), Origin::SecretFile)
                    }
                    Err(error) => problems.push(format!("{file_name}: cannot read {path}: {error}")),
                },
                (None, _) => {}
            }
        }
        loaded.unused.extend(
            env.keys()
                .filter(|name| spec::UNUSED.contains(&name.as_str()) || name.ends_with(spec::UNUSED_SUFFIX))
                .cloned(),
        );
        if problems.is_empty() { Ok(loaded) } else { Err(ConfigError { problems }) }
    }

    fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::one(format!("SONGKEEP_CONFIG: cannot read {shown}: {error}")))?;
        let table: toml::Table =
            text.parse().map_err(|error| ConfigError::one(format!("{shown} is not valid TOML: {error}")))?;
        let mut problems = Vec::new();
        for (key, value) in table {
            let Some(spec) = spec::find(&key.to_uppercase()) else {
                problems.push(format!("{shown}: {key} is not a setting"));
                continue;
            };
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(flag) => u8::from(flag).to_string(),
                toml::Value::Array(items) => {
                    items.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>().join(",")
                }
                _ => {
                    problems.push(format!(
                        "{shown}: {key} must be text, a number, true/false or a list of texts"
                    ));
                    continue;
                }
            };
            self.set(spec.name, &text, Origin::File);
        }
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
    }

    fn set(&mut self, name: &'static str, text: &str, origin: Origin) {
        if !text.trim().is_empty() {
            self.values.insert(name, Value { text: text.trim().to_owned(), origin });
        }
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        debug_assert!(spec::find(name).is_some(), "{name} is not a setting");
        self.values.get(name)
    }
}
