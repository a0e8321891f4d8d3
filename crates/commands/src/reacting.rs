//! What processes plan because of one event, and the streams that stand still because one could not be reacted to.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use octocity_domain::process::{About, PROCESSES, Process, Reaction};
use octocity_log::{Origin, Position, RecordedEvent, StreamId, decode};

use crate::executor::{Executor, ExecutorError, PAGE};
use crate::process_store::{OutboxChange, ParkedStream, Step};

/// Which streams stand still, each for one process.
#[derive(Clone, Default)]
pub(crate) struct StandingStill(HashSet<(String, StreamId)>);

impl StandingStill {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    fn has(&self, process: &str, stream: StreamId) -> bool {
        !self.0.is_empty() && self.0.contains(&(process.to_owned(), stream))
    }

    /// Adds to the step what the process plans because of the event, unless the stream stands still; it does from
    /// now on if the process cannot react.
    pub fn react(&mut self, process: &Process, event: &RecordedEvent, step: &mut Step) {
        if !process.events.contains(&&*event.event_type) || self.has(process.name, event.stream) {
            return;
        }
        match reactions(process, event) {
            Ok(changes) => step.changes.extend(changes),
            Err(error) => {
                self.0.insert((process.name.to_owned(), event.stream));
                step.parked.push(ParkedStream {
                    process: process.name.to_owned(),
                    stream: event.stream,
                    revision: event.revision,
                    event_type: event.event_type.to_string(),
                    error,
                });
            }
        }
    }
}

impl Executor {
    /// Lets the streams that stood still go on, up to where the others are. One stops again where it must.
    pub(crate) async fn take_up(&self, positions: &[Position]) -> Result<StandingStill, ExecutorError> {
        let mut standing = StandingStill::default();
        for known in self.store.parked().await? {
            let of_it = |(process, _): &(&Process, &Position)| process.name == known.process;
            let Some((process, reached)) = PROCESSES.iter().zip(positions).find(of_it) else { continue };
            let mut step = Step { taken_up: vec![known.clone()], ..Step::default() };
            let mut from = known.revision;
            while step.parked.is_empty() {
                let events = self.log.read_stream(known.stream, from, PAGE).await?;
                for event in events.iter().filter(|event| event.position <= *reached) {
                    standing.react(process, event, &mut step);
                }
                from += events.len() as u64;
                if events.len() < PAGE {
                    break;
                }
            }
            if step.parked.iter().all(|parked| parked.revision != known.revision) {
                self.commit(step).await?;
            }
        }
        Ok(standing)
    }

    pub(crate) async fn commit(&self, step: Step) -> Result<(), ExecutorError> {
        let parked = step.parked.clone();
        self.store.commit(step).await?;
        for ParkedStream { process, stream, revision, event_type, error } in parked {
            tracing::error!(
                %process,
                %stream,
                revision,
                event_type,
                error,
                "a process cannot react to an event; the stream stands still for it until the next start"
            );
        }
        Ok(())
    }
}

/// The event types that any process reacts to.
pub(crate) fn event_types() -> Vec<&'static str> {
    let mut types: Vec<&str> = PROCESSES.iter().flat_map(|process| process.events).copied().collect();
    types.sort_unstable();
    types.dedup();
    types
}

fn reactions(process: &Process, recorded: &RecordedEvent) -> Result<Vec<OutboxChange>, String> {
    let imported = recorded.meta.origin == Origin::Imported;
    // Told from the outside, so that imported passages are not even decoded.
    if imported && !process.of_imported {
        return Ok(Vec::new());
    }
    let event = decode(recorded.stream.category, &recorded.event_type, recorded.version, &recorded.data)
        .map_err(|error| error.to_string())?;
    let stream = recorded.stream.to_string();
    let about = About {
        stream: &stream,
        id: recorded.stream.id,
        revision: recorded.revision,
        happened_at: recorded.meta.happened_at,
        facility: recorded.meta.key,
        correlation: recorded.meta.correlation_id,
    };
    // A process keeps no state, so a panic leaves nothing half done.
    let reacted = catch_unwind(AssertUnwindSafe(|| (process.react)(&event, &about)));
    let reacted = reacted.map_err(|_| "the process panicked".to_owned())?;
    let change = |reaction| match reaction {
        Reaction::Plan(planned) => OutboxChange::Plan(planned),
        Reaction::Cancel { process, subject } => {
            OutboxChange::Cancel { process: process.to_owned(), subject }
        }
    };
    Ok(reacted.into_iter().map(change).collect())
}
