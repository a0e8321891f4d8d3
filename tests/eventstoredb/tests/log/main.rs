//! The log in EventStoreDB: its contract, on a server of its own or on the one whose connection string
//! `OCTOCITY_TEST_EVENTSTOREDB` holds; and what a cluster's faults make of it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod calls;
mod faults;
mod ledger;
mod opening;
mod restart;
mod storage;
mod subscription;
mod told;

use storage::Served;

octocity_log::log_contract!(Served::start());
