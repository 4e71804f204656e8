//! `songkeep user`: accounts from the command line. The only way, besides the set-up link and the
//! bootstrap address, to make an administrator.

use std::{
    io::{self, BufRead as _, IsTerminal as _},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use songkeep_auth::AuthService;
use songkeep_config::Settings;
use songkeep_domain::{
    EmailAddress, PageRequest, SystemClock, UserRole,
    user::{UserFilter, UserStore as _},
};
use songkeep_store::Store;

use crate::{backends, data_dir::DataDir, services};

#[derive(Clone, Copy, ValueEnum)]
pub enum Role {
    User,
    Admin,
}

impl From<Role> for UserRole {
    fn from(role: Role) -> Self {
        match role {
            Role::User => Self::User,
            Role::Admin => Self::Admin,
        }
    }
}

#[derive(Subcommand)]
pub enum User {
    /// Make a verified account. The password is read from standard input.
    Create {
        email: String,
        #[arg(long, value_enum, default_value = "user")]
        role: Role,
    },
    /// List accounts, newest first.
    List {
        /// Part of the address.
        #[arg(long)]
        search: Option<String>,
    },
    /// Make an account an administrator, or an ordinary one again.
    SetRole {
        email: String,
        #[arg(value_enum)]
        role: Role,
    },
    /// Set a new password, read from standard input; ends all of the account's sessions.
    ResetPassword { email: String },
}

impl User {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let (auth, store) = open(super::settings()?).await?;
        match self {
            Self::Create { email, role } => {
                let password = read_password()?;
                let user = auth.create_user(&email, &password, role.into()).await.map_err(plain)?;
                println!("Made {} ({}), id {}.", user.email, user.role.as_str(), user.id);
            }
            Self::List { search } => list(&store, search).await?,
            Self::SetRole { email, role } => {
                let user = auth.set_role(&email, role.into()).await.map_err(plain)?;
                println!("{} is {} now.", user.email, user.role.as_str());
            }
            Self::ResetPassword { email } => {
                // Asked for first, so that a mistyped address is told before a password is typed.
                let address =
                    EmailAddress::parse(&email).with_context(|| format!("{email:?} cannot be used"))?;
                if store.find_credentials(&address).await?.is_none() {
                    anyhow::bail!("there is no account with the address {email}");
                }
                let user = auth.reset_password(&email, &read_password()?).await.map_err(plain)?;
                println!("{} has a new password; all of its sessions have ended.", user.email);
            }
        }
        store.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

/// A service's error in the words that are meant for people.
fn plain(error: songkeep_domain::ServiceError) -> anyhow::Error {
    match error.source {
        Some(source) => anyhow::anyhow!("{} ({source})", error.detail),
        None => anyhow::anyhow!("{}", error.detail),
    }
}

async fn open(mut settings: Settings) -> anyhow::Result<(AuthService, Store)> {
    let data = DataDir::open(&settings.data_dir)?;
    settings.ensure_secrets()?;
    let store = backends::open_store(&settings, &data, backends::no_hook()).await?;
    backends::migrate(&store, &settings, &data).await?;
    let auth = services::auth(&settings, &store, backends::mailer(&settings)?, Arc::new(SystemClock))?;
    Ok((auth, store))
}

async fn list(store: &Store, search: Option<String>) -> anyhow::Result<()> {
    let filter = UserFilter { q: search, status: None };
    let mut page = PageRequest::first(200);
    loop {
        let users = store.list_users(&filter, &page).await?;
        for row in users.items {
            let user = row.user;
            let state = match (user.disabled_at, user.verified_at) {
                (Some(_), _) => "disabled",
                (None, None) => "not verified",
                (None, Some(_)) => "verified",
            };
            println!(
                "{}  {:5}  {state:12}  {:5} songs  {}",
                user.id,
                user.role.as_str(),
                row.song_count,
                user.email
            );
        }
        match users.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => return Ok(()),
        }
    }
}

fn read_password() -> anyhow::Result<String> {
    if io::stdin().is_terminal() {
        eprintln!("Type the password (8 to 256 characters) and press Enter; it is shown as you type:");
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("the password could not be read from standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
