//! Newtype ids. All are UUIDv7, so they sort by the moment they were made.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id that sorts after those made before it.
            #[must_use]
            #[expect(clippy::new_without_default, reason = "a default id would hide that each is new")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

id!(
    /// An account.
    UserId
);
id!(
    /// A sign-in on one device: the family of its refresh tokens.
    SessionId
);
id!(
    /// One link of a session's chain of refresh tokens.
    RefreshTokenId
);
id!(
    /// A token mailed or printed once (verification, set-up, reset).
    OneTimeTokenId
);
id!(
    /// A stored recording, shared by everybody who has it in their library.
    SongId
);
id!(
    /// A background job.
    JobId
);
id!(
    /// A row of the audit log.
    AuditId
);
