//! The events that are skipped, as the log says: what the views pass over, in every rebuild and on every engine.

use std::collections::{HashMap, HashSet};

use octocity_domain::operations::{SKIPS, SkipsEvent};
use octocity_domain::{Category, Event};
use octocity_log::{EventLog, LogError, StreamId, decode};

use crate::store::StoreError;

const PAGE: usize = 1_000;

/// The events that one view passes over: each a stream and a revision.
pub type Skipped = HashSet<(StreamId, u64)>;

/// What is skipped as of now, by the name of the view.
pub async fn read(log: &dyn EventLog) -> Result<HashMap<String, Skipped>, StoreError> {
    let stream = StreamId::new(Category::Skips, SKIPS);
    let mut skips = HashMap::<String, Skipped>::new();
    let mut from = 0;
    loop {
        let events = log.read_stream(stream, from, PAGE).await?;
        let Some(last) = events.last() else { return Ok(skips) };
        from = last.revision + 1;
        for recorded in events {
            let event = decode(Category::Skips, &recorded.event_type, recorded.version, &recorded.data);
            // Without it rows would follow that no other node has.
            let event = event.map_err(|error| LogError::Damaged(error.to_string()))?;
            if let Event::Skips(SkipsEvent::EventSkipped { view, category, stream, revision, .. }) = event {
                skips.entry(view).or_default().insert((StreamId::new(category, stream), revision));
            }
        }
    }
}
