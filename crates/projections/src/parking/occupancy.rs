//! One row per pool: its counts now.

use octocity_domain::facilities::{FacilityEvent, Layout};
use octocity_domain::parking::{Basis, ParkingEvent};
use octocity_domain::reservations::ReservationsEvent;
use octocity_domain::{AreaId, Category, Event, FacilityId, PoolId, Timestamp};

use crate::row::{Json, row};
use crate::view::{EventRecord, Unappliable, View};

row! {
    /// The counts of one pool. Which facility is shut and which plan says how many places stand in its facility's row.
    pub struct OccupancyRow in "occupancy", indexes &[];
    key {
        facility: FacilityId,
        pool: PoolId,
    }
    /// None: nobody knows.
    places: Option<u32>,
    /// Whether an event set the places; until then the plan's figure counts.
    places_set: bool,
    reservable_places: Option<u32>,
    reservable_set: bool,
    /// Open visits.
    visits: i64,
    unidentified: i64,
    /// Entries granted and not yet passed.
    granted: i64,
    held: i64,
    /// Of the visits and grants: those admitted on a reservation.
    on_reservation: i64,
    /// The places kept from walk-ins.
    reserved_part: i64,
    /// Whether an event set the reserved part; until then the plan's figure counts.
    reserved_part_set: bool,
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
    /// What a driver without a reservation could still be granted, by the rule of the gate: the reserved part is
    /// never theirs, used or not. None where nobody knows the places.
    pub fn free_for_walk_ins(&self) -> Option<i64> {
        let walk_ins = self.inside() + self.granted - self.on_reservation;
        let reserved = (self.held + self.on_reservation).max(self.reserved_part);
        self.places_in_service().map(|places| (places - walk_ins - reserved).max(0))
    }
    /// Whether a driver without a reservation is turned away.
    pub fn is_full(&self) -> bool {
        self.free_for_walk_ins() == Some(0)
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

/// Folds passages, grants, holds and corrections into the counts of their pools.
pub struct Occupancy;

impl View for Occupancy {
    type Row = OccupancyRow;
    const CATEGORIES: &'static [Category] = &[Category::Parking, Category::Facility, Category::Reservations];

    fn keys(record: &EventRecord, keys: &mut Vec<(FacilityId, PoolId)>) {
        let facility = record.facility();
        match record.event {
            Event::Parking(event) => keys.extend(event.pool().map(|pool| (facility, pool))),
            Event::Facility(
                FacilityEvent::FacilityRegistered { layout, .. } | FacilityEvent::LayoutChanged { layout },
            ) => keys.extend(layout.pools.iter().map(|pool| (facility, pool.id))),
            Event::Reservations(ReservationsEvent::ReservableCapacitySet { pool, .. }) => {
                keys.push((facility, *pool));
            }
            _ => {}
        }
    }

    fn apply(
        row: &mut Option<OccupancyRow>,
        key: &(FacilityId, PoolId),
        record: &EventRecord,
    ) -> Result<(), Unappliable> {
        let row = row.get_or_insert_with(|| OccupancyRow::empty(key.0, key.1));
        match record.event {
            Event::Parking(event) => row.count(event, record.happened_at()),
            Event::Facility(
                FacilityEvent::FacilityRegistered { layout, .. } | FacilityEvent::LayoutChanged { layout },
            ) => row.plan(layout),
            Event::Reservations(ReservationsEvent::ReservableCapacitySet { places, .. }) => {
                row.reservable_places = Some(*places);
                row.reservable_set = true;
            }
            _ => {}
        }
        Ok(())
    }
}

impl OccupancyRow {
    pub(crate) const fn empty(facility: FacilityId, pool: PoolId) -> Self {
        Self {
            facility,
            pool,
            places: None,
            places_set: false,
            reservable_places: None,
            reservable_set: false,
            visits: 0,
            unidentified: 0,
            granted: 0,
            held: 0,
            on_reservation: 0,
            reserved_part: 0,
            reserved_part_set: false,
            out_of_service: 0,
            areas: Json(Vec::new()),
            entries: 0,
            exits: 0,
            refused: 0,
            last_passage_at: None,
        }
    }

    /// The plan's figures count until an event sets others.
    fn plan(&mut self, layout: &Layout) {
        let Some(pool) = layout.pool(self.pool) else { return };
        if !self.places_set {
            self.places = pool.places;
        }
        if !self.reservable_set {
            self.reservable_places = Some(pool.reservable_places);
        }
        if !self.reserved_part_set {
            self.reserved_part = i64::from(pool.reservable_places);
        }
    }

    fn count(&mut self, event: &ParkingEvent, at: Timestamp) {
        let change = event.inside_change();
        self.visits += change.visits;
        self.unidentified += change.unidentified;
        match event {
            ParkingEvent::VehicleEntered { grant, area, .. } => {
                self.granted -= i64::from(grant.is_some());
                self.entries += 1;
                self.passed(*area, 1, at);
            }
            ParkingEvent::VehicleLeft { area, on_reservation, .. } => {
                self.on_reservation -= i64::from(*on_reservation);
                self.exits += 1;
                self.passed(*area, -1, at);
            }
            ParkingEvent::CapacitySet { places, .. } => {
                self.places = *places;
                self.places_set = true;
            }
            ParkingEvent::SpotTakenOutOfService { .. } => self.out_of_service += 1,
            ParkingEvent::SpotReturnedToService { .. } => self.out_of_service -= 1,
            ParkingEvent::ReservedPartSet { places, .. } => {
                self.reserved_part = i64::from(*places);
                self.reserved_part_set = true;
            }
            ParkingEvent::EntryGranted { basis, .. } => {
                self.granted += 1;
                self.on_reservation += i64::from(matches!(basis, Basis::Reservation { .. }));
            }
            ParkingEvent::GrantLapsed { on_reservation, .. } => {
                self.granted -= 1;
                self.on_reservation -= i64::from(*on_reservation);
            }
            ParkingEvent::PassageRefused { .. } => self.refused += 1,
            ParkingEvent::VisitPresumedLeft { on_reservation, .. } => {
                self.on_reservation -= i64::from(*on_reservation);
            }
            ParkingEvent::VisitReconciled { on_reservation, .. } => {
                self.on_reservation += change.visits * i64::from(*on_reservation);
            }
            ParkingEvent::HoldPlaced { .. } => self.held += 1,
            ParkingEvent::HoldReleased { .. } => self.held -= 1,
            _ => {}
        }
    }

    fn passed(&mut self, area: Option<AreaId>, change: i64, at: Timestamp) {
        self.last_passage_at = self.last_passage_at.max(Some(at));
        let Some(area) = area else { return };
        match self.areas.binary_search_by(|(known, _)| known.cmp(&area)) {
            Ok(index) => self.areas[index].1 += change,
            Err(index) => self.areas.insert(index, (area, change)),
        }
    }
}
