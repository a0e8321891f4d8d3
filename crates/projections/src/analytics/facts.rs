//! What events say for figures. Each fact is known by its event and its number within it, so that one that is told
//! again is known as the same. None says a plate, a ticket, a card or a free text.

use octocity_domain::parking::{Entry, ParkingEvent, Reconciliation};
use octocity_domain::payments::PaymentEvent;
use octocity_domain::sessions::SessionEvent;
use octocity_domain::{Event, FacilityId, LaneId, Money, PaymentId, PoolId, Timestamp, VisitId};
use octocity_log::StreamId;

use crate::parking::movements::{Movement, Passing, movements};
use crate::parking::{EndKind, EntryKind};
use crate::view::EventRecord;

/// One thing that one event says. Stream, revision and number are its identity, and the rest follows from them.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    pub stream: StreamId,
    pub revision: u64,
    /// Within its event.
    pub number: u8,
    pub facility: FacilityId,
    /// When its event did.
    pub happened_at: Timestamp,
    pub news: News,
}

#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// A gate passage, a refusal at a gate, or another change of what is inside.
    Movement {
        pool: PoolId,
        movement: Movement,
        /// Where something passed or was refused.
        lane: Option<LaneId>,
        /// The refusal's stable code.
        refusal: Option<String>,
    },
    Visit {
        visit: VisitId,
        news: VisitNews,
    },
    /// Without what an attendant wrote.
    Session {
        visit: VisitId,
        event: SessionEvent,
    },
    Payment {
        payment: PaymentId,
        news: PaymentNews,
        amount: Money,
    },
}

/// What is known of a visit: of its entry and of its end the latest news holds, of its pool the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VisitNews {
    Granted {
        pool: PoolId,
    },
    Entered {
        pool: PoolId,
        kind: EntryKind,
        at: Option<Timestamp>,
    },
    Ended {
        kind: EndKind,
        at: Timestamp,
    },
    /// What was presumed of its end is not so.
    StillInside,
    /// It was the same stay as the other, which began with whichever of both entries was earlier.
    Merged {
        into: VisitId,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentNews {
    Captured,
    Refunded,
}

/// Appends what an event says for figures: nothing, one thing or several.
pub fn facts(record: &EventRecord, facts: &mut Vec<Fact>) {
    let first = facts.len();
    let mut tell = |news: News| {
        // An event says a handful of things at most.
        let number = u8::try_from(facts.len() - first).unwrap_or(u8::MAX);
        let EventRecord { stream, revision, .. } = *record;
        let (facility, happened_at) = (record.facility(), record.happened_at());
        facts.push(Fact { stream, revision, number, facility, happened_at, news });
    };
    match record.event {
        Event::Parking(event) => {
            tell_movements(event, record.happened_at(), &mut tell);
            tell_visit(event, record.happened_at(), &mut tell);
        }
        Event::Session(event) => {
            let event = without_text(event);
            tell(News::Session { visit: VisitId(record.stream.id), event });
        }
        Event::Payment(event) => {
            let (news, amount) = match event {
                PaymentEvent::PaymentCaptured { amount, .. } => (PaymentNews::Captured, *amount),
                PaymentEvent::PaymentRefunded { amount, .. } => (PaymentNews::Refunded, *amount),
                _ => return,
            };
            tell(News::Payment { payment: PaymentId(record.stream.id), news, amount });
        }
        Event::Facility(_) | Event::Reservations(_) | Event::Skips(_) => {}
    }
}

fn tell_movements(event: &ParkingEvent, at: Timestamp, tell: &mut impl FnMut(News)) {
    let Some((pool, moved)) = movements(event, at) else { return };
    for movement in moved.into_iter().flatten() {
        let (lane, refusal) = match event {
            _ if movement.passing == Passing::Other => (None, None),
            ParkingEvent::PassageRefused { lane, refusal, .. } => (Some(*lane), Some(refusal.clone())),
            ParkingEvent::VehicleEntered { lane, .. } | ParkingEvent::VehicleLeft { lane, .. } => {
                (Some(*lane), None)
            }
            _ => (None, None),
        };
        tell(News::Movement { pool, movement, lane, refusal });
    }
}

fn tell_visit(event: &ParkingEvent, at: Timestamp, tell: &mut impl FnMut(News)) {
    let mut tell = |visit: VisitId, news: VisitNews| tell(News::Visit { visit, news });
    match event {
        // Without credentials the passage may turn out to be nobody's.
        ParkingEvent::EntryGranted { visit, pool, credentials, .. } if !credentials.is_empty() => {
            tell(*visit, VisitNews::Granted { pool: *pool });
        }
        ParkingEvent::VehicleEntered { visit: Some(visit), pool, joined_exit, .. } => {
            tell(*visit, VisitNews::Entered { pool: *pool, kind: EntryKind::Seen, at: Some(at) });
            if let Some(joined) = joined_exit {
                tell(*visit, VisitNews::Ended { kind: EndKind::Seen, at: joined.left_at });
            }
        }
        ParkingEvent::VisitDeclared { visit, pool, entry, .. } => {
            let kind = match entry {
                Entry::Seen { .. } => EntryKind::Seen,
                Entry::Estimated { .. } => EntryKind::Estimated,
                Entry::Unknown => EntryKind::Unknown,
            };
            tell(*visit, VisitNews::Entered { pool: *pool, kind, at: entry.at() });
        }
        ParkingEvent::VehicleLeft { departure, .. } => {
            if let Some(visit) = departure.visit() {
                tell(visit, VisitNews::Ended { kind: EndKind::Seen, at });
            }
        }
        ParkingEvent::VisitPresumedLeft { visit, .. } => {
            tell(*visit, VisitNews::Ended { kind: EndKind::Presumed, at });
        }
        ParkingEvent::VisitReconciled { visit, outcome, .. } => {
            let news = match *outcome {
                Reconciliation::Confirmed => VisitNews::Ended { kind: EndKind::Judged, at },
                Reconciliation::StillInside => VisitNews::StillInside,
                Reconciliation::Reassigned { left_at, .. } => {
                    VisitNews::Ended { kind: EndKind::Seen, at: left_at }
                }
                Reconciliation::Merged { into } => VisitNews::Merged { into },
            };
            tell(*visit, news);
        }
        _ => {}
    }
}

fn without_text(event: &SessionEvent) -> SessionEvent {
    match event {
        SessionEvent::ChargeAdjusted { amount, .. } => {
            SessionEvent::ChargeAdjusted { amount: *amount, reason: String::new() }
        }
        other => other.clone(),
    }
}
