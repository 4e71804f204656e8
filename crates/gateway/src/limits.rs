//! Rate limits of the public API. The bus counts for all nodes; while it cannot be reached, each node
//! counts for itself at the same rate.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use songkeep_domain::{
    ClientInfo, EmailAddress, ServiceError, ServiceResult, UserId,
    bus::{Bus, RateDecision, RateRule},
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// Every page that is opened refreshes its session, and a household shares one address; guessing a
/// random token is hopeless at any rate.
const TOKENS_PER_SIGN_IN: u32 = 10;

/// How often what may be called.
#[derive(Clone, Copy, Debug)]
pub struct RateLimits {
    pub signin_ip_per_min: u32,
    /// By account and client address together, so that a stranger cannot lock an account out.
    pub signin_email_per_min: u32,
    pub signup_ip_per_hour: u32,
    pub reset_ip_per_hour: u32,
    /// By address alone: each fills somebody's mailbox. It locks nobody out, as the mails that were sent
    /// hold links that work.
    pub reset_email_per_hour: u32,
    pub search_per_min: u32,
    pub import_per_hour: u32,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            signin_ip_per_min: 20,
            signin_email_per_min: 10,
            signup_ip_per_hour: 30,
            reset_ip_per_hour: 30,
            reset_email_per_hour: 5,
            search_per_min: 120,
            import_per_hour: 120,
        }
    }
}

/// Checks calls against [`RateLimits`].
pub(crate) struct Limiter {
    bus: Arc<dyn Bus>,
    local: LocalLimits,
    /// The bus failed when it was last asked: it is told once for each outage.
    alone: AtomicBool,
    signin_ip: RateRule,
    signin_email: RateRule,
    signup_ip: RateRule,
    setup_ip: RateRule,
    reset_ip: RateRule,
    reset_email: RateRule,
    token_ip: RateRule,
    search: RateRule,
    import: RateRule,
}

impl Limiter {
    pub(crate) fn new(bus: Arc<dyn Bus>, limits: RateLimits) -> Self {
        let rule = |name, burst, period| RateRule { name, burst, period };
        let signin_ip = rule("signin_ip", limits.signin_ip_per_min, MINUTE);
        let signin_email = rule("signin_email", limits.signin_email_per_min, MINUTE);
        let signup_ip = rule("signup_ip", limits.signup_ip_per_hour, HOUR);
        // Counted apart, so that the settings mean what their names say.
        let setup_ip = rule("setup_ip", limits.signup_ip_per_hour, HOUR);
        let reset_ip = rule("reset_ip", limits.reset_ip_per_hour, HOUR);
        let reset_email = rule("reset_email", limits.reset_email_per_hour, HOUR);
        let token_ip = rule("token_ip", limits.signin_ip_per_min.saturating_mul(TOKENS_PER_SIGN_IN), MINUTE);
        let search = rule("search", limits.search_per_min, MINUTE);
        let import = rule("import", limits.import_per_hour, HOUR);
        let local = LocalLimits::new([
            signin_ip,
            signin_email,
            signup_ip,
            setup_ip,
            reset_ip,
            reset_email,
            token_ip,
            search,
            import,
        ]);
        Self {
            bus,
            local,
            alone: AtomicBool::new(false),
            signin_ip,
            signin_email,
            signup_ip,
            setup_ip,
            reset_ip,
            reset_email,
            token_ip,
            search,
            import,
        }
    }

    /// # Errors
    /// `rate_limited`, as for all of these.
    pub(crate) async fn sign_in(&self, client: &ClientInfo, email: &str) -> ServiceResult<()> {
        let address = address_key(client.ip);
        self.check(self.signin_ip, &address).await?;
        // What is no address shares one key: it cannot sign in anyway.
        let email = EmailAddress::parse(email);
        let email = email.as_ref().map_or("-", EmailAddress::key);
        self.check(self.signin_email, &format!("{address} {email}")).await
    }

    pub(crate) async fn sign_up(&self, client: &ClientInfo) -> ServiceResult<()> {
        self.check(self.signup_ip, &address_key(client.ip)).await
    }

    pub(crate) async fn set_up(&self, client: &ClientInfo) -> ServiceResult<()> {
        self.check(self.setup_ip, &address_key(client.ip)).await
    }

    /// Asking for a link that sets a new password.
    pub(crate) async fn forgot_password(&self, client: &ClientInfo, email: &str) -> ServiceResult<()> {
        self.reset_password(client).await?;
        // What is no address gets no mail.
        match EmailAddress::parse(email) {
            Ok(email) => self.check(self.reset_email, email.key()).await,
            Err(_) => Ok(()),
        }
    }

    pub(crate) async fn reset_password(&self, client: &ClientInfo) -> ServiceResult<()> {
        self.check(self.reset_ip, &address_key(client.ip)).await
    }

    /// Calls that carry a random token of ours: refresh, sign-out, verification.
    pub(crate) async fn token(&self, client: &ClientInfo) -> ServiceResult<()> {
        self.check(self.token_ip, &address_key(client.ip)).await
    }

    pub(crate) async fn search(&self, user: UserId) -> ServiceResult<()> {
        self.check(self.search, &user.to_string()).await
    }

    pub(crate) async fn import(&self, user: UserId) -> ServiceResult<()> {
        self.check(self.import, &user.to_string()).await
    }

    async fn check(&self, rule: RateRule, key: &str) -> ServiceResult<()> {
        let decision = match self.bus.check_rate(rule, key).await {
            Ok(decision) => {
                if self.alone.swap(false, Ordering::Relaxed) {
                    tracing::info!("rate limits are counted for all nodes again");
                }
                decision
            }
            Err(error) => {
                if !self.alone.swap(true, Ordering::Relaxed) {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(error = %error, source, "this node counts rate limits alone");
                }
                self.local.check(rule, key)
            }
        };
        match decision {
            RateDecision::Allowed => Ok(()),
            RateDecision::Refused { retry_after } => Err(ServiceError::rate_limited(retry_after)),
        }
    }
}

/// An IPv6 client owns a whole /64, so that is what is counted.
fn address_key(ip: Option<IpAddr>) -> String {
    match ip.map(|ip| ip.to_canonical()) {
        None => "unknown".to_owned(),
        Some(IpAddr::V4(ip)) => ip.to_string(),
        Some(IpAddr::V6(ip)) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// The same limits, counted by this process alone.
struct LocalLimits {
    limiters: HashMap<&'static str, DefaultKeyedRateLimiter<String>>,
}

impl LocalLimits {
    /// Keys kept before those that are as good as new are forgotten.
    const MOST_KEYS: usize = 50_000;

    fn new(rules: impl IntoIterator<Item = RateRule>) -> Self {
        let limiters = rules
            .into_iter()
            .filter_map(|rule| {
                let burst = NonZeroU32::new(rule.burst)?;
                let quota = Quota::with_period(rule.period / rule.burst)?.allow_burst(burst);
                Some((rule.name, RateLimiter::keyed(quota)))
            })
            .collect();
        Self { limiters }
    }

    fn check(&self, rule: RateRule, key: &str) -> RateDecision {
        let Some(limiter) = self.limiters.get(rule.name) else {
            return RateDecision::Refused { retry_after: rule.period };
        };
        if limiter.len() > Self::MOST_KEYS {
            limiter.retain_recent();
        }
        match limiter.check_key(&key.to_owned()) {
            Ok(()) => RateDecision::Allowed,
            Err(not_yet) => {
                RateDecision::Refused { retry_after: not_yet.wait_time_from(DefaultClock::default().now()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_an_ipv6_network_as_one_client_and_mapped_ipv4_as_ipv4() {
        let key = |text: &str| address_key(Some(text.parse().expect("an address")));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.7"), key("192.0.2.7"));
    }

    #[test]
    fn the_local_limit_refuses_what_exceeds_the_burst() {
        let rule = RateRule { name: "search", burst: 3, period: HOUR };
        let limits = LocalLimits::new([rule]);
        for _ in 0..3 {
            assert_eq!(limits.check(rule, "a"), RateDecision::Allowed);
        }
        assert!(matches!(limits.check(rule, "a"), RateDecision::Refused { .. }));
        assert_eq!(limits.check(rule, "b"), RateDecision::Allowed);
    }
}
