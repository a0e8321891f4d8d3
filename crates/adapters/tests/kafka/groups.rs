//! Readers that share the partitions: every event is applied once, whoever comes and goes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use octocity_adapters::kafka::{Batch, Checkpoints, KafkaFault, KafkaOptions, Reader};
use octocity_domain::FacilityId;
use octocity_log::{EventLog, MemoryLog, Position, RecordedEvent, partition_of};
use tokio::task::JoinHandle;

use crate::broker::shared;
use crate::support::*;

/// Rows and checkpoints in one transaction, as a database has them.
#[derive(Default)]
struct Rows {
    applied: Mutex<Vec<RecordedEvent>>,
    reached: Mutex<BTreeMap<i32, Position>>,
}

#[async_trait]
impl Checkpoints for Rows {
    async fn reached(&self, _: &[i32]) -> Result<BTreeMap<i32, Position>, String> {
        Ok(self.reached.lock().unwrap().clone())
    }
}

impl Rows {
    fn commit(&self, batch: &Batch) {
        let (mut applied, mut reached) = (self.applied.lock().unwrap(), self.reached.lock().unwrap());
        applied.extend(batch.events.iter().cloned());
        reached.extend(&batch.reached);
    }

    fn is_at(&self, head: Position, partitions: i32) -> bool {
        let reached = self.reached.lock().unwrap();
        (0..partitions).all(|partition| reached.get(&partition).is_some_and(|at| *at >= head))
    }
}

/// Applies batches, slowly, so that partitions are taken away in the middle of one.
fn member(kafka: &KafkaOptions, log: &dyn EventLog, rows: &Arc<Rows>) -> JoinHandle<KafkaFault> {
    let options = octocity_adapters::kafka::ReaderOptions { batch_events: 50, ..of_log(log) };
    let group = format!("{}.group", kafka.log_topic);
    let mut reader =
        Reader::of_group(kafka.clone(), options, &group, Arc::clone(rows) as _, Arc::default()).unwrap();
    let rows = Arc::clone(rows);
    tokio::spawn(async move {
        loop {
            match reader.next().await {
                Ok(batch) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    rows.commit(&batch);
                }
                Err(fault) => return fault,
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_is_applied_once_while_members_come_and_go() {
    let (kafka, log, rows) = (options(shared(), 6), MemoryLog::default(), Arc::<Rows>::default());
    for number in 0..18 {
        fill(&log, number, 0, 100).await;
    }
    let relay = start(Arc::new(log.clone()), &kafka).await;
    let first = member(&kafka, &log, &rows);
    until("the first applies", || !rows.applied.lock().unwrap().is_empty()).await;
    let second = member(&kafka, &log, &rows);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let third = member(&kafka, &log, &rows);
    for number in 0..18 {
        fill(&log, number, 100, 50).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    second.abort();
    let head = *log.head().borrow();
    until("all is applied", || rows.is_at(head, kafka.partitions)).await;
    assert!(!first.is_finished() && !third.is_finished(), "nobody met a fault");
    let all = log.read_all(Position::default(), usize::MAX, &[], &[]).await.unwrap().events;
    assert_same(all, rows.applied.lock().unwrap().clone());
    first.abort();
    third.abort();
    relay.stop().await;
}

/// A member that holds a batch keeps its partitions until the batch is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_wait_for_the_batch_that_is_applied() {
    let (kafka, log, rows) = (options(shared(), 2), MemoryLog::default(), Arc::<Rows>::default());
    let of_partition = |wanted| {
        (0..).find(|number| partition_of(FacilityId::new(facility(*number).uuid()), 2) == wanted).unwrap()
    };
    fill(&log, of_partition(0), 0, 30).await;
    fill(&log, of_partition(1), 0, 30).await;
    let relay = start(Arc::new(log.clone()), &kafka).await;
    let group = format!("{}.group", kafka.log_topic);
    let open = || {
        Reader::of_group(kafka.clone(), of_log(&log), &group, Arc::clone(&rows) as _, Arc::default()).unwrap()
    };
    let mut slow = open();
    let held = slow.next().await.unwrap();
    let mut eager = open();
    let came = tokio::time::timeout(Duration::from_secs(3), eager.next()).await;
    assert!(came.is_err(), "it is given nothing while a batch is under way");
    rows.commit(&held);
    drop(held);
    let head = *log.head().borrow();
    let drain = |mut reader: Reader, rows: Arc<Rows>| {
        tokio::spawn(async move {
            while let Ok(batch) = reader.next().await {
                rows.commit(&batch);
            }
        })
    };
    let both = [drain(slow, Arc::clone(&rows)), drain(eager, Arc::clone(&rows))];
    until("all is applied", || rows.is_at(head, 2)).await;
    let all = log.read_all(Position::default(), usize::MAX, &[], &[]).await.unwrap().events;
    assert_same(all, rows.applied.lock().unwrap().clone());
    both.iter().for_each(JoinHandle::abort);
    relay.stop().await;
}
