//! Carrying out an effect: the commands it stands for, under ids derived from its own.
//!
//! An effect is run until it is known to be done; again and again has the effect of once. A refusal is an answer
//! like any other: the stream has decided. `IdReused` means that the same effect was recorded before with what
//! was known then, and counts as done too.

use octocity_domain::parking::ParkingCommand;
use octocity_domain::payments::{Payable, credits_of, refunds_of};
use octocity_domain::process::{Effect, Planned};
use octocity_domain::reservations::{ReservationsCommand, ReservationsState};
use octocity_domain::sessions::{SessionCommand, SessionEvent, SessionState};
use octocity_domain::{Category, CommandId, PaymentId, PoolId, ReservationId, Timestamp, VisitId};
use octocity_log::{Actor, StreamId};

use crate::facts::opening;
use crate::handler::Handler;
use crate::submission::{CommandError, Submission};

/// How long a chain of merged visits is followed; reviews make chains of one or two.
const MERGES_AT_MOST: usize = 16;

impl Handler {
    /// Runs an effect that needs no gateway.
    pub(crate) async fn run(&self, planned: &Planned) -> Result<(), CommandError> {
        match &planned.effect {
            Effect::OpenPool { pool, places, reservable_places } => {
                self.open_pool(planned, *pool, *places, *reservable_places).await
            }
            Effect::OpenSession { visit, pool, entered_at } => {
                self.open_session(planned, planned.id, *visit, *pool, *entered_at).await
            }
            Effect::EndStay { visit, ended_at } => self.end_stay(planned, *visit, *ended_at).await,
            Effect::MergeStays { visit, into } => self.merge_stays(planned, *visit, *into).await,
            Effect::ApplyCredits { payment, .. } => self.apply_credits(planned, *payment).await,
            Effect::ReverseCredits { payment, refund, .. } => {
                self.reverse_credits(planned, *payment, *refund).await
            }
            Effect::RestoreHold { reservation } => self.restore_hold(planned, *reservation).await,
            // The executor calls gateways; nothing is done about it here.
            Effect::CallGateway { .. } => Ok(()),
            other => self.tell_facility(planned, other).await,
        }
    }

    async fn tell_facility(&self, planned: &Planned, effect: &Effect) -> Result<(), CommandError> {
        let parking = match effect {
            Effect::SetReservedPart { pool, places, book_revision } => ParkingCommand::SetReservedPart {
                pool: *pool,
                places: *places,
                book_revision: *book_revision,
            },
            Effect::LapseGrant { grant, due } => ParkingCommand::LapseGrant { grant: *grant, due: *due },
            Effect::PlaceHold { reservation, pool, until } => {
                ParkingCommand::PlaceHold { reservation: *reservation, pool: *pool, until: *until }
            }
            Effect::ReleaseHold { reservation, release } => {
                ParkingCommand::ReleaseHold { reservation: *reservation, release: *release }
            }
            Effect::CheckInReservation { reservation } => {
                let command = ReservationsCommand::CheckInReservation { reservation: *reservation };
                return self.tell_book(planned, planned.id, command).await;
            }
            Effect::EndReservation { reservation, due } => {
                let command = ReservationsCommand::EndReservation { reservation: *reservation, due: *due };
                return self.tell_book(planned, planned.id, command).await;
            }
            _ => return Ok(()),
        };
        self.tell_gates(planned, planned.id, parking).await
    }

    /// Only a pool that has no capacity of its own yet gets the layout's. (Between the reading and the command
    /// somebody could set one by hand, for a pool that has just been made: the layout's figure then wins.)
    async fn open_pool(
        &self,
        planned: &Planned,
        pool: PoolId,
        places: Option<u32>,
        reservable_places: u32,
    ) -> Result<(), CommandError> {
        let id = planned.facility.uuid();
        let (known, _) = self.parking.read(id, move |state| state.pool(pool).places.is_some()).await?;
        if !known {
            let command = ParkingCommand::SetPoolCapacity { pool, places };
            self.tell_gates(planned, planned.id.step("places"), command).await?;
        }
        let (known, _) = self.reservations.read(id, move |book| book.reservable_places(pool)).await?;
        let Some(places) = known else {
            let command = ReservationsCommand::SetReservableCapacity { pool, places: reservable_places };
            return self.tell_book(planned, planned.id.step("reservable"), command).await;
        };
        // Whoever told the book may have died before parking was told.
        let (follows, _) =
            self.parking.read(id, move |state| state.pool(pool).reserved_part.is_some()).await?;
        if !follows {
            let command = ParkingCommand::SetReservedPart { pool, places, book_revision: 0 };
            self.tell_gates(planned, planned.id.step("reserved"), command).await?;
        }
        Ok(())
    }

    async fn restore_hold(&self, planned: &Planned, reservation: ReservationId) -> Result<(), CommandError> {
        let now = self.environment.clock.now();
        let due = move |book: &ReservationsState| {
            book.find(reservation).filter(|promise| promise.is_due(now)).cloned()
        };
        let (due, _) = self.reservations.read(planned.facility.uuid(), due).await?;
        let Some(promise) = due else { return Ok(()) };
        let (pool, until) = (promise.pool, promise.interval.end);
        self.tell_gates(planned, planned.id, ParkingCommand::PlaceHold { reservation, pool, until }).await
    }

    async fn open_session(
        &self,
        planned: &Planned,
        id: CommandId,
        visit: VisitId,
        pool: PoolId,
        entered_at: Timestamp,
    ) -> Result<(), CommandError> {
        let Some(plan) = self.plan(planned.facility).await? else { return Ok(()) };
        let Some(SessionEvent::SessionOpened { visit, facility, pool, entered_at, tariff, zone }) =
            opening(&plan, visit, pool, entered_at)
        else {
            return Ok(());
        };
        let command = SessionCommand::OpenSession { visit, facility, pool, entered_at, tariff, zone };
        self.tell_session(planned, id, visit, command).await
    }

    /// A visit that cannot cost money has no session to end: it was asked to open before, if it ever was.
    async fn end_stay(
        &self,
        planned: &Planned,
        visit: VisitId,
        ended_at: Timestamp,
    ) -> Result<(), CommandError> {
        let session = StreamId::new(Category::Session, visit.uuid());
        if self.environment.log.read_stream(session, 0, 1).await.map_err(CommandError::Log)?.is_empty() {
            return Ok(());
        }
        self.tell_session(planned, planned.id, visit, SessionCommand::EndStay { ended_at }).await
    }

    async fn merge_stays(
        &self,
        planned: &Planned,
        visit: VisitId,
        into: VisitId,
    ) -> Result<(), CommandError> {
        self.ensure_opened(planned, into).await?;
        self.tell_session(planned, planned.id.step("merge"), visit, SessionCommand::MergeStay { into })
            .await?;
        self.take_over(planned, visit).await
    }

    /// Where this visit's session was merged into another: that one is told what it says by now, and so on.
    async fn take_over(&self, planned: &Planned, visit: VisitId) -> Result<(), CommandError> {
        let mut visit = visit;
        for _ in 0..MERGES_AT_MOST {
            let merged = |session: &SessionState| {
                let credits: Vec<_> = session.all_credits().all().collect();
                Some((session.merged_into()?, session.entered_at(), credits))
            };
            let (Some((into, entered_at, credits)), revision) =
                self.sessions.read(visit.uuid(), merged).await?
            else {
                return Ok(());
            };
            let entered_at = entered_at.unwrap_or(planned.due);
            let id = planned.id.step(&format!("take-over/{visit}"));
            let command = SessionCommand::TakeOverStay { visit, revision, entered_at, credits };
            self.tell_session(planned, id, into, command).await?;
            visit = into;
        }
        Ok(())
    }

    async fn apply_credits(&self, planned: &Planned, payment: PaymentId) -> Result<(), CommandError> {
        let state = self.payment_state(payment).await?;
        for (payable, amount) in credits_of(&state) {
            let Payable::Session { visit } = payable else { continue };
            self.ensure_opened(planned, visit).await?;
            let priced_at = state.priced_at().unwrap_or(planned.due);
            let command = SessionCommand::ApplyCredit { payment, amount, priced_at };
            self.tell_session(planned, planned.id.step(&visit.to_string()), visit, command).await?;
            self.take_over(planned, visit).await?;
        }
        Ok(())
    }

    /// A payment may come before the session's process has run.
    async fn ensure_opened(&self, planned: &Planned, visit: VisitId) -> Result<(), CommandError> {
        let (opened, _) = self.sessions.read(visit.uuid(), SessionState::is_opened).await?;
        if opened {
            return Ok(());
        }
        let entry = self.look_at_parking(planned.facility, move |state| state.visit_entry(visit)).await?;
        let Some((pool, entry)) = entry else { return Ok(()) };
        let id = planned.id.step(&format!("open/{visit}"));
        self.open_session(planned, id, visit, pool, entry.at().unwrap_or(planned.due)).await
    }

    async fn reverse_credits(
        &self,
        planned: &Planned,
        payment: PaymentId,
        refund: u32,
    ) -> Result<(), CommandError> {
        let state = self.payment_state(payment).await?;
        for share in refunds_of(&state).into_iter().filter(|share| share.refund == refund) {
            let Payable::Session { visit } = share.payable else { continue };
            let command = SessionCommand::ReverseCredit { payment, amount: share.amount, refund };
            self.tell_session(planned, planned.id.step(&visit.to_string()), visit, command).await?;
            self.take_over(planned, visit).await?;
        }
        Ok(())
    }

    async fn tell_gates(
        &self,
        planned: &Planned,
        id: CommandId,
        command: ParkingCommand,
    ) -> Result<(), CommandError> {
        told(self.parking(planned.facility, submission(planned, id, command)).await)
    }

    async fn tell_book(
        &self,
        planned: &Planned,
        id: CommandId,
        command: ReservationsCommand,
    ) -> Result<(), CommandError> {
        told(self.reservations(planned.facility, submission(planned, id, command)).await)
    }

    async fn tell_session(
        &self,
        planned: &Planned,
        id: CommandId,
        visit: VisitId,
        command: SessionCommand,
    ) -> Result<(), CommandError> {
        told(self.session(visit, planned.facility, submission(planned, id, command)).await)
    }
}

/// A step under an id that comes again with another body was done before, with what was known then.
fn told<T>(told: Result<T, CommandError>) -> Result<(), CommandError> {
    match told {
        Ok(_) | Err(CommandError::IdReused) => Ok(()),
        Err(error) => Err(error),
    }
}

pub(crate) fn submission<C>(planned: &Planned, id: CommandId, command: C) -> Submission<C> {
    let actor = Actor::new(&format!("process:{}", planned.process));
    Submission {
        causation_id: Some(planned.id.uuid()),
        correlation_id: Some(planned.correlation),
        ..Submission::new(id, actor, command)
    }
}
