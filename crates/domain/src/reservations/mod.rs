//! # Reservations
//!
//! Promises of a place of a pool over an interval.
//!
//! - **reservable places**: the part of a pool that may be promised; walk-ins are admitted against the rest.
//! - **promise**: a reservation that is neither cancelled nor ended.
//! - **hold**: in parking, the place kept from shortly before the start.
//! - **check-in**: the entry that used the reservation; it beats a cancellation seen later.
//!
//! Invariants: at every instant the promises of a pool never exceed its reservable places; a named spot is a
//! preference; local wall time, zone and resolved instant are stored together.

pub mod book;
pub mod holds;
pub mod promises;
pub mod reserved_part;

pub(crate) use book::OVER_AFTER_SECONDS;
pub use book::{
    LocalInterval, ReservationEnd, Reservations, ReservationsCommand, ReservationsEvent, ReservationsFacts,
    ReservationsRefusal, ReservationsState,
};
pub use promises::{Promise, Standing};

#[cfg(test)]
mod tests;
