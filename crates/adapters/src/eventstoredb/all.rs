//! Reading `$all`.

use eventstore::{Error, StreamPosition, SubscriptionFilter};
use octocity_domain::Category;
use octocity_log::{LogError, Page, Position, RecordedEvent};

use super::head::Head;
use super::record;
use super::streams::Streams;

/// How many events the server looks at before it looks whether the reader is still there.
const SEARCH_WINDOW: u32 = 1000;
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
    pub records: Vec<eventstore::RecordedEvent>,
    /// Whether there was nothing more.
    pub at_end: bool,
}

impl Streams {
    pub fn prefixes(&self, categories: &[Category]) -> Vec<String> {
        let categories = if categories.is_empty() { &Category::ALL[..] } else { categories };
        let namespace = &self.connection.options.namespace;
        categories.iter().map(|category| format!("{namespace}{}-", category.as_str())).collect()
    }

    /// The server looks by one of the two only; the other is looked at here.
    fn filter(&self, wanted: Wanted<'_>) -> SubscriptionFilter {
        let filter = match wanted.event_types {
            [] => self
                .prefixes(wanted.categories)
                .iter()
                .fold(SubscriptionFilter::on_stream_name(), |filter, prefix| filter.add_prefix(prefix)),
            types => SubscriptionFilter::on_event_type().regex(format!("^(?:{})$", types.join("|"))),
        };
        filter.max(SEARCH_WINDOW)
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

    fn wanted(
        &self,
        record: eventstore::RecordedEvent,
        wanted: Wanted<'_>,
    ) -> Result<Option<RecordedEvent>, LogError> {
        let stream = self.parse(record.stream_id()).filter(|stream| {
            (wanted.categories.is_empty() || wanted.categories.contains(&stream.category))
                && (wanted.event_types.is_empty() || wanted.event_types.contains(&record.event_type.as_str()))
                && record::is_event(&record)
        });
        stream.map(|stream| record::event(stream, record)).transpose()
    }

    /// The records after a position. None: the server looked for them in vain until the deadline, and may yet find some.
    async fn find(
        &self,
        after: Position,
        limit: usize,
        filter: Option<SubscriptionFilter>,
    ) -> Result<Option<Found>, LogError> {
        // The position's own event comes first, where the filter lets it pass.
        let count = limit.saturating_add(1);
        let at = eventstore::Position { commit: after.0, prepare: after.0 };
        let options = self.connection.to_read_all().max_count(count).position(match after {
            Position(0) => StreamPosition::Start,
            _ => StreamPosition::Position(at),
        });
        let options = match filter {
            Some(filter) => &options.filter(filter),
            None => &options,
        };
        let deadline = self.connection.options.deadline;
        self.connection
            .call(|client| async move {
                let mut records = Vec::new();
                let mut seen = 0;
                let read = async {
                    let mut read = client.read_all(options).await?;
                    while let Some(event) = read.next().await? {
                        seen += 1;
                        records.extend(event.event.filter(|event| event.position.commit > after.0));
                    }
                    Ok::<_, Error>(seen < count)
                };
                let at_end = match tokio::time::timeout(deadline, read).await {
                    Ok(Ok(at_end)) => at_end,
                    // What came before the deadline counts.
                    Err(_) | Ok(Err(Error::DeadlineExceeded)) if !records.is_empty() => false,
                    Err(_) | Ok(Err(Error::DeadlineExceeded)) => return Ok(None),
                    Ok(Err(error)) => return Err(error),
                };
                Ok(Some(Found { records, at_end }))
            })
            .await
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
        let filter = self.filter(Wanted { categories: &[], event_types: &[] });
        let options = self.connection.to_read_all().filter(filter).max_count(LAST);
        let mut options = options.position(StreamPosition::End);
        loop {
            let of = &options;
            let call = |client: eventstore::Client| async move {
                let (mut read, mut records) = (client.read_all(of).await?, Vec::new());
                while let Some(event) = read.next().await? {
                    records.extend(event.event);
                }
                Ok(records)
            };
            let records = self.connection.call(call).await?;
            if let Some(last) = records.iter().find(|record| record::is_event(record)) {
                return record::position(last);
            }
            let Some(record) = records.last() else { return Ok(Position::default()) };
            options = options.position(StreamPosition::Position(record.position));
        }
    }
}

fn too_slow() -> LogError {
    LogError::Unavailable("EventStoreDB does not answer in time".to_owned())
}
