//! One entry point for every command, whoever sends it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::join_all;
use octocity_domain::facilities::{Facility, FacilityCommand, FacilityEvent, FacilityRefusal, Plan};
use octocity_domain::operations::{SKIPS, Skips, SkipsCommand, SkipsEvent, SkipsRefusal};
use octocity_domain::parking::{Parking, ParkingCommand, ParkingEvent, ParkingRefusal, ParkingState};
use octocity_domain::payments::{
    Payment, PaymentCommand, PaymentEvent, PaymentFacts, PaymentRefusal, PaymentState,
};
use octocity_domain::reservations::{
    Reservations, ReservationsCommand, ReservationsEvent, ReservationsRefusal,
};
use octocity_domain::sessions::{Session, SessionCommand, SessionEvent, SessionRefusal, SessionState};
use octocity_domain::tariffs::Quote;
use octocity_domain::{Decider, FacilityId, PaymentId, VisitId};
use octocity_log::{EventLog, LogError, SnapshotStore};
use uuid::Uuid;

use crate::actor::{Answer, Unanswered};
use crate::follow_up::Cause;
use crate::ledger::FUTURE_SECONDS;
use crate::streams::{Environment, Streams, stopped};
use crate::submission::{Clock, CommandError, Reply, Submission};

/// How often facts are read again when the stream moved on meanwhile, before `Busy`.
const FACT_ATTEMPTS: usize = 5;
const DAY: Duration = Duration::from_secs(86_400);

pub struct Handler {
    pub(crate) environment: Arc<Environment>,
    pub(crate) facilities: Streams<Facility>,
    pub(crate) parking: Streams<Parking>,
    pub(crate) reservations: Streams<Reservations>,
    pub(crate) sessions: Streams<Session>,
    pub(crate) payments: Streams<Payment>,
    skips: Streams<Skips>,
    /// As of the last facility command through this handler, or the first use.
    plans: RwLock<HashMap<FacilityId, Arc<Plan>>>,
}

/// How the handler behaves; every field has a stated default.
#[derive(Clone, Debug)]
pub struct HandlerOptions {
    /// How long client-made command ids are answered again at least. Seven days.
    pub retention_seconds: i64,
    /// How many commands may wait at one stream before `Busy`. 4096.
    pub queue: usize,
    /// How many of a stream's newest command ids are kept in memory. 4096.
    pub ledger_window: usize,
    /// After how many events of a stream its state is saved as a snapshot. 5000.
    pub snapshot_every: u64,
    /// After how long without a command a stream's state leaves the memory. 300.
    pub idle_seconds: u64,
    /// How many streams of one kind are kept in memory. 4096.
    pub live_streams: usize,
    /// Whether nobody else appends to the log, so that a cached state is at its head. True: the lock of the data
    /// folder sees to it. Otherwise every reading of a fact looks whether the log went on.
    pub sole_owner: bool,
    /// How long the processes rest at the log's head after a look at which there was something to do: what comes meanwhile
    /// costs one look. 5 ms; None: they do not.
    pub processes_rest: Option<Duration>,
    /// Whether the executor has a gateway, so that payments can be authorised. True.
    pub gateway: bool,
}

impl Default for HandlerOptions {
    fn default() -> Self {
        Self {
            retention_seconds: 7 * 86_400,
            queue: 4096,
            ledger_window: 4096,
            snapshot_every: 5000,
            idle_seconds: 300,
            live_streams: 4096,
            sole_owner: true,
            processes_rest: Some(Duration::from_millis(5)),
            gateway: true,
        }
    }
}

impl Handler {
    pub fn new(
        log: Arc<dyn EventLog>,
        snapshots: Option<Arc<dyn SnapshotStore>>,
        clock: Arc<dyn Clock>,
        options: HandlerOptions,
    ) -> Arc<Self> {
        let environment = Arc::new(Environment { log, snapshots, clock, options });
        Arc::new(Self {
            facilities: Streams::new(Arc::clone(&environment)),
            parking: Streams::new(Arc::clone(&environment)),
            reservations: Streams::new(Arc::clone(&environment)),
            sessions: Streams::new(Arc::clone(&environment)),
            payments: Streams::new(Arc::clone(&environment)),
            skips: Streams::new(Arc::clone(&environment)),
            plans: RwLock::new(HashMap::new()),
            environment,
        })
    }

    /// Registering, or changing the layout, also sets the new pools' capacities in parking and reservations
    /// before it replies.
    pub async fn facility(
        &self,
        facility: FacilityId,
        submission: Submission<FacilityCommand>,
    ) -> Result<Reply<FacilityEvent, FacilityRefusal>, CommandError> {
        let cause = Cause::of(&submission, facility);
        let answer = plainly(self.facilities.decide(facility.uuid(), facility, submission, ()).await)?;
        self.refresh_plan(facility).await?;
        self.open_pools(facility.uuid(), &cause, &answer).await?;
        Ok(answer.reply)
    }

    /// Loads the facts that the command declares (the plan; for an exit the cover; for an entry on a
    /// reservation its promise).
    pub async fn parking(
        &self,
        facility: FacilityId,
        submission: Submission<ParkingCommand>,
    ) -> Result<Reply<ParkingEvent, ParkingRefusal>, CommandError> {
        let id = facility.uuid();
        if !matches!(submission.command, ParkingCommand::ExitGate { .. }) {
            let facts = self.parking_facts(facility, &submission.command).await?;
            let decided = self.parking.decide(id, facility, submission, facts).await;
            return plainly(decided).map(|answer| answer.reply);
        }
        for _ in 0..FACT_ATTEMPTS {
            let facts = self.parking_facts(facility, &submission.command).await?;
            match self.parking.decide(id, facility, submission.clone(), facts).await {
                Err(Unanswered::FactsStale) => {}
                decided => return plainly(decided).map(|answer| answer.reply),
            }
        }
        Err(CommandError::Busy)
    }

    /// Decides commands of one facility in the order given; what cannot be queued any more is `Busy`, and so is
    /// all that comes after it. For recorded facts: commands that need more than the plan are sent one by one.
    pub async fn parking_in_order(
        &self,
        facility: FacilityId,
        submissions: Vec<Submission<ParkingCommand>>,
    ) -> Vec<Result<Reply<ParkingEvent, ParkingRefusal>, CommandError>> {
        let count = submissions.len();
        let mut waiting = Vec::with_capacity(count);
        // Asked for together, so that a log that is shared is looked at for many at once.
        let facts = submissions.iter().map(|submission| self.parking_facts(facility, &submission.command));
        let facts = join_all(facts).await;
        for (submission, facts) in submissions.into_iter().zip(facts) {
            let queued =
                facts.and_then(|facts| self.parking.queue(facility.uuid(), facility, submission, facts));
            let busy = matches!(queued, Err(CommandError::Busy));
            waiting.push(queued);
            if busy {
                break;
            }
        }
        let mut replies = Vec::with_capacity(count);
        for queued in waiting {
            replies.push(match queued {
                Ok(answer) => {
                    let answered = answer.await.unwrap_or_else(|_| Err(stopped().into()));
                    plainly(answered).map(|answer| answer.reply)
                }
                Err(error) => Err(error),
            });
        }
        replies.resize_with(count, || Err(CommandError::Busy));
        replies
    }

    /// A change of the reservable places reaches parking before the reply.
    pub async fn reservations(
        &self,
        facility: FacilityId,
        submission: Submission<ReservationsCommand>,
    ) -> Result<Reply<ReservationsEvent, ReservationsRefusal>, CommandError> {
        let cause = Cause::of(&submission, facility);
        let facts = self.reservations_facts(facility, &submission.command).await?;
        let decided = self.reservations.decide(facility.uuid(), facility, submission, facts).await;
        let answer = plainly(decided)?;
        self.keep_reserved_part(facility.uuid(), &cause, &answer).await?;
        Ok(answer.reply)
    }

    pub async fn session(
        &self,
        visit: VisitId,
        facility: FacilityId,
        submission: Submission<SessionCommand>,
    ) -> Result<Reply<SessionEvent, SessionRefusal>, CommandError> {
        let decided = self.sessions.decide(visit.uuid(), facility, submission, ()).await;
        plainly(decided).map(|answer| answer.reply)
    }

    /// An attendant's change of a session, which knows its facility itself.
    pub async fn charge(
        &self,
        visit: VisitId,
        submission: Submission<SessionCommand>,
    ) -> Result<Reply<SessionEvent, SessionRefusal>, CommandError> {
        let facility = |session: &SessionState| session.stay().map(|stay| stay.facility);
        let (facility, _) = self.sessions.read(visit.uuid(), facility).await?;
        // One that is unknown is refused, and stores no event that would need the key.
        self.session(visit, facility.unwrap_or(FacilityId::new(Uuid::nil())), submission).await
    }

    /// Appends the request with its gateway intent; the gateway itself is called by the executor. What is captured
    /// or refunded reaches the sessions before the reply.
    pub async fn payment(
        &self,
        payment: PaymentId,
        submission: Submission<PaymentCommand>,
    ) -> Result<Reply<PaymentEvent, PaymentRefusal>, CommandError> {
        let facility = match &submission.command {
            PaymentCommand::AuthorizePayment { .. } if !self.environment.options.gateway => {
                return Err(CommandError::NoGateway);
            }
            PaymentCommand::AuthorizePayment { facility, .. } => *facility,
            // An unknown payment is refused, and stores no event that would need the key.
            _ => self.facility_of(payment).await?.unwrap_or(FacilityId::new(Uuid::nil())),
        };
        let cause = Cause::of(&submission, facility);
        let facts = match &submission.command {
            PaymentCommand::AuthorizePayment { allocations, .. } => {
                self.payment_facts(facility, allocations).await?
            }
            _ => PaymentFacts::default(),
        };
        let answer = plainly(self.payments.decide(payment.uuid(), facility, submission, facts).await)?;
        self.credit(payment.uuid(), &cause, &answer).await?;
        Ok(answer.reply)
    }

    /// Whether the event stands in somebody's way is known to the read models, and asked before.
    pub async fn skip(
        &self,
        submission: Submission<SkipsCommand>,
    ) -> Result<Reply<SkipsEvent, SkipsRefusal>, CommandError> {
        let decided = self.skips.decide(SKIPS, FacilityId::new(SKIPS), submission, ()).await;
        plainly(decided).map(|answer| answer.reply)
    }

    /// Waits, at most `seconds`, until no gateway call of the payment is open and its credits are applied.
    pub async fn settled(&self, payment: PaymentId, seconds: u32) -> Result<PaymentState, CommandError> {
        let wait = Duration::from_secs(u64::from(seconds));
        // Not in time: the state says which call is open.
        let in_time = tokio::time::timeout(wait, self.until_no_open_call(payment)).await;
        if let Ok(closed) = in_time {
            closed?;
            self.credit_all(payment).await?;
        }
        self.payment_state(payment).await
    }

    async fn until_no_open_call(&self, payment: PaymentId) -> Result<(), CommandError> {
        let mut head = self.environment.log.head();
        loop {
            head.borrow_and_update();
            let open = |state: &PaymentState| state.open_call().is_some();
            if !self.payments.read(payment.uuid(), open).await?.0 {
                return Ok(());
            }
            if head.changed().await.is_err() {
                return Err(LogError::Unavailable("the log was closed".to_owned()).into());
            }
        }
    }

    /// The facility's plan at the log's head.
    pub async fn plan(&self, facility: FacilityId) -> Result<Option<Arc<Plan>>, CommandError> {
        let known = self.plans.read().unwrap_or_else(PoisonError::into_inner).get(&facility).cloned();
        match known {
            Some(plan) if self.environment.options.sole_owner => Ok(Some(plan)),
            _ => self.refresh_plan(facility).await,
        }
    }

    async fn refresh_plan(&self, facility: FacilityId) -> Result<Option<Arc<Plan>>, CommandError> {
        let (read, _) = self.facilities.read(facility.uuid(), |state| state.plan().cloned()).await?;
        let Some(plan) = read else { return Ok(None) };
        let mut plans = self.plans.write().unwrap_or_else(PoisonError::into_inner);
        let kept = plans.entry(facility).or_insert_with(|| Arc::clone(&plan));
        // A read that was overtaken must not put an older plan back.
        if kept.version < plan.version {
            *kept = plan;
        }
        Ok(Some(Arc::clone(kept)))
    }

    /// What the visit owes now, from the streams at the log's head; None where the visit cannot cost money or is
    /// unknown.
    pub async fn quote(&self, facility: FacilityId, visit: VisitId) -> Result<Option<Quote>, CommandError> {
        let (entry, _) = self.parking.read(facility.uuid(), move |state| state.visit_entry(visit)).await?;
        Ok(self.money_side(facility, visit, entry).await?.quote)
    }

    pub async fn session_state(&self, visit: VisitId) -> Result<Arc<SessionState>, CommandError> {
        let (state, _) = self.sessions.read(visit.uuid(), |state| Arc::new(state.clone())).await?;
        Ok(state)
    }

    pub async fn payment_state(&self, payment: PaymentId) -> Result<PaymentState, CommandError> {
        let (state, _) = self.payments.read(payment.uuid(), PaymentState::clone).await?;
        Ok(state)
    }

    /// What `look` makes of the gates' durable state.
    pub async fn look_at_parking<T: Send + 'static>(
        &self,
        facility: FacilityId,
        look: impl FnOnce(&ParkingState) -> T + Send + 'static,
    ) -> Result<T, CommandError> {
        Ok(self.parking.read(facility.uuid(), look).await?.0)
    }

    /// The payment's facility; None where the payment is unknown.
    pub async fn facility_of(&self, payment: PaymentId) -> Result<Option<FacilityId>, CommandError> {
        Ok(self.payments.read(payment.uuid(), PaymentState::facility).await?.0)
    }

    /// Forgets, once a day, the replies to client-made ids that are past the retention. Runs until it is dropped.
    pub async fn prune_daily(&self) {
        loop {
            if let Err(error) = self.prune().await {
                tracing::warn!(%error, "old replies could not be forgotten; tried again in a day");
            }
            tokio::time::sleep(DAY).await;
        }
    }

    /// Forgets the replies that no id within the retention can ask for any more, and says how many.
    pub async fn prune(&self) -> Result<u64, LogError> {
        let keep_seconds = self.environment.options.retention_seconds + FUTURE_SECONDS;
        let before = self.environment.clock.now().minus_seconds(keep_seconds);
        self.environment.log.prune_ledger(before).await
    }
}

/// Where the facts cannot be stale, and need not be read again.
fn plainly<D: Decider>(decided: Result<Answer<D>, Unanswered>) -> Result<Answer<D>, CommandError> {
    decided.map_err(|why| match why {
        Unanswered::Error(error) => error,
        Unanswered::FactsStale => CommandError::Busy,
    })
}
