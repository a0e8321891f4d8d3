//! What events say of who is inside, and when: what hours are folded from, and what analysts' facts are.

use octocity_domain::parking::{Departure, ParkingEvent, Reconciliation};
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
    let happened = |pool: &PoolId, at: Timestamp, change: i64, passing: Passing| {
        let change = i32::try_from(change).unwrap_or(if change < 0 { i32::MIN } else { i32::MAX });
        Some((*pool, [Some(Movement { at, change, passing }).filter(Movement::tells_something), None]))
    };
    let one = |pool: &PoolId, change: i64, passing: Passing| happened(pool, at, change, passing);
    match event {
        ParkingEvent::VehicleEntered { pool, joined_exit, .. } => {
            let entered = Movement { at, change: 1, passing: Passing::Entry };
            // Its exit was counted when it came; if that did not move the count, it does so now, then.
            let left = joined_exit.filter(|joined| !joined.gives_back_unidentified);
            let left =
                left.map(|joined| Movement { at: joined.left_at, change: -1, passing: Passing::Other });
            Some((*pool, [Some(entered), left]))
        }
        ParkingEvent::VehicleLeft { pool, departure, .. } => {
            let change = match departure {
                Departure::Visit { .. } | Departure::Unidentified => -1,
                Departure::PresumedVisit { .. } | Departure::MissedEntry => 0,
            };
            one(pool, change, Passing::Exit)
        }
        ParkingEvent::PassageRefused { pool, .. } => one(pool, 0, Passing::Refusal),
        ParkingEvent::VisitDeclared { pool, takes_unidentified, .. } => {
            one(pool, i64::from(!takes_unidentified), Passing::Other)
        }
        ParkingEvent::VisitPresumedLeft { pool, .. } => one(pool, -1, Passing::Other),
        ParkingEvent::VisitReconciled { pool, outcome, visits_change, unidentified_change, .. } => {
            let change = i64::from(*visits_change) + i64::from(*unidentified_change);
            let at = match outcome {
                Reconciliation::Reassigned { left_at, .. } if change < 0 => *left_at,
                _ => at,
            };
            happened(pool, at, change, Passing::Other)
        }
        ParkingEvent::OccupancyCorrected { pool, unidentified_change, .. } => {
            one(pool, *unidentified_change, Passing::Other)
        }
        _ => None,
    }
}
