//! One row per visit.

use octocity_domain::parking::{
    Basis, Cover, Credential, EstimateBasis, Irregularity, MatchKey, Presumption,
};
use octocity_domain::{AreaId, FacilityId, GrantId, LaneId, PoolId, ReservationId, Timestamp, VisitId};
use serde::{Deserialize, Serialize};

use crate::row::{Json, row, word_fields};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VisitStatus {
    /// Admitted, not seen inside yet.
    Granted,
    /// The grant lapsed: nobody came in.
    Lapsed,
    Open,
    Left,
    PresumedLeft,
    /// It was the same stay as `merged_into`.
    Merged,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EntryKind {
    Seen,
    Estimated,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EndKind {
    /// An exit was seen.
    Seen,
    /// Nobody saw an exit: see `presumption`.
    Presumed,
    /// An attendant judged it.
    Judged,
}

word_fields!(VisitStatus, EntryKind, EndKind);

row! {
    /// One stay, as far as it is known.
    pub struct VisitRow in "visits", indexes &[
        &["visit"],
        &["facility", "started_at"],
        &["facility", "status", "started_at"],
        &["facility", "needs_review", "started_at"],
        &["facility", "ended_at"],
        &["facility", "plate_key", "started_at"],
        &["facility", "ticket_key", "started_at"],
    ];
    key {
        facility: FacilityId,
        visit: VisitId,
    }
    pool: PoolId,
    /// Where it is, as far as lanes tell.
    area: Option<AreaId>,
    status: VisitStatus,
    /// When it was first heard of: granted, seen or declared. Lists are ordered by it.
    started_at: Timestamp,
    /// None where no request admitted it.
    basis: Option<Json<Basis>>,
    reservation: Option<ReservationId>,
    /// The open or used entry grant.
    grant: Option<GrantId>,
    grant_expires_at: Option<Timestamp>,
    /// None until it is inside.
    entry_kind: Option<EntryKind>,
    entered_at: Option<Timestamp>,
    estimate_basis: Option<EstimateBasis>,
    end_kind: Option<EndKind>,
    ended_at: Option<Timestamp>,
    presumption: Option<Presumption>,
    /// When the way out was requested and granted.
    exit_granted_at: Option<Timestamp>,
    cover: Option<Json<Cover>>,
    lane_in: Option<LaneId>,
    lane_out: Option<LaneId>,
    /// Those that open something; a misread or replaced one is gone.
    credentials: Json<Vec<Credential>>,
    /// The opaque match key of its plate.
    plate_key: Option<MatchKey>,
    /// The number of its ticket.
    ticket_key: Option<MatchKey>,
    /// True or null, never false: few do, and the index of them leaves out the others.
    needs_review: Option<bool>,
    /// Why: RE_ENTRY, INVENTORY, AGE (presumed left), MISSING (a count did not find it).
    review_reason: Option<String>,
    irregularities: Json<Vec<Irregularity>>,
    merged_into: Option<VisitId>,
    /// The revisions of `parking-<facility>` that speak of it, rising: its history.
    revisions: Json<Vec<u64>>,
}
