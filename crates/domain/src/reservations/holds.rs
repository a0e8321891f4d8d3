//! Two processes of reservations. **holds**: a promise is held in parking from shortly before its start.
//! **promises**: it is checked in when its vehicle has entered, is held again where its grant lapsed, and ends with
//! its interval, and its hold with it.
//!
//! They are two, because a cancellation drops what is planned for the hold and nothing else: a check-in that the
//! book has not heard of yet beats it, and then still ends.

use super::book::ReservationsEvent;
use crate::event::Event;
use crate::ids::ReservationId;
use crate::parking::{HoldRelease, ParkingEvent};
use crate::process::{About, Effect, Process, Reaction};

pub const HOLDS: Process = Process {
    name: "holds",
    events: &["ReservationMade", "ReservationCancelled"],
    of_imported: false,
    react: hold,
};

pub const PROMISES: Process = Process {
    name: "promises",
    events: &["ReservationMade", "ReservationCancelled", "VehicleEntered", "GrantLapsed"],
    of_imported: false,
    react: keep,
};

fn hold(event: &Event, about: &About<'_>) -> Vec<Reaction> {
    match event {
        Event::Reservations(ReservationsEvent::ReservationMade {
            reservation,
            pool,
            interval,
            hold_at,
            ..
        }) => {
            let hold = Effect::PlaceHold { reservation: *reservation, pool: *pool, until: interval.end };
            vec![about.at(HOLDS.name, reservation.uuid(), *hold_at, hold)]
        }
        Event::Reservations(ReservationsEvent::ReservationCancelled { reservation }) => {
            vec![Reaction::Cancel { process: HOLDS.name, subject: reservation.uuid() }]
        }
        _ => Vec::new(),
    }
}

fn keep(event: &Event, about: &About<'_>) -> Vec<Reaction> {
    match event {
        Event::Reservations(ReservationsEvent::ReservationMade { reservation, interval, .. }) => {
            let (reservation, due) = (*reservation, interval.end);
            let end = Effect::EndReservation { reservation, due };
            vec![
                about.at(PROMISES.name, reservation.uuid(), due, release(reservation, HoldRelease::Expired)),
                about.at(PROMISES.name, reservation.uuid(), due, end),
            ]
        }
        Event::Reservations(ReservationsEvent::ReservationCancelled { reservation }) => {
            let release = release(*reservation, HoldRelease::Cancelled);
            vec![about.now(PROMISES.name, reservation.uuid(), release)]
        }
        // The hold itself was released by the entry; the book learns here that the right to enter is used, also by
        // a driver who came early and was admitted as a walk-in.
        Event::Parking(ParkingEvent::VehicleEntered { used_reservation: Some(reservation), .. }) => {
            let check_in = Effect::CheckInReservation { reservation: *reservation };
            vec![about.now(PROMISES.name, reservation.uuid(), check_in)]
        }
        // Of one subject with the cancellation and the end: whichever comes second finds what the first has done.
        Event::Parking(ParkingEvent::GrantLapsed { reservation: Some(reservation), .. }) => {
            let restore = Effect::RestoreHold { reservation: *reservation };
            vec![about.now(PROMISES.name, reservation.uuid(), restore)]
        }
        _ => Vec::new(),
    }
}

const fn release(reservation: ReservationId, release: HoldRelease) -> Effect {
    Effect::ReleaseHold { reservation, release }
}
