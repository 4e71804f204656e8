//! What Songkeep is about: songs, libraries, accounts, import jobs, and the ports
//! (traits) through which they reach a database, a blob store, a message bus, mail
//! and the outside world. No HTTP, no SQL, no child process lives here.

pub mod actor;
pub mod audit;
pub mod blob;
pub mod bus;
pub mod email;
pub mod error;
pub mod event;
pub mod ids;
pub mod job;
pub mod library;
pub mod mail;
pub mod media;
pub mod node;
pub mod overview;
pub mod page;
pub mod session;
pub mod song;
pub mod source;
pub mod time;
pub mod user;

pub use actor::{Actor, CallContext, ClientInfo};
pub use email::EmailAddress;
pub use error::{ErrorCode, FieldError, ServiceError, ServiceResult, StoreError, StoreResult};
pub use ids::{AuditId, JobId, OneTimeTokenId, RefreshTokenId, SessionId, SongId, UserId};
pub use node::NodeRole;
pub use page::{Page, PageRequest};
pub use source::{SourceProvider, SourceRef};
pub use time::{Clock, SystemClock, Timestamp};
pub use user::UserRole;
