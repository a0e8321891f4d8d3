//! A facility's book of reservations: `reservations-<facility>`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::promises::{Promise, Promises, Standing};
use crate::decider::{Context, Decider, Decision, Fact, Moment, Refusal, refusal_codes};
use crate::event::Category;
use crate::facilities::{PLACES_AT_MOST, Plan, Pool};
use crate::ids::{PoolId, ReservationId, SpotId};
use crate::parking::{Credential, ParkingRefusal, as_sent, check_credentials};
use crate::time::{Interval, Timestamp, Zone};

/// The longest promise: 30 days.
pub(super) const INTERVAL_MAX_SECONDS: i64 = 30 * 86_400;
/// How far ahead one may start: 400 days.
const AHEAD_MAX_SECONDS: i64 = 400 * 86_400;
/// How long after it was made every promise is over.
pub(crate) const OVER_AFTER_SECONDS: i64 = AHEAD_MAX_SECONDS + INTERVAL_MAX_SECONDS;
/// How far clocks may differ before a start is past.
const PAST_SECONDS: i64 = 60;

/// What the driver was told, in the facility's wall time, with the zone that resolved it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LocalInterval {
    /// `2026-03-29T02:30:00`, without offset.
    pub start: String,
    pub end: String,
    pub zone: Zone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReservationEnd {
    /// Nobody came.
    NoShow,
    /// Its time ran out after a check-in.
    Completed,
}

/// Storage format: names and fields stay as they are for ever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ReservationsEvent {
    ReservableCapacitySet {
        pool: PoolId,
        places: u32,
    },
    ReservationMade {
        reservation: ReservationId,
        pool: PoolId,
        interval: Interval,
        local: LocalInterval,
        spot: Option<SpotId>,
        credentials: Vec<Credential>,
        /// When its hold is due.
        hold_at: Timestamp,
        plan_version: u64,
    },
    ReservationCancelled {
        reservation: ReservationId,
    },
    ReservationCheckedIn {
        reservation: ReservationId,
    },
    ReservationEnded {
        reservation: ReservationId,
        end: ReservationEnd,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReservationsState {
    /// Where it was set; the plan's otherwise.
    reservable: BTreeMap<PoolId, u32>,
    promises: Promises,
}

impl ReservationsState {
    /// A promise that binds, or that was over in the last seven days.
    pub fn find(&self, id: ReservationId) -> Option<&Promise> {
        self.promises.get(id)
    }
    /// The promise that the credentials name: by its id, or the next one that a plate or another was named for.
    pub fn named_by(&self, credentials: &[Credential], now: Timestamp) -> Option<&Promise> {
        if let Some(shown) = credentials.iter().find_map(Credential::reservation) {
            return self.find(shown);
        }
        credentials.iter().find_map(|credential| self.promises.next_of(&credential.match_key(), now))
    }
    /// How many places of the pool may be promised; None where nothing was set, and the plan says it.
    pub fn reservable_places(&self, pool: PoolId) -> Option<u32> {
        self.reservable.get(&pool).copied()
    }
    /// The most promises of the pool that bind at one instant of the interval.
    pub fn peak(&self, pool: PoolId, interval: Interval) -> usize {
        self.promises.peak(pool, interval)
    }
    /// How many promises are remembered: bounded by what binds and what was over lately.
    pub fn remembered(&self) -> usize {
        self.promises.len()
    }
}

fn evolve(state: &mut ReservationsState, event: &ReservationsEvent, at: Timestamp) {
    let promises = &mut state.promises;
    promises.forget_until(at);
    match event {
        ReservationsEvent::ReservableCapacitySet { pool, places } => {
            state.reservable.insert(*pool, *places);
        }
        ReservationsEvent::ReservationMade { reservation, pool, interval, hold_at, credentials, .. } => {
            let keys = credentials.iter().map(Credential::match_key).collect();
            promises.insert(Promise::new(*reservation, *pool, *interval, *hold_at, keys));
        }
        ReservationsEvent::ReservationCancelled { reservation } => {
            promises.set_standing(*reservation, Standing::Cancelled, at);
        }
        ReservationsEvent::ReservationCheckedIn { reservation } => {
            promises.set_standing(*reservation, Standing::CheckedIn, at);
        }
        ReservationsEvent::ReservationEnded { reservation, end } => {
            promises.set_standing(*reservation, Standing::Ended(*end), at);
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub enum ReservationsCommand {
    SetReservableCapacity {
        pool: PoolId,
        places: u32,
    },
    ReserveSpot {
        pool: PoolId,
        interval: Interval,
        spot: Option<SpotId>,
        #[serde(serialize_with = "as_sent")]
        credentials: Vec<Credential>,
    },
    CancelReservation {
        reservation: ReservationId,
    },
    /// Sent by the promises process after a vehicle entered on it.
    CheckInReservation {
        reservation: ReservationId,
    },
    /// Sent at its end; names the due time, so that it fires once.
    EndReservation {
        reservation: ReservationId,
        due: Timestamp,
    },
}

#[derive(Clone, Debug, Default)]
pub struct ReservationsFacts {
    pub plan: Option<Arc<Plan>>,
    /// How many places of the pool parking keeps from walk-ins: read for ReserveSpot.
    pub kept_places: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code")]
pub enum ReservationsRefusal {
    FacilityUnknown,
    PoolUnknown { pool: PoolId },
    SpotUnknown { spot: SpotId },
    SpotInOtherPool { spot: SpotId, pool: PoolId },
    CredentialInvalid { sentence: String },
    IntervalInvalid,
    IntervalTooLong,
    IntervalPast,
    IntervalTooFarAhead,
    FullyReserved { pool: PoolId, reservable_places: u32 },
    ReservablePlacesTooMany { pool: PoolId, places: u32 },
    CountTooLarge,
    ReservationUnknown { reservation: ReservationId },
    ReservationUsed { reservation: ReservationId },
    ReservationOver { reservation: ReservationId },
}

refusal_codes!(ReservationsRefusal {
    FacilityUnknown => "FACILITY_UNKNOWN",
    PoolUnknown => "POOL_UNKNOWN",
    SpotUnknown => "SPOT_UNKNOWN",
    SpotInOtherPool => "SPOT_IN_OTHER_POOL",
    CredentialInvalid => "CREDENTIAL_INVALID",
    IntervalInvalid => "INTERVAL_INVALID",
    IntervalTooLong => "INTERVAL_TOO_LONG",
    IntervalPast => "INTERVAL_PAST",
    IntervalTooFarAhead => "INTERVAL_TOO_FAR_AHEAD",
    FullyReserved => "FULLY_RESERVED",
    ReservablePlacesTooMany => "RESERVABLE_PLACES_TOO_MANY",
    CountTooLarge => "COUNT_TOO_LARGE",
    ReservationUnknown => "RESERVATION_UNKNOWN",
    ReservationUsed => "RESERVATION_USED",
    ReservationOver => "RESERVATION_OVER",
});

impl Refusal for ReservationsRefusal {
    fn code(&self) -> &'static str {
        self.stable_code()
    }
    fn message(&self) -> String {
        let sentence = match self {
            Self::FacilityUnknown => "No facility has this id; register it first or correct the id.",
            Self::PoolUnknown { pool } => {
                return format!("This facility has no pool '{pool}'; correct it or add it to the layout.");
            }
            Self::SpotUnknown { spot } => {
                return format!("This facility lists no spot '{spot}'; correct it or add it to the layout.");
            }
            Self::SpotInOtherPool { spot, pool } => {
                return format!(
                    "Spot '{spot}' does not belong to pool '{pool}'; choose one that does, or none."
                );
            }
            Self::CredentialInvalid { sentence } => return sentence.clone(),
            Self::IntervalInvalid => "A reservation ends after it starts; correct its start or its end.",
            Self::IntervalTooLong => "A reservation lasts at most 30 days; make several.",
            Self::IntervalPast => "A reservation cannot start in the past; choose a start from now on.",
            Self::IntervalTooFarAhead => {
                "A reservation starts at most 400 days from now; reserve later, or choose an earlier start."
            }
            Self::FullyReserved { pool, reservable_places } => {
                return format!(
                    "All {reservable_places} reservable places of pool '{pool}' are promised at some time of \
                     that interval; choose another time, pool or facility."
                );
            }
            Self::ReservablePlacesTooMany { pool, places } => {
                return format!(
                    "Pool '{pool}' has {places} places by its layout; promise no more, or change the layout first."
                );
            }
            Self::CountTooLarge => "A count or capacity is at most 1000000; correct it.",
            Self::ReservationUnknown { .. } => "This facility has no such reservation; correct its id.",
            Self::ReservationUsed { .. } => {
                "This reservation was used: a vehicle entered on it, and it cannot be cancelled any more."
            }
            Self::ReservationOver { .. } => "This reservation's time is over; there is nothing to cancel.",
        };
        sentence.to_owned()
    }
}

pub struct Reservations;

type Outcome = Result<Vec<ReservationsEvent>, ReservationsRefusal>;

impl Decider for Reservations {
    const CATEGORY: Category = Category::Reservations;
    const SNAPSHOT_VERSION: u32 = 2;
    type State = ReservationsState;
    type Event = ReservationsEvent;
    type Command = ReservationsCommand;
    type Facts = ReservationsFacts;
    type Refusal = ReservationsRefusal;

    fn evolve(state: &mut ReservationsState, event: &ReservationsEvent, moment: Moment) {
        evolve(state, event, moment.decided_at);
    }

    fn decide(
        state: &ReservationsState,
        command: &ReservationsCommand,
        facts: &ReservationsFacts,
        context: Context,
    ) -> Decision<ReservationsEvent, ReservationsRefusal> {
        let plan = facts.plan.as_deref().ok_or(ReservationsRefusal::FacilityUnknown);
        let decided = match command {
            ReservationsCommand::SetReservableCapacity { pool, places } => {
                plan.and_then(|plan| set_reservable_capacity(state, plan, *pool, *places))
            }
            ReservationsCommand::ReserveSpot { .. } => {
                plan.and_then(|plan| reserve_spot(state, plan, facts.kept_places, command, context))
            }
            ReservationsCommand::CancelReservation { reservation } => cancel(state, *reservation),
            ReservationsCommand::CheckInReservation { reservation } => {
                check_in(state, *reservation, context.now)
            }
            ReservationsCommand::EndReservation { reservation, due } => {
                Ok(end(state, *reservation, *due, context.now))
            }
        };
        match decided {
            Ok(events) => {
                let facts = events.into_iter().map(|event| Fact::new(event, context.now));
                Decision::Accepted(facts.collect())
            }
            Err(refusal) => Decision::refused(refusal),
        }
    }
}

/// Below what is promised already is possible: the promises stand, and no more are made until there is room.
fn set_reservable_capacity(state: &ReservationsState, plan: &Plan, pool: PoolId, places: u32) -> Outcome {
    let known = known_pool(plan, pool)?;
    if places > PLACES_AT_MOST {
        return Err(ReservationsRefusal::CountTooLarge);
    }
    if let Some(total) = known.places.filter(|total| places > *total) {
        return Err(ReservationsRefusal::ReservablePlacesTooMany { pool, places: total });
    }
    Ok(match state.reservable_places(pool) == Some(places) {
        true => Vec::new(),
        false => vec![ReservationsEvent::ReservableCapacitySet { pool, places }],
    })
}

/// A named spot is a preference: that another promise names it too is no reason to refuse.
fn reserve_spot(
    state: &ReservationsState,
    plan: &Plan,
    kept_places: Option<u32>,
    command: &ReservationsCommand,
    context: Context,
) -> Outcome {
    let ReservationsCommand::ReserveSpot { pool, interval, spot, credentials } = command else {
        return Ok(Vec::new());
    };
    let known = known_pool(plan, *pool)?;
    if let Some(spot) = *spot {
        let listed = plan.layout.spot(spot).ok_or(ReservationsRefusal::SpotUnknown { spot })?;
        if listed.pool != *pool {
            return Err(ReservationsRefusal::SpotInOtherPool { spot, pool: *pool });
        }
    }
    check_interval(*interval, context.now)?;
    check_credentials(credentials).map_err(|refusal| {
        let sentence = match refusal {
            ParkingRefusal::CredentialInvalid { sentence } => sentence,
            other => other.message(),
        };
        ReservationsRefusal::CredentialInvalid { sentence }
    })?;
    let reservable_places = state.reservable_places(*pool).unwrap_or(known.reservable_places);
    let reservable_places = kept_places.map_or(reservable_places, |kept| kept.min(reservable_places));
    if state.peak(*pool, *interval) >= reservable_places as usize {
        return Err(ReservationsRefusal::FullyReserved { pool: *pool, reservable_places });
    }
    Ok(vec![ReservationsEvent::ReservationMade {
        reservation: context.command_id.reservation(plan.facility),
        pool: *pool,
        interval: *interval,
        local: LocalInterval::of(*interval, &plan.zone),
        spot: *spot,
        credentials: credentials.clone(),
        hold_at: interval.start.minus_seconds(i64::from(plan.policies.hold_lead_seconds)),
        plan_version: plan.version,
    }])
}

fn cancel(state: &ReservationsState, reservation: ReservationId) -> Outcome {
    let promise = state.find(reservation).ok_or(ReservationsRefusal::ReservationUnknown { reservation })?;
    match promise.standing {
        Standing::Made => Ok(vec![ReservationsEvent::ReservationCancelled { reservation }]),
        Standing::Cancelled => Ok(Vec::new()),
        Standing::CheckedIn | Standing::Ended(ReservationEnd::Completed) => {
            Err(ReservationsRefusal::ReservationUsed { reservation })
        }
        Standing::Ended(ReservationEnd::NoShow) => Err(ReservationsRefusal::ReservationOver { reservation }),
    }
}

/// The vehicle is inside: a cancellation or a no-show that was decided before this news gives way to it.
fn check_in(state: &ReservationsState, reservation: ReservationId, now: Timestamp) -> Outcome {
    let promise = state.find(reservation).ok_or(ReservationsRefusal::ReservationUnknown { reservation })?;
    let checked_in = ReservationsEvent::ReservationCheckedIn { reservation };
    let end = ReservationEnd::Completed;
    let ended = ReservationsEvent::ReservationEnded { reservation, end };
    Ok(match promise.standing {
        Standing::CheckedIn | Standing::Ended(ReservationEnd::Completed) => Vec::new(),
        // Its end has fired, and will not again.
        Standing::Ended(ReservationEnd::NoShow) => vec![checked_in, ended],
        Standing::Cancelled if promise.interval.end <= now => vec![checked_in, ended],
        Standing::Made | Standing::Cancelled => vec![checked_in],
    })
}

/// Fired early, for another due time, or for what is over: nothing.
fn end(
    state: &ReservationsState,
    reservation: ReservationId,
    due: Timestamp,
    now: Timestamp,
) -> Vec<ReservationsEvent> {
    let promise = state.find(reservation).filter(|promise| promise.interval.end == due && due <= now);
    let end = match promise.map(|promise| promise.standing) {
        Some(Standing::Made) => ReservationEnd::NoShow,
        Some(Standing::CheckedIn) => ReservationEnd::Completed,
        Some(Standing::Cancelled | Standing::Ended(_)) | None => return Vec::new(),
    };
    vec![ReservationsEvent::ReservationEnded { reservation, end }]
}

fn check_interval(interval: Interval, now: Timestamp) -> Result<(), ReservationsRefusal> {
    if interval.start >= interval.end {
        return Err(ReservationsRefusal::IntervalInvalid);
    }
    if interval.end > interval.start.plus_seconds(INTERVAL_MAX_SECONDS) {
        return Err(ReservationsRefusal::IntervalTooLong);
    }
    if interval.start < now.minus_seconds(PAST_SECONDS) {
        return Err(ReservationsRefusal::IntervalPast);
    }
    if interval.start > now.plus_seconds(AHEAD_MAX_SECONDS) {
        return Err(ReservationsRefusal::IntervalTooFarAhead);
    }
    Ok(())
}

fn known_pool(plan: &Plan, pool: PoolId) -> Result<&Pool, ReservationsRefusal> {
    plan.layout.pool(pool).ok_or(ReservationsRefusal::PoolUnknown { pool })
}

impl LocalInterval {
    /// What the clocks on the facility's walls show.
    fn of(interval: Interval, zone: &Zone) -> Self {
        let local = |at: Timestamp| match jiff::Timestamp::from_millisecond(at.millis()) {
            Ok(instant) => instant.to_zoned(zone.rules()).strftime("%Y-%m-%dT%H:%M:%S").to_string(),
            Err(_) => at.to_string(),
        };
        Self { start: local(interval.start), end: local(interval.end), zone: zone.clone() }
    }
}
