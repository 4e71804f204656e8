//! The roles a Songkeep process can have.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One service of Songkeep. A process has one or more of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeRole {
    Web,
    Gateway,
    Stream,
    Auth,
    Search,
    Catalog,
    Download,
    Admin,
    Worker,
}

impl NodeRole {
    pub const ALL: [Self; 9] = [
        Self::Web,
        Self::Gateway,
        Self::Stream,
        Self::Auth,
        Self::Search,
        Self::Catalog,
        Self::Download,
        Self::Admin,
        Self::Worker,
    ];

    /// Whether these are all roles: a process that needs nobody else.
    #[must_use]
    pub fn are_all(roles: &[Self]) -> bool {
        Self::ALL.iter().all(|role| roles.contains(role))
    }

    /// Whether it reads or writes the database.
    #[must_use]
    pub const fn uses_store(self) -> bool {
        matches!(
            self,
            Self::Stream | Self::Auth | Self::Catalog | Self::Download | Self::Admin | Self::Worker
        )
    }

    /// Whether it reads or writes stored audio.
    #[must_use]
    pub const fn uses_audio(self) -> bool {
        matches!(self, Self::Stream | Self::Worker)
    }

    /// Whether it hears or tells news, or counts rate limits.
    #[must_use]
    pub const fn uses_bus(self) -> bool {
        self.uses_store() || matches!(self, Self::Gateway)
    }

    /// Whether it goes out to sources, by the managed tools or beside them.
    #[must_use]
    pub const fn uses_sources(self) -> bool {
        matches!(self, Self::Search | Self::Worker)
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Gateway => "gateway",
            Self::Stream => "stream",
            Self::Auth => "auth",
            Self::Search => "search",
            Self::Catalog => "catalog",
            Self::Download => "download",
            Self::Admin => "admin",
            Self::Worker => "worker",
        }
    }
}

impl fmt::Display for NodeRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is not one of [`NodeRole::ALL`].
#[derive(Debug, thiserror::Error)]
#[error("unknown role {0:?}; roles are web, gateway, stream, auth, search, catalog, download, admin, worker")]
pub struct UnknownRole(pub String);

impl FromStr for NodeRole {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| UnknownRole(text.to_owned()))
    }
}
