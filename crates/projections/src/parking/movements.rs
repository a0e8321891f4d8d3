//! What events say of who is inside, and when: what hours are folded from, and what analysts' facts are.

use octocity_domain::parking::ParkingEvent;
use octocity_domain::{PoolId, Timestamp};

/// What passed, for the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    Entry,
    Exit,
    Refusal,
    /// Nothing was seen to pass: a count was corrected, or a visit judged.
    Other,
}

/// A change of one pool's inside at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    pub at: Timestamp,
    pub change: i32,
    pub passing: Passing,
}

impl Movement {
    const fn tells_something(&self) -> bool {
        self.change != 0 || !matches!(self.passing, Passing::Other)
    }
}

/// What an event says happened to its pool, and when: at most two movements.
pub(crate) fn movements(event: &ParkingEvent, at: Timestamp) -> Option<(PoolId, [Option<Movement>; 2])> {
    let passing = match event {
        ParkingEvent::VehicleEntered { .. } => Passing::Entry,
        ParkingEvent::VehicleLeft { .. } => Passing::Exit,
        ParkingEvent::PassageRefused { .. } => Passing::Refusal,
        _ => Passing::Other,
    };
    let moved = |(at, change): (Timestamp, i64), passing| {
        let change = i32::try_from(change).unwrap_or(if change < 0 { i32::MIN } else { i32::MAX });
        Some(Movement { at, change, passing }).filter(Movement::tells_something)
    };
    let [first, second] = event.movements(at);
    Some((event.pool()?, [moved(first, passing), moved(second, Passing::Other)]))
}
