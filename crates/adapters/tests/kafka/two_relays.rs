//! Of several relays one leads; whoever takes over goes on exactly where the other ended.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use octocity_adapters::kafka::{RelayOptions, Standing};
use octocity_log::{EventLog, MemoryLog};

use crate::broker::shared;
use crate::support::*;

/// A broker that stands still for as long would be reason enough to take over.
const PATIENT: RelayOptions = RelayOptions { patience: Duration::from_secs(10), ..RELAY };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_relay_that_wakes_after_another_took_over_changes_nothing() {
    let (kafka, log) = (options(shared(), 4), MemoryLog::default());
    let paused = Staged::new(log.clone());
    let first = start_with(Arc::new(paused.clone()), &kafka, PATIENT).await;
    for number in 0..8 {
        fill(&log, number, 0, 30).await;
    }
    assert_all_is_there(&kafka, &log).await;
    // It has read these, and sleeps before it writes them.
    paused.goes.send_replace(false);
    for number in 0..8 {
        fill(&log, number, 30, 30).await;
    }
    let second = start_with(Arc::new(log.clone()), &kafka, PATIENT).await;
    assert_all_is_there(&kafka, &log).await;
    assert_eq!(first.stats.standing(), Standing::Leads, "it does not know yet");
    paused.goes.send_replace(true);
    until("the first stands by", || first.stats.standing() == Standing::StandsBy).await;
    for number in 0..8 {
        fill(&log, number, 60, 30).await;
    }
    assert_all_is_there(&kafka, &log).await;
    assert_eq!(second.stats.standing(), Standing::Leads);
    assert_eq!(first.stats.standing(), Standing::StandsBy);
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_one_that_stands_by_takes_over_from_one_that_died() {
    let (kafka, log) = (options(shared(), 4), MemoryLog::default());
    let first = start_with(Arc::new(log.clone()), &kafka, PATIENT).await;
    // Else it might be the later one of the two.
    until("the first leads", || first.stats.standing() == Standing::Leads).await;
    let second = start_with(Arc::new(log.clone()), &kafka, PATIENT).await;
    until("the second leads", || second.stats.standing() == Standing::Leads).await;
    fill(&log, 1, 0, 50).await;
    until("the first stands by", || first.stats.standing() == Standing::StandsBy).await;
    // While the other does it, or nothing is to be done, it stays so.
    fill(&log, 1, 50, 50).await;
    assert_all_is_there(&kafka, &log).await;
    tokio::time::sleep(PATIENT.patience * 2).await;
    assert_eq!((first.stats.standing(), second.stats.standing()), (Standing::StandsBy, Standing::Leads));
    second.task.abort();
    fill(&log, 1, 100, 50).await;
    fill(&log, 2, 0, 50).await;
    let head = log.head().borrow().0;
    let followed = || first.stats.position.load(Ordering::Relaxed) == head;
    until("the first has taken over", followed).await;
    assert_all_is_there(&kafka, &log).await;
    first.stop().await;
}
