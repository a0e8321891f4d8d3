//! Exits that no visit matched and that showed a credential: a late entry or a review may join one.

use octocity_domain::parking::{Credential, Departure, Irregularity, ParkingEvent, Reconciliation};
use octocity_domain::{AreaId, Category, Event, FacilityId, LaneId, PoolId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::row::{Json, row};
use crate::view::{EventRecord, Unappliable, View};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmatchedExit {
    pub lane: LaneId,
    pub pool: PoolId,
    pub area: Option<AreaId>,
    /// Whether it took an unidentified vehicle, or implied a missed entry.
    pub departure: Departure,
    pub credentials: Vec<Credential>,
    pub irregularities: Vec<Irregularity>,
}

row! {
    /// The unmatched exits of one instant (nearly always one); the row goes with the last of them. Parking itself
    /// keeps them for three days only: ask for those `left_at` within them.
    pub struct UnmatchedExitRow in "unmatched_exits", indexes &[];
    key {
        facility: FacilityId,
        left_at: Timestamp,
    }
    exits: Json<Vec<UnmatchedExit>>,
}

/// Folds exits that nothing matched, until something does.
pub struct UnmatchedExits;

impl View for UnmatchedExits {
    type Row = UnmatchedExitRow;
    const CATEGORIES: &'static [Category] = &[Category::Parking];

    fn keys(record: &EventRecord, keys: &mut Vec<(FacilityId, Timestamp)>) {
        let Event::Parking(event) = record.event else { return };
        let left_at = match event {
            ParkingEvent::VehicleLeft {
                departure: Departure::Unidentified | Departure::MissedEntry,
                credentials,
                ..
            } if !credentials.is_empty() => record.happened_at(),
            ParkingEvent::VehicleEntered { joined_exit: Some(joined), .. } => joined.left_at,
            ParkingEvent::VisitReconciled { outcome: Reconciliation::Reassigned { left_at, .. }, .. } => {
                *left_at
            }
            _ => return,
        };
        keys.push((record.facility(), left_at));
    }

    fn apply(
        row: &mut Option<UnmatchedExitRow>,
        key: &(FacilityId, Timestamp),
        record: &EventRecord,
    ) -> Result<(), Unappliable> {
        let Event::Parking(event) = record.event else { return Ok(()) };
        match event {
            ParkingEvent::VehicleLeft {
                lane, pool, area, departure, credentials, irregularities, ..
            } => {
                let empty = || UnmatchedExitRow { facility: key.0, left_at: key.1, exits: Json(Vec::new()) };
                row.get_or_insert_with(empty).exits.push(UnmatchedExit {
                    lane: *lane,
                    pool: *pool,
                    area: *area,
                    departure: *departure,
                    credentials: credentials.clone(),
                    irregularities: irregularities.clone(),
                });
            }
            ParkingEvent::VehicleEntered { joined_exit: Some(joined), pool, credentials, .. } => {
                take(row, joined.lane, *pool, credentials);
            }
            ParkingEvent::VisitReconciled {
                outcome: Reconciliation::Reassigned { lane, .. }, pool, ..
            } => {
                take(row, *lane, *pool, &[]);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Takes the lane's exit that shows one of these credentials; else its first of the pool, as parking itself does.
fn take(row: &mut Option<UnmatchedExitRow>, lane: LaneId, pool: PoolId, credentials: &[Credential]) {
    let Some(known) = row else { return };
    let keys = credentials.iter().map(Credential::match_key).collect::<Vec<_>>();
    let shares =
        |exit: &UnmatchedExit| exit.credentials.iter().any(|shown| keys.contains(&shown.match_key()));
    let of_lane = |exit: &UnmatchedExit| exit.lane == lane;
    let of_pool = |exit: &UnmatchedExit| of_lane(exit) && exit.pool == pool;
    let mut exits = known.exits.iter();
    let shown = exits.clone().position(|exit| of_lane(exit) && shares(exit));
    if let Some(index) = shown.or_else(|| exits.position(of_pool)) {
        known.exits.remove(index);
    }
    if known.exits.is_empty() {
        *row = None;
    }
}
