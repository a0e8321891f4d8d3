//! What every row store must do: one suite, run on each by [`row_store_contract!`](crate::row_store_contract).

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod mending;
mod questions;

use std::sync::Arc;

use octocity_log::{LogId, Position};
use uuid::Uuid;

use crate::row::{Column, Kind, Table, Value};
use crate::store::{Batch, Checkpoint, Move, Parked, RowStore, Select, StoreError, TableWrites};

pub use mending::mends_as_a_rebuild_does;
pub use questions::{
    answers_as_the_oracle_does, answers_many_at_once, refuses_questions_that_cannot_be_asked,
    says_rows_and_checkpoint_of_one_read, writes_rows_again_as_the_oracle_does,
};

/// One test's storage; it can be opened again, as after a restart.
pub trait Storage: Send + Sync {
    fn open(&self) -> Arc<dyn RowStore>;
}

/// Runs the whole suite, each case as a test of its own, on what the expression makes: a fresh storage.
#[macro_export]
macro_rules! row_store_contract {
    ($storage:expr) => {
        $crate::row_store_contract!($storage;
            loads_what_was_written,
            writes_all_of_a_batch_or_nothing,
            lets_one_of_two_writers_go_on,
            refuses_who_remembers_an_earlier_generation,
            says_rows_and_checkpoint_of_one_read,
            answers_as_the_oracle_does,
            answers_many_at_once,
            writes_rows_again_as_the_oracle_does,
            refuses_questions_that_cannot_be_asked,
            keeps_parked_keys,
            forgets_mended_keys,
            mends_as_a_rebuild_does,
            forgets_one_view_only,
            makes_a_changed_table_anew,
            is_the_same_after_a_restart,
        );
    };
    ($storage:expr; $($case:ident),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            $crate::contract::$case(&$storage).await;
        }
    )+};
}

const fn column(name: &'static str, kind: Kind, nullable: bool) -> Column {
    Column { name, kind, nullable }
}

static CARS: Table = Table {
    name: "cars",
    columns: &[
        column("owner", Kind::Id, false),
        column("number", Kind::Int, false),
        column("colour", Kind::Text, false),
        column("doors", Kind::Int, true),
        column("note", Kind::Text, true),
    ],
    key_columns: 2,
    indexes: &[&["owner", "colour"], &["doors"]],
};
static CARS_LATER: Table = Table {
    columns: &[column("owner", Kind::Id, false), column("number", Kind::Int, false)],
    indexes: &[],
    ..CARS
};
/// Nobody makes it.
static UNKNOWN: Table = Table { name: "nowhere", ..CARS };
static OTHERS: Table = Table { name: "others", indexes: &[], ..CARS };

fn car(owner: u128, number: i64, colour: &str, doors: Option<i64>) -> Vec<Value> {
    vec![
        Value::Id(Uuid::from_u128(owner)),
        Value::Int(number),
        Value::Text(colour.to_owned()),
        doors.map_or(Value::Null, Value::Int),
        doors.map_or(Value::Null, |doors| Value::Text(format!("{doors} d\u{f6}\u{f6}rs"))),
    ]
}

fn upserts(table: &'static Table, upserts: Vec<Vec<Value>>) -> TableWrites {
    TableWrites { table, upserts, deletes: Vec::new() }
}

fn checkpoint(table: &Table, position: u64) -> Checkpoint {
    let log = LogId(Uuid::from_u128(7));
    let (position, generation) = (Position(position), 0);
    Checkpoint { view: table.name.to_owned(), partition: 0, log, epoch: 3, position, generation }
}

/// Where a view begins anew.
fn anew(table: &Table, generation: u32) -> Checkpoint {
    Checkpoint { generation, ..checkpoint(table, 0) }
}

fn parked(table: &Table, key: &str) -> Parked {
    Parked {
        view: table.name.to_owned(),
        key: key.to_owned(),
        stream: "parking-1".to_owned(),
        revision: 5,
        event_type: "VehicleLeft".to_owned(),
        error: "nothing was heard of it".to_owned(),
    }
}

async fn with_tables(storage: &dyn Storage) -> Arc<dyn RowStore> {
    let store = storage.open();
    store.ensure(&[&CARS, &OTHERS]).await.unwrap();
    store
}

async fn commit(store: &dyn RowStore, writes: Vec<TableWrites>, position: u64) -> Result<(), StoreError> {
    let known = store.checkpoints().await?;
    let known = known.into_iter().find(|known| writes.iter().any(|writes| writes.table.name == known.view));
    let (after, generation) = known.map_or_else(Default::default, |known| (known.position, known.generation));
    commit_after(store, (after, generation), writes, position).await
}

async fn commit_after(
    store: &dyn RowStore,
    (after, generation): (Position, u32),
    writes: Vec<TableWrites>,
    position: u64,
) -> Result<(), StoreError> {
    let to = |table| Checkpoint { generation, ..checkpoint(table, position) };
    let moves = writes.iter().map(|writes| Move { after, generation, to: to(writes.table) }).collect();
    store.commit(Arc::new(Batch { writes, moves, ..Batch::default() })).await
}

async fn all(store: &dyn RowStore, table: &'static Table) -> Vec<Vec<Value>> {
    store.select(Select::new(table)).await.unwrap().rows
}

pub async fn loads_what_was_written(storage: &dyn Storage) {
    let store = with_tables(storage).await;
    let rows = vec![car(1, 1, "red", Some(5)), car(1, -2, "b\u{eb}ige", None)];
    commit(&*store, vec![upserts(&CARS, rows.clone())], 1).await.unwrap();
    let changed = car(1, 1, "green", None);
    let deleted = rows[1][..2].to_vec();
    let writes = TableWrites { table: &CARS, upserts: vec![changed.clone()], deletes: vec![deleted.clone()] };
    let keys = vec![rows[0][..2].to_vec(), deleted, vec![Value::Id(Uuid::from_u128(9)), Value::Int(1)]];
    let mut loaded = store.load(&CARS, keys.clone()).await.unwrap();
    loaded.sort();
    assert_eq!(loaded, [rows[1].clone(), rows[0].clone()]);
    commit(&*store, vec![writes], 2).await.unwrap();
    assert_eq!(store.load(&CARS, keys).await.unwrap(), [changed]);
}

pub async fn writes_all_of_a_batch_or_nothing(storage: &dyn Storage) {
    let store = with_tables(storage).await;
    let writes =
        vec![upserts(&CARS, vec![car(1, 1, "red", None)]), upserts(&UNKNOWN, vec![car(1, 2, "red", None)])];
    assert!(commit(&*store, writes, 4).await.is_err());
    assert!(all(&*store, &CARS).await.is_empty());
    assert!(store.checkpoints().await.unwrap().is_empty());
}

pub async fn lets_one_of_two_writers_go_on(storage: &dyn Storage) {
    let store = with_tables(storage).await;
    let car = |doors| vec![upserts(&CARS, vec![car(1, 1, "red", Some(doors))])];
    let overtaken = Err(StoreError::Overtaken("cars".to_owned()));
    // Twice at the same time: from nothing, and from where the first one ended.
    for (after, position) in [(0, 4), (4, 9)] {
        let write = |doors| commit_after(&*store, (Position(after), 0), car(doors), position);
        let (one, other) = tokio::join!(write(3), write(5));
        let doors = if one.is_ok() { 3 } else { 5 };
        assert_eq!(if one.is_ok() { other } else { one }, overtaken);
        assert_eq!(all(&*store, &CARS).await[0][3], Value::Int(doors));
    }
    // A checkpoint of another log stands nowhere in this one.
    let other = Checkpoint { log: LogId(Uuid::from_u128(8)), ..checkpoint(&CARS, 12) };
    let moves = vec![Move { after: Position(9), generation: 0, to: other }];
    let batch = Batch { moves, ..Batch::default() };
    assert_eq!(store.commit(Arc::new(batch)).await, overtaken);
    // All of a batch's views or none.
    let both = [car(7), vec![upserts(&OTHERS, vec![])]].concat();
    let overtaken = Err(StoreError::Overtaken("others".to_owned()));
    assert_eq!(commit_after(&*store, (Position(9), 0), both, 12).await, overtaken);
    assert_eq!(store.checkpoints().await.unwrap(), [checkpoint(&CARS, 9)]);
}

pub async fn refuses_who_remembers_an_earlier_generation(storage: &dyn Storage) {
    let store = with_tables(storage).await;
    let car = |doors| vec![upserts(&CARS, vec![car(1, 1, "red", Some(doors))])];
    let overtaken = Err(StoreError::Overtaken("cars".to_owned()));
    assert_eq!(commit_after(&*store, (Position(0), 1), car(2), 4).await, overtaken, "there is none yet");
    commit_after(&*store, (Position(0), 0), car(2), 4).await.unwrap();
    // Somebody changes rows where they stand.
    let to = Checkpoint { generation: 3, ..checkpoint(&CARS, 4) };
    let moves = vec![Move { after: Position(4), generation: 0, to: to.clone() }];
    store.commit(Arc::new(Batch { writes: car(3), moves, ..Batch::default() })).await.unwrap();
    assert_eq!(store.checkpoints().await.unwrap(), [to]);
    assert_eq!(commit_after(&*store, (Position(4), 0), car(5), 6).await, overtaken);
    assert_eq!(all(&*store, &CARS).await[0][3], Value::Int(3));
    commit_after(&*store, (Position(4), 3), car(5), 6).await.unwrap();
    // One that starts anew may be of another log from then on.
    store.reset(&CARS).await.unwrap();
    assert_eq!(commit_after(&*store, (Position(0), 3), car(7), 6).await, overtaken);
    let log = LogId(Uuid::from_u128(8));
    let to = Checkpoint { log, epoch: 1, generation: 4, ..checkpoint(&CARS, 2) };
    let moves = vec![Move { after: Position(0), generation: 4, to: to.clone() }];
    store.commit(Arc::new(Batch { moves, ..Batch::default() })).await.unwrap();
    assert_eq!(store.checkpoints().await.unwrap(), [to]);
}

/// Of a store that can be shared: opened with a number of partitions.
pub async fn keeps_a_checkpoint_for_each_partition(open: &(dyn Fn(i32) -> Arc<dyn RowStore> + Sync)) {
    let store = open(3);
    store.ensure(&[&CARS, &OTHERS]).await.unwrap();
    let step = |partition, after, position, number| {
        let to = Checkpoint { partition, ..checkpoint(&CARS, position) };
        let moves = vec![Move { after: Position(after), generation: 0, to }];
        let writes = vec![upserts(&CARS, vec![car(1, number, "red", None)])];
        let store = Arc::clone(&store);
        async move { store.commit(Arc::new(Batch { writes, moves, ..Batch::default() })).await }
    };
    let place = || async { store.select(Select::new(&CARS)).await.unwrap().position };
    step(0, 0, 4, 1).await.unwrap();
    step(1, 0, 7, 2).await.unwrap();
    assert_eq!(place().await, Position(0), "the third partition is at the beginning");
    step(2, 0, 9, 3).await.unwrap();
    assert_eq!(place().await, Position(4));
    // Who lost a partition writes nothing there, and nobody is held up by others' partitions.
    assert_eq!(step(1, 0, 8, 4).await, Err(StoreError::Overtaken("cars".to_owned())));
    let (one, other) = tokio::join!(step(0, 4, 9, 5), step(1, 7, 9, 6));
    assert!(one.is_ok() && other.is_ok());
    assert_eq!((place().await, all(&*store, &CARS).await.len()), (Position(9), 5));
}

/// Of a store that outlives the number of its partitions.
pub async fn goes_on_with_another_number_of_partitions(open: &(dyn Fn(i32) -> Arc<dyn RowStore> + Sync)) {
    let partitions = |number: i32| async move {
        let store = open(number);
        store.reform(&[&CARS, &OTHERS]).await.unwrap();
        store
    };
    let one = partitions(1).await;
    let row = car(1, 1, "red", None);
    commit(&*one, vec![upserts(&CARS, vec![row.clone()])], 5).await.unwrap();
    let other = |stored, own| Err(StoreError::OtherPartitions { view: "cars".to_owned(), stored, own });
    assert_eq!(open(3).ensure(&[&CARS, &OTHERS]).await, other(1, 3));
    assert_eq!(one.checkpoints().await.unwrap(), [checkpoint(&CARS, 5)], "who only looks changes nothing");
    let store = partitions(3).await;
    // Who wrote it cut otherwise does so no more, also where it has no checkpoint to be overtaken at.
    assert_eq!(commit(&*one, vec![upserts(&CARS, vec![row.clone()])], 6).await, other(3, 1));
    assert_eq!((all(&*store, &CARS).await, store.checkpoints().await.unwrap().len()), (vec![row], 3));
    assert_eq!(store.select(Select::new(&CARS)).await.unwrap().position, Position(5));
    assert!(store.checkpoints().await.unwrap().iter().all(|known| known.generation == 1));
    commit(&*store, vec![upserts(&CARS, vec![])], 6).await.unwrap();
    // At several positions there is no one to go on from.
    let store = partitions(2).await;
    let known = store.checkpoints().await.unwrap();
    let known: Vec<_> = known.iter().map(|known| (known.position, known.generation)).collect();
    assert_eq!((all(&*store, &CARS).await, known), (vec![], vec![(Position(0), 2); 2]));
}

pub async fn keeps_parked_keys(storage: &dyn Storage) {
    let store = with_tables(storage).await;
    let later = Parked { error: "later".to_owned(), ..parked(&CARS, "a/1") };
    let list = vec![parked(&CARS, "a/1"), parked(&CARS, "b/1"), parked(&OTHERS, "a/1")];
    for parked in [list.clone(), vec![later]] {
        store.commit(Arc::new(Batch { parked, ..Batch::default() })).await.unwrap();
    }
    // The first word on a key stands.
    assert_eq!(store.parked(&[]).await.unwrap(), list);
    assert_eq!(store.parked(&["cars"]).await.unwrap(), list[..2]);
    assert_eq!(store.parked(&["others", "none"]).await.unwrap(), list[2..]);
}

pub async fn forgets_mended_keys(storage: &dyn Storage) {
    let store = with_tables(storage).await;
    let list = ["a/1", "b/1", "c/1"].map(|key| parked(&CARS, key));
    let other = parked(&OTHERS, "a/1");
    let parked = [&list[..], std::slice::from_ref(&other)].concat();
    store.commit(Arc::new(Batch { parked, ..Batch::default() })).await.unwrap();
    // One of them stands still again, at a later event.
    let again = Parked { revision: 9, ..list[1].clone() };
    let mended = ["a/1", "b/1", "unknown"].map(|key| ("cars".to_owned(), key.to_owned()));
    let batch = Batch { mended: mended.to_vec(), parked: vec![again.clone()], ..Batch::default() };
    store.commit(Arc::new(batch)).await.unwrap();
    assert_eq!(store.parked(&[]).await.unwrap(), [again, list[2].clone(), other]);
}

pub async fn forgets_one_view_only(storage: &dyn Storage) {
    let store = with_tables(storage).await;
    let row = car(1, 1, "red", None);
    let writes = vec![upserts(&CARS, vec![row.clone()]), upserts(&OTHERS, vec![row.clone()])];
    commit(&*store, writes, 3).await.unwrap();
    let list = vec![parked(&CARS, "a"), parked(&OTHERS, "a")];
    store.commit(Arc::new(Batch { parked: list, ..Batch::default() })).await.unwrap();
    store.reset(&CARS).await.unwrap();
    assert!(all(&*store, &CARS).await.is_empty());
    assert_eq!(all(&*store, &OTHERS).await, [row]);
    assert_eq!(store.checkpoints().await.unwrap(), [anew(&CARS, 1), checkpoint(&OTHERS, 3)]);
    assert_eq!(store.parked(&[]).await.unwrap(), [parked(&OTHERS, "a")]);
}

pub async fn makes_a_changed_table_anew(storage: &dyn Storage) {
    let store = with_tables(storage).await;
    let row = car(1, 1, "red", None);
    let writes = vec![upserts(&CARS, vec![row.clone()]), upserts(&OTHERS, vec![row.clone()])];
    commit(&*store, writes, 3).await.unwrap();
    store.ensure(&[&CARS, &OTHERS]).await.unwrap();
    assert_eq!(all(&*store, &CARS).await.len(), 1);
    let refused = store.ensure(&[&CARS_LATER, &OTHERS]).await;
    assert_eq!(refused, Err(StoreError::OtherForm("cars".to_owned())));
    assert_eq!(all(&*store, &CARS).await.len(), 1, "who only looks changes nothing");
    store.reform(&[&CARS_LATER, &OTHERS]).await.unwrap();
    assert!(all(&*store, &CARS_LATER).await.is_empty());
    assert_eq!(store.checkpoints().await.unwrap(), [anew(&CARS, 1), checkpoint(&OTHERS, 3)]);
    let short = row[..2].to_vec();
    for _ in 0..2 {
        commit(&*store, vec![upserts(&CARS_LATER, vec![short.clone()])], 4).await.unwrap();
    }
    assert_eq!(all(&*store, &CARS_LATER).await, [short]);
}

pub async fn is_the_same_after_a_restart(storage: &dyn Storage) {
    let store = with_tables(storage).await;
    let row = car(u128::MAX, i64::MIN, "", Some(i64::MAX));
    commit(&*store, vec![upserts(&CARS, vec![row.clone()])], u64::MAX).await.unwrap();
    drop(store);
    let store = with_tables(storage).await;
    assert_eq!(all(&*store, &CARS).await, [row]);
    assert_eq!(store.checkpoints().await.unwrap(), [checkpoint(&CARS, u64::MAX)]);
}
