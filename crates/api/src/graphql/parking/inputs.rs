//! What clients send to gates and attendants' desks.

use async_graphql::{Enum, ID, InputObject};
use octocity_domain::parking::{CredentialChange, Direction, EstimateBasis, Presumption};

use super::super::credentials::CredentialInput;
use super::super::scalars::{DateTime, UuidText};

/// Which way through a lane. Every lane may be passed both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "Direction", remote = "Direction")]
pub enum DirectionName {
    /// Into the facility, at a lane to the outside, whichever side is its `from`; at an inner lane out of `from`, into `to`.
    Entry,
    /// Out of the facility; at an inner lane out of `to`, into `from`.
    Exit,
}

/// Who said when a visit began that nobody saw entering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "EstimateBasis", remote = "EstimateBasis")]
pub enum EstimateBasisName {
    /// The driver said so.
    DriverStatement,
    /// An attendant judged it.
    Attendant,
}

/// What becomes of a visit's credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "CredentialChange", remote = "CredentialChange")]
pub enum CredentialChangeName {
    /// `new` is one more.
    Added,
    /// A misread: `old` gives way to `new`.
    Corrected,
    /// A lost ticket or card: `old` opens nothing any more, `new` does.
    Replaced,
}

/// What asks to enter.
#[derive(InputObject)]
pub struct EnterGateInput {
    /// A UUIDv7, made for this command.
    pub command_id: UuidText,
    /// The facility.
    pub facility_id: ID,
    /// The lane.
    pub lane: ID,
    /// What the vehicle or driver shows: at most 10.
    pub credentials: Option<Vec<CredentialInput>>,
    /// The pool to enter; left out: the lane's, or the reservation's.
    pub pool: Option<ID>,
    /// When it was asked, by the device's own clock; one far from now is refused.
    pub requested_at: Option<DateTime>,
}

/// What asks to leave.
#[derive(InputObject)]
pub struct ExitGateInput {
    /// A UUIDv7, made for this command.
    pub command_id: UuidText,
    /// The facility.
    pub facility_id: ID,
    /// The lane.
    pub lane: ID,
    /// What the vehicle or driver shows: at most 10.
    pub credentials: Option<Vec<CredentialInput>>,
    /// When it was asked, by the device's own clock; one far from now is refused.
    pub requested_at: Option<DateTime>,
}

/// Who reports a passage, and which of its reports this is: the same source and sequence are the same passage for ever.
#[derive(InputObject)]
pub struct PassageSource {
    /// The device's or controller's name: 1 to 100 characters.
    pub name: String,
    /// A number that rises with every report of this source, and is never used again.
    pub sequence: u64,
}

/// A vehicle that passed.
#[derive(InputObject)]
pub struct RecordPassageInput {
    /// A UUIDv7, made for this command. Give it, or `source`.
    pub command_id: Option<UuidText>,
    /// In place of a command id, for devices that number what they report and may send it again after any time.
    pub source: Option<PassageSource>,
    /// The facility.
    pub facility_id: ID,
    /// The lane.
    pub lane: ID,
    /// Which way.
    pub direction: DirectionName,
    /// What was seen of it: at most 10; none is an unidentified vehicle.
    pub credentials: Option<Vec<CredentialInput>>,
    /// The pool, where it is known; left out: the grant's, the visit's or the lane's.
    pub pool: Option<ID>,
    /// When it passed, as judged.
    pub happened_at: DateTime,
    /// When it passed by the device's own clock, where that differs. With `source`, this time (or else `happenedAt`)
    /// is part of what makes the report the same.
    pub device_time: Option<DateTime>,
    /// When the news arrived, where it is told later.
    pub received_at: Option<DateTime>,
}

/// What opens a gate without asking the rules.
#[derive(InputObject)]
pub struct OverrideGateInput {
    /// A UUIDv7, made for this command.
    pub command_id: UuidText,
    /// The facility.
    pub facility_id: ID,
    /// The lane.
    pub lane: ID,
    /// Which way.
    pub direction: DirectionName,
    /// What the vehicle or driver shows, if anything: at most 10.
    pub credentials: Option<Vec<CredentialInput>>,
    /// Why: 1 to 500 characters.
    pub reason: String,
}

/// A driver without a ticket.
#[derive(InputObject)]
pub struct ReportLostTicketInput {
    /// A UUIDv7, made for this command.
    pub command_id: UuidText,
    /// The facility.
    pub facility_id: ID,
    /// Where no visit is found: the pool that the declared one counts in.
    pub pool: Option<ID>,
    /// What else identifies the visit, such as its plate: at most 10.
    pub credentials: Option<Vec<CredentialInput>>,
    /// The new ticket that is handed out.
    pub replacement: Option<CredentialInput>,
    /// Where no visit is found: when it entered, as far as somebody knows.
    pub entered_at: Option<DateTime>,
    /// Who says so.
    pub basis: EstimateBasisName,
}

/// What corrects a visit's credentials.
#[derive(InputObject)]
pub struct CorrectCredentialsInput {
    /// A UUIDv7, made for this command.
    pub command_id: UuidText,
    /// The facility.
    pub facility_id: ID,
    /// The visit.
    pub visit_id: ID,
    /// What becomes of them.
    pub change: CredentialChangeName,
    /// The one that goes.
    pub old: Option<CredentialInput>,
    /// The one that comes.
    pub new: Option<CredentialInput>,
}

/// What was counted.
#[derive(InputObject)]
pub struct CorrectOccupancyInput {
    /// A UUIDv7, made for this command.
    pub command_id: UuidText,
    /// The facility.
    pub facility_id: ID,
    /// The pool.
    pub pool: ID,
    /// How many vehicles were inside: at most 1000000.
    pub counted: u32,
    /// When they were counted.
    pub counted_at: DateTime,
    /// Why: 1 to 500 characters.
    pub reason: String,
}

/// Why a visit is presumed to have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "Presumption")]
pub enum PresumptionName {
    /// An attendant walked the facility and did not find it.
    Inventory,
    /// It has been inside for longer than anybody stays.
    Age,
}

impl From<PresumptionName> for Presumption {
    fn from(name: PresumptionName) -> Self {
        match name {
            PresumptionName::Inventory => Self::Inventory,
            PresumptionName::Age => Self::Age,
        }
    }
}

/// An exit that no visit matched, as `unmatchedExits` tells of it.
#[derive(InputObject)]
pub struct ExitInput {
    /// Its lane.
    pub lane: ID,
    /// When it was.
    pub left_at: DateTime,
}

/// What became of what was presumed. Exactly one field is given.
#[derive(InputObject)]
pub struct ReviewInput {
    /// True: it is so; the visit left.
    pub confirm: Option<bool>,
    /// True: it is not so; the visit is inside.
    pub still_inside: Option<bool>,
    /// It is presumed to have left: not inside any more, but unbilled and in review until it is confirmed.
    pub presume_left: Option<PresumptionName>,
    /// This unmatched exit was the visit's.
    pub reassign_exit: Option<ExitInput>,
    /// This visit and that one are one stay.
    pub merge_into: Option<ID>,
}

/// What reviews a visit.
#[derive(InputObject)]
pub struct ReviewVisitInput {
    /// A UUIDv7, made for this command.
    pub command_id: UuidText,
    /// The facility.
    pub facility_id: ID,
    /// The visit.
    pub visit_id: ID,
    /// What became of it.
    pub review: ReviewInput,
}
