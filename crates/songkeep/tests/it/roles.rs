//! What each role needs to be told: with exactly that the binary starts, and without any part of it it
//! refuses and says which.

use std::{process::Stdio, time::Duration};

use futures::future::join_all;
use songkeep::backends::no_hook;
use songkeep_domain::NodeRole;
use songkeep_store::Store;
use songkeep_testkit::{program::Program, servers::Place};
use tokio::{process::Command, time::timeout};

const BINARY: &str = env!("CARGO_BIN_EXE_songkeep");
/// For a start or an end on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const NEEDS: [(NodeRole, &[&str]); 9] = [
    (NodeRole::Web, &["INTERNAL_SERVICE_SECRET", "GATEWAY_SERVICE_URL", "STREAM_SERVICE_URL"]),
    (
        NodeRole::Gateway,
        &[
            "REDIS_URL",
            "JWT_SECRET",
            "INTERNAL_SERVICE_SECRET",
            "AUTH_SERVICE_URL",
            "SEARCH_SERVICE_URL",
            "CATALOG_SERVICE_URL",
            "DOWNLOAD_SERVICE_URL",
            "ADMIN_SERVICE_URL",
        ],
    ),
    (
        NodeRole::Stream,
        &[
            "DATABASE_URL",
            "REDIS_URL",
            "S3_ENDPOINT",
            "S3_ACCESS_KEY",
            "S3_SECRET_KEY",
            "INTERNAL_SERVICE_SECRET",
        ],
    ),
    (NodeRole::Auth, &["DATABASE_URL", "REDIS_URL", "JWT_SECRET", "INTERNAL_SERVICE_SECRET", "SMTP_URL"]),
    (NodeRole::Search, &["INTERNAL_SERVICE_SECRET"]),
    (NodeRole::Catalog, &["DATABASE_URL", "REDIS_URL", "INTERNAL_SERVICE_SECRET"]),
    (NodeRole::Download, &["DATABASE_URL", "REDIS_URL", "INTERNAL_SERVICE_SECRET"]),
    (NodeRole::Admin, &["DATABASE_URL", "REDIS_URL", "INTERNAL_SERVICE_SECRET"]),
    (NodeRole::Worker, &["DATABASE_URL", "REDIS_URL", "S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY"]),
];

struct World {
    place: Place,
    folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let place = Place::fresh().await.unwrap();
        let store = Store::connect(&place.database_url.as_str().into(), no_hook()).await.unwrap();
        store.migrate().await.unwrap();
        store.close().await;
        Self { place, folder: tempfile::tempdir().unwrap() }
    }

    fn value(&self, name: &str) -> String {
        let known = self.place.settings().into_iter().find(|(its, _)| *its == name);
        match (known, name) {
            (Some((_, value)), _) => value.to_owned(),
            (None, "JWT_SECRET") => "9f3c1b7ae05d4c6288f1d23b5a7e9c04".to_owned(),
            (None, "INTERNAL_SERVICE_SECRET") => "b1e6d8f02c7a4935a6d1f8e3c5b70942".to_owned(),
            (None, "SMTP_URL") => "smtps://songkeep:pass@127.0.0.1:9".to_owned(),
            (None, _) => "http://127.0.0.1:9".to_owned(),
        }
    }

    /// What a role is told in production, and where it may be on this machine.
    fn environment<'a>(&self, told: impl Iterator<Item = &'a &'a str>) -> Vec<(String, String)> {
        let here = [
            ("APP_ENV", "production".to_owned()),
            ("SONGKEEP_WEB_ADDR", "127.0.0.1:0".to_owned()),
            ("SONGKEEP_GATEWAY_ADDR", "127.0.0.1:0".to_owned()),
            ("SONGKEEP_STREAM_ADDR", "127.0.0.1:0".to_owned()),
            ("SONGKEEP_INTERNAL_ADDR", "127.0.0.1:0".to_owned()),
            ("SONGKEEP_DATA_DIR", self.folder.path().display().to_string()),
            ("TOOLS_DIR", crate::kit::test_tools_dir().display().to_string()),
            ("REDIS_NAMESPACE", self.place.redis_namespace.clone()),
            ("S3_BUCKET", self.place.bucket.clone()),
            ("SHUTDOWN_DRAIN_SECONDS", "0".to_owned()),
        ];
        let here = here.map(|(name, value)| (name.to_owned(), value));
        here.into_iter().chain(told.map(|name| ((*name).to_owned(), self.value(name)))).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_starts_with_what_it_needs_and_nothing_more() {
    assert_eq!(NEEDS.map(|(role, _)| role), NodeRole::ALL);
    let world = World::new().await;
    join_all(NEEDS.map(async |(role, needs)| {
        let arguments = ["serve", "--roles", role.as_str()];
        let mut program =
            Program::start(BINARY.as_ref(), arguments, &world.environment(needs.iter())).unwrap();
        let started = program.wait_for("Songkeep is ready", PATIENCE).await;
        started.unwrap_or_else(|error| panic!("{role}: {error:#}"));
        assert!(program.terminate(PATIENCE).await.unwrap().success(), "{role}");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_lacks_one_thing_refuses_to_start_and_names_it() {
    let world = World::new().await;
    join_all(NEEDS.map(async |(role, needs)| {
        for missing in needs {
            let mut serve = Command::new(BINARY);
            serve.args(["serve", "--roles", role.as_str()]).env_clear().stdin(Stdio::null());
            serve.envs(world.environment(needs.iter().filter(|name| *name != missing)));
            let ended = timeout(PATIENCE, serve.kill_on_drop(true).output()).await;
            let ended = ended.unwrap_or_else(|_| panic!("{role} serves without {missing}")).unwrap();
            let said = String::from_utf8(ended.stderr).unwrap();
            assert!(!ended.status.success(), "{role} without {missing}: {said}");
            assert!(said.contains(&format!("{missing} must be set")), "{role} without {missing}: {said}");
            for other in needs.iter().filter(|name| *name != missing) {
                let blamed = said.contains(&format!("{other} must be set"));
                assert!(!blamed, "{role} has {other}, and lacks {missing}: {said}");
                let value = world.value(other);
                let is_secret = other.ends_with("SECRET") || other.ends_with("KEY") || *other == "SMTP_URL";
                assert!(!is_secret || !said.contains(&value), "{role} tells its {other}");
            }
        }
    }))
    .await;
}
