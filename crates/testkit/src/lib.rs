//! What tests need and the product does not: throwaway servers, a fake YouTube for the real yt-dlp,
//! tiny media made at test time, a clock that is moved by hand.

pub mod clock;
pub mod fake_youtube;
pub mod fault_proxy;
pub mod media;
mod ports;
pub mod postgres;
pub mod program;
pub mod redis;
pub mod remote;
pub mod s3;
pub mod servers;
pub mod world;
