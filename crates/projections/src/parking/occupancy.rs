//! One row per pool: its counts now.

use octocity_domain::{AreaId, FacilityId, PoolId, Timestamp};

use crate::row::{Json, row};

row! {
    /// The counts of one pool. Which facility is shut and which plan says how many places stand in its facility's row.
    pub struct OccupancyRow in "occupancy", indexes &[];
    key {
        facility: FacilityId,
        pool: PoolId,
    }
    /// None: nobody knows.
    places: Option<u32>,
    reservable_places: Option<u32>,
    /// Open visits.
    visits: i64,
    unidentified: i64,
    /// Entries granted and not yet passed.
    granted: i64,
    held: i64,
    out_of_service: i64,
    /// Vehicles inside by the area that an outer lane let them into, less those it let out of it.
    areas: Json<Vec<(AreaId, i64)>>,
    entries: u64,
    exits: u64,
    refused: u64,
    /// The latest passage by when it happened.
    last_passage_at: Option<Timestamp>,
}

impl OccupancyRow {
    pub const fn inside(&self) -> i64 {
        self.visits + self.unidentified
    }
    /// Places less those out of service; None where nobody knows the places.
    pub fn places_in_service(&self) -> Option<i64> {
        self.places.map(|places| (i64::from(places) - self.out_of_service).max(0))
    }
    /// What could still be granted, never below 0; None where nobody knows the places.
    pub fn free(&self) -> Option<i64> {
        self.places_in_service().map(|places| (places - self.inside() - self.granted - self.held).max(0))
    }
    /// How many are inside beyond the places in service.
    pub fn over_capacity(&self) -> i64 {
        self.places_in_service().map_or(0, |places| (self.inside() - places).max(0))
    }
    pub fn is_full(&self) -> bool {
        self.free() == Some(0)
    }
    /// Whether nothing passed for longer than the facility's policy allows.
    pub fn is_stale(&self, stale_after_seconds: Option<u32>, now: Timestamp) -> bool {
        match (stale_after_seconds, self.last_passage_at) {
            (Some(seconds), Some(last)) => now.seconds_since(last) > i64::from(seconds),
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}
