//! # Facilities
//!
//! What a car park is: who runs it, its layout, its tariff and its policies.
//!
//! - **facility**: one car park under one operator, in one time zone, with one currency.
//! - **area**: a part of it that lanes lead into and out of; it may lie on a **level**.
//! - **pool**: a quota of places that admission counts (short-term, contract, reserved, ...); not a list of spots.
//! - **spot**: one marked place of a kind, where the facility lists them.
//! - **lane**: a way between two areas, of which `None` is outside; a *detector* sees that a vehicle has passed.
//! - **policy**: a choice the operator makes (anti-passback, grant time limit, early arrival, ...).
//! - **plan**: all of it at one version; other contexts' commands take the plan as a fact and record its version.
//!
//! Invariants: every lane joins two different sides and names a pool of this facility; codes are unique; a
//! tariff's currency is the facility's; the version rises by one with every event.

pub mod facility;
pub mod openings;
pub mod plan;
#[cfg(test)]
mod tests;

pub use facility::{Facility, FacilityCommand, FacilityEvent, FacilityRefusal, FacilityState};
pub use plan::{
    AntiPassback, Area, EarlyArrival, EntryLimit, Lane, Layout, LayoutFault, MoneySideDown, PLACES_AT_MOST,
    Plan, Policies, Pool, Spot, activate,
};
