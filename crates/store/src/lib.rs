//! Songkeep's database, on SQLite or PostgreSQL with the same statements. `db` opens it and runs
//! transactions, `dialect` holds the few differences, `transfer` moves
//! everything from one to another, the other modules implement a port each.

mod audit;
mod catalog;
mod cursor;
mod db;
mod dialect;
mod events;
mod job_runs;
mod jobs;
mod library;
mod library_groups;
mod library_pages;
mod migrations;
mod overview;
mod rows;
mod sessions;
mod text;
pub mod transfer;
mod users;

pub use db::Store;
