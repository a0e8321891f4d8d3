//! What every store of live, green and blue rows must do, on the same histories.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use octocity_log::EventLog;

use crate::engine::{Engine, EngineOptions, Step};
use crate::hash::{TableHash, hash};
use crate::memory::MemoryRows;
use crate::row::{Row, Table, Value};
use crate::store::{Batch, Move as Moved, RowStore, Select, StoreError, TableWrites};
use crate::testing::{Garage, History, Move, play};
use crate::{parking::VisitRow, view::values_text};

use super::{Beside, BlueGreen, Comparison, Difference, Holds, Kind, Renewal, RenewalError, of_view};

const VISITS: &Table = VisitRow::TABLE;
/// Small enough for many steps.
const OPTIONS: EngineOptions =
    EngineOptions { batch_events: 50, rest: None, retry_seconds: 1, sole_owner: false, reforms: true };

fn moves() -> Vec<Move> {
    let mut chance = 1_u32;
    let mut next = || {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        chance >> 16
    };
    (0..600).map(|_| (next() as u8, next() as u8, (next() % 20_000) as u16, next() % 2 == 0)).collect()
}

async fn rows(store: &dyn RowStore) -> Vec<Vec<Value>> {
    store.select(Select::new(VISITS)).await.unwrap().rows
}

async fn wanted(history: &History) -> TableHash {
    let models = history.read(Arc::new(MemoryRows::new()), 4_096).await;
    hash(&*models.store, VISITS).await.unwrap()
}

async fn live(stores: &dyn BlueGreen) -> TableHash {
    hash(&*stores.live(), VISITS).await.unwrap()
}

async fn engine(stores: &dyn BlueGreen, history: &History) -> Engine {
    Engine::open(Arc::new(history.log.clone()), stores.live(), OPTIONS).await.unwrap()
}

fn renewal<'a>(stores: &'a dyn BlueGreen, history: &History) -> Renewal<'a> {
    let log: Arc<dyn EventLog> = Arc::new(history.log.clone());
    Renewal::new(log, stores, VISITS, OPTIONS)
}

async fn compared(renewal: &mut Renewal<'_>) -> Result<(Comparison, Vec<Difference>), RenewalError> {
    renewal.build(|_| {}).await?;
    let mut told = Vec::new();
    let comparison = renewal.compare(|_| {}, &mut |difference| told.push(difference.clone())).await?;
    Ok((comparison, told))
}

/// Rows are changed where they stand, as by a fault that was mended since: what a comparison must find.
async fn damage(store: &dyn RowStore) -> Vec<Difference> {
    let rows = rows(store).await;
    let (mut changed, lost, mut strange) = (rows[1].clone(), rows[5].clone(), rows[7].clone());
    let number = |row: &[Value]| {
        row.iter().skip(VISITS.key_columns).position(|value| matches!(value, Value::Int(_))).unwrap()
    };
    let column = VISITS.key_columns + number(&changed);
    changed[column] = Value::Int(-7);
    let Value::Id(id) = &mut strange[VISITS.key_columns - 1] else { panic!("a visit has an id") };
    *id = uuid::Uuid::max();
    let checkpoints = store.checkpoints().await.unwrap();
    let moves = checkpoints.into_iter().filter(|known| known.view == VISITS.name).map(|known| {
        let generation = known.generation;
        Moved {
            after: known.position,
            generation,
            to: crate::Checkpoint { generation: generation + 1, ..known },
        }
    });
    let key = |row: &[Value]| row[..VISITS.key_columns].to_vec();
    let writes = TableWrites {
        table: VISITS,
        upserts: vec![changed.clone(), strange.clone()],
        deletes: vec![key(&lost)],
    };
    let batch = Batch { writes: vec![writes], moves: moves.collect(), ..Batch::default() };
    store.commit(Arc::new(batch)).await.unwrap();
    let found = |row: &[Value], kind| Difference { key: values_text(&key(row)), kind };
    let mut wanted = vec![
        found(&changed, Kind::Differs(vec![VISITS.columns[column].name])),
        found(&lost, Kind::OnlyNew),
        found(&strange, Kind::OnlyLive),
    ];
    wanted.sort_by(|one, other| one.key.cmp(&other.key));
    wanted
}

/// Rows differ by hand; the comparison says which; the switch mends them; and back again, and again. Who folds meanwhile is
/// refused once, and goes on.
pub async fn compares_switches_and_goes_back(stores: &dyn BlueGreen) {
    let mut garages = [Garage::new(1), Garage::new(2)];
    let mut history = play(&mut garages, &moves()).await;
    let mut engine = engine(stores, &history).await;
    let position = engine.catch_up(|_| {}).await.unwrap();
    let whole = wanted(&history).await;
    assert_eq!(live(stores).await, whole);
    assert!(matches!(renewal(stores, &history).back(|_| {}).await, Err(RenewalError::NothingKept(_))));

    let damaged = damage(&*stores.live()).await;
    let mut anew = renewal(stores, &history);
    let (comparison, mut told) = compared(&mut anew).await.unwrap();
    told.sort_by(|one, other| one.key.cmp(&other.key));
    assert_eq!(told, damaged);
    assert_eq!((comparison.only_live, comparison.only_new, comparison.differing), (1, 1, 1));
    assert_eq!((comparison.live_rows, comparison.new_rows), (whole.rows, whole.rows));
    let harmed = live(stores).await;
    assert_ne!(harmed, whole, "a comparison changes nothing");
    anew.switch(|_| {}).await.unwrap();
    assert_eq!(live(stores).await, whole);
    assert_eq!(stores.holds(Beside::Green, VISITS).await.unwrap(), Holds::Nothing);
    assert!(stores.live().select(Select::new(VISITS)).await.unwrap().position >= position);

    // The engine knows what it cached of the damaged rows.
    for step in moves().into_iter().take(40) {
        garages[0].act(&mut history, step).await;
    }
    engine.catch_up(|_| {}).await.unwrap();
    let whole = wanted(&history).await;
    assert_eq!(live(stores).await, whole);

    renewal(stores, &history).back(|_| {}).await.unwrap();
    assert_ne!(live(stores).await, whole);
    assert_eq!(engine.catch_up(|_| {}).await.unwrap(), *history.log.head().borrow());
    renewal(stores, &history).back(|_| {}).await.unwrap();
    assert_eq!(live(stores).await, whole);
    // Nothing is different now, and what is kept goes with the next one.
    let mut anew = renewal(stores, &history);
    let (comparison, told) = compared(&mut anew).await.unwrap();
    assert_eq!((comparison.differences(), told), (0, vec![]));
    anew.switch(|_| {}).await.unwrap();
    renewal(stores, &history).back(|_| {}).await.unwrap();
    assert_eq!(live(stores).await, whole);
}

/// Stopped in the middle it goes on where it was; rows that were changed since they were compared are not replaced.
pub async fn goes_on_after_a_stop_and_replaces_only_what_was_compared(stores: &dyn BlueGreen) {
    let history = play(&mut [Garage::new(1), Garage::new(2)], &moves()).await;
    engine(stores, &history).await.catch_up(|_| {}).await.unwrap();
    let events = std::sync::atomic::AtomicUsize::new(0);
    let folded = || events.load(std::sync::atomic::Ordering::Relaxed);
    let middle = tokio::sync::Notify::new();
    let count = |step: Step| {
        events.fetch_add(step.events, std::sync::atomic::Ordering::Relaxed);
        middle.notify_one();
    };
    let stopped = renewal(stores, &history);
    tokio::select! {
        biased;
        () = middle.notified() => {}
        built = stopped.build(count) => panic!("it is stopped in the middle: {built:?}"),
    }
    let before = folded();
    let mut anew = renewal(stores, &history);
    anew.build(count).await.unwrap();
    let all =
        history.log.read_all(octocity_log::Position(0), usize::MAX, &[], &[]).await.unwrap().events.len();
    // The batch that was under way was written uncounted, or is folded again.
    assert!(
        (all - 50..=all + 50).contains(&folded()) && before < all,
        "{before}, then {} of {all}",
        folded()
    );
    compared(&mut anew).await.unwrap();
    damage(&*stores.live()).await;
    let harmed = live(stores).await;
    assert!(matches!(anew.switch(|_| {}).await, Err(RenewalError::Changed(_))));
    assert_eq!(live(stores).await, harmed);
    let mut anew = renewal(stores, &history);
    compared(&mut anew).await.unwrap();
    anew.switch(|_| {}).await.unwrap();
    assert_eq!(live(stores).await, wanted(&history).await);
}

/// Live rows that are behind the log are compared as of where they stand; what becomes live is at the log's head.
pub async fn compares_where_the_live_rows_stand(stores: &dyn BlueGreen) {
    let mut garages = [Garage::new(1), Garage::new(2)];
    let mut history = play(&mut garages, &moves()).await;
    let mut engine = engine(stores, &history).await;
    engine.catch_up(|_| {}).await.unwrap();
    let behind = live(stores).await;
    for step in moves() {
        garages[0].act(&mut history, step).await;
    }
    let whole = wanted(&history).await;
    assert_ne!(behind, whole);
    let mut anew = renewal(stores, &history);
    let (comparison, told) = compared(&mut anew).await.unwrap();
    assert_eq!((comparison.live_rows, comparison.new_rows, told), (behind.rows, behind.rows, vec![]));
    anew.switch(|_| {}).await.unwrap();
    assert_eq!(live(stores).await, whole);
    engine.catch_up(|_| {}).await.unwrap();
    assert_eq!(live(stores).await, whole);
}

/// The form of the view before a version changed it.
fn visits_before() -> &'static Table {
    let (last, columns) = VISITS.columns.split_last().unwrap();
    let has_last = |index: &&&[&str]| index.contains(&last.name);
    let indexes: Vec<_> = VISITS.indexes.iter().filter(|index| !has_last(index)).copied().collect();
    let (name, key_columns) = (VISITS.name, VISITS.key_columns);
    Box::leak(Box::new(Table { name, columns, key_columns, indexes: Box::leak(indexes.into_boxed_slice()) }))
}

/// Rows of the form of another version stay live, and are not compared, until those of this one are in their place. Who folds
/// the other form is refused, then and before.
pub async fn replaces_rows_of_another_form(stores: &dyn BlueGreen) {
    let mut garages = [Garage::new(1), Garage::new(2)];
    let mut history = play(&mut garages, &moves()[..200]).await;
    let mut engine = engine(stores, &history).await;
    engine.catch_up(|_| {}).await.unwrap();
    let (before, live_rows) = (visits_before(), stores.live());
    let row = rows(&*live_rows).await[0][..before.columns.len()].to_vec();
    live_rows.reform(&[before]).await.unwrap();
    let known = of_view(&*live_rows, VISITS).await.unwrap();
    let to_head = |known: crate::Checkpoint| {
        let position = *history.log.head().borrow();
        Moved {
            after: known.position,
            generation: known.generation,
            to: crate::Checkpoint { position, ..known },
        }
    };
    let writes = vec![TableWrites { table: before, upserts: vec![row.clone()], deletes: vec![] }];
    let moves_on = known.into_iter().map(to_head).collect();
    live_rows.commit(Arc::new(Batch { writes, moves: moves_on, ..Batch::default() })).await.unwrap();
    for step in moves().into_iter().take(40) {
        garages[0].act(&mut history, step).await;
    }
    // What it meets first may be said in the store's own words.
    assert!(engine.catch_up(|_| {}).await.is_err());
    assert_eq!(engine.catch_up(|_| {}).await, Err(StoreError::OtherForm(VISITS.name.to_owned())));

    let mut anew = renewal(stores, &history);
    let (comparison, told) = compared(&mut anew).await.unwrap();
    assert!(comparison.form_changed && comparison.live_rows == 0 && told.is_empty(), "{comparison:?}");
    let stored = live_rows.select(Select::new(before)).await.unwrap().rows;
    assert_eq!(stored, [row], "what is live changes by the switch alone");
    anew.switch(|_| {}).await.unwrap();
    assert_eq!(engine.catch_up(|_| {}).await.unwrap(), *history.log.head().borrow());
    assert_eq!(live(stores).await, wanted(&history).await);
    assert_eq!(stores.holds(Beside::Blue, before).await.unwrap(), Holds::Rows);
    let back = renewal(stores, &history).back(|_| {}).await;
    assert!(matches!(back, Err(RenewalError::KeptOfOtherForm(_))), "{back:?}");
}

/// Live rows of another log are left alone.
pub async fn refuses_rows_of_another_log(stores: &dyn BlueGreen) {
    let ours = play(&mut [Garage::new(1)], &moves()[..60]).await;
    let mut other = History::default();
    other.register(crate::testing::facility(9)).await;
    engine(stores, &ours).await.catch_up(|_| {}).await.unwrap();
    let before = live(stores).await;
    let refused = renewal(stores, &other).build(|_| {}).await;
    assert!(matches!(refused, Err(RenewalError::OtherLog(_))), "{refused:?}");
    assert_eq!(live(stores).await, before);
}
