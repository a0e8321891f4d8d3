//! What a command's decision needs of other streams, read at the log's head and never from a read model.
//!
//! Each fact may be overtaken between its reading and the append. The anomaly that each permits:
//! - **plan** (every gate and reservation command; stream `facility-<id>`): a command under way while the layout,
//!   a tariff or a policy changes is decided on the plan before. The event records the plan's version.
//! - **cover** (ExitGate; streams `session-<visit>` and `parking-<facility>`): a refund or an adjustment that
//!   becomes durable after the reading is not seen, and leaves a debt. A payment whose node died between its capture and
//!   its credit counts when the process has credited it. A visit that another command gave these
//!   credentials meanwhile is noticed (`facts_fit`), and the cover is read again.
//! - **payables** (AuthorizePayment; streams `parking-<facility>`, `session-<visit>`, `reservations-<facility>`): one
//!   that ends after the reading is paid all the same.
//! - **kept places** (ReserveSpot; stream `parking-<facility>`): parking gives kept places back only after the book
//!   was lowered, and then the book's own state is the limit.
//! - **reservation** (EnterGate; stream `reservations-<facility>`): a cancellation that becomes durable after
//!   the reading loses against the check-in. That the right to enter is used once rests on parking alone.

use std::time::Duration;

use octocity_domain::facilities::Plan;
use octocity_domain::parking::{
    CoverFact, Credential, Entry, MoneySide, ParkingCommand, ParkingFacts, ParkingState, ReservationFact,
};
use octocity_domain::payments::{ALLOCATIONS_MAX, Allocation, Payable, PaymentFacts};
use octocity_domain::reservations::{ReservationsCommand, ReservationsFacts, ReservationsState};
use octocity_domain::sessions::{Session, SessionEvent, SessionState};
use octocity_domain::tariffs::Quote;
use octocity_domain::{Decider, FacilityId, Moment, PoolId, Timestamp, VisitId};

use crate::handler::Handler;
use crate::submission::CommandError;

/// How long a driver at the exit waits for the money side, before the facility's policy decides without it.
const MONEY_SIDE_WAIT: Duration = Duration::from_millis(500);

/// What the money side says of a visit; both None where the visit cannot cost money.
#[derive(Clone, Debug, Default)]
pub(crate) struct Money {
    pub quote: Option<Quote>,
    pub leave_by: Option<Timestamp>,
}

impl Money {
    fn of(session: &SessionState, now: Timestamp) -> Self {
        Self { quote: session.quote(now), leave_by: session.leave_by() }
    }
}

impl Handler {
    pub(crate) async fn parking_facts(
        &self,
        facility: FacilityId,
        command: &ParkingCommand,
    ) -> Result<ParkingFacts, CommandError> {
        let mut facts = ParkingFacts { plan: self.plan(facility).await?, ..ParkingFacts::default() };
        match command {
            // Who shows nothing was promised nothing, and the book is left alone.
            ParkingCommand::EnterGate { credentials, .. }
                if facts.plan.is_some() && !credentials.is_empty() =>
            {
                facts.reservation = self.reservation_fact(facility, credentials.clone()).await?;
            }
            ParkingCommand::ExitGate { credentials, .. } if facts.plan.is_some() => {
                facts.cover = self.cover_fact(facility, credentials.clone()).await?;
            }
            _ => {}
        }
        Ok(facts)
    }

    pub(crate) async fn reservations_facts(
        &self,
        facility: FacilityId,
        command: &ReservationsCommand,
    ) -> Result<ReservationsFacts, CommandError> {
        let mut facts = ReservationsFacts { plan: self.plan(facility).await?, kept_places: None };
        if let (ReservationsCommand::ReserveSpot { pool, .. }, Some(plan)) = (command, facts.plan.clone()) {
            let pool = *pool;
            let kept = move |state: &ParkingState| state.reserved_part(pool, &plan);
            facts.kept_places = Some(self.parking.read(facility.uuid(), kept).await?.0);
        }
        Ok(facts)
    }

    pub(crate) async fn payment_facts(
        &self,
        facility: FacilityId,
        allocations: &[Allocation],
    ) -> Result<PaymentFacts, CommandError> {
        let mut facts = PaymentFacts { plan: self.plan(facility).await?, unknown_payable: None };
        // So many are refused anyway.
        if facts.plan.is_none() || allocations.len() > ALLOCATIONS_MAX {
            return Ok(facts);
        }
        for part in allocations {
            if !self.knows(facility, part.payable).await? {
                facts.unknown_payable = Some(part.payable);
                break;
            }
        }
        Ok(facts)
    }

    /// A visit that is inside, in review or has a session; a reservation in the book.
    async fn knows(&self, facility: FacilityId, payable: Payable) -> Result<bool, CommandError> {
        let visit = match payable {
            Payable::Session { visit } => visit,
            Payable::Reservation { reservation } => {
                let find = move |book: &ReservationsState| book.find(reservation).is_some();
                return Ok(self.reservations.read(facility.uuid(), find).await?.0);
            }
        };
        let here = move |state: &ParkingState| state.visit_entry(visit).is_some();
        if self.look_at_parking(facility, here).await? {
            return Ok(true);
        }
        let of_facility = move |session: &SessionState| session.stay().map(|stay| stay.facility);
        Ok(self.sessions.read(visit.uuid(), of_facility).await?.0 == Some(facility))
    }

    async fn reservation_fact(
        &self,
        facility: FacilityId,
        credentials: Vec<Credential>,
    ) -> Result<Option<ReservationFact>, CommandError> {
        let now = self.environment.clock.now();
        let named = move |book: &ReservationsState| {
            book.named_by(&credentials, now).map(|promise| ReservationFact {
                reservation: promise.reservation,
                pool: promise.pool,
                interval: promise.interval,
                cancelled: promise.is_cancelled(),
            })
        };
        Ok(self.reservations.read(facility.uuid(), named).await?.0)
    }

    async fn cover_fact(
        &self,
        facility: FacilityId,
        credentials: Vec<Credential>,
    ) -> Result<Option<CoverFact>, CommandError> {
        let find = move |state: &octocity_domain::parking::ParkingState| {
            let visit = state.find_visit(&credentials)?;
            Some((visit, state.visit_entry(visit)))
        };
        let (found, _) = self.parking.read(facility.uuid(), find).await?;
        let Some((visit, entry)) = found else { return Ok(None) };
        let read = tokio::time::timeout(MONEY_SIDE_WAIT, self.money_side(facility, visit, entry)).await;
        let money = match read {
            Ok(Ok(Money { quote, leave_by })) => MoneySide::Known { quote, leave_by },
            Ok(Err(error)) => {
                tracing::warn!(%visit, %error, "what a visit owes could not be read; the policy decides");
                MoneySide::Unreachable
            }
            Err(_) => {
                tracing::warn!(%visit, "what a visit owes was not read in time; the policy decides");
                MoneySide::Unreachable
            }
        };
        Ok(Some(CoverFact { visit, money }))
    }

    /// From the session; where its process has not opened it yet, from the entry and the tariff in force then.
    pub(crate) async fn money_side(
        &self,
        facility: FacilityId,
        visit: VisitId,
        entry: Option<(PoolId, Entry)>,
    ) -> Result<Money, CommandError> {
        let now = self.environment.clock.now();
        let look = move |session: &SessionState| match session.stay() {
            Some(stay) if stay.facility == facility => Ok(Money::of(session, now)),
            Some(_) => Ok(Money::default()),
            // What was paid already counts as soon as it opens.
            None => Err(Box::new(session.clone())),
        };
        let (read, _) = self.sessions.read(visit.uuid(), look).await?;
        let mut session = match read {
            Ok(money) => return Ok(money),
            Err(unopened) => *unopened,
        };
        let (Some((pool, entry)), Some(plan)) = (entry, self.plan(facility).await?) else {
            return Ok(Money::default());
        };
        let Some(opening) = opening(&plan, visit, pool, entry.at().unwrap_or(now)) else {
            return Ok(Money::default());
        };
        Session::evolve(&mut session, &opening, Moment { happened_at: now, decided_at: now });
        Ok(Money::of(&session, now))
    }
}

/// How the visit's session opens, or would; None where the pool costs nothing.
pub(crate) fn opening(
    plan: &Plan,
    visit: VisitId,
    pool: PoolId,
    entered_at: Timestamp,
) -> Option<SessionEvent> {
    plan.layout.pool(pool).filter(|known| known.chargeable)?;
    Some(SessionEvent::SessionOpened {
        visit,
        facility: plan.facility,
        pool,
        entered_at,
        tariff: plan.tariff_at(entered_at)?.clone(),
        zone: plan.zone.clone(),
    })
}
