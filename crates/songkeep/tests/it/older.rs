//! The environment of an older installation, as it is: one program does all with it, and so does one for
//! each service.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use futures::future::join_all;
use songkeep_config::{Settings, Values};
use songkeep_domain::NodeRole;
use songkeep_testkit::{
    fake_youtube::{Catalog, FakeYouTube},
    program::Program,
    servers::Place,
};

use crate::{compose::deployment::own_address, kit::App, operations::Binary, walk::the_main_job};

/// For a start or a migration on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const SESSION_SECRET: &str = "an operator's own secret for sessions";
const SERVICE_SECRET: &str = "an operator's own secret for services";
/// What older installations set and this version does without.
const UNUSED: [&str; 9] = [
    "ADMIN_SERVICE_NAME",
    "AUTH_SERVICE_NAME",
    "CATALOG_SERVICE_NAME",
    "CELERY_RESULT_BACKEND",
    "DB_AUTO_CREATE",
    "DOWNLOAD_SERVICE_NAME",
    "GATEWAY_SERVICE_NAME",
    "SEARCH_SERVICE_NAME",
    "STREAM_SERVICE_NAME",
];

struct Installation {
    place: Place,
    youtube: FakeYouTube,
    folder: tempfile::TempDir,
    /// What people see.
    host: Ipv4Addr,
    /// Inner addresses of the services, in the order of the roles.
    inner: [Ipv4Addr; 9],
}

impl Installation {
    async fn new() -> Self {
        Self {
            place: Place::fresh().await.unwrap(),
            youtube: FakeYouTube::start(Catalog::tiny().await.unwrap()).await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
            host: own_address(),
            inner: [(); 9].map(|()| own_address()),
        }
    }

    fn inner(&self, role: NodeRole) -> SocketAddr {
        let at = NodeRole::ALL.iter().position(|its| *its == role).expect("all are in it");
        (self.inner[at], 8000).into()
    }

    /// The operator's file, the same for all services.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let place = &self.place;
        let database = place.database_url.replace("postgresql://", "postgresql+psycopg://");
        let inner = |role| format!("http://{}", self.inner(role));
        let mut environment = vec![
            ("APP_ENV", "development".to_owned()),
            ("ENFORCE_STRICT_SECURITY", "0".to_owned()),
            ("JWT_SECRET", SESSION_SECRET.to_owned()),
            ("INTERNAL_SERVICE_SECRET", SERVICE_SECRET.to_owned()),
            ("DATABASE_URL", database),
            ("DB_AUTO_CREATE", "1".to_owned()),
            ("CELERY_BROKER_URL", format!("{}/0", place.redis_url)),
            ("CELERY_RESULT_BACKEND", format!("{}/1", place.redis_url)),
            ("S3_ENDPOINT", place.s3_endpoint.clone()),
            ("S3_ACCESS_KEY", place.s3_access_key.clone()),
            ("S3_SECRET_KEY", place.s3_secret_key.clone()),
            ("S3_BUCKET", place.bucket.clone()),
            ("S3_REGION", "us-east-1".to_owned()),
            ("CORS_ALLOWED_ORIGINS", "http://localhost:3000,http://localhost:3001".to_owned()),
            ("REFRESH_COOKIE_NAME", "refresh_token".to_owned()),
            ("REFRESH_COOKIE_SECURE", "false".to_owned()),
            ("REFRESH_COOKIE_SAMESITE", "lax".to_owned()),
            // As compose files pass on what is not set.
            ("REFRESH_COOKIE_DOMAIN", String::new()),
            ("PUBLIC_STREAM_BASE", String::new()),
            ("STREAM_URL_TTL_SECONDS", "90".to_owned()),
            ("JWT_ACCESS_MINUTES", "30".to_owned()),
            ("JWT_REFRESH_DAYS", "14".to_owned()),
            ("EMAIL_VERIFY_REQUIRED", "true".to_owned()),
            ("EXPOSE_VERIFICATION_TOKEN", "true".to_owned()),
            ("ADMIN_BOOTSTRAP_EMAIL", "admin@example.com".to_owned()),
            ("OAUTH_GOOGLE_CLIENT_ID", String::new()),
            ("OAUTH_GOOGLE_CLIENT_SECRET", String::new()),
            ("OAUTH_GOOGLE_REDIRECT_URI", "http://localhost:8000/auth/google/callback".to_owned()),
            ("RATE_LIMIT_SIGNIN_IP_PER_MIN", "20".to_owned()),
            ("RATE_LIMIT_SIGNIN_EMAIL_PER_MIN", "10".to_owned()),
            ("RATE_LIMIT_SIGNUP_IP_PER_HOUR", "30".to_owned()),
            ("AUTH_SERVICE_URL", inner(NodeRole::Auth)),
            ("SEARCH_SERVICE_URL", inner(NodeRole::Search)),
            ("CATALOG_SERVICE_URL", inner(NodeRole::Catalog)),
            ("DOWNLOAD_SERVICE_URL", inner(NodeRole::Download)),
            ("ADMIN_SERVICE_URL", inner(NodeRole::Admin)),
            ("STREAM_SERVICE_URL", format!("http://{}:8005", self.host)),
            // Of this machine and its stand-in for YouTube.
            ("LOG_LEVEL", "info".to_owned()),
            ("SHUTDOWN_DRAIN_SECONDS", "0".to_owned()),
            ("SONGKEEP_WEB_ADDR", format!("{}:3000", self.host)),
            ("SONGKEEP_GATEWAY_ADDR", format!("{}:8000", self.host)),
            ("SONGKEEP_STREAM_ADDR", format!("{}:8005", self.host)),
            ("REDIS_NAMESPACE", place.redis_namespace.clone()),
            ("IMPORT_UPSTREAM_PROXY", self.youtube.proxy_url()),
            ("IMPORT_CA_FILE", self.youtube.ca_file().display().to_string()),
        ];
        environment.extend(
            UNUSED.iter().filter(|name| name.ends_with("_NAME")).map(|name| (*name, name.to_lowercase())),
        );
        environment
    }

    /// The binary with this environment and more, in a folder of that name.
    fn binary<R>(&self, name: &str, more: &[(&str, String)], run: impl FnOnce(Binary<'_>) -> R) -> R {
        let environment = self.environment();
        let all: Vec<_> =
            environment.iter().chain(more).map(|(name, value)| (*name, value.as_str())).collect();
        run(Binary::new(&self.folder.path().join(name), "run", &all))
    }

    async fn migrate(&self) {
        let mut program = self.binary("migrate", &[], |binary| binary.run(&["migrate"]));
        program.wait_for("The database is up to date.", PATIENCE).await.unwrap();
    }

    /// Starts a process with these roles that listens for its like at the first one's address.
    async fn serve(&self, roles: &[NodeRole]) -> Program {
        let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        let mut more = vec![("SONGKEEP_INTERNAL_ADDR", self.inner(roles[0]).to_string())];
        if roles == [NodeRole::Web] {
            // A service that older installations did not have.
            more.push(("GATEWAY_SERVICE_URL", format!("http://{}:8000", self.host)));
        }
        let arguments = ["serve", "--roles", &names.join(",")];
        let mut program = self.binary(names[0], &more, |binary| binary.run(&arguments));
        let started = program.wait_for("Songkeep is ready", PATIENCE).await;
        let log = self.binary(names[0], &[], |binary| binary.log());
        started.unwrap_or_else(|error| panic!("{names:?}: {error:#}: {log}"));
        for name in UNUSED {
            assert!(
                log.contains(&format!("{name} is set and means nothing to this version")),
                "{name}: {log}"
            );
        }
        assert!(!log.contains(SESSION_SECRET) && !log.contains(SERVICE_SECRET), "{log}");
        program
    }

    async fn does_the_main_job(self, programs: Vec<Program>) {
        let environment = self.environment().into_iter();
        let environment = environment.map(|(name, value)| (name.to_owned(), value));
        let settings = Settings::from_values(&Values::from_env(environment).unwrap()).unwrap();
        let settings = Settings { data_dir: self.folder.path().join("test"), ..settings };
        let app = App::around(programs, settings, self.youtube, self.folder).await;
        the_main_job(&app).await;
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_program_does_all_with_the_environment_of_an_older_installation() {
    let installation = Installation::new().await;
    installation.migrate().await;
    let program = installation.serve(&NodeRole::ALL).await;
    installation.does_the_main_job(vec![program]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_for_each_service_does_it_too() {
    let installation = Installation::new().await;
    installation.migrate().await;
    let programs = NodeRole::ALL.map(async |role| installation.serve(&[role]).await);
    let programs = join_all(programs).await;
    installation.does_the_main_job(programs).await;
}
