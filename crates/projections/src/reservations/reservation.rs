//! One row per reservation.

use octocity_domain::parking::{Credential, ParkingEvent};
use octocity_domain::reservations::{LocalInterval, ReservationEnd, ReservationsEvent};
use octocity_domain::{Category, Event, FacilityId, PoolId, ReservationId, SpotId, Timestamp, VisitId};
use serde::{Deserialize, Serialize};

use crate::row::{Json, row, word_fields};
use crate::view::{EventRecord, Unappliable, View};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReservationStatus {
    Promised,
    CheckedIn,
    Cancelled,
    Ended,
}

/// The place kept in parking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HoldStatus {
    NotPlaced,
    Placed,
    /// Placed although no place was free.
    PlacedShort,
    Released,
}
word_fields!(ReservationStatus, HoldStatus);

row! {
    /// One promise of a place.
    pub struct ReservationRow in "reservations", indexes &[
        &["reservation"],
        &["facility", "starts_at"],
        &["facility", "status", "starts_at"],
    ];
    key {
        facility: FacilityId,
        reservation: ReservationId,
    }
    pool: PoolId,
    status: ReservationStatus,
    /// How it ended, once it did.
    end: Option<ReservationEnd>,
    starts_at: Timestamp,
    ends_at: Timestamp,
    local: Json<LocalInterval>,
    /// Preferred, not promised.
    spot: Option<SpotId>,
    credentials: Json<Vec<Credential>>,
    hold_at: Timestamp,
    hold: HoldStatus,
    /// The visit that was admitted on it, until its grant lapses.
    visit: Option<VisitId>,
}

/// Folds promises, with what parking made of them.
pub struct Reservations;

impl View for Reservations {
    type Row = ReservationRow;
    const CATEGORIES: &'static [Category] = &[Category::Reservations, Category::Parking];

    fn keys(record: &EventRecord, keys: &mut Vec<(FacilityId, ReservationId)>) {
        let reservation = match record.event {
            Event::Reservations(
                ReservationsEvent::ReservationMade { reservation, .. }
                | ReservationsEvent::ReservationCancelled { reservation }
                | ReservationsEvent::ReservationCheckedIn { reservation }
                | ReservationsEvent::ReservationEnded { reservation, .. },
            ) => Some(*reservation),
            Event::Parking(
                ParkingEvent::HoldPlaced { reservation, .. } | ParkingEvent::HoldReleased { reservation, .. },
            ) => Some(*reservation),
            Event::Parking(ParkingEvent::VehicleEntered { used_reservation, .. }) => *used_reservation,
            Event::Parking(ParkingEvent::GrantLapsed { reservation, .. }) => *reservation,
            Event::Parking(event) => event.claimed_reservation(),
            _ => None,
        };
        keys.extend(reservation.map(|reservation| (record.facility(), reservation)));
    }

    fn apply(
        row: &mut Option<ReservationRow>,
        key: &(FacilityId, ReservationId),
        record: &EventRecord,
    ) -> Result<(), Unappliable> {
        match record.event {
            Event::Reservations(event @ ReservationsEvent::ReservationMade { .. }) => {
                *row = made(*key, event)
            }
            Event::Reservations(event) => {
                row.as_mut().ok_or(Unappliable("the reservation was never made"))?.change(event);
            }
            // Parking may name one that this facility's book does not have: a driver can show anything.
            Event::Parking(event) => {
                if let Some(row) = row {
                    row.used(event);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn made(key: (FacilityId, ReservationId), event: &ReservationsEvent) -> Option<ReservationRow> {
    let ReservationsEvent::ReservationMade { pool, interval, local, spot, credentials, hold_at, .. } = event
    else {
        return None;
    };
    Some(ReservationRow {
        facility: key.0,
        reservation: key.1,
        pool: *pool,
        status: ReservationStatus::Promised,
        end: None,
        starts_at: interval.start,
        ends_at: interval.end,
        local: Json(local.clone()),
        spot: *spot,
        credentials: Json(credentials.clone()),
        hold_at: *hold_at,
        hold: HoldStatus::NotPlaced,
        visit: None,
    })
}

impl ReservationRow {
    fn change(&mut self, event: &ReservationsEvent) {
        match event {
            ReservationsEvent::ReservationCancelled { .. } => self.status = ReservationStatus::Cancelled,
            ReservationsEvent::ReservationCheckedIn { .. } => self.status = ReservationStatus::CheckedIn,
            ReservationsEvent::ReservationEnded { end, .. } => {
                self.status = ReservationStatus::Ended;
                self.end = Some(*end);
            }
            _ => {}
        }
    }

    fn used(&mut self, event: &ParkingEvent) {
        match event {
            ParkingEvent::HoldPlaced { shortfall: true, .. } => self.hold = HoldStatus::PlacedShort,
            ParkingEvent::HoldPlaced { .. } => self.hold = HoldStatus::Placed,
            ParkingEvent::HoldReleased { .. } => self.hold = HoldStatus::Released,
            // Others may be shown it too (an override), but only one enters on it.
            ParkingEvent::EntryGranted { visit, .. } => self.visit = self.visit.or(Some(*visit)),
            ParkingEvent::GrantLapsed { .. } => self.visit = None,
            ParkingEvent::VehicleEntered { visit, .. } => self.visit = *visit,
            _ => {}
        }
    }
}
