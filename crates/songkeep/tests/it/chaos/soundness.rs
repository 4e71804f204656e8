//! What must be true after each fault.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{SHA256, digest};
use futures::TryStreamExt as _;
use songkeep_domain::{SystemClock, blob::BlobStore, library::CatalogStore as _};
use songkeep_worker::{SweepSettings, Sweeper, SweeperPorts, WorkFolders};

use super::{
    fleet::Fleet,
    load::{ADA, Api, BOB, Load},
};

/// Ends the load and looks at everything. No job took more than `attempts`; all nodes that run are ready.
/// Returns the load, for further looks at its journal.
pub async fn is_sound(fleet: &Fleet, mut load: Load, attempts: u64) -> Load {
    let began = Instant::now();
    load.stop().await;
    load.api.journal.print();
    fleet.all_ready(&fleet.running()).await;
    println!("all nodes ready after {:?}", began.elapsed());
    let mut songs = BTreeMap::new();
    for (email, access) in [ADA, BOB].into_iter().zip(&load.access) {
        songs.extend(library_is_right(&load.api, email, access, attempts).await);
    }
    println!("all jobs done after {:?}", began.elapsed());
    load.all_is_heard().await;
    for email in [ADA, BOB] {
        let heard = load.api.journal.heard_by(email);
        for (what, counts) in [("completed", heard.completed), ("added", heard.added)] {
            assert!(counts.values().all(|&times| times == 1), "{email}: {what} more than once: {counts:?}");
        }
    }
    nobody_is_signed_out(&load).await;
    // One that was queued without an answer is nobody's to wait for, but its object must find its song.
    fleet
        .until_query("SELECT count(*) FROM jobs WHERE status IN ('queued', 'processing')", |count| {
            count == "0"
        })
        .await;
    objects_are_right(fleet, &load.api, &load.access[0], &songs).await;
    load.api.journal.assert_unbroken();
    println!("all looked at after {:?}", began.elapsed());
    load
}

/// Every acknowledged job is completed, once, and the library holds just these songs; source by song.
async fn library_is_right(api: &Api, email: &str, access: &str, attempts: u64) -> BTreeMap<String, String> {
    let jobs = api.journal.jobs_of(email);
    for id in jobs.values() {
        let job = api.finished(access, id).await;
        assert_eq!(job["status"], "completed", "{job}");
        assert!(job["attempt"].as_u64().unwrap() <= attempts, "{job}");
    }
    let library = api.get_at_last(access, "/library?limit=500").await;
    let songs = library["songs"].as_array().unwrap();
    let text = |song: &serde_json::Value, field: &str| song[field].as_str().unwrap().to_owned();
    let sources: BTreeSet<_> = songs.iter().map(|song| text(song, "source_id")).collect();
    assert_eq!((songs.len(), &library["total"]), (sources.len(), &serde_json::json!(sources.len())));
    // One that was not acknowledged may have been queued all the same, but only the one asked for last.
    let more: Vec<_> = sources.iter().filter(|source| !jobs.contains_key(*source)).collect();
    assert!(more.len() <= 1, "nobody asked for {more:?}");
    assert!(jobs.keys().all(|source| sources.contains(source)), "{:?} of {:?}", sources, jobs.keys());
    songs.iter().map(|song| (text(song, "id"), text(song, "source_id"))).collect()
}

async fn nobody_is_signed_out(load: &Load) {
    let mut chains = load.api.journal.sessions();
    assert!(!chains.is_empty(), "somebody signed in");
    chains.push(load.chain().await);
    for refresh in chains {
        let (access, next) = load.api.refresh(&refresh).await.expect("the session stands");
        assert!(load.api.get("me", &access, "/auth/me").await.is_some());
        assert!(load.api.refresh(&next).await.is_some(), "and goes on");
    }
}

/// Every object is what its name says, every song can be played and is one of them, and after a sweep
/// without any grace nothing else is there.
async fn objects_are_right(fleet: &Fleet, api: &Api, access: &str, songs: &BTreeMap<String, String>) {
    let blobs = Arc::new(fleet.blobs());
    let stored = sums_of(&*blobs).await;
    let rows = fleet.query("SELECT source_id, sha256, storage_key, size_bytes FROM songs ORDER BY 1").await;
    let mut sources = BTreeSet::new();
    for row in rows.lines() {
        let [source, sum, key, size] = row.split('|').collect::<Vec<_>>().try_into().unwrap();
        assert!(sources.insert(source.to_owned()), "one song for each source: {rows}");
        let (its_sum, its_size) = stored.get(key).unwrap_or_else(|| panic!("{source} lacks {key}"));
        assert_eq!((its_sum.as_str(), its_size.to_string().as_str()), (sum, size), "{source}");
    }
    assert!(songs.values().all(|source| sources.contains(source)), "{rows}");
    let played = songs.keys().next().expect("a song");
    let path = api.stream_path(access, played).await.expect("all is well again");
    let heard = api.stream(&path, None).await.expect("all is well again");
    assert!(stored.values().any(|(sum, _)| *sum == sum_of(&heard)), "what is played is what is stored");

    let store = Arc::new(fleet.store().await);
    let ports = SweeperPorts {
        jobs: store.clone(),
        catalog: store.clone(),
        events: store.clone(),
        blobs: blobs.clone(),
        clock: Arc::new(SystemClock),
    };
    let folder = tempfile::tempdir().unwrap();
    let none = SweepSettings {
        orphan_grace: Duration::ZERO,
        object_grace: Duration::ZERO,
        ..SweepSettings::default()
    };
    let sweeper = Sweeper::new(ports, WorkFolders::new(folder.path().to_owned()), none);
    let report = sweeper.sweep_once().await;
    assert_eq!((report.failed_steps, report.songs), (0, 0), "{report:?}");
    println!("the sweep: {report:?}");
    let again = sweeper.sweep_once().await;
    assert_eq!((again.failed_steps, again.objects, again.uploads), (0, 0, 0), "{again:?}");
    let mut left: Vec<_> = sums_of(&*blobs).await.into_keys().collect();
    let mut referenced = store.list_referenced_keys(&left).await.unwrap();
    left.sort();
    referenced.sort();
    assert_eq!(left, referenced, "every object belongs to a song");
    store.close().await;
}

/// Key, SHA-256 and size of every object; the key says the same sum.
async fn sums_of(blobs: &dyn BlobStore) -> BTreeMap<String, (String, usize)> {
    let listed: Vec<_> = blobs.list().try_collect().await.unwrap();
    let mut sums = BTreeMap::new();
    for info in listed {
        let bytes = read(blobs, &info.key).await;
        let sum = sum_of(&bytes);
        assert!(info.key.contains(&sum), "{} holds {sum}", info.key);
        sums.insert(info.key, (sum, bytes.len()));
    }
    sums
}

async fn read(blobs: &dyn BlobStore, key: &str) -> Vec<u8> {
    let blob = blobs.open(key).await.unwrap();
    let size = blob.size_bytes();
    let chunks: Vec<_> = blob.read(0..size).try_collect().await.unwrap();
    chunks.concat()
}

fn sum_of(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
