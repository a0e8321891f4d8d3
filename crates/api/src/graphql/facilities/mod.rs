//! # Facilities
//!
//! What a car park is: its layout, its tariffs, its policies and the modes of its gates. Changing any of it is here too;
//! what happens at the gates is in [`super::parking`].

mod inputs;
mod modes;
mod mutation;
mod query;
mod types;

pub use mutation::FacilitiesMutation;
pub use query::FacilitiesQuery;
pub use types::{FacilityObject, Mode, TariffObject};
