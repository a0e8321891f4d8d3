//! Every event of every aggregate as one type: what projections and processes read.

use serde::{Deserialize, Serialize};

use crate::facilities::FacilityEvent;
use crate::operations::SkipsEvent;
use crate::parking::ParkingEvent;
use crate::payments::PaymentEvent;
use crate::reservations::ReservationsEvent;
use crate::sessions::SessionEvent;

/// The kind of a stream. Its name is the first half of the stream's name: this is the storage format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Category {
    Facility,
    Parking,
    Reservations,
    Session,
    Payment,
    Skips,
}

impl Category {
    pub const ALL: [Self; 6] =
        [Self::Facility, Self::Parking, Self::Reservations, Self::Session, Self::Payment, Self::Skips];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Facility => "facility",
            Self::Parking => "parking",
            Self::Reservations => "reservations",
            Self::Session => "session",
            Self::Payment => "payment",
            Self::Skips => "skips",
        }
    }
}

/// One stored event, whatever its aggregate.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Facility(FacilityEvent),
    Parking(ParkingEvent),
    Reservations(ReservationsEvent),
    Session(SessionEvent),
    Payment(PaymentEvent),
    Skips(SkipsEvent),
}
