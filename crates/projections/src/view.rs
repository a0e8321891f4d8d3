//! A view: a pure fold of events into rows.

use std::fmt::Write as _;

use octocity_domain::{Category, Event, FacilityId, Timestamp};
use octocity_log::{EventMeta, StreamId};
use thiserror::Error;

use crate::row::{Key, Row, Value};

/// An event as a view sees it. Positions and recording places are not in it, so that no row can hold one.
#[derive(Clone, Copy, Debug)]
pub struct EventRecord<'a> {
    pub event: &'a Event,
    pub stream: StreamId,
    pub revision: u64,
    pub meta: &'a EventMeta,
}

impl EventRecord<'_> {
    pub const fn facility(&self) -> FacilityId {
        self.meta.key
    }
    pub const fn happened_at(&self) -> Timestamp {
        self.meta.happened_at
    }
}

/// Why an event cannot be applied to a row. Its key parks with this sentence.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct Unappliable(pub &'static str);

/// The place of a row: its key, and the row if there is one.
pub type Slot<R> = (<R as Row>::Key, Option<R>);

/// Folds events into the rows of one table. Pure: a row follows from its events alone.
pub trait View: Send + Sync + 'static {
    type Row: Row;
    /// The streams it reads.
    const CATEGORIES: &'static [Category];

    /// The keys of the rows that the event concerns, none of them twice.
    fn keys(record: &EventRecord, keys: &mut Vec<<Self::Row as Row>::Key>);

    /// Whether no event before it can have made the row of this key: then none is looked for.
    fn begins(_record: &EventRecord, _key: &<Self::Row as Row>::Key) -> bool {
        false
    }

    /// Applies the event to the row of one of its keys. Where it fails it has changed nothing.
    fn apply(
        row: &mut Option<Self::Row>,
        key: &<Self::Row as Row>::Key,
        record: &EventRecord,
    ) -> Result<(), Unappliable>;

    /// Whether the rows of the event's keys can only be folded together; then [`View::apply_joint`] is asked.
    fn is_joint(_record: &EventRecord) -> bool {
        false
    }

    /// Applies the event to all its rows at once. Where it fails it has changed nothing, and all of them park.
    fn apply_joint(rows: &mut [Slot<Self::Row>], record: &EventRecord) -> Result<(), Unappliable> {
        rows.iter_mut().try_for_each(|(key, row)| Self::apply(row, key, record))
    }
}

/// A key as text: its columns' values, joined by `/`.
pub fn key_text(key: &impl Key) -> String {
    values_text(&key.to_values())
}

/// The same of a key's values.
pub fn values_text(key: &[Value]) -> String {
    let mut text = String::new();
    for value in key {
        if !text.is_empty() {
            text.push('/');
        }
        // Writing to a String cannot fail.
        let _ = match value {
            Value::Null => Ok(()),
            Value::Int(number) => write!(text, "{number}"),
            Value::Id(id) => write!(text, "{id}"),
            Value::Text(word) => write!(text, "{word}"),
        };
    }
    text
}
