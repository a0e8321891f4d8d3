//! What one reading connection answers.

use std::collections::HashMap;
use std::sync::Arc;

use octocity_domain::{Category, CommandId, FacilityId, Timestamp};
use octocity_log::{
    Actor, EventMeta, LedgerEntry, LedgerWindow, Origin, Page, Position, RecordedEvent, StreamId,
};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::schema::BLOCK;

/// How many names of actors and streams are kept before all are forgotten.
const KNOWN_NAMES: usize = 20_000;
/// How many ledger entries one step of pruning looks at.
const PRUNE_STEP: usize = 20_000;

const COLUMNS: &str = "position, stream_no, revision, type_no, version, actor_no, origin, decided_at, \
     happened_at, command_id, causation_id, correlation_id, key, data";

pub struct Reader {
    connection: Connection,
    names: Names,
}

/// A stream that has fewer events than its last revision says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    pub stream: StreamId,
    pub events: u64,
    pub last_revision: u64,
}

/// What stands behind the numbers in the rows; none ever changes.
#[derive(Default)]
struct Names {
    types: HashMap<i64, Arc<str>>,
    actors: HashMap<i64, Actor>,
    streams: HashMap<i64, StreamId>,
}

impl Reader {
    pub fn new(connection: Connection, cache_kib: u32) -> rusqlite::Result<Self> {
        connection.set_prepared_statement_cache_capacity(32);
        connection.pragma_update(None, "cache_size", -i64::from(cache_kib))?;
        Ok(Self { connection, names: Names::default() })
    }

    pub fn stream(
        &mut self,
        stream: StreamId,
        from: u64,
        limit: usize,
    ) -> rusqlite::Result<Vec<RecordedEvent>> {
        let Some(number) = number_of(&self.connection, stream)? else { return Ok(Vec::new()) };
        let query = format!(
            "SELECT {COLUMNS} FROM events WHERE stream_no = ? AND revision >= ? ORDER BY revision LIMIT ?"
        );
        self.events(&query, [number, stored(from), stored(limit as u64)])
    }

    pub fn stream_back(
        &mut self,
        stream: StreamId,
        before: u64,
        limit: usize,
    ) -> rusqlite::Result<Vec<RecordedEvent>> {
        let Some(number) = number_of(&self.connection, stream)? else { return Ok(Vec::new()) };
        let query = format!(
            "SELECT {COLUMNS} FROM events WHERE stream_no = ? AND revision < ? ORDER BY revision DESC LIMIT ?"
        );
        self.events(&query, [number, stored(before), stored(limit as u64)])
    }

    fn events(&mut self, query: &str, key: [i64; 3]) -> rusqlite::Result<Vec<RecordedEvent>> {
        let mut statement = self.connection.prepare_cached(query)?;
        let mut rows = statement.query(key)?;
        let mut events = Vec::new();
        while let Some(row) = rows.next()? {
            events.push(self.names.event(&self.connection, row)?);
        }
        Ok(events)
    }

    /// The ledger in the log's order, behind a position if one is named, until `each` wants no more.
    pub fn ledger(
        &mut self,
        after: Option<Position>,
        mut each: impl FnMut(StreamId, LedgerEntry) -> bool,
    ) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare(
            "SELECT command_id, body_hash, first_revision, events, refusal, decided_at, position, stream_no
             FROM ledger WHERE position > ? ORDER BY position, stream_no, first_revision, command_id",
        )?;
        let mut rows = statement.query([after.map_or(-1, |after| stored(after.0))])?;
        while let Some(row) = rows.next()? {
            let stream = self.names.stream(&self.connection, row.get(7)?)?;
            if !each(stream, ledger_entry(row)?) {
                break;
            }
        }
        Ok(())
    }

    /// One page in global order. The whole of it is read from one state of the file.
    pub fn all(
        &mut self,
        after: Position,
        limit: usize,
        categories: &[Category],
        event_types: &[String],
    ) -> rusqlite::Result<Page> {
        let state = self.connection.unchecked_transaction()?;
        let names = &mut self.names;
        let last = state.query_row("SELECT coalesce(max(position), 0) FROM events", [], |row| row.get(0))?;
        let start = stored(after.0);
        let mut events = Vec::new();
        match wanted_types(&state, categories, event_types)? {
            None => {
                let waiting = usize::try_from(last - start).unwrap_or_default();
                events.reserve(limit.min(waiting));
                scan(&state, names, start, last, limit, |_| true, &mut events)?;
            }
            Some(types) => {
                let mut from = start;
                while events.len() < limit
                    && from < last
                    && let Some(block) = next_block(&state, &types, (from + 1) / BLOCK)?
                {
                    let (first, end) = ((block * BLOCK - 1).max(from), (block + 1) * BLOCK - 1);
                    let wanted = |number| types.contains(&number);
                    scan(&state, names, first, end, limit, wanted, &mut events)?;
                    from = end;
                }
            }
        }
        let next = match events.last() {
            Some(event) if events.len() >= limit => event.position,
            _ => Position(start.max(last).unsigned_abs()),
        };
        Ok(Page { events, next })
    }

    pub fn gaps(&mut self, limit: usize) -> rusqlite::Result<Vec<Gap>> {
        // Revisions begin at 0 and are unique. Answered by the index alone, in its order.
        let mut statement = self.connection.prepare(
            "SELECT stream_no, count(*), max(revision) FROM events GROUP BY stream_no
             HAVING count(*) <= max(revision) LIMIT ?",
        )?;
        let mut rows = statement.query([stored(limit as u64)])?;
        let mut gaps = Vec::new();
        while let Some(row) = rows.next()? {
            gaps.push(Gap {
                stream: self.names.stream(&self.connection, row.get(0)?)?,
                events: row.get::<_, i64>(1)?.unsigned_abs(),
                last_revision: row.get::<_, i64>(2)?.unsigned_abs(),
            });
        }
        Ok(gaps)
    }

    pub fn ledger_window(&mut self, stream: StreamId, limit: usize) -> rusqlite::Result<LedgerWindow> {
        let Some(number) = number_of(&self.connection, stream)? else { return Ok(LedgerWindow::default()) };
        let mut statement = self.connection.prepare_cached(
            "SELECT command_id FROM ledger WHERE stream_no = ? ORDER BY command_id DESC LIMIT ?",
        )?;
        // One more than asked for tells whether there are older ones.
        let more = stored(limit as u64).saturating_add(1);
        let ids = statement.query_map([number, more], |row| uuid(row, 0).map(CommandId))?;
        let mut ids = ids.collect::<rusqlite::Result<Vec<_>>>()?;
        let cut = ids.len() > limit;
        ids.truncate(limit);
        Ok(LedgerWindow::of(ids, cut))
    }

    pub fn ledger_entries(
        &mut self,
        stream: StreamId,
        ids: &[CommandId],
    ) -> rusqlite::Result<Vec<Option<LedgerEntry>>> {
        let Some(number) = number_of(&self.connection, stream)? else { return Ok(vec![None; ids.len()]) };
        let mut statement = self.connection.prepare_cached(
            "SELECT command_id, body_hash, first_revision, events, refusal, decided_at, position
             FROM ledger WHERE stream_no = ? AND command_id = ?",
        )?;
        let find = |id: &CommandId| {
            statement.query_row(params![number, id.uuid().as_bytes()], ledger_entry).optional()
        };
        ids.iter().map(find).collect()
    }

    /// Entries of client-made ids (UUIDv7) decided before `before`, out of the next ones after `after`; and where
    /// to go on.
    #[allow(clippy::type_complexity)]
    pub fn old_entries(
        &mut self,
        before: Timestamp,
        after: (i64, Uuid),
    ) -> rusqlite::Result<(Vec<(i64, Uuid)>, Option<(i64, Uuid)>)> {
        let mut statement = self.connection.prepare_cached(
            "SELECT stream_no, command_id, decided_at FROM ledger WHERE (stream_no, command_id) > (?, ?)
             ORDER BY stream_no, command_id LIMIT ?",
        )?;
        let mut rows = statement.query(params![after.0, after.1.as_bytes(), stored(PRUNE_STEP as u64)])?;
        let (mut old, mut seen, mut last) = (Vec::new(), 0, after);
        while let Some(row) = rows.next()? {
            last = (row.get(0)?, uuid(row, 1)?);
            seen += 1;
            let client_made = CommandId(last.1).minted_at().is_some();
            if client_made && row.get::<_, i64>(2)? < before.millis() {
                old.push(last);
            }
        }
        Ok((old, (seen == PRUNE_STEP).then_some(last)))
    }
}

/// Events after `after` up to `end`, until `events` holds `limit`.
fn scan(
    state: &Connection,
    names: &mut Names,
    after: i64,
    end: i64,
    limit: usize,
    wanted: impl Fn(i64) -> bool,
    events: &mut Vec<RecordedEvent>,
) -> rusqlite::Result<()> {
    let query =
        format!("SELECT {COLUMNS} FROM events WHERE position > ? AND position <= ? ORDER BY position");
    let mut statement = state.prepare_cached(&query)?;
    let mut rows = statement.query([after, end])?;
    while events.len() < limit
        && let Some(row) = rows.next()?
    {
        if wanted(row.get(3)?) {
            events.push(names.event(state, row)?);
        }
    }
    Ok(())
}

/// The numbers of the types that a filter lets through; None: all.
fn wanted_types(
    state: &Connection,
    categories: &[Category],
    event_types: &[String],
) -> rusqlite::Result<Option<Vec<i64>>> {
    if categories.is_empty() && event_types.is_empty() {
        return Ok(None);
    }
    let mut statement = state.prepare_cached("SELECT type_no, category, name FROM types")?;
    let mut rows = statement.query([])?;
    let mut wanted = Vec::new();
    while let Some(row) = rows.next()? {
        let (category, name): (String, String) = (row.get(1)?, row.get(2)?);
        let of_category = categories.is_empty() || categories.iter().any(|known| known.as_str() == category);
        if of_category && (event_types.is_empty() || event_types.contains(&name)) {
            wanted.push(row.get(0)?);
        }
    }
    Ok(Some(wanted))
}

/// The first block from `from` on in which one of the types occurs.
fn next_block(state: &Connection, types: &[i64], from: i64) -> rusqlite::Result<Option<i64>> {
    let mut statement =
        state.prepare_cached("SELECT min(block) FROM type_blocks WHERE type_no = ? AND block >= ?")?;
    let mut first = None;
    for number in types {
        let block: Option<i64> = statement.query_row([*number, from], |row| row.get(0))?;
        first = first.into_iter().chain(block).min();
    }
    Ok(first)
}

fn number_of(connection: &Connection, stream: StreamId) -> rusqlite::Result<Option<i64>> {
    let mut find =
        connection.prepare_cached("SELECT stream_no FROM streams WHERE id = ? AND category = ?")?;
    find.query_row(params![stream.id.as_bytes(), stream.category.as_str()], |row| row.get(0)).optional()
}

impl Names {
    fn event(&mut self, connection: &Connection, row: &Row<'_>) -> rusqlite::Result<RecordedEvent> {
        let stream = self.stream(connection, row.get(1)?)?;
        let command = uuid(row, 9)?;
        let decided_at = Timestamp::from_millis(row.get(7)?);
        let or = |column: usize, same: Uuid| -> rusqlite::Result<Uuid> {
            Ok(row.get::<_, Option<[u8; 16]>>(column)?.map_or(same, Uuid::from_bytes))
        };
        Ok(RecordedEvent {
            position: Position(row.get::<_, i64>(0)?.unsigned_abs()),
            stream,
            revision: row.get::<_, i64>(2)?.unsigned_abs(),
            event_type: self.event_type(connection, row.get(3)?)?,
            version: row.get(4)?,
            data: row.get(13)?,
            meta: EventMeta {
                actor: self.actor(connection, row.get(5)?)?,
                command_id: CommandId(command),
                causation_id: or(10, command)?,
                correlation_id: or(11, command)?,
                key: FacilityId(or(12, stream.id)?),
                decided_at,
                happened_at: row.get::<_, Option<i64>>(8)?.map_or(decided_at, Timestamp::from_millis),
                origin: if row.get(6)? { Origin::Imported } else { Origin::Live },
            },
        })
    }

    fn stream(&mut self, connection: &Connection, number: i64) -> rusqlite::Result<StreamId> {
        if let Some(stream) = self.streams.get(&number) {
            return Ok(*stream);
        }
        let mut find = connection.prepare_cached("SELECT category, id FROM streams WHERE stream_no = ?")?;
        let stream = find.query_row([number], |row| Ok(StreamId::new(category(row, 0)?, uuid(row, 1)?)))?;
        if self.streams.len() >= KNOWN_NAMES {
            self.streams.clear();
        }
        self.streams.insert(number, stream);
        Ok(stream)
    }

    fn event_type(&mut self, connection: &Connection, number: i64) -> rusqlite::Result<Arc<str>> {
        if let Some(name) = self.types.get(&number) {
            return Ok(Arc::clone(name));
        }
        let mut find = connection.prepare_cached("SELECT name FROM types WHERE type_no = ?")?;
        let name: Arc<str> = find.query_row([number], |row| Ok(Arc::from(row.get::<_, String>(0)?)))?;
        self.types.insert(number, Arc::clone(&name));
        Ok(name)
    }

    fn actor(&mut self, connection: &Connection, number: i64) -> rusqlite::Result<Actor> {
        if let Some(actor) = self.actors.get(&number) {
            return Ok(actor.clone());
        }
        let mut find = connection.prepare_cached("SELECT name FROM actors WHERE actor_no = ?")?;
        let actor = find.query_row([number], |row| Ok(Actor::new(&row.get::<_, String>(0)?)))?;
        if self.actors.len() >= KNOWN_NAMES {
            self.actors.clear();
        }
        self.actors.insert(number, actor.clone());
        Ok(actor)
    }
}

fn ledger_entry(row: &Row<'_>) -> rusqlite::Result<LedgerEntry> {
    Ok(LedgerEntry {
        command_id: CommandId(uuid(row, 0)?),
        body_hash: row.get(1)?,
        first_revision: row.get::<_, i64>(2)?.unsigned_abs(),
        events: row.get(3)?,
        refusal: row.get(4)?,
        decided_at: Timestamp::from_millis(row.get(5)?),
        position: Position(row.get::<_, i64>(6)?.unsigned_abs()),
    })
}

/// As SQLite counts: no stream or page reaches its limit.
fn stored(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}

fn category(row: &Row<'_>, column: usize) -> rusqlite::Result<Category> {
    let name: String = row.get(column)?;
    let known = Category::ALL.into_iter().find(|known| known.as_str() == name);
    known.ok_or_else(|| {
        let reason = format!("a stream is of the unknown category '{name}'");
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, reason.into())
    })
}
