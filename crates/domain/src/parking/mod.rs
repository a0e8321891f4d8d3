//! # Parking: gates and visits
//!
//! - **request**: EnterGate, ExitGate, OverrideGate: decided, and (but for the override) refusable.
//! - **passage**: a vehicle went through a lane. A fact: it is refused only if malformed or from an unknown lane.
//! - **grant**: one opening for one vehicle. An entry's grant takes a place until the passage or the time limit.
//! - **visit**: one stay of one vehicle that something identifies.
//! - **unidentified**: vehicles inside that no visit stands for; a count of each pool.
//! - **hold**: a place kept for a reservation that starts soon.
//! - **review**: what was presumed of a visit, until somebody confirms or corrects it.
//! - **cover**: why an exit may be granted: nothing owed, paid, override, ...
//!
//! Invariants:
//! - inside = open visits + unidentified, and unidentified is never below 0;
//! - a request is granted only if inside + granted + held stay within the places (of those in service), but by
//!   override, free flow, or a policy without limit; facts may exceed them, and say so;
//! - one open visit per credential, and a reservation admits once;
//! - a correction of the count changes only the unidentified, and ends nobody's stay.

mod admission;
pub mod command;
mod counting;
pub mod credentials;
pub mod event;
mod evolve;
mod exits;
pub mod gates;
pub mod grants;
mod inside;
mod passages;
pub mod state;
#[cfg(test)]
mod tests;
mod visits;

pub use command::{CoverFact, MoneySide, ParkingCommand, ParkingRefusal, ReservationFact, Review};
pub use credentials::{
    CANDIDATES_MAX, CREDENTIAL_MAX_CHARS, CREDENTIALS_MAX, Credential, MatchKey, PlateRead,
};
pub(crate) use credentials::{as_sent, check_credentials};
pub use event::{
    AdmissionMode, Basis, Cover, CredentialChange, Departure, DeviceClock, Direction, Entry, EstimateBasis,
    HoldRelease, Irregularity, JoinedExit, ModeScope, ParkingEvent, Presumption, Reconciliation,
};
pub use gates::{Parking, ParkingFacts};
pub use inside::InsideChange;
pub use state::{LATE_NEWS_SECONDS, OpenGrant, ParkingState, PoolLedger, Visit, VisitStatus};
