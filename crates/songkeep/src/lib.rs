//! Wires the crates into processes: commands (`cli`), what a process keeps things in (`backends`), its
//! services (`services`), and the process itself (`node`). No rules of the product live here.

pub mod backends;
pub mod cli;
mod clients;
pub mod data_dir;
pub mod node;
mod readiness;
mod services;
