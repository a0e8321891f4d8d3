//! The port behind which rows are kept: written in batches with their checkpoints, read with them too.

use std::sync::Arc;

use async_trait::async_trait;
use octocity_log::{LogId, Position};
use thiserror::Error;

use crate::row::{RowError, Table, Value};

/// Up to where a view has folded a partition of which log. Opaque positions are comparable only within log and epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The view's name: that of its table.
    pub view: String,
    /// Which of [`RowStore::partitions`], from 0.
    pub partition: i32,
    pub log: LogId,
    pub epoch: u32,
    pub position: Position,
    /// Raised by whoever changes the view's rows or parked keys otherwise than by folding on: a writer that goes on from
    /// what it remembers of an earlier one is refused.
    pub generation: u32,
}

/// A checkpoint that moves on: from where, in the same log and epoch, and to where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The position before all others where there is no checkpoint yet.
    pub after: Position,
    /// Which generation it begins in; 0 where there is no checkpoint yet.
    pub generation: u32,
    pub to: Checkpoint,
}

impl Move {
    /// Whether it begins where the stored checkpoint is.
    pub fn begins_at(&self, known: Option<&Checkpoint>) -> bool {
        let Self { after, generation, to } = self;
        let (position, of) = known.map_or_else(Default::default, |known| (known.position, known.generation));
        // Where nothing is folded yet the checkpoint is of no log yet: that of a view that starts anew.
        let is_of_log = |known: &Checkpoint| (known.log, known.epoch) == (to.log, to.epoch);
        (position, of) == (*after, *generation)
            && (position == Position::default() || known.is_some_and(is_of_log))
    }
}

/// A key that stands still, because this event could not be applied to it. Its later events are passed over; they
/// stay in the log until the key is [mended](crate::mending).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    pub view: String,
    /// The row's key as text, or the stream's name where the event could not even be read.
    pub key: String,
    pub stream: String,
    pub revision: u64,
    pub event_type: String,
    pub error: String,
}

/// What one view's fold changed in its table.
#[derive(Clone, Debug)]
pub struct TableWrites {
    pub table: &'static Table,
    /// Whole rows, each key at most once.
    pub upserts: Vec<Vec<Value>>,
    /// Keys.
    pub deletes: Vec<Vec<Value>>,
}

/// All of it is written in one transaction, or nothing.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub writes: Vec<TableWrites>,
    /// Where one begins elsewhere than the stored checkpoint is, somebody else wrote meanwhile: nothing is written, and
    /// the writer is told [`StoreError::Overtaken`].
    pub moves: Vec<Move>,
    /// View and key of those that stand still no longer, as far as they are not in `parked`.
    pub mended: Vec<(String, String)>,
    pub parked: Vec<Parked>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    #[default]
    Ascending,
    Descending,
}

/// A condition on one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    Eq(&'static str, Value),
    In(&'static str, Vec<Value>),
    /// At or above.
    From(&'static str, Value),
    Below(&'static str, Value),
    IsNull(&'static str),
    NotNull(&'static str),
    /// Text that begins with this.
    StartsWith(&'static str, String),
}

impl Filter {
    pub const fn column(&self) -> &'static str {
        match self {
            Self::Eq(column, _)
            | Self::In(column, _)
            | Self::From(column, _)
            | Self::Below(column, _)
            | Self::IsNull(column)
            | Self::NotNull(column)
            | Self::StartsWith(column, _) => column,
        }
    }
}

/// One question to one table, from which every store builds its own query.
#[derive(Clone, Debug)]
pub struct Select {
    pub table: &'static Table,
    /// All of them hold.
    pub filters: Vec<Filter>,
    /// Key columns that are not named are added at the end, so that the order is total.
    pub order: Vec<(&'static str, Direction)>,
    /// Only rows after the one with these values of the order columns (see [`Select::total_order`]).
    pub after: Option<Vec<Value>>,
    pub before: Option<Vec<Value>>,
    /// Take the last `limit` rows instead of the first; they come in the same order.
    pub from_end: bool,
    pub limit: usize,
    /// Count all rows that hold the filters, too.
    pub count: bool,
}

impl Select {
    pub const fn new(table: &'static Table) -> Self {
        Self {
            table,
            filters: Vec::new(),
            order: Vec::new(),
            after: None,
            before: None,
            from_end: false,
            limit: usize::MAX,
            count: false,
        }
    }

    /// The order columns with the key columns that make it total: what `after` and `before` have values for.
    pub fn total_order(&self) -> Vec<(&'static str, Direction)> {
        let mut order = self.order.clone();
        for column in self.table.key() {
            if !order.iter().any(|(name, _)| *name == column.name) {
                order.push((column.name, Direction::Ascending));
            }
        }
        order
    }

    /// The indexes of the total order's columns.
    pub fn order_columns(&self) -> Result<Vec<(usize, Direction)>, StoreError> {
        self.total_order().into_iter().map(|(name, way)| Ok((self.index(name)?, way))).collect()
    }

    /// A cursor, if it has a value for each order column.
    pub fn cursor_values<'a>(&self, cursor: Option<&'a [Value]>) -> Result<Option<&'a [Value]>, StoreError> {
        match cursor {
            Some(values) if values.len() != self.total_order().len() => {
                Err(StoreError::Query("a cursor of another order was given".to_owned()))
            }
            other => Ok(other),
        }
    }

    pub fn index(&self, column: &str) -> Result<usize, StoreError> {
        self.table
            .column(column)
            .ok_or_else(|| StoreError::Query(format!("table {} has no column {column}", self.table.name)))
    }
}

/// The rows and the checkpoint they are as of, from one read.
#[derive(Clone, Debug, Default)]
pub struct Selected {
    pub rows: Vec<Vec<Value>>,
    /// The view's checkpoint: of all partitions the one that is furthest behind.
    pub position: Position,
    /// Whether rows follow after these (before these, with `from_end`).
    pub has_more: bool,
    /// With `count`: how many rows hold the filters.
    pub total: Option<u64>,
}

/// A fault of the store: logged once, with this context, and never shown to clients.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StoreError {
    #[error("the read models cannot be written or read just now: {0}")]
    Unavailable(String),
    #[error("the read models are full: {0}")]
    Full(String),
    #[error("the read models are damaged ({0}); stop the server and run octocity rebuild")]
    Damaged(String),
    #[error("another process has written the view {0} meanwhile; what it says is taken up")]
    Overtaken(String),
    #[error(
        "the view {0} is stored in the form of another version; use that one, or start octocity serve (role projector, or \
         all) or octocity rebuild {0} of this version, which make it anew"
    )]
    OtherForm(String),
    #[error(
        "the view {view} is cut into {stored} partition(s), and this process cuts it into {own}; configure the same \
         'partitions' under [kafka] for all processes and commands on one schema"
    )]
    OtherPartitions { view: String, stored: i32, own: i32 },
    #[error(transparent)]
    Row(#[from] RowError),
    #[error("the question cannot be asked: {0}")]
    Query(String),
    #[error("the log cannot be read: {0}")]
    Log(#[from] octocity_log::LogError),
}

#[async_trait]
pub trait RowStore: Send + Sync + 'static {
    /// Into how many partitions the log is cut for those who write here, each with its own checkpoint. A row belongs to
    /// one of them.
    fn partitions(&self) -> i32 {
        1
    }

    /// Whether damage was met: it stays until the read models are made anew.
    fn is_damaged(&self) -> bool {
        false
    }

    /// Makes the tables that are missing, and changes no other. One whose columns, key or indexes are not these is refused
    /// ([`StoreError::OtherForm`]), and so is one of another number of partitions ([`StoreError::OtherPartitions`]).
    async fn ensure(&self, tables: &[&'static Table]) -> Result<(), StoreError>;

    /// Makes the tables, for a writer that starts: one whose columns, key or indexes have changed is made anew, empty, as by
    /// [`RowStore::reset`]. So is one of another number of partitions, unless all of these were at one position.
    async fn reform(&self, tables: &[&'static Table]) -> Result<(), StoreError>;

    /// The rows of those keys that have one, in any order.
    async fn load(&self, table: &'static Table, keys: Vec<Vec<Value>>)
    -> Result<Vec<Vec<Value>>, StoreError>;

    /// Refused, too, where a view has another number of partitions by now.
    async fn commit(&self, batch: Arc<Batch>) -> Result<(), StoreError>;

    /// Rows and checkpoint in one read transaction.
    async fn select(&self, select: Select) -> Result<Selected, StoreError>;

    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, StoreError>;

    /// Of these views; all of them if none is named.
    async fn parked(&self, views: &[&str]) -> Result<Vec<Parked>, StoreError>;

    /// Forgets the rows and the parked keys of a view. Its checkpoints go to the log's beginning, in a next generation.
    async fn reset(&self, table: &'static Table) -> Result<(), StoreError>;
}
