//! The list of all settings. The reference, `.env.example` and `songkeep config show` are made from it.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Name in the environment; in the settings file the same in lower case.
    pub name: &'static str,
    pub group: &'static str,
    /// None: unset unless somebody sets it.
    pub default: Option<&'static str>,
    /// Never shown.
    pub secret: bool,
    pub about: &'static str,
}

const fn spec(
    name: &'static str,
    group: &'static str,
    default: Option<&'static str>,
    about: &'static str,
) -> Spec {
    Spec { name, group, default, secret: false, about }
}

const fn secret(name: &'static str, group: &'static str, about: &'static str) -> Spec {
    Spec { name, group, default: None, secret: true, about }
}

const GENERAL: &str = "General";
const LISTEN: &str = "Listeners";
const DATA: &str = "Data";
const ACCOUNTS: &str = "Accounts";
const MAIL: &str = "Mail";
const LIMITS: &str = "Rate limits";
const STREAM: &str = "Streaming";
const IMPORT: &str = "Search and import";
const JOBS: &str = "Jobs";
const SERVICES: &str = "Services in other processes";
const OLD: &str = "Accepted for older installations";

/// Every setting, in the order of the reference.
pub const SPECS: &[Spec] = &[
    spec(
        "APP_ENV",
        GENERAL,
        Some("development"),
        "`development`, `test`, `staging` or `production`. The last two are strict: secrets must be set and long, cookies are `Secure`, `/metrics` is not public.",
    ),
    spec("ENFORCE_STRICT_SECURITY", GENERAL, Some("0"), "1 makes any environment strict."),
    spec(
        "APP_DOMAIN",
        GENERAL,
        None,
        "Host name that people use, such as `music.example.com`. Pages of `https://APP_DOMAIN` may call the API.",
    ),
    spec(
        "PUBLIC_WEB_URL",
        GENERAL,
        None,
        "Base of every link in mails and printed links. Default: `https://APP_DOMAIN`, else `http://localhost:3000`.",
    ),
    spec(
        "LOG_LEVEL",
        GENERAL,
        Some("info"),
        "A level (`error`, `warn`, `info`, `debug`, `trace`) or filter directives such as `info,songkeep_jobs=debug`.",
    ),
    spec("LOG_FORMAT", GENERAL, Some("text"), "`text` for people, `json` for collectors."),
    spec(
        "SONGKEEP_CONFIG",
        GENERAL,
        None,
        "Path of a TOML file with settings; names in lower case. The environment wins over it.",
    ),
    spec(
        "SONGKEEP_WEB_ADDR",
        LISTEN,
        Some("127.0.0.1:3000"),
        "Web page, with the API under `/api`. `0.0.0.0:3000` opens it to your network.",
    ),
    spec("ADMIN_WEB", LISTEN, Some("1"), "0: the web listener has no admin app under `/admin`."),
    spec("SONGKEEP_GATEWAY_ADDR", LISTEN, Some("127.0.0.1:8000"), "The public API."),
    spec("SONGKEEP_STREAM_ADDR", LISTEN, Some("127.0.0.1:8005"), "Bytes of songs."),
    spec(
        "SONGKEEP_INTERNAL_ADDR",
        LISTEN,
        None,
        "Health, readiness, metrics and calls between services. Default: `127.0.0.1:8010` with the role gateway or web, else `127.0.0.1:8000`.",
    ),
    spec(
        "TRUSTED_PROXIES",
        LISTEN,
        None,
        "Addresses or networks of reverse proxies in front, comma-separated (`10.0.0.0/8,::1`). Only they are believed in `X-Forwarded-*`.",
    ),
    spec(
        "CORS_ALLOWED_ORIGINS",
        LISTEN,
        None,
        "Origins of other pages that may call the API, comma-separated. Default: localhost and 127.0.0.1 on ports 3000 and 3001 in development, none in strict mode.",
    ),
    spec(
        "SHUTDOWN_GRACE_SECONDS",
        LISTEN,
        Some("20"),
        "How long running requests and imports may take to finish at shutdown; imports are handed back after that.",
    ),
    spec(
        "SHUTDOWN_DRAIN_SECONDS",
        LISTEN,
        None,
        "How long a process that was told to stop goes on serving while `/ready` says 503, so that balancers send it nothing more. Default: 5, and 0 for an all-in-one process and for workers.",
    ),
    spec(
        "SONGKEEP_DATA_DIR",
        DATA,
        Some("data"),
        "Folder of everything that an all-in-one installation keeps.",
    ),
    secret(
        "DATABASE_URL",
        DATA,
        "`postgresql://…` (also `postgresql+psycopg://…`). Unset: SQLite in the data folder.",
    ),
    secret("REDIS_URL", DATA, "`redis://…` of Redis or Valkey. Unset: messages stay in the process."),
    spec(
        "REDIS_NAMESPACE",
        DATA,
        Some("songkeep"),
        "What all keys and channels begin with, so that several installations can share a Redis.",
    ),
    spec("S3_ENDPOINT", DATA, None, "URL of an S3 service. Unset: files in the data folder."),
    secret("S3_ACCESS_KEY", DATA, "Access key of the S3 service."),
    secret("S3_SECRET_KEY", DATA, "Secret key of the S3 service."),
    spec("S3_BUCKET", DATA, Some("songkeep"), "Bucket for audio and images."),
    spec("S3_REGION", DATA, Some("us-east-1"), "Region of the bucket."),
    spec("S3_CREATE_BUCKET", DATA, Some("1"), "1: make the bucket when it is not there."),
    spec(
        "S3_PUBLIC_ENDPOINT",
        DATA,
        None,
        "URL under which listeners reach the S3 service; needed for `STREAM_DELIVERY=redirect`.",
    ),
    spec(
        "RETENTION_ORPHAN_HOURS",
        DATA,
        Some("24"),
        "A song that nobody has any more, and an object that no song refers to, are deleted after this.",
    ),
    spec("RETENTION_EVENT_DAYS", DATA, Some("7"), "How long clients can catch up on events."),
    spec("RETENTION_JOB_DAYS", DATA, Some("90"), "How long finished imports are listed."),
    spec("RETENTION_SESSION_DAYS", DATA, Some("30"), "How long ended sessions and used tokens are kept."),
    secret(
        "JWT_SECRET",
        ACCOUNTS,
        "Signs access tokens and derives refresh tokens; at least 32 characters in strict mode. An all-in-one process makes its own in the data folder.",
    ),
    secret(
        "INTERNAL_SERVICE_SECRET",
        ACCOUNTS,
        "Signs calls between services and stream addresses; at least 32 characters in strict mode. An all-in-one process makes its own in the data folder.",
    ),
    spec("JWT_ACCESS_MINUTES", ACCOUNTS, Some("30"), "Life of an access token."),
    spec("JWT_REFRESH_DAYS", ACCOUNTS, Some("14"), "Life of a sign-in that is not used."),
    spec("REFRESH_COOKIE_NAME", ACCOUNTS, Some("refresh_token"), "Name of the refresh cookie."),
    spec("REFRESH_COOKIE_SECURE", ACCOUNTS, None, "1: only over https. Default: 1 in strict mode, else 0."),
    spec("REFRESH_COOKIE_SAMESITE", ACCOUNTS, Some("lax"), "`lax`, `strict` or `none`."),
    spec(
        "REFRESH_COOKIE_DOMAIN",
        ACCOUNTS,
        None,
        "Domain of the refresh cookie. Unset: the host itself only.",
    ),
    spec(
        "EMAIL_VERIFY_REQUIRED",
        ACCOUNTS,
        None,
        "1: an address must be verified by mail before sign-in. Default: 1 with SMTP_URL or in strict mode, else 0.",
    ),
    spec(
        "EXPOSE_VERIFICATION_TOKEN",
        ACCOUNTS,
        Some("0"),
        "1: sign-up answers with the verification token. For tests only; strict mode refuses it.",
    ),
    spec(
        "ADMIN_BOOTSTRAP_EMAIL",
        ACCOUNTS,
        None,
        "The account with this address becomes admin when it is verified by mail and no admin exists.",
    ),
    spec("PASSWORD_HASH_MEMORY_KIB", ACCOUNTS, Some("19456"), "Memory of one Argon2id hash."),
    spec("PASSWORD_HASH_ITERATIONS", ACCOUNTS, Some("2"), "Passes of one Argon2id hash."),
    secret(
        "SMTP_URL",
        MAIL,
        "`smtps://user:password@host:465` or `smtp://…:587?tls=required`. Unset: mails are written to the log (development only).",
    ),
    spec("MAIL_FROM", MAIL, Some("Songkeep <songkeep@localhost>"), "Sender of mails."),
    spec("RATE_LIMIT_SIGNIN_IP_PER_MIN", LIMITS, Some("20"), "Sign-ins of one client address."),
    spec(
        "RATE_LIMIT_SIGNIN_EMAIL_PER_MIN",
        LIMITS,
        Some("10"),
        "Sign-ins of one client address to one account.",
    ),
    spec("RATE_LIMIT_SIGNUP_IP_PER_HOUR", LIMITS, Some("30"), "Sign-ups of one client address."),
    spec(
        "RATE_LIMIT_RESET_IP_PER_HOUR",
        LIMITS,
        Some("30"),
        "Requests for a new password, and new passwords by a mailed link, of one client address.",
    ),
    spec(
        "RATE_LIMIT_RESET_EMAIL_PER_HOUR",
        LIMITS,
        Some("5"),
        "Mails with a link for a new password to one address.",
    ),
    spec("RATE_LIMIT_SEARCH_PER_MIN", LIMITS, Some("120"), "Searches of one account."),
    spec("RATE_LIMIT_IMPORT_PER_HOUR", LIMITS, Some("120"), "Imports of one account."),
    spec(
        "PUBLIC_STREAM_BASE",
        STREAM,
        None,
        "Base of stream addresses, such as `https://music.example.com/api`. Unset: built from the address that the caller used.",
    ),
    spec(
        "STREAM_URL_TTL_SECONDS",
        STREAM,
        Some("90"),
        "Life of a stream address, to which twice the song's length is added.",
    ),
    spec(
        "STREAM_DELIVERY",
        STREAM,
        Some("proxy"),
        "`proxy`: the bytes come through Songkeep. `redirect`: listeners are sent to the S3 service with an address that holds for five minutes.",
    ),
    spec("IMPORT_WORKERS", IMPORT, Some("2"), "Imports at the same time."),
    secret(
        "IMPORT_UPSTREAM_PROXY",
        IMPORT,
        "`http://…` or `socks5://…` through which search and import go out.",
    ),
    spec(
        "IMPORT_CA_FILE",
        IMPORT,
        None,
        "PEM file with certificates that search and import trust besides the usual ones.",
    ),
    spec("IMPORT_MAX_DURATION_SEC", IMPORT, Some("7200"), "Longest recording that is imported."),
    spec("IMPORT_MAX_BYTES", IMPORT, Some("536870912"), "Largest download that is accepted."),
    spec("TOOLS_DIR", IMPORT, None, "Folder of the managed tools. Default: `tools` in the data folder."),
    spec("YTDLP_PATH", IMPORT, None, "Folder of a yt-dlp Python package to use instead of the managed one."),
    spec("FFMPEG_PATH", IMPORT, None, "An ffmpeg to use instead of the managed one."),
    spec(
        "JS_RUNTIME_PATH",
        IMPORT,
        None,
        "A deno (2.3 or newer) or node (22 or newer) to use instead of the managed one.",
    ),
    spec(
        "JOB_LEASE_SECONDS",
        JOBS,
        Some("30"),
        "A worker that is silent for so long loses its import to another.",
    ),
    spec("JOB_TIMEOUT_SECONDS", JOBS, Some("1800"), "Longest time for one attempt at an import."),
    spec("JOB_MAX_ATTEMPTS", JOBS, Some("5"), "Attempts at an import that fails for passing reasons."),
    spec(
        "JOB_RETRY_BASE_SECONDS",
        JOBS,
        Some("10"),
        "Wait before the second attempt; it triples with each further one, up to half an hour.",
    ),
    spec(
        "AUTH_SERVICE_URL",
        SERVICES,
        None,
        "Internal address of the auth service, such as `http://auth-service:8000`.",
    ),
    spec("SEARCH_SERVICE_URL", SERVICES, None, "Internal address of the search service."),
    spec("CATALOG_SERVICE_URL", SERVICES, None, "Internal address of the catalog service."),
    spec("DOWNLOAD_SERVICE_URL", SERVICES, None, "Internal address of the download service."),
    spec("ADMIN_SERVICE_URL", SERVICES, None, "Internal address of the admin service."),
    spec("GATEWAY_SERVICE_URL", SERVICES, None, "Public address of the gateway, for the role web."),
    spec("STREAM_SERVICE_URL", SERVICES, None, "Public address of the stream service, for the role web."),
    secret("CELERY_BROKER_URL", OLD, "Stands in for an unset REDIS_URL."),
    spec("CELERY_RESULT_BACKEND", OLD, None, "Unused."),
    spec(
        "DB_AUTO_CREATE",
        OLD,
        None,
        "Unused: a process on SQLite migrates at its start, PostgreSQL needs `songkeep migrate`.",
    ),
];

/// Variables of older installations that mean nothing any more, by suffix.
pub const UNUSED_SUFFIX: &str = "_SERVICE_NAME";

/// Names that are accepted and reported as unused.
pub const UNUSED: &[&str] = &["CELERY_RESULT_BACKEND", "DB_AUTO_CREATE"];

#[must_use]
pub fn find(name: &str) -> Option<&'static Spec> {
    SPECS.iter().find(|spec| spec.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_secrets_have_no_default() {
        let mut seen = std::collections::HashSet::new();
        for spec in SPECS {
            assert!(seen.insert(spec.name), "{} stands twice", spec.name);
            assert!(!spec.secret || spec.default.is_none(), "{} is a secret with a default", spec.name);
        }
    }
}
