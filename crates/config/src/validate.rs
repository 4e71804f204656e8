//! Whether a process with certain roles may be started with these settings. Names everything that is
//! missing at once, with the setting to change.

use secrecy::{ExposeSecret, SecretString};
use songkeep_domain::NodeRole;

use crate::{ConfigError, Settings, StreamDelivery, settings::ServiceUrls};

/// Shortest secret that strict mode accepts, in characters.
pub const MIN_SECRET_CHARS: usize = 32;

/// Beginnings of secrets that stand in examples and so are no secrets.
const WELL_KNOWN: &[&str] = &["change", "secret", "default", "example", "password", "dev-", "test"];

impl Settings {
    /// `roles` are what the process will do.
    ///
    /// # Errors
    /// Names each setting that is missing, too weak or contradictory.
    pub fn validate(&self, roles: &[NodeRole]) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        if !NodeRole::are_all(roles) {
            self.check_split(roles, &mut problems);
        }
        if self.strict {
            self.check_strict(roles, &mut problems);
        }
        if self.accounts.cookie_same_site == crate::SameSite::None && !self.accounts.cookie_secure {
            problems.push(
                "REFRESH_COOKIE_SAMESITE=none needs REFRESH_COOKIE_SECURE=1: browsers drop such cookies"
                    .to_owned(),
            );
        }
        self.check_s3(roles, &mut problems);
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
    }

    fn check_split(&self, roles: &[NodeRole], problems: &mut Vec<String>) {
        let has = |wanted: &[NodeRole]| roles.iter().any(|role| wanted.contains(role));
        use NodeRole::{Admin, Auth, Catalog, Download, Gateway, Search, Stream, Web};
        let any = |uses: fn(NodeRole) -> bool| roles.iter().copied().any(uses);
        let shared = [
            (any(NodeRole::uses_store), self.database_url.is_some(), "DATABASE_URL", "the database"),
            (any(NodeRole::uses_audio), self.s3.is_some(), "S3_ENDPOINT", "audio"),
            (any(NodeRole::uses_bus), self.redis_url.is_some(), "REDIS_URL", "news and rate limits"),
        ];
        for (needed, is_set, name, what) in shared {
            if needed && !is_set {
                problems
                    .push(format!("{name} must be set: {what} cannot be shared between processes otherwise"));
            }
        }
        if self.jwt_secret.is_none() && has(&[Auth, Gateway]) {
            problems.push("JWT_SECRET must be set, to the same value for auth and gateway".to_owned());
        }
        if self.internal_service_secret.is_none() && uses_internal_secret(roles) {
            problems
                .push("INTERNAL_SERVICE_SECRET must be set, to the same value for all services".to_owned());
        }
        let mut callees = Vec::new();
        if has(&[Gateway]) {
            callees.extend([Auth, Search, Catalog, Download, Admin]);
        }
        if has(&[Web]) {
            callees.extend([Gateway, Stream]);
        }
        for callee in callees.into_iter().filter(|callee| !roles.contains(callee)) {
            if let (None, Some(name)) = (self.service_urls.of(callee), ServiceUrls::setting_of(callee)) {
                problems.push(format!("{name} must be set: this process calls {callee} and does not run it"));
            }
        }
    }

    fn check_strict(&self, roles: &[NodeRole], problems: &mut Vec<String>) {
        let mut check = |name: &str, secret: Option<&SecretString>| match secret
            .map(ExposeSecret::expose_secret)
        {
            None => problems.push(format!("{name} must be set in strict mode")),
            Some(text) if text.chars().count() < MIN_SECRET_CHARS => {
                problems.push(format!(
                    "{name} is too short: strict mode wants {MIN_SECRET_CHARS} characters or more"
                ));
            }
            Some(text) if is_well_known(text) => {
                problems
                    .push(format!("{name} is a value from an example; make one with: openssl rand -hex 32"));
            }
            Some(_) => {}
        };
        if roles.iter().any(|role| matches!(role, NodeRole::Auth | NodeRole::Gateway)) {
            check("JWT_SECRET", self.jwt_secret.as_ref());
        }
        if uses_internal_secret(roles) {
            check("INTERNAL_SERVICE_SECRET", self.internal_service_secret.as_ref());
        }
        if self.accounts.expose_verification_token {
            problems.push("EXPOSE_VERIFICATION_TOKEN=1 is refused in strict mode".to_owned());
        }
        if roles.contains(&NodeRole::Auth) && self.accounts.email_verify_required && self.smtp_url.is_none() {
            problems.push(
                "SMTP_URL must be set in strict mode, or EMAIL_VERIFY_REQUIRED=0 if accounts need no verified address"
                    .to_owned(),
            );
        }
    }

    fn check_s3(&self, roles: &[NodeRole], problems: &mut Vec<String>) {
        let uses_audio = roles.iter().any(|role| role.uses_audio());
        if let (true, Some(s3)) = (uses_audio, &self.s3) {
            for (name, secret) in [("S3_ACCESS_KEY", &s3.access_key), ("S3_SECRET_KEY", &s3.secret_key)] {
                if secret.is_none() {
                    problems.push(format!("{name} must be set with S3_ENDPOINT"));
                }
            }
        }
        if self.stream_delivery == StreamDelivery::Redirect && roles.contains(&NodeRole::Stream) {
            match &self.s3 {
                None => problems.push("STREAM_DELIVERY=redirect needs S3_ENDPOINT: files cannot be redirected to".to_owned()),
                Some(s3) if s3.public_endpoint.is_none() => problems.push(
                    "STREAM_DELIVERY=redirect needs S3_PUBLIC_ENDPOINT, the address under which listeners reach S3".to_owned(),
                ),
                Some(_) => {}
            }
        }
    }
}

/// The worker neither calls a service nor is called by one.
fn uses_internal_secret(roles: &[NodeRole]) -> bool {
    roles.iter().any(|role| *role != NodeRole::Worker)
}

fn is_well_known(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let one_letter = lower.chars().next().is_some_and(|first| lower.chars().all(|c| c == first));
    one_letter || WELL_KNOWN.iter().any(|start| lower.starts_with(start))
}
