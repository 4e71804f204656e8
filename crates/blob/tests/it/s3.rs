//! The cases on a real S3 service and what is particular to it. All in one test, as the service takes
//! seconds to start.

use std::{error::Error, io::ErrorKind, sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use object_store::{
    ObjectStore, ObjectStoreExt, PutPayload,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path as ObjectPath,
};
use secrecy::ExposeSecret;
use songkeep_blob::{S3Blobs, S3Settings};
use songkeep_domain::blob::{BlobError, BlobStore};
use songkeep_testkit::s3::S3Server;

use crate::{
    CASES, s3_faults,
    world::{World, keys, noise, read, s3_settings, write_source},
};

/// A case that takes longer hangs.
const CASE_LIMIT: Duration = Duration::from_secs(60);
/// Cases that run at the same time.
const AT_ONCE: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_s3_form_does_what_every_form_must_and_survives_its_service() {
    let mut server = S3Server::start().unwrap();
    let cases = CASES.iter().map(|(name, case)| (*name, case(World::s3(&server))));
    let own = particular_cases(&server).into_iter().chain(s3_faults::cases(&server));
    let all: Vec<_> = cases.chain(own).collect();
    let failed: Vec<String> = stream::iter(all)
        .map(|(name, case)| async move {
            match tokio::time::timeout(CASE_LIMIT, tokio::spawn(case)).await {
                Ok(Ok(())) => None,
                Ok(Err(_)) => Some(format!("{name} failed")),
                Err(_) => Some(format!("{name} hangs")),
            }
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(|failure| async { failure })
        .collect()
        .await;
    assert!(failed.is_empty(), "{failed:#?}");
    s3_faults::a_service_killed_during_an_upload_shows_nothing_of_it(&mut server).await;
}

pub type OwnCase = (&'static str, std::pin::Pin<Box<dyn Future<Output = ()> + Send>>);

macro_rules! own_cases {
    ($settings:expr; $($case:ident,)+) => {
        vec![$((stringify!($case), Box::pin($case($settings)) as std::pin::Pin<Box<_>>),)+]
    };
}
pub(crate) use own_cases;

fn particular_cases(server: &S3Server) -> Vec<OwnCase> {
    own_cases! { s3_settings(server);
        a_bucket_is_made_only_if_allowed,
        wrong_keys_are_told_without_telling_them,
        foreign_objects_are_not_listed,
        a_list_of_several_pages_has_every_object,
        an_address_for_clients_gives_the_bytes_with_their_type,
        an_object_deleted_while_it_is_read_gives_an_error,
        a_bucket_that_went_away_is_made_again,
    }
}

/// The bucket, past the store.
fn raw(settings: &S3Settings) -> AmazonS3 {
    AmazonS3Builder::new()
        .with_endpoint(&settings.endpoint)
        .with_bucket_name(&settings.bucket)
        .with_region(&settings.region)
        .with_access_key_id(settings.access_key.expose_secret())
        .with_secret_access_key(settings.secret_key.expose_secret())
        .with_allow_http(true)
        .build()
        .unwrap()
}

async fn a_bucket_is_made_only_if_allowed(settings: S3Settings) {
    let strict = S3Blobs::connect(S3Settings { create_bucket: false, ..settings.clone() }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let source = write_source(folder.path(), b"x");
    let refused = strict.check().await.unwrap_err();
    assert_eq!(refused.source().unwrap().to_string(), "the S3 service answered 404 NoSuchBucket");
    assert!(matches!(strict.put_file(&source, "audio", "mp4").await, Err(BlobError::Io(_))));
    S3Blobs::connect(settings).unwrap().check().await.unwrap();
    strict.check().await.unwrap();
    strict.put_file(&source, "audio", "mp4").await.unwrap();
}

async fn wrong_keys_are_told_without_telling_them(settings: S3Settings) {
    S3Blobs::connect(settings.clone()).unwrap().check().await.unwrap();
    for settings in [
        S3Settings { secret_key: "not-the-secret".into(), ..settings.clone() },
        S3Settings { access_key: "not-the-key".into(), ..settings.clone() },
    ] {
        let blobs = S3Blobs::connect(settings).unwrap();
        let Err(BlobError::Io(error)) = blobs.check().await else { panic!("the check passed") };
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let told = format!("{error} {error:?}");
        assert!(!told.contains("not-the") && !told.contains("Signature="), "{told}");
    }
}

async fn foreign_objects_are_not_listed(settings: S3Settings) {
    let blobs = S3Blobs::connect(settings.clone()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let key = blobs.put_file(&write_source(folder.path(), b"ours"), "audio", "mp4").await.unwrap().key;
    let bucket = raw(&settings);
    for foreign in ["README", "audio/notes & <more>.txt", "backup/ä ö.sql", &format!("{key}.bak")] {
        let path = ObjectPath::parse(foreign).unwrap();
        bucket.put(&path, PutPayload::from_static(b"foreign")).await.unwrap();
    }
    assert_eq!(keys(&blobs).await, [key]);
}

async fn a_list_of_several_pages_has_every_object(settings: S3Settings) {
    let blobs = S3Blobs::connect(settings.clone()).unwrap();
    blobs.check().await.unwrap();
    let bucket = raw(&settings);
    let mut expected: Vec<String> = (0..1_010_u32)
        .map(|number| format!("audio/{:02x}/{:02x}{number:062x}.mp4", number % 7, number % 7))
        .collect();
    stream::iter(&expected)
        .for_each_concurrent(16, |key| {
            let bucket = &bucket;
            async move {
                let path = ObjectPath::parse(key).unwrap();
                bucket.put(&path, PutPayload::from_static(b"x")).await.unwrap();
            }
        })
        .await;
    expected.sort();
    assert_eq!(keys(&blobs).await, expected);
}

async fn an_address_for_clients_gives_the_bytes_with_their_type(settings: S3Settings) {
    let public_endpoint = Some(settings.endpoint.clone());
    let blobs = S3Blobs::connect(S3Settings { public_endpoint, ..settings }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // One that goes in one request, one in parts.
    for bytes in [noise(1_000), noise(9_000_000)] {
        let source = write_source(folder.path(), &bytes);
        let key = blobs.put_file(&source, "audio", "mp4").await.unwrap().key;
        let url = blobs.presign_get(&key, Duration::from_secs(60)).await.unwrap().unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(url.clone()).header("range", "bytes=10-19").send().await.unwrap();
        assert_eq!(answer.status(), 206);
        assert_eq!(answer.headers()["content-type"], "audio/mp4");
        assert_eq!(answer.bytes().await.unwrap(), bytes[10..20]);
        let forged = url.as_str().replace(&key[9..15], "aaaaaa");
        assert_eq!(client.get(forged).send().await.unwrap().status(), 403);
    }
}

async fn an_object_deleted_while_it_is_read_gives_an_error(settings: S3Settings) {
    let blobs = S3Blobs::connect(settings).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bytes = noise(6_000_000);
    let key = blobs.put_file(&write_source(folder.path(), &bytes), "audio", "mp4").await.unwrap().key;
    let blob = blobs.open(&key).await.unwrap();
    let mut stream = Arc::clone(&blob).read(0..6_000_000);
    let mut got = stream.try_next().await.unwrap().unwrap().to_vec();
    blobs.delete(&key).await.unwrap();
    let error = loop {
        match stream.next().await.expect("the stream does not end as if it were whole") {
            Ok(chunk) => got.extend_from_slice(&chunk),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(got == bytes[..got.len()], "wrong bytes");
    assert!(read(&blob, 0..1).await.is_err());
}

async fn a_bucket_that_went_away_is_made_again(settings: S3Settings) {
    let blobs = S3Blobs::connect(settings.clone()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let source = write_source(folder.path(), b"x");
    blobs.check().await.unwrap();
    let bucket = raw(&settings);
    let inside: Vec<_> = bucket.list(None).try_collect().await.unwrap();
    for object in inside {
        bucket.delete(&object.location).await.unwrap();
    }
    delete_bucket(&bucket, &settings).await;
    assert!(blobs.put_file(&source, "audio", "mp4").await.is_err());
    let key = blobs.put_file(&source, "audio", "mp4").await.unwrap().key;
    assert_eq!(keys(&blobs).await, [key]);
}

async fn delete_bucket(bucket: &AmazonS3, settings: &S3Settings) {
    use object_store::{aws::AwsAuthorizer, client::HttpRequestBody};
    let mut request = http::Request::delete(format!("{}/{}", settings.endpoint, settings.bucket))
        .body(HttpRequestBody::empty())
        .unwrap();
    let credential = bucket.credentials().get_credential().await.unwrap();
    AwsAuthorizer::new(&credential, "s3", &settings.region).try_authorize(&mut request, None).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer =
        client.delete(request.uri().to_string()).headers(request.headers().clone()).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}
