//! One command as somebody sends it, whatever its context, and what came back.

use octocity_commands::{CommandError, Handler, Outcome, Reply, Submission};
use octocity_domain::facilities::FacilityCommand;
use octocity_domain::parking::ParkingCommand;
use octocity_domain::payments::PaymentCommand;
use octocity_domain::reservations::ReservationsCommand;
use octocity_domain::{Category, CommandId, FacilityId, PaymentId};
use octocity_log::{Actor, Position, StreamId};

#[derive(Clone, Debug)]
pub enum Order {
    Facility(FacilityId, FacilityCommand),
    Parking(FacilityId, ParkingCommand),
    Reservations(FacilityId, ReservationsCommand),
    Payment(PaymentId, PaymentCommand),
}

/// A reply, comparable whatever its context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The outcome, written out.
    pub outcome: String,
    pub accepted: bool,
    /// How many events the reply has.
    pub events: usize,
    pub position: Position,
}

impl Order {
    pub const fn stream(&self) -> StreamId {
        match self {
            Self::Facility(id, _) => StreamId::new(Category::Facility, id.uuid()),
            Self::Parking(id, _) => StreamId::new(Category::Parking, id.uuid()),
            Self::Reservations(id, _) => StreamId::new(Category::Reservations, id.uuid()),
            Self::Payment(id, _) => StreamId::new(Category::Payment, id.uuid()),
        }
    }

    /// Sends it; with the reply, whether it was answered before.
    pub async fn send(self, handler: &Handler, id: CommandId) -> Result<(Answer, bool), CommandError> {
        let actor = Actor::new("simulation");
        match self {
            Self::Facility(to, command) => {
                handler.facility(to, Submission::new(id, actor, command)).await.map(answer)
            }
            Self::Parking(to, command) => {
                handler.parking(to, Submission::new(id, actor, command)).await.map(answer)
            }
            Self::Reservations(to, command) => {
                handler.reservations(to, Submission::new(id, actor, command)).await.map(answer)
            }
            Self::Payment(to, command) => {
                handler.payment(to, Submission::new(id, actor, command)).await.map(answer)
            }
        }
    }
}

fn answer<E: std::fmt::Debug, R: std::fmt::Debug>(reply: Reply<E, R>) -> (Answer, bool) {
    let (accepted, events) = match &reply.outcome {
        Outcome::Accepted(events) => (true, events.len()),
        Outcome::Refused(_) => (false, 0),
    };
    let outcome = format!("{:?}", reply.outcome);
    (Answer { outcome, accepted, events, position: reply.position }, reply.repeated)
}
