//! The service on an empty database, with a clock that stands still and a mailbox.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use secrecy::SecretString;
use songkeep_api::{
    auth::{AuthClient, AuthRpc, IssuedTokens, SignIn, SignUp, SignedUp},
    token::AccessTokens,
};
use songkeep_auth::{AuthPorts, AuthService, AuthSettings};
use songkeep_domain::{
    Actor, Clock, EmailAddress, PageRequest, ServiceResult, SessionId, StoreResult,
    audit::{AuditEntry, AuditStore},
    bus::CommitHook,
    mail::{Mail, MailError, Mailer},
    user::{User, UserStore},
};
use songkeep_store::Store;
use songkeep_testkit::{clock::ManualClock, remote, world::nobody};

pub type World = songkeep_testkit::world::World<Store>;

pub const PASSWORD: &str = "correct horse";
pub const DAY: Duration = Duration::from_secs(24 * 3_600);

async fn open(path: PathBuf, hook: Arc<dyn CommitHook>) -> StoreResult<Store> {
    let store = Store::open_sqlite(&path, hook).await?;
    store.migrate().await?;
    Ok(store)
}

/// Keeps what it is given.
#[derive(Default)]
pub struct Mailbox(Mutex<Vec<Mail>>);

#[async_trait]
impl Mailer for Mailbox {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        self.0.lock().unwrap().push(mail);
        Ok(())
    }
}

pub struct Setup {
    pub world: World,
    pub clock: Arc<ManualClock>,
    pub mailbox: Arc<Mailbox>,
    pub access_tokens: AccessTokens,
    pub service: Arc<AuthService>,
    pub clients: [AuthClient; 2],
}

/// Verification is on, and hashing is quick.
pub fn settings() -> AuthSettings {
    AuthSettings {
        public_web_url: "https://music.example/".to_owned(),
        access_lifetime: Duration::from_secs(1_800),
        refresh_lifetime: 14 * DAY,
        email_verify_required: true,
        expose_verification_token: false,
        admin_bootstrap_email: None,
        hash_memory_kib: 64,
        hash_iterations: 1,
        refresh_secret: SecretString::from("the secret of sessions in this test"),
    }
}

pub fn without_verification() -> AuthSettings {
    AuthSettings { email_verify_required: false, ..settings() }
}

impl Setup {
    pub async fn new(settings: AuthSettings) -> Self {
        let mailbox = Arc::new(Mailbox::default());
        Self::with_mailer(settings, Arc::clone(&mailbox), mailbox).await
    }

    pub async fn with_mailer(settings: AuthSettings, mailbox: Arc<Mailbox>, mailer: Arc<dyn Mailer>) -> Self {
        let world = World::new(open).await;
        let clock = Arc::new(ManualClock::new());
        let access_tokens = AccessTokens::new(&settings.refresh_secret, Arc::clone(&clock) as Arc<dyn Clock>);
        let ports = AuthPorts {
            users: Arc::clone(&world.store) as _,
            sessions: Arc::clone(&world.store) as _,
            audit: Arc::clone(&world.store) as _,
            mailer,
            access_tokens: access_tokens.clone(),
            clock: Arc::clone(&clock) as _,
        };
        let service = Arc::new(AuthService::new(ports, settings).unwrap());
        let remote = remote::serve(Arc::new(AuthRpc(Arc::clone(&service) as _))).await;
        let clients = [AuthClient::local(Arc::clone(&service) as _), AuthClient::http(remote)];
        Self { world, clock, mailbox, access_tokens, service, clients }
    }

    /// The same database under other settings.
    pub fn restarted(&self, settings: AuthSettings) -> AuthService {
        let ports = AuthPorts {
            users: Arc::clone(&self.world.store) as _,
            sessions: Arc::clone(&self.world.store) as _,
            audit: Arc::clone(&self.world.store) as _,
            mailer: Arc::clone(&self.mailbox) as _,
            access_tokens: self.access_tokens.clone(),
            clock: Arc::clone(&self.clock) as _,
        };
        AuthService::new(ports, settings).unwrap()
    }

    /// Mails to an address, oldest first.
    pub async fn mails_to(&self, address: &str) -> Vec<Mail> {
        self.service.finish_background().await;
        let to = EmailAddress::parse(address).unwrap();
        self.mailbox.0.lock().unwrap().iter().filter(|mail| mail.to == to).cloned().collect()
    }

    /// The token in the newest mail to an address.
    pub async fn mailed_token(&self, address: &str) -> String {
        token_in(&self.mails_to(address).await.pop().unwrap())
    }

    /// Makes a verified account, as a command does.
    pub async fn add_user(&self, email: &str) -> User {
        self.service.create_user(email, PASSWORD, songkeep_domain::UserRole::User).await.unwrap()
    }

    pub async fn find_user(&self, email: &str) -> Option<User> {
        let email = EmailAddress::parse(email).unwrap();
        self.world.store.find_credentials(&email).await.unwrap().map(|found| found.user)
    }

    pub async fn password_hash(&self, email: &str) -> String {
        let email = EmailAddress::parse(email).unwrap();
        self.world.store.find_credentials(&email).await.unwrap().unwrap().password_hash.unwrap()
    }

    /// Everything on record, newest first.
    pub async fn audit(&self) -> Vec<AuditEntry> {
        self.service.finish_background().await;
        self.world.store.list_audit(None, &PageRequest::first(500)).await.unwrap().items
    }

    pub fn actor(&self, tokens: &IssuedTokens) -> Actor {
        self.access_tokens.verify(&tokens.access_token).unwrap().actor
    }

    pub async fn is_alive(&self, client: &AuthClient, session: SessionId) -> bool {
        client.check_session(&nobody(), session).await.unwrap().unwrap().alive
    }
}

pub fn token_in(mail: &Mail) -> String {
    let verify = mail.text.split_once("https://music.example/verify?token=");
    let (_, rest) = verify.or_else(|| mail.text.split_once("https://music.example/reset#token=")).unwrap();
    rest.lines().next().unwrap().to_owned()
}

pub async fn sign_up(client: &AuthClient, email: &str, password: &str) -> ServiceResult<SignedUp> {
    let request = SignUp { email: email.to_owned(), password: password.to_owned() };
    client.sign_up(&nobody(), request).await
}

pub async fn sign_in(client: &AuthClient, email: &str, password: &str) -> ServiceResult<IssuedTokens> {
    let request = SignIn { email: email.to_owned(), password: password.to_owned() };
    client.sign_in(&nobody(), request).await
}

pub async fn refresh(client: &AuthClient, token: &str) -> ServiceResult<IssuedTokens> {
    client.refresh(&nobody(), token.to_owned()).await
}
