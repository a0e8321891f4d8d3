//! What can be asked of, or told to, a facility's gates.

use serde::{Deserialize, Serialize, Serializer};

use super::credentials::{Credential, as_sent};
use super::event::{
    AdmissionMode, CredentialChange, DeviceClock, Direction, EstimateBasis, HoldRelease, ModeScope,
    Presumption,
};
use crate::decider::{Refusal, refusal_codes};
use crate::ids::{GrantId, LaneId, PoolId, ReservationId, SpotId, VisitId};
use crate::money::Money;
use crate::tariffs::Quote;
use crate::time::{Interval, Timestamp};

#[derive(Clone, Debug, Serialize)]
pub enum ParkingCommand {
    /// The places of a pool, also below what is inside; None where nobody knows.
    SetPoolCapacity {
        pool: PoolId,
        places: Option<u32>,
    },
    /// How many places of the pool are kept for reservations, by the book's event of this revision.
    SetReservedPart {
        pool: PoolId,
        places: u32,
        book_revision: u64,
    },
    SetAdmissionMode {
        scope: ModeScope,
        mode: AdmissionMode,
        reason: String,
    },
    TakeSpotOutOfService {
        spot: SpotId,
        reason: String,
    },
    ReturnSpotToService {
        spot: SpotId,
    },
    /// A request: may this vehicle enter? `requested_at` is the source's own clock.
    EnterGate {
        lane: LaneId,
        #[serde(serialize_with = "as_sent")]
        credentials: Vec<Credential>,
        pool: Option<PoolId>,
        requested_at: Option<Timestamp>,
    },
    /// A request: may this vehicle leave?
    ExitGate {
        lane: LaneId,
        #[serde(serialize_with = "as_sent")]
        credentials: Vec<Credential>,
        requested_at: Option<Timestamp>,
    },
    /// A fact: a vehicle passed. `happened_at` as judged; what the device itself says is in `clock`.
    RecordPassage {
        lane: LaneId,
        direction: Direction,
        #[serde(serialize_with = "as_sent")]
        credentials: Vec<Credential>,
        /// Whether more was shown that could not be read, or is never stored.
        unreadable: bool,
        pool: Option<PoolId>,
        happened_at: Timestamp,
        /// When the news came is not what it says: one that is sent again comes later.
        #[serde(serialize_with = "without_receipt")]
        clock: DeviceClock,
    },
    /// Grants without asking the rules; somebody must say why.
    OverrideGate {
        lane: LaneId,
        direction: Direction,
        #[serde(serialize_with = "as_sent")]
        credentials: Vec<Credential>,
        reason: String,
    },
    /// A driver without a ticket: finds the visit by the other credentials, or declares one.
    ReportLostTicket {
        pool: Option<PoolId>,
        #[serde(serialize_with = "as_sent")]
        credentials: Vec<Credential>,
        /// The new ticket that is handed out.
        #[serde(serialize_with = "as_sent")]
        replacement: Option<Credential>,
        entered_at: Option<Timestamp>,
        basis: EstimateBasis,
    },
    CorrectCredentials {
        visit: VisitId,
        change: CredentialChange,
        #[serde(serialize_with = "as_sent")]
        old: Option<Credential>,
        #[serde(serialize_with = "as_sent")]
        new: Option<Credential>,
    },
    CorrectOccupancy {
        pool: PoolId,
        counted: u32,
        counted_at: Timestamp,
        reason: String,
    },
    ReviewVisit {
        visit: VisitId,
        review: Review,
    },
    /// Sent by the holds process before a reservation starts.
    PlaceHold {
        reservation: ReservationId,
        pool: PoolId,
        until: Timestamp,
    },
    ReleaseHold {
        reservation: ReservationId,
        release: HoldRelease,
    },
    /// Sent when a grant's time is over; names its due time, so that it fires once.
    LapseGrant {
        grant: GrantId,
        due: Timestamp,
    },
}

fn without_receipt<S: Serializer>(clock: &DeviceClock, serializer: S) -> Result<S::Ok, S::Error> {
    DeviceClock { received_at: None, ..*clock }.serialize(serializer)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "review", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Review {
    /// What was presumed is so. For a visit still open (found missing by a count): it left.
    Confirm,
    /// It is presumed to have left: not inside any more, but unbilled and in review until it is confirmed.
    PresumeLeft { presumption: Presumption },
    /// What was presumed is not so: the visit is inside.
    StillInside,
    /// The unmatched exit through `lane` at `left_at` was this visit's.
    ReassignExit { lane: LaneId, left_at: Timestamp },
    /// This visit and `into` are one stay.
    MergeInto { into: VisitId },
}

/// Why a gate or an attendant was refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code")]
pub enum ParkingRefusal {
    FacilityUnknown,
    LaneUnknown {
        lane: LaneId,
    },
    PoolUnknown {
        pool: PoolId,
    },
    SpotUnknown {
        spot: SpotId,
    },
    VisitUnknown,
    FacilityShut,
    LaneShut {
        lane: LaneId,
    },
    /// The lane is an inner one: it leads neither in from outside nor out.
    LaneDirectionWrong {
        lane: LaneId,
    },
    PoolFull {
        pool: PoolId,
    },
    AlreadyInside {
        visit: VisitId,
    },
    CredentialsMissing,
    CredentialUnknown,
    CredentialInvalid {
        sentence: String,
    },
    /// Owed and not covered; the quote says what to pay.
    PaymentRequired {
        visit: VisitId,
        quote: Box<Quote>,
    },
    /// The money side could not be reached and the policy keeps vehicles in.
    MoneySideDown,
    ReservationUnknown {
        reservation: ReservationId,
    },
    ReservationUsed {
        reservation: ReservationId,
    },
    ReservationCancelled {
        reservation: ReservationId,
    },
    ReservationOver {
        reservation: ReservationId,
    },
    ReservationTooEarly {
        reservation: ReservationId,
        from: Timestamp,
    },
    TimeInFuture,
    TimeTooOld,
    ReasonMissing,
    TextTooLong,
    CountTooLarge,
    NotInReview,
    ExitNotFound,
    CredentialTaken {
        visit: VisitId,
    },
}

refusal_codes!(ParkingRefusal {
    FacilityUnknown => "FACILITY_UNKNOWN",
    LaneUnknown => "LANE_UNKNOWN",
    PoolUnknown => "POOL_UNKNOWN",
    SpotUnknown => "SPOT_UNKNOWN",
    VisitUnknown => "VISIT_UNKNOWN",
    FacilityShut => "FACILITY_SHUT",
    LaneShut => "LANE_SHUT",
    LaneDirectionWrong => "LANE_DIRECTION_WRONG",
    PoolFull => "POOL_FULL",
    AlreadyInside => "ALREADY_INSIDE",
    CredentialsMissing => "CREDENTIALS_MISSING",
    CredentialUnknown => "CREDENTIAL_UNKNOWN",
    CredentialInvalid => "CREDENTIAL_INVALID",
    PaymentRequired => "PAYMENT_REQUIRED",
    MoneySideDown => "MONEY_SIDE_DOWN",
    ReservationUnknown => "RESERVATION_UNKNOWN",
    ReservationUsed => "RESERVATION_USED",
    ReservationCancelled => "RESERVATION_CANCELLED",
    ReservationOver => "RESERVATION_OVER",
    ReservationTooEarly => "RESERVATION_TOO_EARLY",
    TimeInFuture => "TIME_IN_FUTURE",
    TimeTooOld => "TIME_TOO_OLD",
    ReasonMissing => "REASON_MISSING",
    TextTooLong => "TEXT_TOO_LONG",
    CountTooLarge => "COUNT_TOO_LARGE",
    NotInReview => "NOT_IN_REVIEW",
    ExitNotFound => "EXIT_NOT_FOUND",
    CredentialTaken => "CREDENTIAL_TAKEN",
});

impl Refusal for ParkingRefusal {
    fn code(&self) -> &'static str {
        self.stable_code()
    }

    fn message(&self) -> String {
        match self {
            Self::FacilityUnknown => "No facility has this id; register it first or correct the id.".into(),
            Self::LaneUnknown { lane } => {
                format!("This facility has no lane '{lane}'; correct it or add it to the layout.")
            }
            Self::PoolUnknown { pool } => {
                format!("This facility has no pool '{pool}'; correct it or add it to the layout.")
            }
            Self::SpotUnknown { spot } => {
                format!("This facility lists no spot '{spot}'; correct it or add it to the layout.")
            }
            Self::VisitUnknown => {
                "This facility has no such visit open or in review; look it up by its plate or ticket.".into()
            }
            Self::FacilityShut => "The facility is shut for entries; send the driver to another one.".into(),
            Self::LaneShut { lane } => format!("Lane '{lane}' is shut; use another lane."),
            Self::LaneDirectionWrong { lane } => {
                format!(
                    "Lane '{lane}' does not lead between this facility and the outside; use an entry or exit lane."
                )
            }
            Self::PoolFull { pool } => {
                format!("No place is free in pool '{pool}'; wait for an exit or use another facility.")
            }
            Self::AlreadyInside { .. } => {
                "This credential is inside already; let an attendant review the older visit.".into()
            }
            Self::CredentialsMissing => {
                "Nothing identifies the vehicle; send a plate, ticket, card, QR code or reservation.".into()
            }
            Self::CredentialUnknown => {
                "No open visit has this credential; report a lost ticket or correct the credential.".into()
            }
            Self::CredentialInvalid { sentence } => sentence.clone(),
            Self::PaymentRequired { quote, .. } => {
                format!("{} is owed; pay it until {} and ask again.", quote.owed, quote.holds_until)
            }
            Self::MoneySideDown => {
                "What is owed cannot be read just now; ask again or call an attendant.".into()
            }
            Self::ReservationUnknown { .. } => {
                "This facility has no such reservation; correct its id.".into()
            }
            Self::ReservationUsed { .. } => "This reservation was used already; enter as a walk-in.".into(),
            Self::ReservationCancelled { .. } => "This reservation was cancelled; enter as a walk-in.".into(),
            Self::ReservationOver { .. } => "This reservation's time is over; enter as a walk-in.".into(),
            Self::ReservationTooEarly { from, .. } => {
                format!("This reservation admits from {from} on; come back then.")
            }
            Self::TimeInFuture => "The time given lies in the future; check the device's clock.".into(),
            Self::TimeTooOld => {
                "The time given is too long ago; send a request's vehicle as a recorded passage, or count again.".into()
            }
            Self::ReasonMissing => "A reason is needed; say in a few words why.".into(),
            Self::TextTooLong => "A text has at most 500 characters; shorten it.".into(),
            Self::CountTooLarge => "A count or capacity is at most 1000000; correct it.".into(),
            Self::NotInReview => "Nothing is presumed of this visit, so there is nothing to review.".into(),
            Self::ExitNotFound => {
                "No unmatched exit of that lane and time is kept; take both from the list of unmatched exits."
                    .into()
            }
            Self::CredentialTaken { .. } => {
                "Another open visit has this credential; review or merge the two visits.".into()
            }
        }
    }
}

/// What the money side says of a visit, read at the log's head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MoneySide {
    Known { quote: Option<Quote>, leave_by: Option<Timestamp> },
    Unreachable,
}

impl MoneySide {
    /// None where nothing can be owed, or nobody knows.
    pub fn owed(&self) -> Option<Money> {
        match self {
            Self::Known { quote, .. } => quote.as_ref().map(|quote| quote.owed),
            Self::Unreachable => None,
        }
    }
}

/// For `ExitGate`: what was read about the visit that the credentials name.
#[derive(Clone, Debug, PartialEq)]
pub struct CoverFact {
    /// Which visit it is about: a decision about another one is not made on it.
    pub visit: VisitId,
    pub money: MoneySide,
}

/// For `EnterGate` with a reservation: what the reservations stream says.
#[derive(Clone, Debug, PartialEq)]
pub struct ReservationFact {
    pub reservation: ReservationId,
    pub pool: PoolId,
    pub interval: Interval,
    pub cancelled: bool,
}
