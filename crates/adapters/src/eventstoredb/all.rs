//! Reading `$all`.

use octocity_domain::Category;
use octocity_log::{LogError, Page, Position, RecordedEvent};

use super::fault::is_late;
use super::head::Head;
use super::node::Node;
use super::record;
use super::streams::{Start, Streams};
use super::wire::{Filter, ReadReq, Record};

/// How many events of all kinds are looked at here, where the server finds none of the wanted in time.
const SCAN: usize = 10_000;

/// How many records are looked at at once for the last event.
const LAST: usize = 256;

/// Which events are wanted.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Empty: all.
    pub categories: &'a [Category],
    /// Empty: all.
    pub event_types: &'a [&'a str],
}

/// What one call gave.
pub struct Found {
    pub records: Vec<Record>,
    /// Whether there was nothing more.
    pub at_end: bool,
}

impl Streams {
    pub fn prefixes(&self, categories: &[Category]) -> Vec<String> {
        let categories = if categories.is_empty() { &Category::ALL[..] } else { categories };
        let namespace = &self.connection.options.namespace;
        categories.iter().map(|category| format!("{namespace}{}-", category.as_str())).collect()
    }

    /// What the server does not look at is looked at here.
    pub fn filter(&self, wanted: Wanted<'_>) -> Filter {
        match wanted.event_types {
            [] => Filter::by_stream(self.prefixes(wanted.categories)),
            types => Filter::by_type(types),
        }
    }

    pub async fn read_all(
        &self,
        head: &Head,
        after: Position,
        limit: usize,
        wanted: Wanted<'_>,
    ) -> Result<Page, LogError> {
        // Nothing is known behind the head, and EventStoreDB takes positions of events only.
        let known = head.get();
        if limit == 0 || after >= known {
            return Ok(Page { events: Vec::new(), next: after });
        }
        if let Some(page) = self.told.page(after, known, limit, wanted).await {
            return Ok(page);
        }
        let mut page = Page { events: Vec::new(), next: after };
        loop {
            let left = limit - page.events.len();
            let filtered = self.find(page.next, left, Some(self.filter(wanted))).await?;
            let is_scan = filtered.is_none();
            let found = match filtered {
                Some(found) => found,
                None => self.find(page.next, SCAN, None).await?.ok_or_else(too_slow)?,
            };
            for record in found.records {
                if page.events.len() == limit {
                    break;
                }
                page.next = record::position(&record)?;
                page.events.extend(self.wanted(record, wanted)?);
            }
            if let Some(last) = page.events.last() {
                head.raise(last.position);
            }
            if page.events.len() < limit && found.at_end {
                page.next = page.next.max(known);
            }
            if page.events.len() == limit || found.at_end || is_scan {
                return Ok(page);
            }
        }
    }

    fn wanted(&self, record: Record, wanted: Wanted<'_>) -> Result<Option<RecordedEvent>, LogError> {
        let stream = self.parse(record.stream()).filter(|stream| {
            (wanted.categories.is_empty() || wanted.categories.contains(&stream.category))
                && (wanted.event_types.is_empty() || wanted.event_types.contains(&record.event_type()))
                && record::is_event(&record)
        });
        stream.map(|stream| record::event(stream, record)).transpose()
    }

    /// The records after a position. None: the server looked for them in vain until the deadline, and may yet find some.
    async fn find(
        &self,
        after: Position,
        limit: usize,
        filter: Option<Filter>,
    ) -> Result<Option<Found>, LogError> {
        // The position's own event comes first, where the filter lets it pass.
        let count = limit.saturating_add(1);
        let read = &ReadReq::all(Start::Forth(after.0), count, filter);
        let deadline = self.connection.options.deadline;
        let find = |node: Node| async move {
            let mut records = Vec::new();
            let answered =
                tokio::time::timeout(deadline, node.read(deadline, read.clone(), &mut records)).await;
            let is_over = match answered {
                Ok(Ok(())) => true,
                Err(_) => false,
                Ok(Err(status)) if is_late(&status) => false,
                Ok(Err(status)) => return Err(status),
            };
            let at_end = is_over && records.len() < count;
            records.retain(|record| record.commit_position > after.0);
            // What came before the deadline counts.
            Ok((is_over || !records.is_empty()).then_some(Found { records, at_end }))
        };
        self.connection.call(find).await
    }

    /// The records after a position, also those that are no events.
    pub async fn find_all(
        &self,
        after: Position,
        limit: usize,
        wanted: Wanted<'_>,
    ) -> Result<Found, LogError> {
        self.find(after, limit, Some(self.filter(wanted))).await?.ok_or_else(too_slow)
    }

    /// The position of the last event, found among the last records page by page.
    pub async fn last_position(&self) -> Result<Position, LogError> {
        let mut from = Start::End;
        loop {
            let filter = self.filter(Wanted { categories: &[], event_types: &[] });
            let records = self.connection.read(ReadReq::all(from, LAST, Some(filter))).await?;
            if let Some(last) = records.iter().find(|record| record::is_event(record)) {
                return record::position(last);
            }
            let Some(record) = records.last() else { return Ok(Position::default()) };
            from = Start::Back(record.commit_position);
        }
    }
}

fn too_slow() -> LogError {
    LogError::Unavailable("EventStoreDB does not answer in time".to_owned())
}
