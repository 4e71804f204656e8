//! What only SQLite has: files, copies of them, readers beside the writer.

use std::time::{Duration, Instant};

use songkeep_domain::{UserRole, user::UserStore as _};
use songkeep_store::Store;

use crate::world::{World, address, at_once, new_user};

#[tokio::test]
async fn a_copy_is_whole_and_never_overwrites() {
    let world = World::sqlite().await;
    let user = world.user_named("someone@example.com", UserRole::User).await;
    let copy = world.folder().join("copy's.db");
    world.store.backup_sqlite(&copy).await.unwrap();
    world.user_named("later@example.com", UserRole::User).await;
    assert!(world.store.backup_sqlite(&copy).await.is_err());

    let url = format!("sqlite://{}", copy.display());
    let restored = Store::connect(&url.as_str().into(), std::sync::Arc::new(Unheard)).await.unwrap();
    restored.check_schema().await.unwrap();
    assert!(restored.find_user(user).await.unwrap().is_some());
    assert!(restored.find_credentials(&address("later@example.com")).await.unwrap().is_none());
}

struct Unheard;

impl songkeep_domain::bus::CommitHook for Unheard {
    fn committed(&self, _: Vec<songkeep_domain::bus::Notice>) {}
}

#[tokio::test]
async fn addresses_of_other_databases_are_refused() {
    for url in ["mysql://localhost/songkeep", "songkeep.db", "sqlite:///no/such/folder/songkeep.db"] {
        assert!(Store::connect(&url.into(), std::sync::Arc::new(Unheard)).await.is_err(), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_of_several_processes_wait_for_each_other() {
    let world = World::sqlite().await;
    let stores = [world.store.clone(), world.another().await, world.another().await];
    let began = Instant::now();
    let results = at_once(150, |n| {
        let store = stores[n % 3].clone();
        let new = new_user(&format!("user{n}@example.com"), UserRole::User);
        async move {
            let id = new.id;
            store.create_user(new, None).await.map(drop)?;
            store.find_user(id).await
        }
    })
    .await;
    assert!(results.iter().all(|result| matches!(result, Ok(Some(_)))), "{results:?}");
    assert!(began.elapsed() < Duration::from_secs(30));
}
