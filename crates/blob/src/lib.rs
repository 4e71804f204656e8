//! Where audio and images are kept: the two forms of the blob store, files of one file system and any S3
//! service. An object is named by the SHA-256 of its bytes, so it never changes; it appears under its
//! name only when it is whole and durable.

mod buffers;
mod files;
mod key;
mod open_file;
mod s3;
mod upload;

pub use files::FileBlobs;
pub use s3::{S3Blobs, S3Settings, S3SetupError};
