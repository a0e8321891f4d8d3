//! What is stored of gates and visits. Storage format: names and fields stay as they are for ever; open
//! enums are tagged, so that later works can add to them.

use serde::{Deserialize, Serialize};

use super::credentials::{Credential, MatchKey};
use crate::ids::{AreaId, GrantId, LaneId, PoolId, ReservationId, SpotId, VisitId};
use crate::money::Money;
use crate::time::Timestamp;

/// Why a vehicle was admitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "basis", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Basis {
    ShortTerm,
    Reservation {
        reservation: ReservationId,
    },
    /// Before its promise begins: on a place that walk-ins could have had.
    EarlyReservation {
        reservation: ReservationId,
    },
    /// The lane or the facility is held open.
    FreeFlow,
    Override {
        reason: String,
    },
}

/// Why a vehicle is let out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "cover", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Cover {
    NothingOwed,
    Paid {
        leave_by: Timestamp,
    },
    /// What is owed could not be known, and the facility's policy lets out.
    MoneySideDown,
    /// The lane or the facility is held open; what is owed becomes a debt.
    FreeFlow {
        owed: Option<Money>,
    },
    Override {
        reason: String,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AdmissionMode {
    #[default]
    Normal,
    /// A shut facility takes nobody in; a shut lane lets nobody through.
    Shut,
    HeldOpen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "scope", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ModeScope {
    Facility,
    Lane { lane: LaneId },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Direction {
    /// Into the facility, at a lane to the outside, whichever side is its `from`; at an inner lane out of `from`, into `to`.
    Entry,
    Exit,
}

/// What a passage broke; it is stored all the same, because it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Irregularity {
    OverCapacity,
    /// Nobody had been granted this passage.
    Unrequested,
    /// No open visit had the credentials seen.
    Unmatched,
    /// The credential was inside already: the older visit is presumed left.
    AlreadyInside,
    /// Its time lies before the entry of the visit that it matched.
    BeforeEntry,
    LaneShut,
    /// Something was shown that could not be read, or is never stored (a payment card's number): it was left out.
    CredentialUnreadable,
}

/// What the device says of a passage besides the time we judge it by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceClock {
    /// The device's own time, where it differs from the judged one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_time: Option<Timestamp>,
    /// When the news reached us, where it differs from when it was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
}

impl DeviceClock {
    pub fn is_silent(&self) -> bool {
        *self == Self::default()
    }
}

/// What is known of a visit's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "entry", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Entry {
    Seen { at: Timestamp },
    Estimated { at: Timestamp, basis: EstimateBasis },
    Unknown,
}

impl Entry {
    pub const fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Seen { at } | Self::Estimated { at, .. } => Some(*at),
            Self::Unknown => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EstimateBasis {
    DriverStatement,
    Attendant,
}

/// Whom an exit was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "of", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Departure {
    Visit {
        visit: VisitId,
    },
    /// It had been presumed left already, and now it was seen: the count does not move.
    PresumedVisit {
        visit: VisitId,
    },
    /// No visit matched: one unidentified vehicle fewer.
    Unidentified,
    /// No visit matched and nobody unidentified was inside: an entry was missed, and the count does not move.
    MissedEntry,
}

impl Departure {
    /// The visit that left, if one did.
    pub const fn visit(&self) -> Option<VisitId> {
        match self {
            Self::Visit { visit } | Self::PresumedVisit { visit } => Some(*visit),
            Self::Unidentified | Self::MissedEntry => None,
        }
    }
}

/// A late entry met the exit that had come before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JoinedExit {
    pub lane: LaneId,
    pub left_at: Timestamp,
    /// Whether that exit had taken an unidentified vehicle, which is given back.
    pub gives_back_unidentified: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Presumption {
    /// Its credential was seen entering again.
    ReEntry,
    /// An attendant walked the facility and did not find it.
    Inventory,
    /// It has been inside for longer than anybody stays.
    Age,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "outcome", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reconciliation {
    /// What was presumed is so: the visit left, at this time as judged.
    Confirmed,
    /// It had not left: it is inside again.
    StillInside,
    /// The unmatched exit through `lane` at `left_at` was this visit's.
    Reassigned { lane: LaneId, left_at: Timestamp },
    /// It and another visit are one stay; this one ends in the other.
    Merged { into: VisitId },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CredentialChange {
    Added,
    /// A misread: `old` gives way to `new`.
    Corrected,
    /// A lost ticket or card: `old` opens nothing any more.
    Replaced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HoldRelease {
    CheckedIn,
    Cancelled,
    Expired,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ParkingEvent {
    /// None: nobody knows how many places the pool has.
    CapacitySet {
        pool: PoolId,
        places: Option<u32>,
    },
    /// How many of the pool's places are kept for reservations; walk-ins are admitted against the rest.
    ReservedPartSet {
        pool: PoolId,
        places: u32,
        /// Which event of the book said so: an older one says nothing any more.
        book_revision: u64,
    },
    AdmissionModeSet {
        scope: ModeScope,
        mode: AdmissionMode,
        reason: String,
    },
    SpotTakenOutOfService {
        spot: SpotId,
        pool: PoolId,
        reason: String,
    },
    SpotReturnedToService {
        spot: SpotId,
        pool: PoolId,
    },
    EntryGranted {
        grant: GrantId,
        visit: VisitId,
        lane: LaneId,
        pool: PoolId,
        #[serde(flatten)]
        basis: Basis,
        credentials: Vec<Credential>,
        expires_at: Timestamp,
        plan_version: u64,
    },
    /// `visit` is None where nobody was identified (free flow, override).
    ExitGranted {
        grant: GrantId,
        visit: Option<VisitId>,
        lane: LaneId,
        #[serde(flatten)]
        cover: Cover,
        expires_at: Timestamp,
        plan_version: u64,
    },
    PassageRefused {
        lane: LaneId,
        direction: Direction,
        pool: PoolId,
        /// The refusal's stable code.
        refusal: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        credentials: Vec<Credential>,
    },
    /// A granted passage did not happen in time; an entry's place is free again.
    GrantLapsed {
        grant: GrantId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        visit: Option<VisitId>,
        /// Whose place is free again; None for an exit's grant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pool: Option<PoolId>,
        /// Whether the visit was admitted on a reservation: it then gives a place of the reserved part back.
        #[serde(default, skip_serializing_if = "is_false")]
        on_reservation: bool,
        /// Whose right to enter is free again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reservation: Option<ReservationId>,
    },
    /// `visit` is None where no credential was seen: one unidentified vehicle more.
    VehicleEntered {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        visit: Option<VisitId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grant: Option<GrantId>,
        lane: LaneId,
        pool: PoolId,
        area: Option<AreaId>,
        /// Those that no earlier event of this visit introduced.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        credentials: Vec<Credential>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        irregularities: Vec<Irregularity>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        joined_exit: Option<JoinedExit>,
        /// Whose right to enter is used up by it, whether a grant had claimed it or the passage was unrequested.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        used_reservation: Option<ReservationId>,
        #[serde(default, skip_serializing_if = "DeviceClock::is_silent")]
        clock: DeviceClock,
    },
    VehicleLeft {
        /// Whether the visit was admitted on a reservation: it then gives a place of the reserved part back.
        #[serde(default, skip_serializing_if = "is_false")]
        on_reservation: bool,
        departure: Departure,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grant: Option<GrantId>,
        lane: LaneId,
        pool: PoolId,
        area: Option<AreaId>,
        /// When the way out was requested, where it was: the stay that is charged ends then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requested_at: Option<Timestamp>,
        /// Only where no visit matched: what a late entry may join it by.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        credentials: Vec<Credential>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        irregularities: Vec<Irregularity>,
        #[serde(default, skip_serializing_if = "DeviceClock::is_silent")]
        clock: DeviceClock,
    },
    /// Through an inner lane.
    VehicleMoved {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        visit: Option<VisitId>,
        lane: LaneId,
        from: AreaId,
        to: AreaId,
        #[serde(default, skip_serializing_if = "DeviceClock::is_silent")]
        clock: DeviceClock,
    },
    /// A visit that nobody saw entering (a lost ticket); it takes over one unidentified vehicle, if any is inside.
    VisitDeclared {
        visit: VisitId,
        pool: PoolId,
        entry: Entry,
        credentials: Vec<Credential>,
        takes_unidentified: bool,
    },
    /// Unbilled and in review until somebody reconciles it.
    VisitPresumedLeft {
        /// Whether the visit was admitted on a reservation: it then gives a place of the reserved part back.
        #[serde(default, skip_serializing_if = "is_false")]
        on_reservation: bool,
        visit: VisitId,
        pool: PoolId,
        presumption: Presumption,
    },
    VisitReconciled {
        /// Whether the visit was admitted on a reservation: it then gives a place of the reserved part back.
        #[serde(default, skip_serializing_if = "is_false")]
        on_reservation: bool,
        visit: VisitId,
        pool: PoolId,
        #[serde(flatten)]
        outcome: Reconciliation,
        /// What it does to the count of open visits: -1, 0 or 1.
        visits_change: i8,
        /// What it does to the count of unidentified vehicles: -1, 0 or 1.
        unidentified_change: i8,
    },
    CredentialsChanged {
        visit: VisitId,
        change: CredentialChange,
        old: Option<MatchKey>,
        new: Option<Credential>,
    },
    /// Happened when it was counted. `difference` = counted - ledger, and changes only the unidentified;
    /// visits that nobody found are in `to_review`.
    OccupancyCorrected {
        pool: PoolId,
        counted: u32,
        /// What the ledger said was inside at that instant.
        ledger: u32,
        /// What was added to the unidentified: the difference, as far as they reach.
        unidentified_change: i64,
        reason: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        to_review: Vec<VisitId>,
    },
    /// Cannot be refused: where no place was free, `shortfall` says so and walk-ins stop until one is.
    HoldPlaced {
        reservation: ReservationId,
        pool: PoolId,
        until: Timestamp,
        shortfall: bool,
    },
    HoldReleased {
        reservation: ReservationId,
        pool: PoolId,
        release: HoldRelease,
    },
}

/// For serde, which hands over a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl ParkingEvent {
    /// The reservation whose right to enter this grant claims; the passage uses it up, a lapse gives it back.
    pub fn claimed_reservation(&self) -> Option<ReservationId> {
        match self {
            Self::EntryGranted {
                basis: Basis::Reservation { reservation } | Basis::EarlyReservation { reservation },
                ..
            } => Some(*reservation),
            Self::EntryGranted { credentials, .. } => credentials.iter().find_map(Credential::reservation),
            _ => None,
        }
    }
}
