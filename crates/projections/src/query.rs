//! Typed questions: what the API asks with.

use std::marker::PhantomData;

use octocity_log::Position;

use crate::row::{Field, Key, Kind, Row, Value};
use crate::store::{Direction, Filter, RowStore, Select, StoreError};

/// A question about the rows of one table. Column names are those of the row's fields; one that does not exist
/// is an error when it is asked.
#[derive(Clone, Debug)]
pub struct Query<R> {
    select: Select,
    row: PhantomData<fn() -> R>,
}

/// Rows with the position they are as of.
#[derive(Clone, Debug)]
pub struct Rows<R> {
    pub rows: Vec<R>,
    pub position: Position,
    pub has_more: bool,
    pub total: Option<u64>,
}

impl<R: Row> Default for Query<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Row> Query<R> {
    /// All rows, in key order.
    pub const fn new() -> Self {
        Self { select: Select::new(R::TABLE), row: PhantomData }
    }
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.select.filters.push(filter);
        self
    }
    #[must_use]
    pub fn eq(self, column: &'static str, value: &impl Field) -> Self {
        self.filter(Filter::Eq(column, value.to_value()))
    }
    #[must_use]
    pub fn is_in<F: Field>(self, column: &'static str, values: &[F]) -> Self {
        self.filter(Filter::In(column, values.iter().map(Field::to_value).collect()))
    }
    /// At or above `value`.
    #[must_use]
    pub fn from(self, column: &'static str, value: &impl Field) -> Self {
        self.filter(Filter::From(column, value.to_value()))
    }
    #[must_use]
    pub fn below(self, column: &'static str, value: &impl Field) -> Self {
        self.filter(Filter::Below(column, value.to_value()))
    }
    #[must_use]
    pub fn ascending(mut self, column: &'static str) -> Self {
        self.select.order.push((column, Direction::Ascending));
        self
    }
    #[must_use]
    pub fn descending(mut self, column: &'static str) -> Self {
        self.select.order.push((column, Direction::Descending));
        self
    }
    /// Only rows after the one that [`Query::cursor`] gave these values for.
    #[must_use]
    pub fn after(mut self, cursor: Option<Vec<Value>>) -> Self {
        self.select.after = cursor;
        self
    }
    #[must_use]
    pub fn before(mut self, cursor: Option<Vec<Value>>) -> Self {
        self.select.before = cursor;
        self
    }
    #[must_use]
    pub const fn first(mut self, limit: usize) -> Self {
        self.select.limit = limit;
        self
    }
    #[must_use]
    pub const fn last(mut self, limit: usize) -> Self {
        self.select.limit = limit;
        self.select.from_end = true;
        self
    }
    /// Also say how many rows hold the filters.
    #[must_use]
    pub const fn counted(mut self) -> Self {
        self.select.count = true;
        self
    }

    /// The kinds of the values that a cursor has.
    pub fn order_kinds(&self) -> Vec<Kind> {
        let kind = |name| R::TABLE.column(name).map(|index| R::TABLE.columns[index].kind);
        self.select.total_order().iter().filter_map(|(name, _)| kind(name)).collect()
    }

    /// Where a row stands in this query's order: stable as long as its order columns do not change.
    pub fn cursor(&self, row: &R) -> Vec<Value> {
        let values = row.to_values();
        let place = |name| R::TABLE.column(name).and_then(|index| values.get(index).cloned());
        self.select.total_order().iter().map(|(name, _)| place(name).unwrap_or(Value::Null)).collect()
    }

    pub async fn run(self, store: &dyn RowStore) -> Result<Rows<R>, StoreError> {
        let page = store.select(self.select).await?;
        let rows = page.rows.into_iter().map(R::from_values).collect::<Result<_, _>>()?;
        Ok(Rows { rows, position: page.position, has_more: page.has_more, total: page.total })
    }
}

/// One row by its key, with the position it is as of.
pub async fn find<R: Row>(store: &dyn RowStore, key: &R::Key) -> Result<(Option<R>, Position), StoreError> {
    let mut query = Query::<R>::new().first(1);
    for (column, value) in R::TABLE.key().iter().zip(key.to_values()) {
        query = query.filter(Filter::Eq(column.name, value));
    }
    let mut found = query.run(store).await?;
    Ok((found.rows.pop(), found.position))
}
