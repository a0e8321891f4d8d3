//! Processes: what one event makes happen elsewhere. Pure; the executor plans and runs what is returned here.
//!
//! A process keeps no state: whatever an effect needs beside its event is read when it is run. Each effect has
//! an id derived from the event that caused it, so that running it twice has one effect. Imported history
//! causes none, but for what later commands could not do without ([`crate::facilities::openings`]).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Event;
use crate::ids::{CommandId, FacilityId, GrantId, PaymentId, PoolId, ReservationId, VisitId};
use crate::money::Money;
use crate::parking::HoldRelease;
use crate::time::Timestamp;

/// What a process knows of an event besides itself.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The stream's name, `<category>-<id>`.
    pub stream: &'a str,
    /// The stream's own id: of the facility, the visit, the payment.
    pub id: Uuid,
    pub revision: u64,
    pub happened_at: Timestamp,
    pub facility: FacilityId,
    /// The first command of the chain.
    pub correlation: Uuid,
}

/// What is done because of an event. Storage format of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Effect {
    /// Sets a new pool's capacity in parking and its reservable part in the book; a known pool keeps its own.
    OpenPool {
        pool: PoolId,
        places: Option<u32>,
        reservable_places: u32,
    },
    /// What the book may promise of a pool, parking keeps from walk-ins.
    SetReservedPart {
        pool: PoolId,
        places: u32,
        book_revision: u64,
    },
    /// With the tariff in force at entry; nothing where the pool costs nothing.
    OpenSession {
        visit: VisitId,
        pool: PoolId,
        entered_at: Timestamp,
    },
    EndStay {
        visit: VisitId,
        ended_at: Timestamp,
    },
    /// `visit` and `into` are one stay: the earlier entry counts, and the merged one costs nothing.
    MergeStays {
        visit: VisitId,
        into: VisitId,
    },
    LapseGrant {
        grant: GrantId,
        due: Timestamp,
    },
    PlaceHold {
        reservation: ReservationId,
        pool: PoolId,
        until: Timestamp,
    },
    ReleaseHold {
        reservation: ReservationId,
        release: HoldRelease,
    },
    /// Its grant lapsed: its place is held again, where the promise is still to be kept.
    RestoreHold {
        reservation: ReservationId,
    },
    CheckInReservation {
        reservation: ReservationId,
    },
    EndReservation {
        reservation: ReservationId,
        due: Timestamp,
    },
    /// To each of the payment's sessions its part of what was captured.
    ApplyCredits {
        payment: PaymentId,
        amount: Money,
    },
    /// `refund`: the number of the gateway call that refunded.
    ReverseCredits {
        payment: PaymentId,
        amount: Money,
        refund: u32,
    },
    /// Calls the gateway and records the answer; `again`: asks first what came of the call before.
    CallGateway {
        payment: PaymentId,
        call: u32,
        again: bool,
    },
}

/// An effect that is to be run once, not before `due`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Of its command, or of the gateway call's outcome.
    pub id: CommandId,
    pub process: Cow<'static, str>,
    /// Effects of one subject run one after the other, in the order they were planned.
    pub subject: Uuid,
    pub facility: FacilityId,
    pub due: Timestamp,
    pub correlation: Uuid,
    pub effect: Effect,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reaction {
    Plan(Planned),
    /// What this process planned for the subject and has not run yet is not run any more.
    Cancel {
        process: &'static str,
        subject: Uuid,
    },
}

/// One process: its name (which ids of effects are derived from: it stays for ever) and its rule.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pub name: &'static str,
    /// The event types that it reacts to.
    pub events: &'static [&'static str],
    /// Whether it reacts to imported history too: never with an effect on the outside world.
    pub of_imported: bool,
    pub react: fn(&Event, &About<'_>) -> Vec<Reaction>,
}

/// Every process there is.
pub const PROCESSES: [Process; 8] = [
    crate::facilities::openings::OPENINGS,
    crate::reservations::reserved_part::RESERVED_PART,
    crate::sessions::stays::STAYS,
    crate::parking::grants::GRANTS,
    crate::reservations::holds::HOLDS,
    crate::reservations::holds::PROMISES,
    crate::payments::crediting::CREDITING,
    crate::payments::gateway_calls::GATEWAY_CALLS,
];

impl About<'_> {
    /// To be done at once.
    pub fn now(&self, process: &'static str, subject: Uuid, effect: Effect) -> Reaction {
        self.at(process, subject, self.happened_at, effect)
    }

    /// To be done at an instant: a durable deadline.
    pub fn at(&self, process: &'static str, subject: Uuid, due: Timestamp, effect: Effect) -> Reaction {
        let target = effect.target(subject);
        let id = CommandId::from_effect(
            self.happened_at,
            process,
            self.stream,
            self.revision,
            effect.name(),
            &target,
        );
        let (facility, correlation) = (self.facility, self.correlation);
        Reaction::Plan(Planned { id, process: process.into(), subject, facility, due, correlation, effect })
    }
}

impl Effect {
    /// Part of what the effect's id is derived from: it stays for ever.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::OpenPool { .. } => "open-pool",
            Self::SetReservedPart { .. } => "set-reserved-part",
            Self::OpenSession { .. } => "open-session",
            Self::EndStay { .. } => "end-stay",
            Self::MergeStays { .. } => "merge-stays",
            Self::LapseGrant { .. } => "lapse-grant",
            Self::PlaceHold { .. } => "place-hold",
            Self::ReleaseHold { .. } => "release-hold",
            Self::RestoreHold { .. } => "restore-hold",
            Self::CheckInReservation { .. } => "check-in",
            Self::EndReservation { .. } => "end-reservation",
            Self::ApplyCredits { .. } => "apply-credits",
            Self::ReverseCredits { .. } => "reverse-credits",
            Self::CallGateway { .. } => "call-gateway",
        }
    }

    fn target(&self, subject: Uuid) -> String {
        match self {
            Self::OpenPool { pool, .. } | Self::SetReservedPart { pool, .. } => format!("{subject}/{pool}"),
            _ => subject.to_string(),
        }
    }
}
