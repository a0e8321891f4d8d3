//! # Reservations, as read
//!
//! - **reservation row**: one promise, with its hold in parking and the visit that used it.

pub mod reservation;

pub use reservation::{HoldStatus, ReservationRow, ReservationStatus, Reservations};
