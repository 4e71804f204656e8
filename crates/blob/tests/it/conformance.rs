//! What every form of the store must do.

use std::{
    fs,
    io::ErrorKind,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{FutureExt, TryStreamExt, future::join_all};
use songkeep_domain::{Clock, SystemClock, blob::BlobError};

use crate::world::{World, keys, noise, read, sha256};

pub async fn what_was_put_is_named_by_its_hash_and_comes_back_unchanged(world: World) {
    let bytes = noise(3_000_001);
    let stored = world.blobs.put_file(&world.source(&bytes), "audio", "mp4").await.unwrap();
    let hash = sha256(&bytes);
    assert_eq!(stored.key, format!("audio/{}/{hash}.mp4", &hash[..2]));
    assert_eq!((stored.sha256, stored.size_bytes), (hash, 3_000_001));
    let info = world.blobs.stat(&stored.key).await.unwrap().unwrap();
    assert_eq!((info.key, info.size_bytes), (stored.key.clone(), 3_000_001));
    let blob = world.blobs.open(&stored.key).await.unwrap();
    assert_eq!(blob.size_bytes(), 3_000_001);
    assert_eq!(read(&blob, 0..u64::MAX).await.unwrap(), bytes);
}

/// Larger than what is sent in one request.
pub async fn a_long_file_comes_in_and_out_unchanged(world: World) {
    let bytes = noise(20 * 1024 * 1024 + 1);
    let key = world.put(&bytes).await;
    let blob = world.others.open(&key).await.unwrap();
    assert_eq!(blob.size_bytes(), bytes.len() as u64);
    assert_eq!(sha256(&read(&blob, 0..u64::MAX).await.unwrap()), sha256(&bytes));
    assert_eq!(world.keys().await, [key]);
}

pub async fn every_range_reads_the_same_bytes_as_the_source(world: World) {
    let bytes = noise(4_000_003);
    let blob = world.blobs.open(&world.put(&bytes).await).await.unwrap();
    let chunk = 128 * 1024;
    let mib = 1024 * 1024;
    for (start, end) in [
        (0, 0),
        (0, 1),
        (0, chunk),
        (1, chunk + 1),
        (chunk - 1, chunk + 1),
        (0, 2 * chunk + 1),
        (mib - 1, 2 * mib + 1),
        (500_000, 999_999),
        (4_095, 4_097),
        (3_999_999, 4_000_003),
        (0, 4_000_003),
    ] {
        let got = read(&blob, start as u64..end as u64).await.unwrap();
        assert!(got == bytes[start..end], "{start}..{end}");
    }
}

pub async fn chunks_are_neither_empty_nor_larger_than_a_buffer(world: World) {
    let key = world.put(&noise(1_000_000)).await;
    let chunks: Vec<Bytes> =
        world.blobs.open(&key).await.unwrap().read(1..1_000_000).try_collect().await.unwrap();
    assert!(chunks.iter().all(|chunk| (1..=128 * 1024).contains(&chunk.len())));
}

pub async fn a_range_beyond_the_end_is_cut_there(world: World) {
    let key = world.put(b"0123456789").await;
    let blob = world.blobs.open(&key).await.unwrap();
    assert_eq!(read(&blob, 8..100).await.unwrap(), b"89");
    assert_eq!(read(&blob, 10..20).await.unwrap(), b"");
    assert_eq!(read(&blob, 500..u64::MAX).await.unwrap(), b"");
    #[expect(clippy::reversed_empty_ranges, reason = "that is the point")]
    let backwards = 5..2;
    assert_eq!(read(&blob, backwards).await.unwrap(), b"");
}

pub async fn an_object_without_bytes_can_be_kept_too(world: World) {
    let key = world.put(b"").await;
    let blob = world.blobs.open(&key).await.unwrap();
    assert_eq!((blob.size_bytes(), read(&blob, 0..10).await.unwrap()), (0, Vec::new()));
    assert_eq!(world.keys().await, [key]);
}

pub async fn the_same_bytes_put_by_many_at_once_are_one_object(world: World) {
    let bytes = noise(500_000);
    let source = world.source(&bytes);
    let puts = join_all((0..16).map(|number| {
        let blobs = if number % 2 == 0 { &world.blobs } else { &world.others };
        blobs.put_file(&source, "audio", "mp4")
    }))
    .await;
    let all: Vec<String> = puts.into_iter().map(|put| put.unwrap().key).collect();
    assert!(all.iter().all(|key| *key == all[0]));
    assert_eq!(world.keys().await, [all[0].clone()]);
    let blob = world.blobs.open(&all[0]).await.unwrap();
    assert_eq!(read(&blob, 0..500_000).await.unwrap(), bytes);
}

pub async fn putting_the_same_bytes_again_renews_the_time(world: World) {
    let key = world.put(b"whole").await;
    let old = world.blobs.stat(&key).await.unwrap().unwrap().modified_at;
    assert!(SystemClock.now().since(old) < Duration::from_secs(3600));
    // Some stores tell whole seconds.
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        assert_eq!(world.put(b"whole").await, key);
        let new = world.blobs.stat(&key).await.unwrap().unwrap();
        assert_eq!(new.size_bytes, 5);
        if new.modified_at > old {
            break;
        }
        assert!(Instant::now() < deadline, "the time stays as it was");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub async fn an_object_deleted_by_another_process_cannot_be_opened(world: World) {
    let key = world.put(b"shared").await;
    world.blobs.open(&key).await.unwrap();
    world.others.delete(&key).await.unwrap();
    assert!(matches!(world.blobs.open(&key).await, Err(BlobError::NotFound(missing)) if missing == key));
    assert_eq!(world.blobs.stat(&key).await.unwrap(), None);
    assert_eq!(world.put(b"shared").await, key);
    let again = world.blobs.open(&key).await.unwrap();
    assert_eq!(read(&again, 0..10).await.unwrap(), b"shared");
}

pub async fn deleting_what_is_not_there_is_a_success(world: World) {
    let key = world.put(b"x").await;
    world.blobs.delete(&key).await.unwrap();
    world.blobs.delete(&key).await.unwrap();
    let never = format!("covers/00/{}.webp", "0".repeat(64));
    world.blobs.delete(&never).await.unwrap();
    assert_eq!(world.blobs.stat(&never).await.unwrap(), None);
    assert!(matches!(world.blobs.open(&never).await, Err(BlobError::NotFound(_))));
}

/// Not even a bucket.
pub async fn a_store_that_nothing_was_put_into_is_empty(world: World) {
    let never = format!("covers/00/{}.webp", "0".repeat(64));
    assert_eq!(world.blobs.stat(&never).await.unwrap(), None);
    world.blobs.delete(&never).await.unwrap();
    assert_eq!(world.others.delete_abandoned_uploads(SystemClock.now()).await.unwrap(), 0);
    assert_eq!(world.keys().await.len(), 0);
}

pub async fn keys_that_we_never_made_are_refused_by_every_method(world: World) {
    let hash = "a".repeat(64);
    fs::write(world.folder().join("secret"), "s").unwrap();
    for key in ["", "../secret", "audio/../../secret", &format!("audio/bb/{hash}.mp4"), ".uploads/x.part"] {
        assert!(matches!(world.blobs.open(key).await, Err(BlobError::BadKey(_))), "open {key:?}");
        assert!(matches!(world.blobs.stat(key).await, Err(BlobError::BadKey(_))), "stat {key:?}");
        assert!(matches!(world.blobs.delete(key).await, Err(BlobError::BadKey(_))), "delete {key:?}");
    }
    for (prefix, extension) in
        [("..", "mp4"), ("audio/x", "mp4"), ("audio", "../mp4"), ("", ""), (".uploads", "mp4")]
    {
        let put = world.blobs.put_file(&world.source(b"x"), prefix, extension).await;
        assert!(matches!(put, Err(BlobError::BadKey(_))), "put {prefix:?} {extension:?}");
    }
    assert!(world.folder().join("secret").exists());
}

pub async fn a_source_that_is_not_there_is_an_error_and_leaves_nothing(world: World) {
    let put = world.blobs.put_file(&world.folder().join("nowhere"), "audio", "mp4").await;
    assert!(matches!(put, Err(BlobError::Io(error)) if error.kind() == ErrorKind::NotFound));
    assert_eq!(world.keys().await.len(), 0);
}

pub async fn the_list_has_every_object_with_its_size(world: World) {
    let puts = (0..40_usize).map(|number| {
        let world = &world;
        async move {
            let prefix = if number % 4 == 0 { "covers" } else { "audio" };
            let source = world.source(&noise(number));
            world.blobs.put_file(&source, prefix, "webp").await.unwrap()
        }
    });
    let mut expected: Vec<(String, u64)> =
        join_all(puts).await.into_iter().map(|stored| (stored.key, stored.size_bytes)).collect();
    expected.sort();
    let mut listed: Vec<(String, u64)> =
        world.others.list().map_ok(|info| (info.key, info.size_bytes)).try_collect().await.unwrap();
    listed.sort();
    assert_eq!(listed, expected);
    world.blobs.delete(&expected[0].0).await.unwrap();
    assert_eq!(keys(&*world.others).await.len(), 39);
}

pub async fn a_put_that_is_dropped_publishes_nothing(world: World) {
    let source = world.folder().join("source");
    fs::File::create(&source).unwrap().set_len(256 * 1024 * 1024).unwrap();
    let mut put = Box::pin(world.blobs.put_file(&source, "audio", "mp4"));
    assert!((&mut put).now_or_never().is_none());
    drop(put);
    assert_eq!(world.keys().await.len(), 0);
    let key = world.put(b"the next one").await;
    assert_eq!(world.keys().await, [key]);
}

pub async fn a_store_that_can_be_used_says_so(world: World) {
    world.blobs.check().await.unwrap();
    world.blobs.check().await.unwrap();
    world.others.check().await.unwrap();
    assert_eq!(world.keys().await.len(), 0);
}

pub async fn many_readers_of_many_objects_each_get_their_own_bytes(world: World) {
    let mut objects = Vec::new();
    for number in 0..8_u8 {
        let mut bytes = noise(300_000);
        bytes[0] = number;
        objects.push((world.put(&bytes).await, bytes));
    }
    let readers = (0..64).map(|number| {
        let (key, bytes) = &objects[number % objects.len()];
        let world = &world;
        async move {
            let blob = world.blobs.open(key).await.unwrap();
            let start = number * 1_000;
            assert_eq!(read(&blob, start as u64..300_000).await.unwrap(), &bytes[start..]);
        }
    });
    join_all(readers).await;
}

pub async fn a_reader_who_leaves_disturbs_nobody(world: World) {
    let bytes = noise(3_000_000);
    let blob = world.blobs.open(&world.put(&bytes).await).await.unwrap();
    for _ in 0..20 {
        let mut stream = Arc::clone(&blob).read(0..3_000_000);
        assert!(stream.try_next().await.unwrap().is_some());
    }
    assert_eq!(read(&blob, 0..3_000_000).await.unwrap(), bytes);
}
