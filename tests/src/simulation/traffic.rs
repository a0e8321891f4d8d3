//! What people and machines send: by chance, about what is known, and often wrong.

use octocity_commands::Clock;
use octocity_domain::facilities::{EntryLimit, FacilityCommand, Policies};
use octocity_domain::parking::{
    AdmissionMode, Credential, CredentialChange, DeviceClock, Direction, EstimateBasis, MatchKey, ModeScope,
    ParkingCommand, PlateRead, Presumption, Review,
};
use octocity_domain::payments::{Allocation, Payable, PaymentCommand};
use octocity_domain::reservations::ReservationsCommand;
use octocity_domain::{CommandId, Interval, LaneId, Money, PaymentId, ReservationId, Timestamp, VisitId};

use super::city::{CarPark, policies};
use super::order::Order;
use super::random::Random;

/// How many vehicles there are: few, so that they meet themselves.
const VEHICLES: u64 = 9;

/// How the simulated gateway behaves: it declines, does not answer, loses its answer, or takes its time.
const TOKENS: [&str; 7] =
    ["sim-ok", "sim-ok", "sim-ok", "sim-decline", "sim-timeout", "sim-lost-reply", "sim-slow"];

/// What the senders have seen so far.
pub struct Seen {
    pub visits: Vec<VisitId>,
    pub reservations: Vec<ReservationId>,
    pub payments: Vec<PaymentId>,
}

pub struct Traffic<'a> {
    pub random: &'a Random,
    pub clock: &'a dyn Clock,
    pub park: &'a CarPark,
    pub seen: &'a Seen,
}

fn plate(number: u64) -> Credential {
    let raw = format!("SIM {number:03}");
    let match_key = MatchKey(format!("SIM{number:03}"));
    Credential::Plate(PlateRead {
        raw,
        match_key,
        normaliser: 1,
        region: None,
        confidence_permille: Some(900),
        candidates: Vec::new(),
        image: None,
    })
}

impl Traffic<'_> {
    /// The next command, under its id.
    pub fn next(&self) -> (CommandId, Order) {
        let id = CommandId::new(self.random.command_id(self.clock.now().millis()));
        let order = match self.random.below(100) {
            0..24 => self.parking(self.enter()),
            24..42 => self.parking(self.exit()),
            42..66 => return self.passage(id),
            66..74 => self.reservations(),
            74..86 => self.payment(id),
            86..92 => self.parking(self.attend()),
            92 => self.change_policies(),
            _ => self.parking(self.operate()),
        };
        (id, order)
    }

    fn parking(&self, command: ParkingCommand) -> Order {
        Order::Parking(self.park.id, command)
    }

    fn lane(&self) -> LaneId {
        self.random.pick(&self.park.lanes).copied().expect("a car park has lanes")
    }

    fn credentials(&self) -> Vec<Credential> {
        let number = self.random.below(VEHICLES);
        let ticket = || Credential::Ticket { number: format!("T{number}") };
        match self.random.below(12) {
            0 => Vec::new(),
            1 => vec![ticket()],
            2 => vec![plate(number), ticket()],
            3 | 4 => match self.random.pick(&self.seen.reservations) {
                Some(reservation) => {
                    vec![plate(number), Credential::Reservation { reservation: *reservation }]
                }
                None => vec![plate(number)],
            },
            _ => vec![plate(number)],
        }
    }

    fn enter(&self) -> ParkingCommand {
        let pool = self.random.chance(200).then(|| self.random.pick(&self.park.pools).copied()).flatten();
        let requested_at = self.random.chance(100).then(|| self.earlier(1200));
        ParkingCommand::EnterGate { lane: self.lane(), credentials: self.credentials(), pool, requested_at }
    }

    fn exit(&self) -> ParkingCommand {
        ParkingCommand::ExitGate { lane: self.lane(), credentials: self.credentials(), requested_at: None }
    }

    fn earlier(&self, at_most_seconds: i64) -> Timestamp {
        self.clock.now().minus_seconds(self.random.between(-30, at_most_seconds))
    }

    /// A camera's news: mostly fresh, sometimes hours late; under the camera's own key.
    fn passage(&self, id: CommandId) -> (CommandId, Order) {
        let happened_at = match self.random.chance(150) {
            true => self.earlier(6 * 3600),
            false => self.clock.now(),
        };
        let direction = if self.random.chance(500) { Direction::Entry } else { Direction::Exit };
        let lane = self.lane();
        let key = format!("{lane}/{}/{}", happened_at.millis(), self.random.next());
        let id = match self.random.chance(500) {
            true => CommandId::from_source(happened_at, "camera", &key),
            false => id,
        };
        let command = ParkingCommand::RecordPassage {
            lane,
            direction,
            credentials: self.credentials(),
            unreadable: false,
            pool: None,
            happened_at,
            clock: DeviceClock::default(),
        };
        (id, self.parking(command))
    }

    fn change_policies(&self) -> Order {
        let entry_limit = if self.random.chance(200) { EntryLimit::Unlimited } else { EntryLimit::Places };
        let policies = Policies { entry_limit, ..policies(self.random, self.random.chance(500)) };
        Order::Facility(self.park.id, FacilityCommand::SetPolicies { policies })
    }

    fn reservations(&self) -> Order {
        if self.random.chance(80) {
            let pool = *self.random.pick(&self.park.pools).expect("a car park has pools");
            let places = self.random.below(4) as u32;
            let command = ReservationsCommand::SetReservableCapacity { pool, places };
            return Order::Reservations(self.park.id, command);
        }
        let cancelled = self.random.pick(&self.seen.reservations).filter(|_| self.random.chance(250));
        let command = match cancelled {
            Some(reservation) => ReservationsCommand::CancelReservation { reservation: *reservation },
            None => {
                let start = self.clock.now().plus_seconds(self.random.between(30, 3600));
                ReservationsCommand::ReserveSpot {
                    pool: *self.random.pick(&self.park.pools).expect("a car park has pools"),
                    interval: Interval { start, end: start.plus_seconds(self.random.between(60, 5400)) },
                    spot: None,
                    credentials: vec![plate(self.random.below(VEHICLES))],
                }
            }
        };
        Order::Reservations(self.park.id, command)
    }

    fn payment(&self, id: CommandId) -> Order {
        let known = self.random.pick(&self.seen.payments).filter(|_| self.random.chance(650));
        let Some(payment) = known else {
            return Order::Payment(id.payment(), self.authorize());
        };
        let command = match self.random.below(6) {
            0 => PaymentCommand::VoidPayment,
            1 => PaymentCommand::RefundPayment { amount: None, reason: "asked for".to_owned() },
            _ => PaymentCommand::CapturePayment { amount: None },
        };
        Order::Payment(*payment, command)
    }

    /// Sometimes one payment for two visits, sometimes too much.
    fn authorize(&self) -> PaymentCommand {
        let mut allocations: Vec<Allocation> = Vec::new();
        for _ in 0..=self.random.below(2) {
            if let Some(visit) = self.random.pick(&self.seen.visits)
                && !allocations.iter().any(|part| part.payable == Payable::Session { visit: *visit })
            {
                let amount_minor = 70 * self.random.between(1, 4);
                allocations.push(Allocation { payable: Payable::Session { visit: *visit }, amount_minor });
            }
        }
        let sum = allocations.iter().map(|part| part.amount_minor).sum();
        PaymentCommand::AuthorizePayment {
            facility: self.park.id,
            amount: Money::new(sum, self.park.currency),
            allocations,
            token: self.random.pick(&TOKENS).copied().unwrap_or_default().to_owned().into(),
            priced_at: None,
        }
    }

    fn attend(&self) -> ParkingCommand {
        let basis = EstimateBasis::DriverStatement;
        let entered_at = self.random.chance(500).then(|| self.clock.now().minus_seconds(1800));
        let visit = self.random.pick(&self.seen.visits).copied();
        match (self.random.below(4), visit) {
            (0, Some(visit)) => ParkingCommand::CorrectCredentials {
                visit,
                change: CredentialChange::Added,
                old: None,
                new: Some(plate(self.random.below(VEHICLES))),
            },
            (1, Some(visit)) => ParkingCommand::ReviewVisit { visit, review: self.review() },
            (2, _) => ParkingCommand::OverrideGate {
                lane: self.lane(),
                direction: if self.random.chance(500) { Direction::Entry } else { Direction::Exit },
                credentials: self.credentials(),
                reason: "the barrier stuck".to_owned(),
            },
            _ => ParkingCommand::ReportLostTicket {
                pool: None,
                credentials: self.credentials(),
                replacement: Some(Credential::Ticket { number: format!("R{}", self.random.below(VEHICLES)) }),
                entered_at,
                basis,
            },
        }
    }

    fn review(&self) -> Review {
        match self.random.below(5) {
            0 => Review::Confirm,
            1 => Review::ReassignExit { lane: self.lane(), left_at: self.earlier(600) },
            3 => Review::PresumeLeft { presumption: Presumption::Inventory },
            2 => match self.random.pick(&self.seen.visits) {
                Some(into) => Review::MergeInto { into: *into },
                None => Review::StillInside,
            },
            _ => Review::StillInside,
        }
    }

    fn operate(&self) -> ParkingCommand {
        let pool = *self.random.pick(&self.park.pools).expect("a car park has pools");
        let spot = *self.random.pick(&self.park.spots).expect("a car park has spots");
        let reason = "as found".to_owned();
        match self.random.below(5) {
            0 => ParkingCommand::SetPoolCapacity { pool, places: Some(self.random.below(7) as u32 + 2) },
            1 => ParkingCommand::TakeSpotOutOfService { spot, reason },
            2 => ParkingCommand::ReturnSpotToService { spot },
            3 => ParkingCommand::SetAdmissionMode { scope: self.scope(), mode: self.mode(), reason },
            _ => ParkingCommand::CorrectOccupancy {
                pool,
                counted: self.random.below(8) as u32,
                counted_at: self.clock.now().minus_seconds(self.random.between(0, 300)),
                reason,
            },
        }
    }

    fn scope(&self) -> ModeScope {
        match self.random.chance(300) {
            true => ModeScope::Facility,
            false => ModeScope::Lane { lane: self.lane() },
        }
    }

    /// Mostly back to normal, or nothing would move for long.
    fn mode(&self) -> AdmissionMode {
        match self.random.below(8) {
            0 => AdmissionMode::Shut,
            1 => AdmissionMode::HeldOpen,
            _ => AdmissionMode::Normal,
        }
    }
}
