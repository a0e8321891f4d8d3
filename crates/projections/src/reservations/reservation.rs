//! One row per reservation.

use octocity_domain::parking::Credential;
use octocity_domain::reservations::{LocalInterval, ReservationEnd};
use octocity_domain::{FacilityId, PoolId, ReservationId, SpotId, Timestamp, VisitId};
use serde::{Deserialize, Serialize};

use crate::row::{Json, row, word_fields};

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
    /// The visit that was admitted on it.
    visit: Option<VisitId>,
}
