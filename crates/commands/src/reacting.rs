//! What processes plan because of one event, what is done of it at once, and the streams that stand still because one could
//! not be reacted to.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use octocity_domain::Timestamp;
use octocity_domain::process::{About, Effect, PROCESSES, Planned, Process, Reaction};
use octocity_log::{Origin, Position, RecordedEvent, StreamId, decode};
use uuid::Uuid;

use crate::executor::{AT_ONCE, Executor, ExecutorError, PAGE};
use crate::process_store::{OutboxChange, ParkedStream, Step};

/// How long what is due at once may take before the rest of it goes into the outbox: others wait meanwhile.
const ACTS_AT_MOST: Duration = Duration::from_secs(1);

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

    /// Does what is due of the step, before anything says that it was planned: after a crash the same events make it happen
    /// again, under the same ids. What is not done in time stays in the step, in its place, for the outbox.
    pub(crate) async fn act(&self, step: &mut Step, busy: HashSet<Uuid>) {
        let due = by_subject(due_of(step, self.clock.now(), busy));
        if due.is_empty() {
            return;
        }
        let mut done = HashSet::new();
        let acting = due.into_iter().map(|(subject, effects)| self.carry_out(subject, effects));
        let mut acting = stream::iter(acting).buffer_unordered(AT_ONCE);
        let all = async {
            while let Some(finished) = acting.next().await {
                self.note(&finished).await;
                done.extend(finished.done);
            }
        };
        // What is given up in the middle is found done from the outbox, or is done then.
        let _ = tokio::time::timeout(ACTS_AT_MOST, all).await;
        step.changes.retain(|change| match change {
            OutboxChange::Plan(planned) => !done.contains(&planned.id),
            OutboxChange::Cancel { .. } => true,
        });
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

/// In the order in which each subject is met first, and of each subject in the order given.
pub(crate) fn by_subject(effects: Vec<Planned>) -> Vec<(Uuid, Vec<Planned>)> {
    let mut order = Vec::<(Uuid, Vec<Planned>)>::new();
    let mut places = HashMap::new();
    for planned in effects {
        let place = *places.entry(planned.subject).or_insert(order.len());
        match order.get_mut(place) {
            Some((_, effects)) => effects.push(planned),
            None => order.push((planned.subject, vec![planned])),
        }
    }
    order
}

/// What can be done at once: not what calls outside, nor what waits behind that or behind something else of its subject, nor
/// what a later event of the step cancels.
fn due_of(step: &Step, now: Timestamp, mut busy: HashSet<Uuid>) -> Vec<Planned> {
    let mut due = Vec::<Planned>::new();
    for change in &step.changes {
        match change {
            OutboxChange::Plan(planned) if planned.due > now => {}
            OutboxChange::Plan(planned) => {
                let calls_outside = matches!(planned.effect, Effect::CallGateway { .. });
                if calls_outside || busy.contains(&planned.subject) {
                    busy.insert(planned.subject);
                } else {
                    due.push(planned.clone());
                }
            }
            OutboxChange::Cancel { process, subject } => {
                due.retain(|planned| planned.process != *process || planned.subject != *subject);
            }
        }
    }
    due
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

#[cfg(test)]
mod tests {
    use octocity_domain::{CommandId, FacilityId, PaymentId, ReservationId};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn plan(number: u128, subject: u128, due: i64, effect: Effect) -> OutboxChange {
        OutboxChange::Plan(Planned {
            id: CommandId(Uuid::from_u128(number)),
            process: "holds".into(),
            subject: Uuid::from_u128(subject),
            facility: FacilityId::new(Uuid::from_u128(1)),
            due: Timestamp::from_millis(due),
            correlation: Uuid::from_u128(1),
            effect,
        })
    }

    #[test]
    fn only_what_is_due_and_stands_behind_nothing_is_done_at_once() {
        let hold = || Effect::RestoreHold { reservation: ReservationId::new(Uuid::from_u128(1)) };
        let payment = PaymentId::new(Uuid::from_u128(1));
        let call = Effect::CallGateway { payment, call: 1, again: false };
        let changes = vec![
            plan(1, 1, 1_000, hold()),
            plan(2, 2, 1_001, hold()),
            plan(3, 2, 1_000, hold()),
            plan(4, 3, 1_000, call),
            plan(5, 3, 1_000, hold()),
            plan(6, 4, 1_000, hold()),
            plan(7, 5, 1_000, hold()),
            OutboxChange::Cancel { process: "holds".to_owned(), subject: Uuid::from_u128(5) },
            OutboxChange::Cancel { process: "others".to_owned(), subject: Uuid::from_u128(1) },
        ];
        let (step, busy) = (Step { changes, ..Step::default() }, HashSet::from([Uuid::from_u128(4)]));
        let due = due_of(&step, NOW, busy);
        assert_eq!(due.iter().map(|planned| planned.id.uuid().as_u128()).collect::<Vec<_>>(), [1, 3]);
    }
}
