//! The spots that are out of service.

use octocity_domain::parking::ParkingEvent;
use octocity_domain::{Category, Event, FacilityId, PoolId, SpotId, Timestamp};

use crate::row::row;
use crate::view::{EventRecord, Unappliable, View};

row! {
    /// A spot out of service; the row goes when it is back.
    pub struct SpotOutOfServiceRow in "spots_out_of_service", indexes &[];
    key {
        facility: FacilityId,
        spot: SpotId,
    }
    pool: PoolId,
    reason: String,
    since: Timestamp,
}

/// Folds which spots are taken out of service and returned.
pub struct SpotsOutOfService;

impl View for SpotsOutOfService {
    type Row = SpotOutOfServiceRow;
    const CATEGORIES: &'static [Category] = &[Category::Parking];

    fn keys(record: &EventRecord, keys: &mut Vec<(FacilityId, SpotId)>) {
        if let Event::Parking(
            ParkingEvent::SpotTakenOutOfService { spot, .. }
            | ParkingEvent::SpotReturnedToService { spot, .. },
        ) = record.event
        {
            keys.push((record.facility(), *spot));
        }
    }

    fn apply(
        row: &mut Option<SpotOutOfServiceRow>,
        key: &(FacilityId, SpotId),
        record: &EventRecord,
    ) -> Result<(), Unappliable> {
        *row = match record.event {
            Event::Parking(ParkingEvent::SpotTakenOutOfService { pool, reason, .. }) => {
                Some(SpotOutOfServiceRow {
                    facility: key.0,
                    spot: key.1,
                    pool: *pool,
                    reason: reason.clone(),
                    since: record.happened_at(),
                })
            }
            _ => None,
        };
        Ok(())
    }
}
