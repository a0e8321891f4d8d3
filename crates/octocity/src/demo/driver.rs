//! What one simulated driver does at a gate and at the pay machine.

use std::sync::Arc;
use std::time::Duration;

use octocity_adapters::clock::new_command_id;
use octocity_commands::{Clock, CommandError, Handler, Outcome, Submission};
use octocity_domain::parking::{
    Credential, DeviceClock, Direction, ParkingCommand, ParkingEvent, ParkingRefusal,
};
use octocity_domain::payments::{Allocation, Payable, PaymentCommand};
use octocity_domain::tariffs::Quote;
use octocity_domain::{FacilityId, LaneId, PoolId, VisitId};
use octocity_log::Actor;

/// From the barrier's opening until the detector sees the vehicle.
const THROUGH_THE_GATE: Duration = Duration::from_millis(1200);
const GATEWAY_PATIENCE_SECONDS: u32 = 5;

/// A vehicle inside, and how its driver is known.
#[derive(Clone, Debug)]
pub struct Driver {
    pub visit: VisitId,
    pub credentials: Vec<Credential>,
}

/// A lane as a driver meets it.
#[derive(Clone, Copy, Debug)]
pub struct AtLane {
    pub facility: FacilityId,
    pub lane: LaneId,
    pub detector: bool,
}

/// How a driver deals with what is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paying {
    /// At the machine, before driving to the exit.
    First,
    /// Only when the exit asks for it.
    WhenAsked,
    /// The first card is declined, the second is not.
    SecondCard,
    /// Never: an attendant opens.
    Never,
}

#[derive(Clone)]
pub struct Gates {
    handler: Arc<Handler>,
    clock: Arc<dyn Clock>,
    devices: Actor,
    attendant: Actor,
}

impl Gates {
    pub fn new(handler: Arc<Handler>, clock: Arc<dyn Clock>) -> Self {
        Self { handler, clock, devices: Actor::new("demo-lane"), attendant: Actor::new("demo-attendant") }
    }

    /// Drives in; None where the driver was turned away, or backed out.
    pub async fn enter(
        &self,
        at: AtLane,
        pool: PoolId,
        credentials: Vec<Credential>,
        backs_out: bool,
    ) -> Result<Option<Driver>, CommandError> {
        let lane = at.lane;
        let request = ParkingCommand::EnterGate {
            lane,
            credentials: credentials.clone(),
            pool: Some(pool),
            requested_at: None,
        };
        let events = match self.send(at, &self.devices, request).await? {
            Outcome::Accepted(events) => events,
            Outcome::Refused(_) => return Ok(None),
        };
        let granted = events.iter().find_map(|fact| match &fact.event {
            ParkingEvent::EntryGranted { visit, .. } => Some(*visit),
            _ => None,
        });
        let Some(visit) = granted.filter(|_| !backs_out) else { return Ok(None) };
        self.pass(at, Direction::Entry, &credentials).await?;
        Ok(Some(Driver { visit, credentials }))
    }

    /// Pays and drives out. One whom the gate keeps in is let out by an attendant.
    pub async fn leave(&self, at: AtLane, driver: &Driver, paying: Paying) -> Result<(), CommandError> {
        if matches!(paying, Paying::First | Paying::SecondCard) {
            let quote = self.handler.quote(at.facility, driver.visit).await?;
            if let Some(quote) = quote.filter(|quote| quote.owed.amount_minor > 0) {
                self.pay(at.facility, driver.visit, &quote, paying).await?;
            }
        }
        let opened = match self.ask_to_leave(at, driver).await? {
            None => true,
            Some(ParkingRefusal::PaymentRequired { quote, .. }) if paying != Paying::Never => {
                self.pay(at.facility, driver.visit, &quote, Paying::First).await?;
                self.ask_to_leave(at, driver).await?.is_none()
            }
            Some(_) => false,
        };
        if !opened {
            self.override_exit(at, driver).await?;
        }
        self.pass(at, Direction::Exit, &driver.credentials).await
    }

    /// The refusal, if the gate stays shut.
    async fn ask_to_leave(
        &self,
        at: AtLane,
        driver: &Driver,
    ) -> Result<Option<ParkingRefusal>, CommandError> {
        let credentials = driver.credentials.clone();
        let request = ParkingCommand::ExitGate { lane: at.lane, credentials, requested_at: None };
        Ok(match self.send(at, &self.devices, request).await? {
            Outcome::Accepted(_) => None,
            Outcome::Refused(refusal) => Some(refusal),
        })
    }

    async fn override_exit(&self, at: AtLane, driver: &Driver) -> Result<(), CommandError> {
        let command = ParkingCommand::OverrideGate {
            lane: at.lane,
            direction: Direction::Exit,
            credentials: driver.credentials.clone(),
            reason: "the driver cannot pay and the queue is long".to_owned(),
        };
        self.send(at, &self.attendant, command).await.map(|_| ())
    }

    /// The detector sees the vehicle; without one, the grant was the passage.
    async fn pass(
        &self,
        at: AtLane,
        direction: Direction,
        credentials: &[Credential],
    ) -> Result<(), CommandError> {
        if !at.detector {
            return Ok(());
        }
        tokio::time::sleep(THROUGH_THE_GATE).await;
        let command = ParkingCommand::RecordPassage {
            lane: at.lane,
            direction,
            credentials: credentials.to_vec(),
            unreadable: false,
            pool: None,
            happened_at: self.clock.now(),
            clock: DeviceClock::default(),
        };
        self.send(at, &self.devices, command).await.map(|_| ())
    }

    async fn pay(
        &self,
        facility: FacilityId,
        visit: VisitId,
        quote: &Quote,
        paying: Paying,
    ) -> Result<(), CommandError> {
        let cards: &[&str] =
            if paying == Paying::SecondCard { &["sim-decline", "sim-card"] } else { &["sim-card"] };
        for card in cards {
            let command_id = new_command_id();
            let payment = command_id.payment();
            let amount_minor = quote.owed.amount_minor;
            let authorize = PaymentCommand::AuthorizePayment {
                facility,
                amount: quote.owed,
                allocations: vec![Allocation { payable: Payable::Session { visit }, amount_minor }],
                token: (*card).to_owned().into(),
                priced_at: Some(quote.priced_at),
            };
            let submission = Submission::new(command_id, self.devices.clone(), authorize);
            self.handler.payment(payment, submission).await?;
            self.handler.settled(payment, GATEWAY_PATIENCE_SECONDS).await?;
            let capture = PaymentCommand::CapturePayment { amount: None };
            let submission = Submission::new(new_command_id(), self.devices.clone(), capture);
            // What was declined cannot be captured: a refusal, and the next card is tried.
            let captured = self.handler.payment(payment, submission).await?;
            self.handler.settled(payment, GATEWAY_PATIENCE_SECONDS).await?;
            if matches!(captured.outcome, Outcome::Accepted(_)) {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn send(
        &self,
        at: AtLane,
        actor: &Actor,
        command: ParkingCommand,
    ) -> Result<Outcome<ParkingEvent, ParkingRefusal>, CommandError> {
        let submission = Submission::new(new_command_id(), actor.clone(), command);
        self.handler.parking(at.facility, submission).await.map(|reply| reply.outcome)
    }
}
