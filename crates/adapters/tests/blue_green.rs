//! Views made anew beside the live ones, in files.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use octocity_adapters::sqlite::{SqliteBlueGreen, SqliteRows};
use octocity_projections::blue_green::contract;
use tempfile::TempDir;

fn stores(folder: &TempDir) -> SqliteBlueGreen {
    let path = folder.path().join("readmodels.db");
    SqliteBlueGreen::new(Arc::new(SqliteRows::open(&path).unwrap()), path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compares_switches_and_goes_back() {
    contract::compares_switches_and_goes_back(&stores(&TempDir::new().unwrap())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn goes_on_after_a_stop_and_replaces_only_what_was_compared() {
    contract::goes_on_after_a_stop_and_replaces_only_what_was_compared(&stores(&TempDir::new().unwrap()))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaces_rows_of_another_form() {
    contract::replaces_rows_of_another_form(&stores(&TempDir::new().unwrap())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_rows_of_another_log() {
    contract::refuses_rows_of_another_log(&stores(&TempDir::new().unwrap())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compares_where_the_live_rows_stand() {
    contract::compares_where_the_live_rows_stand(&stores(&TempDir::new().unwrap())).await;
}
