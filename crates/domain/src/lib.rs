//! The rules of a city's car parks, and nothing else.
//!
//! Pure: no async, no I/O, no clock, no randomness. Time and ids arrive as data. One context is one
//! folder; one aggregate is one file in the order Event, State and `evolve`, Command, Refusal, `decide`.

pub mod card_numbers;
pub mod decider;
pub mod event;
pub mod facilities;
pub mod ids;
pub mod money;
pub mod operations;
pub mod parking;
pub mod payments;
pub mod process;
pub mod reservations;
#[cfg(feature = "schema")]
mod schema;
pub mod sessions;
pub mod tariffs;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;

pub use decider::{Context, Decider, Decision, Fact, Moment};
pub use event::{Category, Event};
pub use ids::*;
pub use money::{Currency, Money};
pub use time::{Interval, Timestamp};
