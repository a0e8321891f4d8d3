//! The holds process: a promise is held in parking from shortly before its start, and ends with its interval.

use super::book::ReservationsEvent;
use crate::event::Event;
use crate::ids::ReservationId;
use crate::parking::{Basis, HoldRelease, ParkingEvent};
use crate::process::{About, Effect, Process, Reaction};

pub const HOLDS: Process = Process {
    name: "holds",
    events: &["ReservationMade", "ReservationCancelled", "EntryGranted"],
    of_imported: false,
    react,
};

fn react(event: &Event, about: &About<'_>) -> Vec<Reaction> {
    match event {
        Event::Reservations(ReservationsEvent::ReservationMade {
            reservation,
            pool,
            interval,
            hold_at,
            ..
        }) => {
            let (reservation, due) = (*reservation, interval.end);
            let hold = Effect::PlaceHold { reservation, pool: *pool, until: due };
            let end = Effect::EndReservation { reservation, due };
            vec![
                about.at(HOLDS.name, reservation.uuid(), *hold_at, hold),
                about.at(HOLDS.name, reservation.uuid(), due, release(reservation, HoldRelease::Expired)),
                about.at(HOLDS.name, reservation.uuid(), due, end),
            ]
        }
        Event::Reservations(ReservationsEvent::ReservationCancelled { reservation }) => vec![
            Reaction::Cancel { process: HOLDS.name, subject: reservation.uuid() },
            about.now(HOLDS.name, reservation.uuid(), release(*reservation, HoldRelease::Cancelled)),
        ],
        // The hold itself was released by the entry; the book learns of the check-in here.
        Event::Parking(ParkingEvent::EntryGranted { basis: Basis::Reservation { reservation }, .. }) => {
            let check_in = Effect::CheckInReservation { reservation: *reservation };
            vec![about.now(HOLDS.name, reservation.uuid(), check_in)]
        }
        _ => Vec::new(),
    }
}

const fn release(reservation: ReservationId, release: HoldRelease) -> Effect {
    Effect::ReleaseHold { reservation, release }
}
