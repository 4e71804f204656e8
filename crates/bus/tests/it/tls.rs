//! Redis by TLS.

use std::process::Command;

use songkeep_domain::bus::{Bus as _, Notice};
use songkeep_testkit::redis::RedisServer;

use crate::kit::{bus, next, until_connected, worker};

/// Tells the second run of the test that the certificates which the system trusts are those of a server.
const SERVER: &str = "SONGKEEP_TEST_REDIS";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_used_by_tls_when_the_system_trusts_it() {
    if let Ok(url) = std::env::var(SERVER) {
        let bus = songkeep_bus::RedisBus::connect(&url.into(), worker()).unwrap();
        until_connected(&bus).await;
        let mut subscription = bus.subscribe();
        bus.publish(Notice::JobReady).await.unwrap();
        assert_eq!(next(&mut subscription).await, Notice::JobReady);
        return;
    }
    let server = RedisServer::start_with_tls().unwrap();
    let mut same_test = Command::new(std::env::current_exe().unwrap());
    same_test.args(["--exact", "tls::a_server_is_used_by_tls_when_the_system_trusts_it", "--nocapture"]);
    same_test
        .env(SERVER, server.url())
        .env("SSL_CERT_FILE", server.authority_file())
        .env_remove("SSL_CERT_DIR");
    let output = tokio::task::spawn_blocking(move || same_test.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_nobody_trusts_is_not_used() {
    let server = RedisServer::start_with_tls().unwrap();
    let bus = bus(&server, worker());
    tokio::time::timeout(std::time::Duration::from_secs(2), until_connected(&bus)).await.unwrap_err();
    let error = bus.check().await.unwrap_err();
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "not connected to Redis");
}
