//! The suite of the one-process runtime, on all services.
//!
//! Left out of it: `disk`, which makes the data folder's files fail or fill; here there is no folder.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../../tests/end_to_end/bad_input.rs"]
mod bad_input;
mod import;
#[path = "../../../tests/end_to_end/kill.rs"]
mod kill;
#[path = "../../../tests/end_to_end/subscriptions.rs"]
mod subscriptions;
#[path = "../../../tests/end_to_end/walkthrough.rs"]
mod walkthrough;

use octocity_log::position::ParsedToken;
use octocity_tests::stage::Stage;
use serde_json::Value;

/// The runtime that the suite is run on.
fn stage() -> Stage {
    octocity_tests_distributed::services::on_all_services()
}

/// Where the repeat of a command stands that was told this position: in EventStoreDB all commands of a batch are told that
/// of the last event, a repeat that of its own.
fn position_of_repeat(told: &Value, again: &Value) -> Value {
    let place = |token: &Value| token.as_str().unwrap().parse::<ParsedToken>().unwrap().position;
    assert!(place(again) <= place(told), "a repeat is not told a later position: {again}, {told}");
    again.clone()
}
