//! What other systems of a city are told: the published contract, apart from what is stored.
//!
//! - **fact**: one published type. Stored events may change their form; a fact may only gain optional fields, and
//!   another form is another type with the next version in its name.
//! - **subject**: the one thing that the fact is about, as `visits/<id>` or `pools/<code>`.
//!
//! No personal data stands in a fact: no plate, ticket, card or free text; who is inside is told by visit id.
//! [`publish`] is pure and sees one event alone, so that publishing again says the same again.

mod cloud_event;
pub mod facilities;
pub mod parking;
pub mod payments;
pub mod reservations;
mod scalars;
pub mod sessions;

use std::fmt;

use octocity_domain::{Event, FacilityId, LaneId, PaymentId, PoolId, ReservationId, SpotId, VisitId};
use octocity_log::{EventMeta, StreamId};
use serde::Serialize;

pub use cloud_event::{CloudEvent, HEADERS};
pub use scalars::{Amount, Time};

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Facility(FacilityId),
    Pool(PoolId),
    Spot(SpotId),
    Lane(LaneId),
    Visit(VisitId),
    Reservation(ReservationId),
    Payment(PaymentId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Facility(id) => write!(f, "facilities/{id}"),
            Self::Pool(id) => write!(f, "pools/{id}"),
            Self::Spot(id) => write!(f, "spots/{id}"),
            Self::Lane(id) => write!(f, "lanes/{id}"),
            Self::Visit(id) => write!(f, "visits/{id}"),
            Self::Reservation(id) => write!(f, "reservations/{id}"),
            Self::Payment(id) => write!(f, "payments/{id}"),
        }
    }
}

/// A fact and what it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    pub subject: Subject,
    pub fact: Fact,
}

impl Published {
    fn of(subject: Subject, fact: impl Into<Fact>) -> Self {
        Self { subject, fact: fact.into() }
    }
}

/// The types and the names they are published under: the names are the contract.
macro_rules! facts {
    ($($context:ident::$name:ident = $event_type:literal),+ $(,)?) => {
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Fact {
            $($name($context::$name)),+
        }
        $(impl From<$context::$name> for Fact {
            fn from(fact: $context::$name) -> Self {
                Self::$name(fact)
            }
        })+
        impl Fact {
            /// The CloudEvents `type`.
            pub const fn event_type(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $event_type),+
                }
            }
        }
        /// Each type's name and schema. Draft 7: what AsyncAPI asks every tool to read.
        #[cfg(feature = "schema")]
        pub fn schemas() -> Vec<(&'static str, schemars::Schema)> {
            let generator = || schemars::generate::SchemaSettings::draft07().into_generator();
            vec![$(($event_type, generator().into_root_schema_for::<$context::$name>())),+]
        }
    };
}

facts! {
    facilities::FacilityRegistered = "octocity.facilities.facility-registered.v1",
    facilities::LayoutChanged = "octocity.facilities.layout-changed.v1",
    facilities::TariffActivated = "octocity.facilities.tariff-activated.v1",
    parking::CapacityChanged = "octocity.parking.capacity-changed.v1",
    parking::ReservedPartChanged = "octocity.parking.reserved-part-changed.v1",
    parking::AdmissionModeChanged = "octocity.parking.admission-mode-changed.v1",
    parking::SpotTakenOutOfService = "octocity.parking.spot-taken-out-of-service.v1",
    parking::SpotReturnedToService = "octocity.parking.spot-returned-to-service.v1",
    parking::VehicleEntered = "octocity.parking.vehicle-entered.v1",
    parking::VehicleLeft = "octocity.parking.vehicle-left.v1",
    parking::VehicleMoved = "octocity.parking.vehicle-moved.v1",
    parking::OccupancyCorrected = "octocity.parking.occupancy-corrected.v1",
    parking::OccupancyReviewed = "octocity.parking.occupancy-reviewed.v1",
    reservations::ReservableCapacityChanged = "octocity.reservations.reservable-capacity-changed.v1",
    reservations::ReservationMade = "octocity.reservations.reservation-made.v1",
    reservations::ReservationCancelled = "octocity.reservations.reservation-cancelled.v1",
    reservations::ReservationCheckedIn = "octocity.reservations.reservation-checked-in.v1",
    reservations::ReservationEnded = "octocity.reservations.reservation-ended.v1",
    sessions::SessionOpened = "octocity.sessions.session-opened.v1",
    sessions::StayEnded = "octocity.sessions.stay-ended.v1",
    sessions::StayRetimed = "octocity.sessions.stay-retimed.v1",
    sessions::StayMerged = "octocity.sessions.stay-merged.v1",
    sessions::ChargeAdjusted = "octocity.sessions.charge-adjusted.v1",
    sessions::CreditApplied = "octocity.sessions.credit-applied.v1",
    sessions::CreditReversed = "octocity.sessions.credit-reversed.v1",
    payments::PaymentCaptured = "octocity.payments.payment-captured.v1",
    payments::PaymentRefunded = "octocity.payments.payment-refunded.v1",
}

/// What others are told of an event of this stream; None where it is nobody else's business.
pub fn publish(event: &Event, stream: StreamId, meta: &EventMeta) -> Option<Published> {
    let facility = meta.key;
    match event {
        Event::Facility(event) => facilities::publish(event, facility),
        Event::Parking(event) => parking::publish(event, facility),
        Event::Reservations(event) => Some(reservations::publish(event, facility)),
        Event::Session(event) => sessions::publish(event, facility, VisitId(stream.id)),
        Event::Payment(event) => payments::publish(event, facility, PaymentId(stream.id)),
        Event::Skips(_) => None,
    }
}
