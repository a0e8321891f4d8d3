//! # Facilities, as read
//!
//! - **facility row**: the plan as it stands, and the modes that its gates are in.

pub mod facility;

pub use facility::{Facilities, FacilityRow};
