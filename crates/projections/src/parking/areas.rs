//! What inner lanes moved between the areas of a facility.

use octocity_domain::parking::ParkingEvent;
use octocity_domain::{AreaId, Category, Event, FacilityId};

use crate::row::row;
use crate::view::{EventRecord, Unappliable, View};

row! {
    /// The vehicles that inner lanes brought into an area, less those they took out of it. What outer lanes did
    /// stands with the pools, so that a passage writes no third row; `parking::queries::areas` adds them up.
    pub struct AreaMovesRow in "area_moves", indexes &[];
    key {
        facility: FacilityId,
        area: AreaId,
    }
    net: i64,
}

/// Folds what inner lanes saw.
pub struct AreaMoves;

impl View for AreaMoves {
    type Row = AreaMovesRow;
    const CATEGORIES: &'static [Category] = &[Category::Parking];

    fn keys(record: &EventRecord, keys: &mut Vec<(FacilityId, AreaId)>) {
        if let Event::Parking(ParkingEvent::VehicleMoved { from, to, .. }) = record.event
            && from != to
        {
            keys.extend([(record.facility(), *from), (record.facility(), *to)]);
        }
    }

    fn apply(
        row: &mut Option<AreaMovesRow>,
        key: &(FacilityId, AreaId),
        record: &EventRecord,
    ) -> Result<(), Unappliable> {
        let Event::Parking(ParkingEvent::VehicleMoved { to, .. }) = record.event else { return Ok(()) };
        let row = row.get_or_insert(AreaMovesRow { facility: key.0, area: key.1, net: 0 });
        row.net += if key.1 == *to { 1 } else { -1 };
        Ok(())
    }
}
