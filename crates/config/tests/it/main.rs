//! Settings from environment, files and secret files; what strict mode and split roles refuse.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::os::unix::fs::PermissionsExt as _;

use secrecy::ExposeSecret as _;
use songkeep_config::{ConfigError, Settings, Values, reference};
use songkeep_domain::NodeRole;

fn values(env: &[(&str, &str)]) -> Result<Values, ConfigError> {
    Values::from_env(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn settings(env: &[(&str, &str)]) -> Settings {
    Settings::from_values(&values(env).unwrap()).unwrap()
}

fn problems<T>(result: Result<T, ConfigError>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn an_empty_environment_is_an_all_in_one_installation() {
    let settings = settings(&[]);
    assert_eq!(settings.web_addr.port(), 3000);
    assert_eq!(settings.internal_addr_for(&NodeRole::ALL).port(), 8010);
    assert_eq!(settings.internal_addr_for(&[NodeRole::Worker]).port(), 8000);
    assert!(!settings.strict && !settings.accounts.email_verify_required);
    assert!(settings.database_url.is_none() && settings.s3.is_none() && settings.redis_url.is_none());
    settings.validate(&NodeRole::ALL).unwrap();
}

#[test]
fn environment_beats_file_and_secret_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("songkeep.toml");
    let secret = folder.path().join("jwt");
    std::fs::write(
        &file,
        "log_level = \"debug\"\nimport_workers = 5\ncors_allowed_origins = [\"https://a.example\"]\n",
    )
    .unwrap();
    std::fs::write(&secret, "from a file\n").unwrap();
    let settings = settings(&[
        ("SONGKEEP_CONFIG", file.to_str().unwrap()),
        ("LOG_LEVEL", "warn"),
        ("JWT_SECRET_FILE", secret.to_str().unwrap()),
    ]);
    assert_eq!(settings.log_level, "warn");
    assert_eq!(settings.import.workers, 5);
    assert_eq!(settings.cors_allowed_origins, ["https://a.example"]);
    assert_eq!(settings.jwt_secret.unwrap().expose_secret(), "from a file");
}

#[test]
fn names_every_unreadable_value_at_once() {
    let read = values(&[
        ("IMPORT_WORKERS", "many"),
        ("SONGKEEP_WEB_ADDR", "3000"),
        ("APP_ENV", "prodd"),
        ("PUBLIC_STREAM_BASE", "ftp://x"),
    ]);
    let problems = problems(Settings::from_values(&read.unwrap()));
    for name in ["IMPORT_WORKERS", "SONGKEEP_WEB_ADDR", "APP_ENV", "PUBLIC_STREAM_BASE"] {
        assert!(problems.contains(name), "{name} is missing from: {problems}");
    }
}

#[test]
fn a_value_given_twice_and_an_unknown_name_in_the_file_are_refused() {
    assert!(problems(values(&[("JWT_SECRET", "a"), ("JWT_SECRET_FILE", "/b")])).contains("keep one"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "jwt_sekret = \"x\"").unwrap();
    let refused = values(&[("SONGKEEP_CONFIG", file.path().to_str().unwrap())]);
    assert!(problems(refused).contains("jwt_sekret is not a setting"));
}

#[test]
fn strict_mode_names_each_missing_or_weak_secret() {
    let long = "0123456789abcdef0123456789abcdef";
    let start = |env: &[(&str, &str)]| problems(settings(env).validate(&NodeRole::ALL));
    let none = start(&[("APP_ENV", "production")]);
    assert!(
        none.contains("JWT_SECRET") && none.contains("INTERNAL_SERVICE_SECRET") && none.contains("SMTP_URL"),
        "{none}"
    );
    let weak = start(&[
        ("APP_ENV", "production"),
        ("JWT_SECRET", "short"),
        ("INTERNAL_SERVICE_SECRET", "change-me-change-me-change-me-change-me"),
        ("EXPOSE_VERIFICATION_TOKEN", "1"),
        ("SMTP_URL", "smtp://localhost"),
    ]);
    assert!(
        weak.contains("too short")
            && weak.contains("from an example")
            && weak.contains("EXPOSE_VERIFICATION_TOKEN"),
        "{weak}"
    );
    let good = start(&[
        ("ENFORCE_STRICT_SECURITY", "1"),
        ("JWT_SECRET", long),
        ("INTERNAL_SERVICE_SECRET", long),
        ("EMAIL_VERIFY_REQUIRED", "0"),
    ]);
    assert_eq!(good, "");
}

#[test]
fn a_single_role_over_embedded_parts_is_refused_with_each_missing_setting() {
    let settings = settings(&[]);
    let text = problems(settings.validate(&[NodeRole::Gateway]));
    for name in
        ["REDIS_URL", "JWT_SECRET", "INTERNAL_SERVICE_SECRET", "AUTH_SERVICE_URL", "ADMIN_SERVICE_URL"]
    {
        assert!(text.contains(name), "{name} is missing from: {text}");
    }
    assert!(!text.contains("S3_ENDPOINT") && !text.contains("DATABASE_URL"), "{text}");
    let worker = problems(settings.validate(&[NodeRole::Worker]));
    assert!(
        worker.contains("DATABASE_URL") && worker.contains("S3_ENDPOINT") && !worker.contains("JWT_SECRET"),
        "{worker}"
    );
}

#[test]
fn only_processes_that_others_call_drain_unless_it_is_said() {
    use NodeRole::{Auth, Gateway, Worker};
    let seconds = |settings: &Settings, roles: &[NodeRole]| settings.shutdown_drain_for(roles).as_secs();
    let unsaid = settings(&[]);
    assert_eq!(seconds(&unsaid, &NodeRole::ALL), 0);
    assert_eq!(seconds(&unsaid, &[Worker]), 0);
    assert_eq!(seconds(&unsaid, &[Gateway]), 5);
    assert_eq!(seconds(&unsaid, &[Auth, Worker]), 5);
    let said = settings(&[("SHUTDOWN_DRAIN_SECONDS", "7")]);
    assert_eq!(seconds(&said, &NodeRole::ALL), 7);
    assert_eq!(seconds(&settings(&[("SHUTDOWN_DRAIN_SECONDS", "0")]), &[Gateway]), 0);
}

#[test]
fn secrets_are_made_once_and_readable_by_the_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let make = || {
        let mut settings = settings(&[("SONGKEEP_DATA_DIR", folder.path().to_str().unwrap())]);
        settings.ensure_secrets().unwrap();
        settings.jwt_secret.unwrap().expose_secret().to_owned()
    };
    let first = make();
    assert_eq!(first.len(), 64);
    assert_eq!(make(), first);
    let mode = std::fs::metadata(folder.path().join("secrets/jwt_secret")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn show_masks_secrets_and_reports_what_is_unused() {
    let read = values(&[("JWT_SECRET", "topsecret"), ("AUTH_SERVICE_NAME", "auth"), ("DB_AUTO_CREATE", "1")])
        .unwrap();
    let shown = reference::show(&read);
    assert!(!shown.contains("topsecret") && shown.contains("********"));
    assert!(shown.contains("AUTH_SERVICE_NAME") && shown.contains("accepted and unused"));
}
