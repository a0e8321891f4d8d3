//! Every question is answered as the memory store answers it.

use std::collections::BTreeMap;
use std::sync::Arc;

use octocity_log::Position;
use uuid::Uuid;

use super::{CARS, Storage, car, commit, upserts, with_tables};
use crate::memory::MemoryRows;
use crate::row::Value;
use crate::store::{Direction, Filter, RowStore, Select, StoreError};

pub async fn says_rows_and_checkpoint_of_one_read(storage: &dyn Storage) {
    let store = with_tables(storage).await;
    let before = store.select(Select::new(&CARS)).await.unwrap();
    assert_eq!((before.rows.len(), before.position, before.total), (0, Position(0), None));
    let writer = Arc::clone(&store);
    let writing = tokio::spawn(async move {
        for number in 1..=50 {
            commit(&*writer, vec![upserts(&CARS, vec![car(1, number, "red", None)])], number as u64)
                .await
                .unwrap();
        }
    });
    loop {
        let page = store.select(Select { count: true, ..Select::new(&CARS) }).await.unwrap();
        assert_eq!(page.rows.len() as u64, page.position.0);
        assert_eq!(page.total, Some(page.position.0));
        let of_owner =
            store.select(Select { filters: vec![of_owner(1)], ..Select::new(&CARS) }).await.unwrap();
        assert_eq!(of_owner.rows.len() as u64, of_owner.position.0);
        // Also where it failed.
        if writing.is_finished() {
            break;
        }
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
    assert_eq!(store.select(Select::new(&CARS)).await.unwrap().position, Position(50));
}

/// Many questions, drawn by chance from a fixed seed, to it and to the memory store.
pub async fn answers_as_the_oracle_does(storage: &dyn Storage) {
    let store = with_tables(storage).await;
    let oracle = MemoryRows::new();
    oracle.ensure(&[&CARS]).await.unwrap();
    let mut chance = Chance(42);
    let rows = (0..60).map(|number| {
        let doors = Some(chance.below(4)).filter(|doors| *doors > 0);
        let colour = ["red", "green", "gr\u{fc}n", "RED"][chance.below(4) as usize];
        car(u128::from(chance.next() % 3), number, colour, doors)
    });
    let writes = upserts(&CARS, rows.collect());
    commit(&*store, vec![writes.clone()], 6).await.unwrap();
    commit(&oracle, vec![writes.clone()], 6).await.unwrap();
    for _ in 0..400 {
        let select = chance.select(&writes.upserts);
        let found = store.select(select.clone()).await.unwrap();
        let wanted = oracle.select(select.clone()).await.unwrap();
        assert_eq!(found.rows, wanted.rows, "{select:?}");
        assert_eq!(
            (found.has_more, found.total, found.position),
            (wanted.has_more, wanted.total, wanted.position),
            "{select:?}"
        );
    }
}

/// Rows written again and again, with some of their columns changed: all of them and their indexes say the last.
pub async fn writes_rows_again_as_the_oracle_does(storage: &dyn Storage) {
    let store = with_tables(storage).await;
    let oracle = MemoryRows::new();
    oracle.ensure(&[&CARS]).await.unwrap();
    let mut chance = Chance(7);
    for position in 1..40 {
        let mut rows = BTreeMap::new();
        for _ in 0..10 {
            let (owner, number) = (u128::from(chance.next() % 3), chance.below(5));
            let colour = ["red", "green", "blue"][chance.below(3) as usize];
            let doors = Some(chance.below(3)).filter(|doors| *doors > 0);
            rows.insert((owner, number), car(owner, number, colour, doors));
        }
        let writes = upserts(&CARS, rows.into_values().collect());
        commit(&*store, vec![writes.clone()], position).await.unwrap();
        commit(&oracle, vec![writes], position).await.unwrap();
        let doors = Value::Int(chance.below(3));
        for filter in [Filter::NotNull("number"), Filter::Eq("doors", doors), Filter::IsNull("doors")] {
            let select = Select { filters: vec![filter], ..Select::new(&CARS) };
            let (found, wanted) =
                (store.select(select.clone()).await.unwrap(), oracle.select(select.clone()).await.unwrap());
            assert_eq!(found.rows, wanted.rows, "{select:?}");
        }
    }
}

fn of_owner(owner: u128) -> Filter {
    Filter::Eq("owner", Value::Id(Uuid::from_u128(owner)))
}

/// Questions that differ in their values alone, asked at the same time: each gets its own answer.
pub async fn answers_many_at_once(storage: &dyn Storage) {
    let store = with_tables(storage).await;
    let oracle = MemoryRows::new();
    oracle.ensure(&[&CARS]).await.unwrap();
    let rows = (0..60).map(|number| car((number % 7) as u128, number, "red", None)).collect();
    let writes = upserts(&CARS, rows);
    commit(&*store, vec![writes.clone()], 6).await.unwrap();
    commit(&oracle, vec![writes], 6).await.unwrap();
    let asked = (0..200).map(|number: i64| {
        let (owner, one) = (of_owner((number % 10) as u128), Filter::In("number", vec![Value::Int(number)]));
        let filters = if number % 3 == 0 { vec![owner, one] } else { vec![owner] };
        let limit = if number % 2 == 0 { 1 } else { usize::MAX };
        let question = Select { filters, limit, from_end: number % 5 == 0, ..Select::new(&CARS) };
        let (store, asked) = (Arc::clone(&store), question.clone());
        (question, tokio::spawn(async move { store.select(asked).await.unwrap() }))
    });
    for (question, answer) in asked.collect::<Vec<_>>() {
        let (found, wanted) = (answer.await.unwrap(), oracle.select(question.clone()).await.unwrap());
        assert_eq!((found.rows, found.has_more), (wanted.rows, wanted.has_more), "{question:?}");
        assert_eq!(found.position, wanted.position);
    }
}

#[derive(Clone)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
    fn below(&mut self, limit: u64) -> i64 {
        (self.next() % limit) as i64
    }

    fn select(&mut self, rows: &[Vec<Value>]) -> Select {
        let mut select = Select::new(&CARS);
        for _ in 0..self.below(3) {
            select.filters.push(self.filter());
        }
        for name in ["colour", "doors", "number"] {
            let direction = if self.below(2) == 0 { Direction::Ascending } else { Direction::Descending };
            if self.below(2) == 0 {
                select.order.push((name, direction));
            }
        }
        select.limit = [1, 3, 7, usize::MAX][self.below(4) as usize];
        select.from_end = self.below(3) == 0;
        select.count = self.below(2) == 0;
        let columns = select.order_columns().unwrap();
        let mut cursor = || {
            let row = &rows[self.below(rows.len() as u64) as usize];
            let values = columns.iter().map(|(index, _)| row[*index].clone()).collect();
            (self.below(2) == 0).then_some(values)
        };
        select.after = cursor();
        select.before = cursor();
        select
    }

    fn filter(&mut self) -> Filter {
        let owner = Value::Id(Uuid::from_u128(u128::from(self.next() % 3)));
        match self.below(8) {
            0 => Filter::Eq("owner", owner),
            1 => Filter::In("owner", vec![owner, Value::Id(Uuid::from_u128(1))]),
            2 => Filter::From("doors", Value::Int(self.below(4))),
            3 => Filter::Below("number", Value::Int(self.below(60))),
            4 => Filter::IsNull("doors"),
            5 => Filter::NotNull("note"),
            6 => Filter::StartsWith("colour", "gr\u{fc}".to_owned()),
            _ => Filter::StartsWith("colour", "gr".to_owned()),
        }
    }
}

pub async fn refuses_questions_that_cannot_be_asked(storage: &dyn Storage) {
    let store = with_tables(storage).await;
    let unknown = Select { filters: vec![Filter::IsNull("wheels")], ..Select::new(&CARS) };
    let short_cursor = Select { after: Some(vec![Value::Int(1)]), ..Select::new(&CARS) };
    let unordered = Select { order: vec![("wheels", Direction::Ascending)], ..Select::new(&CARS) };
    for select in [unknown, short_cursor, unordered] {
        assert!(matches!(store.select(select).await, Err(StoreError::Query(_))));
    }
}
