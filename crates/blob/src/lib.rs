//! Where audio and images are kept: the file form of the blob store. An object is one file, named by
//! the SHA-256 of its bytes, so it never changes; it appears under its name only when it is whole and
//! on disk. Reads come from the page cache without leaving the async thread.

mod buffers;
mod files;
mod key;
mod open_file;
mod upload;

pub use files::FileBlobs;
