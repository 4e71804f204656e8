//! The bucket: object_store for its objects, and the few requests about the bucket itself that
//! object_store does not know: whether it is there, making it, listing it whatever its keys look like,
//! listing the uploads that nobody completed.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::Method;
use object_store::{
    aws::{AmazonS3, AwsAuthorizer},
    client::{HttpClient, HttpRequestBody},
};
use serde::{Deserialize, de::DeserializeOwned};
use songkeep_domain::Timestamp;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use url::Url;

use super::failure::Failure;

/// The region whose buckets are made without naming it.
const DEFAULT_REGION: &str = "us-east-1";

pub(crate) struct Bucket {
    pub(crate) store: AmazonS3,
    pub(crate) http: HttpClient,
    /// `<endpoint>/<bucket>`.
    pub(crate) url: Url,
    pub(crate) region: String,
    /// Whether it is made when it is missing.
    pub(crate) may_create: bool,
    /// False until it was seen, and again when it turned out to be gone.
    pub(crate) seen: AtomicBool,
}

impl Bucket {
    /// Makes the bucket if it is missing and we may. Asks the service only until it was seen once.
    pub(crate) async fn ensure(&self) -> Result<(), Failure> {
        if !self.may_create || self.seen.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.request(Method::HEAD, &[], Bytes::new()).await {
            Err(failure) if failure.is_missing() => self.create().await?,
            // Whoever may not ask may still use it; the next request tells.
            Ok(_) | Err(Failure::Answer { status: http::StatusCode::FORBIDDEN, .. }) => {}
            Err(failure) => return Err(failure),
        }
        self.seen.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn create(&self) -> Result<(), Failure> {
        let place = if self.region == DEFAULT_REGION {
            String::new()
        } else {
            format!(
                "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                 <LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>",
                self.region
            )
        };
        match self.request(Method::PUT, &[], place.into()).await {
            // Another process was quicker. Should it be somebody else's, the next request tells.
            Err(Failure::Answer { status: http::StatusCode::CONFLICT, .. }) | Ok(_) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// To be told of the failures of uploads: a bucket that is gone is made again the next time.
    pub(crate) fn note(&self, failure: &Failure) {
        if failure.is_missing() {
            self.seen.store(false, Ordering::Relaxed);
        }
    }

    /// Up to `max_keys` objects after those of the page that gave `token`.
    pub(crate) async fn list_objects(
        &self,
        token: Option<&str>,
        max_keys: u16,
    ) -> Result<ObjectPage, Failure> {
        let max_keys = max_keys.to_string();
        let mut query = vec![("list-type", "2"), ("max-keys", &max_keys)];
        query.extend(token.map(|token| ("continuation-token", token)));
        parse(&self.request(Method::GET, &query, Bytes::new()).await?)
    }

    /// Uploads that were begun and neither completed nor aborted, after those of the page that gave
    /// `marker` (key and id).
    pub(crate) async fn list_uploads(
        &self,
        marker: Option<&(String, String)>,
    ) -> Result<UploadPage, Failure> {
        let mut query = vec![("uploads", "")];
        if let Some((key, id)) = marker {
            query.extend([("key-marker", key.as_str()), ("upload-id-marker", id.as_str())]);
        }
        parse(&self.request(Method::GET, &query, Bytes::new()).await?)
    }

    /// A request about the bucket itself; the body of the answer.
    async fn request(&self, method: Method, query: &[(&str, &str)], body: Bytes) -> Result<Bytes, Failure> {
        let mut url = self.url.clone();
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = http::Request::builder()
            .method(method)
            .uri(url.as_str())
            .body(HttpRequestBody::from(body))
            .map_err(|error| Failure::Nonsense(error.to_string()))?;
        let credential = self.store.credentials().get_credential().await?;
        AwsAuthorizer::new(&credential, "s3", &self.region).try_authorize(&mut request, None)?;
        let answer = self.http.execute(request).await;
        let answer = answer.map_err(|error| match std::error::Error::source(&error) {
            Some(source) => source.downcast_ref().cloned().unwrap_or_else(|| Failure::from_client(&error)),
            None => Failure::from_client(&error),
        })?;
        answer.into_body().bytes().await.map_err(|error| Failure::from_client(&error))
    }
}

fn parse<T: DeserializeOwned>(document: &[u8]) -> Result<T, Failure> {
    quick_xml::de::from_reader(document).map_err(|error| Failure::Nonsense(error.to_string()))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ObjectPage {
    pub(crate) contents: Vec<ListedObject>,
    is_truncated: bool,
    next_continuation_token: Option<String>,
}

impl ObjectPage {
    pub(crate) fn next(&mut self) -> Option<String> {
        self.next_continuation_token.take().filter(|token| self.is_truncated && !token.is_empty())
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListedObject {
    pub(crate) key: String,
    pub(crate) size: u64,
    last_modified: String,
}

impl ListedObject {
    pub(crate) fn modified_at(&self) -> Result<Timestamp, Failure> {
        parse_time(&self.last_modified)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct UploadPage {
    #[serde(rename = "Upload")]
    pub(crate) uploads: Vec<ListedUpload>,
    is_truncated: bool,
    next_key_marker: Option<String>,
    next_upload_id_marker: Option<String>,
}

impl UploadPage {
    pub(crate) fn next(&mut self) -> Option<(String, String)> {
        let key = self.next_key_marker.take().filter(|key| self.is_truncated && !key.is_empty())?;
        Some((key, self.next_upload_id_marker.take().unwrap_or_default()))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListedUpload {
    pub(crate) key: String,
    pub(crate) upload_id: String,
    initiated: String,
}

impl ListedUpload {
    pub(crate) fn began_at(&self) -> Result<Timestamp, Failure> {
        parse_time(&self.initiated)
    }
}

fn parse_time(text: &str) -> Result<Timestamp, Failure> {
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|error| Failure::Nonsense(error.to_string()))?;
    let micros = time.unix_timestamp_nanos().div_euclid(1_000);
    i64::try_from(micros).map(Timestamp::from_micros).map_err(|error| Failure::Nonsense(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_objects_is_understood() {
        let mut page: ObjectPage = parse(
            b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
              <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name><Prefix/>\
              <IsTruncated>true</IsTruncated>\
              <Contents><Key>a&amp;b//c</Key><LastModified>2026-02-03T04:05:06.789Z</LastModified>\
              <ETag>&quot;e&quot;</ETag><Size>7</Size><StorageClass>STANDARD</StorageClass></Contents>\
              <NextContinuationToken>more==</NextContinuationToken>\
              <Contents><Key>z</Key><LastModified>1970-01-01T00:00:01Z</LastModified><Size>0</Size></Contents>\
              </ListBucketResult>",
        )
        .expect("a page");
        let found: Vec<(&str, u64)> = page.contents.iter().map(|o| (o.key.as_str(), o.size)).collect();
        assert_eq!(found, [("a&b//c", 7), ("z", 0)]);
        assert_eq!(page.contents[0].modified_at().expect("a time").as_micros() % 1_000_000, 789_000);
        assert_eq!(page.contents[1].modified_at(), Ok(Timestamp::from_secs(1)));
        assert_eq!(page.next().as_deref(), Some("more=="));
    }

    #[test]
    fn a_last_page_has_no_next_one() {
        let mut objects: ObjectPage = parse(
            b"<ListBucketResult><IsTruncated>false</IsTruncated><NextContinuationToken/></ListBucketResult>",
        )
        .expect("a page");
        assert_eq!((objects.contents.len(), objects.next()), (0, None));
        let mut uploads: UploadPage = parse(
            b"<ListMultipartUploadsResult><KeyMarker/><NextKeyMarker/><IsTruncated>false</IsTruncated>\
              </ListMultipartUploadsResult>",
        )
        .expect("a page");
        assert_eq!((uploads.uploads.len(), uploads.next()), (0, None));
    }

    #[test]
    fn a_page_of_uploads_is_understood() {
        let mut page: UploadPage = parse(
            b"<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>\
              <NextUploadIdMarker>i</NextUploadIdMarker><Upload><Key>k</Key><UploadId>i</UploadId>\
              <Initiated>2026-02-03T04:05:06Z</Initiated></Upload></ListMultipartUploadsResult>",
        )
        .expect("a page");
        assert_eq!(page.uploads[0].upload_id, "i");
        assert!(page.uploads[0].began_at().is_ok());
        assert_eq!(page.next(), Some(("k".to_owned(), "i".to_owned())));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert!(parse::<ObjectPage>(b"<html><body>Welcome!").is_err());
        assert!(parse_time("yesterday").is_err());
    }
}
