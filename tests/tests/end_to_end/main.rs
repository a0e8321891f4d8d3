//! The binary as its users meet it: over HTTP, SSE and WebSocket, killed, starved of disk, and lied to.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bad_input;
#[cfg(target_os = "linux")]
mod disk;
mod kill;
mod subscriptions;
mod walkthrough;
