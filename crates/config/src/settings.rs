//! What the settings mean: one typed struct, read once at the start.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use secrecy::SecretString;
use songkeep_domain::{EmailAddress, NodeRole};
use url::Url;

use crate::{ConfigError, sources::Values};

/// Enough for a balancer that asks every second or two and believes the second no.
const DRAIN: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppEnv {
    Development,
    Test,
    Staging,
    Production,
}

impl FromStr for AppEnv {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "development" | "dev" | "local" => Ok(Self::Development),
            "test" => Ok(Self::Test),
            "staging" => Ok(Self::Staging),
            "production" | "prod" => Ok(Self::Production),
            _ => Err("must be development, test, staging or production"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("must be text or json"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    Lax,
    Strict,
    None,
}

impl FromStr for SameSite {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "lax" => Ok(Self::Lax),
            "strict" => Ok(Self::Strict),
            "none" => Ok(Self::None),
            _ => Err("must be lax, strict or none"),
        }
    }
}

/// How the bytes of songs in S3 reach listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamDelivery {
    Proxy,
    Redirect,
}

impl FromStr for StreamDelivery {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "proxy" => Ok(Self::Proxy),
            "redirect" => Ok(Self::Redirect),
            _ => Err("must be proxy or redirect"),
        }
    }
}

#[derive(Clone)]
pub struct Settings {
    pub app_env: AppEnv,
    /// Secrets must be set and long, cookies secure, metrics private.
    pub strict: bool,
    pub app_domain: Option<String>,
    pub public_web_url: String,
    pub log_level: String,
    pub log_format: LogFormat,
    pub web_addr: SocketAddr,
    /// Whether the web listener has the admin app.
    pub admin_web: bool,
    pub gateway_addr: SocketAddr,
    pub stream_addr: SocketAddr,
    /// None: by the roles, see [`Settings::internal_addr_for`].
    pub internal_addr: Option<SocketAddr>,
    pub trusted_proxies: Vec<String>,
    pub cors_allowed_origins: Vec<String>,
    pub shutdown_grace: Duration,
    /// None: by the roles, see [`Settings::shutdown_drain_for`].
    pub shutdown_drain: Option<Duration>,
    pub data_dir: PathBuf,
    pub database_url: Option<SecretString>,
    pub redis_url: Option<SecretString>,
    pub redis_namespace: String,
    pub s3: Option<S3Settings>,
    pub retention: RetentionSettings,
    pub jwt_secret: Option<SecretString>,
    pub internal_service_secret: Option<SecretString>,
    pub accounts: AccountSettings,
    pub smtp_url: Option<SecretString>,
    pub mail_from: String,
    pub limits: RateLimitSettings,
    pub public_stream_base: Option<String>,
    pub stream_url_ttl: Duration,
    pub stream_delivery: StreamDelivery,
    pub import: ImportSettings,
    pub jobs: JobSettings,
    pub service_urls: ServiceUrls,
}

#[derive(Clone)]
pub struct S3Settings {
    pub endpoint: String,
    pub access_key: Option<SecretString>,
    pub secret_key: Option<SecretString>,
    pub bucket: String,
    pub region: String,
    pub create_bucket: bool,
    pub public_endpoint: Option<String>,
}

#[derive(Clone, Copy, Debug)]
pub struct RetentionSettings {
    pub orphans: Duration,
    pub events: Duration,
    pub jobs: Duration,
    pub sessions: Duration,
}

#[derive(Clone)]
pub struct AccountSettings {
    pub access_lifetime: Duration,
    pub refresh_lifetime: Duration,
    pub cookie_name: String,
    pub cookie_secure: bool,
    pub cookie_same_site: SameSite,
    pub cookie_domain: Option<String>,
    pub email_verify_required: bool,
    pub expose_verification_token: bool,
    pub admin_bootstrap_email: Option<EmailAddress>,
    pub hash_memory_kib: u32,
    pub hash_iterations: u32,
}

#[derive(Clone, Copy, Debug)]
pub struct RateLimitSettings {
    pub signin_ip_per_min: u32,
    pub signin_email_per_min: u32,
    pub signup_ip_per_hour: u32,
    pub reset_ip_per_hour: u32,
    pub reset_email_per_hour: u32,
    pub search_per_min: u32,
    pub import_per_hour: u32,
}

#[derive(Clone)]
pub struct ImportSettings {
    pub workers: usize,
    pub upstream_proxy: Option<SecretString>,
    pub ca_file: Option<PathBuf>,
    pub max_duration_sec: u64,
    pub max_bytes: u64,
    pub tools_dir: PathBuf,
    pub ytdlp_path: Option<PathBuf>,
    pub ffmpeg_path: Option<PathBuf>,
    pub js_runtime_path: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug)]
pub struct JobSettings {
    pub lease: Duration,
    pub timeout: Duration,
    pub max_attempts: u32,
    pub retry_base: Duration,
}

/// Where the services that this process lacks are found.
#[derive(Clone, Debug, Default)]
pub struct ServiceUrls {
    pub auth: Option<String>,
    pub search: Option<String>,
    pub catalog: Option<String>,
    pub download: Option<String>,
    pub admin: Option<String>,
    pub gateway: Option<String>,
    pub stream: Option<String>,
}

impl ServiceUrls {
    /// The setting that names a role's address; None for roles that nobody calls.
    #[must_use]
    pub const fn setting_of(role: NodeRole) -> Option<&'static str> {
        match role {
            NodeRole::Auth => Some("AUTH_SERVICE_URL"),
            NodeRole::Search => Some("SEARCH_SERVICE_URL"),
            NodeRole::Catalog => Some("CATALOG_SERVICE_URL"),
            NodeRole::Download => Some("DOWNLOAD_SERVICE_URL"),
            NodeRole::Admin => Some("ADMIN_SERVICE_URL"),
            NodeRole::Gateway => Some("GATEWAY_SERVICE_URL"),
            NodeRole::Stream => Some("STREAM_SERVICE_URL"),
            NodeRole::Web | NodeRole::Worker => None,
        }
    }

    #[must_use]
    pub fn of(&self, role: NodeRole) -> Option<&str> {
        match role {
            NodeRole::Auth => self.auth.as_deref(),
            NodeRole::Search => self.search.as_deref(),
            NodeRole::Catalog => self.catalog.as_deref(),
            NodeRole::Download => self.download.as_deref(),
            NodeRole::Admin => self.admin.as_deref(),
            NodeRole::Gateway => self.gateway.as_deref(),
            NodeRole::Stream => self.stream.as_deref(),
            NodeRole::Web | NodeRole::Worker => None,
        }
    }
}

impl Settings {
    /// # Errors
    /// Names every value that cannot be read, not just the first.
    pub fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let mut read = Reader { values, problems: Vec::new() };
        let settings = read.settings();
        if read.problems.is_empty() { Ok(settings) } else { Err(ConfigError { problems: read.problems }) }
    }

    /// Where the one internal listener of a process with these roles is.
    #[must_use]
    pub fn internal_addr_for(&self, roles: &[NodeRole]) -> SocketAddr {
        let beside_public = roles.iter().any(|role| matches!(role, NodeRole::Gateway | NodeRole::Web));
        let port = if beside_public { 8010 } else { 8000 };
        self.internal_addr.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// How long a process with these roles goes on serving after it was told to stop.
    #[must_use]
    pub fn shutdown_drain_for(&self, roles: &[NodeRole]) -> Duration {
        // Nobody else can take over from the one, and nobody calls the other.
        let is_called = !NodeRole::are_all(roles) && roles != [NodeRole::Worker];
        self.shutdown_drain.unwrap_or(if is_called { DRAIN } else { Duration::ZERO })
    }
}

/// Reads values and collects what is wrong with them.
struct Reader<'a> {
    values: &'a Values,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn text(&self, name: &str) -> Option<String> {
        self.values.get(name).map(|value| value.text.clone())
    }

    fn required(&self, name: &str) -> String {
        self.text(name).unwrap_or_default()
    }

    fn secret(&self, name: &str) -> Option<SecretString> {
        self.text(name).map(SecretString::from)
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    fn parsed<T: FromStr<Err: std::fmt::Display>>(&mut self, name: &str, fallback: T) -> T {
        let text = self.required(name);
        text.parse().unwrap_or_else(|error| {
            self.problems.push(format!("{name}: {text:?} cannot be used: {error}"));
            fallback
        })
    }

    fn number<T: FromStr<Err: std::fmt::Display> + PartialOrd + std::fmt::Display + Copy>(
        &mut self,
        name: &str,
        least: T,
        most: T,
    ) -> T {
        let value = self.parsed(name, least);
        if value < least || value > most {
            self.problems.push(format!("{name}: {value} must be between {least} and {most}"));
        }
        value
    }

    fn flag(&mut self, name: &str, default: bool) -> bool {
        match self.text(name).map(|text| text.to_ascii_lowercase()).as_deref() {
            None => default,
            Some("1" | "true" | "yes" | "on") => true,
            Some("0" | "false" | "no" | "off") => false,
            Some(text) => {
                self.problems.push(format!("{name}: {text:?} must be 1 or 0"));
                default
            }
        }
    }

    fn list(&self, name: &str) -> Option<Vec<String>> {
        self.text(name).map(|text| {
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
        })
    }

    fn http_url(&mut self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        match Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                Some(text.trim_end_matches('/').to_owned())
            }
            _ => {
                self.problems.push(format!("{name}: {text:?} must be an http or https URL"));
                None
            }
        }
    }

    fn seconds(&mut self, name: &str, least: u64, most: u64) -> Duration {
        Duration::from_secs(self.number(name, least, most))
    }

    fn settings(&mut self) -> Settings {
        let app_env = self.parsed("APP_ENV", AppEnv::Development);
        let strict = matches!(app_env, AppEnv::Production | AppEnv::Staging)
            || self.flag("ENFORCE_STRICT_SECURITY", false);
        let app_domain = self.text("APP_DOMAIN");
        let public_web_url = self.http_url("PUBLIC_WEB_URL").unwrap_or_else(|| match &app_domain {
            Some(domain) => format!("https://{domain}"),
            None => "http://localhost:3000".to_owned(),
        });
        let data_dir = PathBuf::from(self.required("SONGKEEP_DATA_DIR"));
        let smtp_url = self.secret("SMTP_URL");
        let localhost = SocketAddr::from(([127, 0, 0, 1], 0));
        Settings {
            app_env,
            strict,
            public_web_url,
            log_level: self.required("LOG_LEVEL"),
            log_format: self.parsed("LOG_FORMAT", LogFormat::Text),
            web_addr: self.parsed("SONGKEEP_WEB_ADDR", localhost),
            admin_web: self.flag("ADMIN_WEB", true),
            gateway_addr: self.parsed("SONGKEEP_GATEWAY_ADDR", localhost),
            stream_addr: self.parsed("SONGKEEP_STREAM_ADDR", localhost),
            internal_addr: self
                .text("SONGKEEP_INTERNAL_ADDR")
                .map(|_| self.parsed("SONGKEEP_INTERNAL_ADDR", localhost)),
            trusted_proxies: self.list("TRUSTED_PROXIES").unwrap_or_default(),
            cors_allowed_origins: self.cors(strict),
            shutdown_grace: self.seconds("SHUTDOWN_GRACE_SECONDS", 0, 3_600),
            shutdown_drain: self
                .text("SHUTDOWN_DRAIN_SECONDS")
                .map(|_| self.seconds("SHUTDOWN_DRAIN_SECONDS", 0, 600)),
            database_url: self.secret("DATABASE_URL"),
            redis_url: self.secret("REDIS_URL").or_else(|| self.secret("CELERY_BROKER_URL")),
            redis_namespace: self.required("REDIS_NAMESPACE"),
            s3: self.s3(),
            retention: self.retention(),
            jwt_secret: self.secret("JWT_SECRET"),
            internal_service_secret: self.secret("INTERNAL_SERVICE_SECRET"),
            accounts: self.accounts(strict, smtp_url.is_some()),
            smtp_url,
            mail_from: self.required("MAIL_FROM"),
            limits: self.limits(),
            public_stream_base: self.http_url("PUBLIC_STREAM_BASE"),
            stream_url_ttl: self.seconds("STREAM_URL_TTL_SECONDS", 10, 86_400),
            stream_delivery: self.parsed("STREAM_DELIVERY", StreamDelivery::Proxy),
            import: self.import(&data_dir),
            jobs: self.jobs(),
            service_urls: self.service_urls(),
            app_domain,
            data_dir,
        }
    }

    fn cors(&mut self, strict: bool) -> Vec<String> {
        let origins = self.list("CORS_ALLOWED_ORIGINS").unwrap_or_else(|| {
            let local = ["localhost", "127.0.0.1"];
            let of = |host| [3000, 3001].map(|port| format!("http://{host}:{port}"));
            if strict { Vec::new() } else { local.into_iter().flat_map(of).collect() }
        });
        for origin in &origins {
            let ok = Url::parse(origin)
                .is_ok_and(|url| url.origin().is_tuple() && url.origin().ascii_serialization() == *origin);
            if !ok {
                self.problems.push(format!(
                    "CORS_ALLOWED_ORIGINS: {origin:?} must be an origin such as https://music.example.com"
                ));
            }
        }
        origins
    }

    fn s3(&mut self) -> Option<S3Settings> {
        Some(S3Settings {
            endpoint: self.http_url("S3_ENDPOINT")?,
            access_key: self.secret("S3_ACCESS_KEY"),
            secret_key: self.secret("S3_SECRET_KEY"),
            bucket: self.required("S3_BUCKET"),
            region: self.required("S3_REGION"),
            create_bucket: self.flag("S3_CREATE_BUCKET", true),
            public_endpoint: self.http_url("S3_PUBLIC_ENDPOINT"),
        })
    }

    fn retention(&mut self) -> RetentionSettings {
        let hour = 3_600;
        let mut days = |name| Duration::from_secs(self.number(name, 1u64, 3_650) * 24 * hour);
        RetentionSettings {
            events: days("RETENTION_EVENT_DAYS"),
            jobs: days("RETENTION_JOB_DAYS"),
            sessions: days("RETENTION_SESSION_DAYS"),
            orphans: Duration::from_secs(self.number("RETENTION_ORPHAN_HOURS", 1u64, 87_600) * hour),
        }
    }

    fn accounts(&mut self, strict: bool, has_smtp: bool) -> AccountSettings {
        let email_verify_required = self.flag("EMAIL_VERIFY_REQUIRED", has_smtp || strict);
        let admin_bootstrap_email = self.text("ADMIN_BOOTSTRAP_EMAIL").and_then(|text| {
            EmailAddress::parse(&text)
                .map_err(|error| self.problems.push(format!("ADMIN_BOOTSTRAP_EMAIL: {text:?} is {error}")))
                .ok()
        });
        let cookie_name = self.required("REFRESH_COOKIE_NAME");
        if !cookie_name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            self.problems.push("REFRESH_COOKIE_NAME: only letters, digits, - and _ are allowed".to_owned());
        }
        AccountSettings {
            access_lifetime: Duration::from_secs(self.number("JWT_ACCESS_MINUTES", 1u64, 1_440) * 60),
            refresh_lifetime: Duration::from_secs(self.number("JWT_REFRESH_DAYS", 1u64, 365) * 86_400),
            cookie_name,
            cookie_secure: self.flag("REFRESH_COOKIE_SECURE", strict),
            cookie_same_site: self.parsed("REFRESH_COOKIE_SAMESITE", SameSite::Lax),
            cookie_domain: self.text("REFRESH_COOKIE_DOMAIN"),
            email_verify_required,
            expose_verification_token: self.flag("EXPOSE_VERIFICATION_TOKEN", false),
            admin_bootstrap_email,
            hash_memory_kib: self.number("PASSWORD_HASH_MEMORY_KIB", 8, 1 << 21),
            hash_iterations: self.number("PASSWORD_HASH_ITERATIONS", 1, 64),
        }
    }

    fn limits(&mut self) -> RateLimitSettings {
        let mut count = |name| self.number(name, 1u32, 1_000_000);
        RateLimitSettings {
            signin_ip_per_min: count("RATE_LIMIT_SIGNIN_IP_PER_MIN"),
            signin_email_per_min: count("RATE_LIMIT_SIGNIN_EMAIL_PER_MIN"),
            signup_ip_per_hour: count("RATE_LIMIT_SIGNUP_IP_PER_HOUR"),
            reset_ip_per_hour: count("RATE_LIMIT_RESET_IP_PER_HOUR"),
            reset_email_per_hour: count("RATE_LIMIT_RESET_EMAIL_PER_HOUR"),
            search_per_min: count("RATE_LIMIT_SEARCH_PER_MIN"),
            import_per_hour: count("RATE_LIMIT_IMPORT_PER_HOUR"),
        }
    }

    fn import(&mut self, data_dir: &Path) -> ImportSettings {
        ImportSettings {
            workers: self.number("IMPORT_WORKERS", 1usize, 64),
            upstream_proxy: self.secret("IMPORT_UPSTREAM_PROXY"),
            ca_file: self.path("IMPORT_CA_FILE"),
            max_duration_sec: self.number("IMPORT_MAX_DURATION_SEC", 1u64, 86_400),
            max_bytes: self.number("IMPORT_MAX_BYTES", 1u64 << 16, 1 << 40),
            tools_dir: self.path("TOOLS_DIR").unwrap_or_else(|| data_dir.join("tools")),
            ytdlp_path: self.path("YTDLP_PATH"),
            ffmpeg_path: self.path("FFMPEG_PATH"),
            js_runtime_path: self.path("JS_RUNTIME_PATH"),
        }
    }

    fn jobs(&mut self) -> JobSettings {
        JobSettings {
            lease: self.seconds("JOB_LEASE_SECONDS", 3, 3_600),
            timeout: self.seconds("JOB_TIMEOUT_SECONDS", 10, 86_400),
            max_attempts: self.number("JOB_MAX_ATTEMPTS", 1, 100),
            retry_base: self.seconds("JOB_RETRY_BASE_SECONDS", 1, 3_600),
        }
    }

    fn service_urls(&mut self) -> ServiceUrls {
        ServiceUrls {
            auth: self.http_url("AUTH_SERVICE_URL"),
            search: self.http_url("SEARCH_SERVICE_URL"),
            catalog: self.http_url("CATALOG_SERVICE_URL"),
            download: self.http_url("DOWNLOAD_SERVICE_URL"),
            admin: self.http_url("ADMIN_SERVICE_URL"),
            gateway: self.http_url("GATEWAY_SERVICE_URL"),
            stream: self.http_url("STREAM_SERVICE_URL"),
        }
    }
}
