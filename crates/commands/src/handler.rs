//! One entry point for every command, whoever sends it.

use std::sync::Arc;

use octocity_domain::facilities::{Facility, FacilityCommand, FacilityEvent, FacilityRefusal, Plan};
use octocity_domain::parking::{ParkingCommand, ParkingEvent, ParkingRefusal};
use octocity_domain::payments::{PaymentCommand, PaymentEvent, PaymentRefusal, PaymentState};
use octocity_domain::reservations::{ReservationsCommand, ReservationsEvent, ReservationsRefusal};
use octocity_domain::sessions::{SessionCommand, SessionEvent, SessionRefusal, SessionState};
use octocity_domain::tariffs::Quote;
use octocity_domain::{FacilityId, PaymentId, VisitId};
use octocity_log::{EventLog, SnapshotStore};

use crate::submission::{Clock, CommandError, Reply, Submission};

pub struct Handler {
    _log: Arc<dyn EventLog>,
}

/// How the handler behaves; every field has a stated default.
#[derive(Clone, Debug)]
pub struct HandlerOptions {
    /// How long client-made command ids are answered again.
    pub retention_seconds: i64,
    /// How many commands may wait at one stream before `Busy`.
    pub queue: usize,
}

impl Default for HandlerOptions {
    fn default() -> Self {
        Self { retention_seconds: 7 * 86_400, queue: 4096 }
    }
}

impl Handler {
    pub fn new(
        log: Arc<dyn EventLog>,
        snapshots: Option<Arc<dyn SnapshotStore>>,
        clock: Arc<dyn Clock>,
        options: HandlerOptions,
    ) -> Arc<Self> {
        let _ = (snapshots, clock, options);
        Arc::new(Self { _log: log })
    }

    /// Registering also sets the pools' capacities in parking and reservations before it replies.
    pub async fn facility(
        &self,
        _facility: FacilityId,
        _submission: Submission<FacilityCommand>,
    ) -> Result<Reply<FacilityEvent, FacilityRefusal>, CommandError> {
        let _: Option<Facility> = None;
        todo!()
    }

    /// Loads the facts that the command declares (the plan; for an exit the cover; for a reservation its promise).
    pub async fn parking(
        &self,
        _facility: FacilityId,
        _submission: Submission<ParkingCommand>,
    ) -> Result<Reply<ParkingEvent, ParkingRefusal>, CommandError> {
        todo!()
    }

    pub async fn reservations(
        &self,
        _facility: FacilityId,
        _submission: Submission<ReservationsCommand>,
    ) -> Result<Reply<ReservationsEvent, ReservationsRefusal>, CommandError> {
        todo!()
    }

    pub async fn session(
        &self,
        _visit: VisitId,
        _facility: FacilityId,
        _submission: Submission<SessionCommand>,
    ) -> Result<Reply<SessionEvent, SessionRefusal>, CommandError> {
        todo!()
    }

    /// Appends the request with its gateway intent; the gateway itself is called by the executor.
    /// `facility` is the log key: taken from the command for AuthorizePayment, from the payment's state otherwise.
    pub async fn payment(
        &self,
        _payment: PaymentId,
        _submission: Submission<PaymentCommand>,
    ) -> Result<Reply<PaymentEvent, PaymentRefusal>, CommandError> {
        todo!()
    }

    /// Waits, at most `seconds`, until no gateway call of the payment is open and its credits are applied.
    pub async fn settled(&self, _payment: PaymentId, _seconds: u32) -> Result<PaymentState, CommandError> {
        todo!()
    }

    /// The facility's plan at the log's head.
    pub async fn plan(&self, _facility: FacilityId) -> Result<Option<Arc<Plan>>, CommandError> {
        todo!()
    }

    /// What the visit owes now, from the streams at the log's head; None where the visit cannot cost money or is unknown.
    pub async fn quote(&self, _facility: FacilityId, _visit: VisitId) -> Result<Option<Quote>, CommandError> {
        todo!()
    }

    pub async fn session_state(&self, _visit: VisitId) -> Result<Arc<SessionState>, CommandError> {
        todo!()
    }
}
