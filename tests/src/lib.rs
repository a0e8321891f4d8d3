//! The system as its users meet it: a real server, and the whole under a seed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod client;
#[cfg(target_os = "linux")]
pub mod disk;
pub mod server;
pub mod simulation;
pub mod stage;
