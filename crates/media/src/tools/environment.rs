//! What of the operator's environment the installer gets to see. Nothing else gets any of it.

use std::ffi::{OsStr, OsString};

const NAMES: [&str; 16] = [
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "XDG_CONFIG_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_CACHE_HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NETRC",
    "PYENV_ROOT",
    "PYENV_VERSION",
    "LD_LIBRARY_PATH",
];
/// In either case of letters.
const PROXIES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];
/// These would send the packages elsewhere.
const NEVER: [&str; 8] = [
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_USER",
    "PIP_REQUIREMENT",
    "PIP_CONSTRAINT",
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_DRY_RUN",
];
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Keeps the variables that Python and pip are meant to be steered by.
#[must_use]
pub fn for_installer(environment: &[(OsString, OsString)]) -> Vec<(OsString, OsString)> {
    environment.iter().filter(|(name, _)| name.to_str().is_some_and(is_for_installer)).cloned().collect()
}

/// Where programs are looked up.
#[must_use]
pub fn search_path(environment: &[(OsString, OsString)]) -> &OsStr {
    environment
        .iter()
        .find(|(name, _)| name == "PATH")
        .map_or(OsStr::new(DEFAULT_PATH), |(_, value)| value.as_os_str())
}

fn is_for_installer(name: &str) -> bool {
    NAMES.contains(&name)
        || PROXIES.contains(&name.to_ascii_uppercase().as_str())
        || name.starts_with("PIP_") && !NEVER.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_installer_sees_its_own_settings_and_no_secrets() {
        let environment: Vec<(OsString, OsString)> = [
            "PATH",
            "https_proxy",
            "PIP_INDEX_URL",
            "PIP_TARGET",
            "SECRET_KEY",
            "IMPORT_UPSTREAM_PROXY",
            "DATABASE_URL",
            "PYTHONPATH",
        ]
        .iter()
        .map(|name| (OsString::from(name), OsString::from("x")))
        .collect();
        let kept: Vec<_> = for_installer(&environment).into_iter().map(|(name, _)| name).collect();
        assert_eq!(kept, ["PATH", "https_proxy", "PIP_INDEX_URL"]);
    }
}
