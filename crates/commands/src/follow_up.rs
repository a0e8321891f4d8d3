//! What is done in the same breath as a command, under the very ids that its process would use later: a crash in
//! between is healed by the process, and doing it twice has one effect.

use octocity_domain::facilities::Facility;
use octocity_domain::payments::{Payment, PaymentEvent};
use octocity_domain::process::{About, PROCESSES, Planned, Reaction};
use octocity_domain::reservations::Reservations;
use octocity_domain::{Category, Decider, Event, FacilityId, Fact, PaymentId, Timestamp};
use octocity_log::{Origin, StreamId, decode_for};
use uuid::Uuid;

use crate::actor::Answer;
use crate::handler::Handler;
use crate::submission::{CommandError, Outcome, Submission};

/// How many events of a payment are read at a time; it has a dozen.
const PAGE: usize = 256;

/// What the events of one command have in common.
pub(crate) struct Cause {
    facility: FacilityId,
    correlation: Uuid,
    imported: bool,
}

impl Cause {
    pub fn of<C>(submission: &Submission<C>, facility: FacilityId) -> Self {
        let correlation = submission.correlation_id.unwrap_or(submission.command_id.uuid());
        Self { facility, correlation, imported: submission.origin == Origin::Imported }
    }
}

impl Handler {
    pub(crate) async fn open_pools(
        &self,
        id: Uuid,
        cause: &Cause,
        answer: &Answer<Facility>,
    ) -> Result<(), CommandError> {
        self.follow_up(&["openings"], id, cause, answer, Event::Facility).await
    }

    pub(crate) async fn keep_reserved_part(
        &self,
        id: Uuid,
        cause: &Cause,
        answer: &Answer<Reservations>,
    ) -> Result<(), CommandError> {
        self.follow_up(&["reserved-part"], id, cause, answer, Event::Reservations).await
    }

    pub(crate) async fn credit(
        &self,
        id: Uuid,
        cause: &Cause,
        answer: &Answer<Payment>,
    ) -> Result<(), CommandError> {
        self.follow_up(&["crediting"], id, cause, answer, Event::Payment).await
    }

    async fn follow_up<D: Decider>(
        &self,
        processes: &[&str],
        id: Uuid,
        cause: &Cause,
        answer: &Answer<D>,
        wrap: impl Fn(D::Event) -> Event,
    ) -> Result<(), CommandError> {
        let Outcome::Accepted(facts) = &answer.reply.outcome else { return Ok(()) };
        for (fact, revision) in facts.iter().zip(answer.first_revision..) {
            let Fact { event, happened_at } = fact.clone();
            let planned = reactions(
                processes,
                StreamId::new(D::CATEGORY, id),
                revision,
                happened_at,
                cause,
                &wrap(event),
            );
            for effect in planned {
                // Boxed: an effect is itself a command that something follows from.
                Box::pin(self.run(&effect)).await?;
            }
        }
        Ok(())
    }

    /// Everything that this payment captured or refunded is credited once this returns.
    pub(crate) async fn credit_all(&self, payment: PaymentId) -> Result<(), CommandError> {
        let stream = StreamId::new(Category::Payment, payment.uuid());
        let mut from = 0;
        loop {
            let page = self.environment.log.read_stream(stream, from, PAGE).await?;
            for recorded in &page {
                let event: PaymentEvent =
                    decode_for::<Payment>(&recorded.event_type, recorded.version, &recorded.data)
                        .map_err(|error| octocity_log::LogError::Damaged(error.to_string()))?;
                let cause = Cause {
                    facility: recorded.meta.key,
                    correlation: recorded.meta.correlation_id,
                    imported: recorded.meta.origin == Origin::Imported,
                };
                let happened_at = recorded.meta.happened_at;
                let event = Event::Payment(event);
                for effect in
                    reactions(&["crediting"], stream, recorded.revision, happened_at, &cause, &event)
                {
                    // Boxed: an effect is itself a command that something follows from.
                    Box::pin(self.run(&effect)).await?;
                }
            }
            from += page.len() as u64;
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }
}

fn reactions(
    processes: &[&str],
    stream: StreamId,
    revision: u64,
    happened_at: Timestamp,
    cause: &Cause,
    event: &Event,
) -> Vec<Planned> {
    let name = stream.to_string();
    let about = About {
        stream: &name,
        id: stream.id,
        revision,
        happened_at,
        facility: cause.facility,
        correlation: cause.correlation,
    };
    let asked = PROCESSES
        .iter()
        .filter(|process| processes.contains(&process.name) && (process.of_imported || !cause.imported));
    let reacted = asked.flat_map(|process| (process.react)(event, &about));
    reacted
        .filter_map(|reaction| match reaction {
            Reaction::Plan(planned) => Some(planned),
            Reaction::Cancel { .. } => None,
        })
        .collect()
}
