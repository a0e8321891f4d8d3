//! The binary as its users meet it: over HTTP, SSE and WebSocket, killed, starved of disk, and lied to.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bad_input;
#[cfg(target_os = "linux")]
mod disk;
mod kill;
mod subscriptions;
mod walkthrough;

use octocity_tests::stage::Stage;
use serde_json::Value;

/// The runtime that the suite is run on: here one process, in tests/distributed the services.
fn stage() -> Stage {
    Stage::default()
}

/// Where the repeat of a command stands that was told this position.
fn position_of_repeat(told: &Value, _again: &Value) -> Value {
    told.clone()
}
