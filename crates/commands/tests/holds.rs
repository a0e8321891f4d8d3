//! A reservation from its promise to its end, over restarts.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::Arc;

use octocity_commands::{Executor, MemoryProcessStore, Outcome};
use octocity_domain::parking::{Credential, ParkingCommand, ParkingRefusal};
use octocity_domain::reservations::{ReservationsCommand, ReservationsEvent};
use octocity_domain::{Interval, ReservationId};
use support::gateway::ScriptedGateway;
use support::*;

struct Desk {
    world: World,
    store: MemoryProcessStore,
    reservation: ReservationId,
}

/// Two hours long, four hours from now; its hold is due half an hour before.
const START_SECONDS: i64 = 4 * 3600;
const HOLD_SECONDS: i64 = START_SECONDS - 1800;
const END_SECONDS: i64 = 6 * 3600;

impl Desk {
    async fn new() -> Self {
        let world = World::new().await;
        let reservation = id_at(MORNING).reservation(world.facility);
        let mut desk = Self { world, store: MemoryProcessStore::default(), reservation };
        desk.run().await;
        let interval =
            Interval { start: MORNING.plus_seconds(START_SECONDS), end: MORNING.plus_seconds(END_SECONDS) };
        let reserve = ReservationsCommand::ReserveSpot {
            pool: pool(),
            interval,
            spot: None,
            credentials: plate("R-1"),
        };
        let made = desk.tell(reserve).await;
        let ReservationsEvent::ReservationMade { reservation, .. } = &made[0] else { panic!("{made:?}") };
        desk.reservation = *reservation;
        desk.run().await;
        desk
    }

    /// Each run is a restart.
    async fn run(&self) {
        let gateway = Arc::new(ScriptedGateway::default());
        let executor = Executor::new(self.world.another_handler(), Arc::new(self.store.clone()), gateway);
        executor.run_until_idle().await.unwrap();
    }

    async fn run_at(&self, seconds: i64) {
        let passed = self.world.clock_now().seconds_since(MORNING);
        self.world.clock.pass_seconds(seconds - passed);
        self.run().await;
        self.run().await;
    }

    async fn tell(&self, command: ReservationsCommand) -> Vec<ReservationsEvent> {
        let submission = self.world.submit(command);
        accepted(self.world.handler.reservations(self.world.facility, submission).await)
    }

    async fn cancel(&self) {
        self.tell(ReservationsCommand::CancelReservation { reservation: self.reservation }).await;
    }

    /// At a lane where the grant is the passage.
    fn arrival(&self) -> ParkingCommand {
        self.arrival_at("gate")
    }

    fn arrival_at(&self, at: &str) -> ParkingCommand {
        let mut credentials = plate("R-1");
        credentials.push(Credential::Reservation { reservation: self.reservation });
        ParkingCommand::EnterGate { lane: lane(at), credentials, pool: None, requested_at: None }
    }
}

#[tokio::test]
async fn a_hold_is_placed_when_due_and_released_at_the_end_of_a_no_show() {
    let desk = Desk::new().await;
    desk.run_at(HOLD_SECONDS - 1).await;
    assert_eq!(desk.world.count("HoldPlaced").await, 0);
    desk.run_at(HOLD_SECONDS).await;
    assert_eq!(desk.world.count("HoldPlaced").await, 1);
    desk.run_at(END_SECONDS).await;
    assert_eq!(desk.world.count("HoldReleased").await, 1);
    assert_eq!(desk.world.count("ReservationEnded").await, 1);
    desk.run_at(END_SECONDS + 9999).await;
    assert_eq!(desk.world.count("ReservationEnded").await, 1);
}

#[tokio::test]
async fn a_cancelled_reservation_is_never_held() {
    let desk = Desk::new().await;
    desk.cancel().await;
    desk.run_at(HOLD_SECONDS + 1).await;
    assert_eq!(desk.world.count("HoldPlaced").await, 0);
    let turned_away = desk.world.park(desk.world.submit(desk.arrival())).await;
    let reservation = desk.reservation;
    assert_eq!(refused(turned_away), ParkingRefusal::ReservationCancelled { reservation });
}

#[tokio::test]
async fn a_cancellation_releases_the_hold() {
    let desk = Desk::new().await;
    desk.run_at(HOLD_SECONDS).await;
    desk.cancel().await;
    desk.run().await;
    assert_eq!(desk.world.count("HoldReleased").await, 1);
    desk.run_at(END_SECONDS).await;
    assert_eq!(desk.world.count("HoldReleased").await, 1);
    assert_eq!(desk.world.count("ReservationEnded").await, 0);
}

#[tokio::test]
async fn an_entry_checks_in_once_and_the_end_completes_it() {
    let desk = Desk::new().await;
    desk.run_at(START_SECONDS).await;
    let reply = desk.world.park(desk.world.submit(desk.arrival())).await.unwrap();
    assert!(matches!(reply.outcome, Outcome::Accepted(_)));
    desk.run().await;
    desk.run().await;
    assert_eq!(desk.world.count("ReservationCheckedIn").await, 1);
    let again = desk.world.park(desk.world.submit(desk.arrival())).await;
    assert_eq!(refused(again), ParkingRefusal::ReservationUsed { reservation: desk.reservation });
    desk.run_at(END_SECONDS).await;
    assert_eq!(desk.world.count("ReservationEnded").await, 1);
    assert_eq!(desk.world.count("HoldReleased").await, 1);
}

#[tokio::test]
async fn a_check_in_beats_a_cancellation_seen_later_and_still_ends() {
    let desk = Desk::new().await;
    desk.run_at(START_SECONDS).await;
    accepted(desk.world.park(desk.world.submit(desk.arrival())).await);
    // The book does not know yet.
    desk.cancel().await;
    desk.run().await;
    assert_eq!(desk.world.count("ReservationCheckedIn").await, 1);
    desk.run_at(END_SECONDS).await;
    assert_eq!(desk.world.count("ReservationEnded").await, 1);
}

#[tokio::test]
async fn a_grant_that_lapses_gives_the_hold_back_and_checks_nobody_in() {
    for cancelled in [false, true] {
        let desk = Desk::new().await;
        desk.run_at(START_SECONDS).await;
        accepted(desk.world.park(desk.world.submit(desk.arrival_at("seen"))).await);
        if cancelled {
            desk.cancel().await;
        }
        desk.run_at(START_SECONDS + 130).await;
        desk.run().await;
        assert_eq!(desk.world.count("GrantLapsed").await, 1);
        assert_eq!(desk.world.count("ReservationCheckedIn").await, 0);
        assert_eq!(desk.world.count("HoldPlaced").await, if cancelled { 1 } else { 2 });
        desk.run_at(END_SECONDS).await;
        assert_eq!(desk.world.count("HoldReleased").await, if cancelled { 1 } else { 2 });
        assert_eq!(desk.world.count("ReservationEnded").await, usize::from(!cancelled));
    }
}

#[tokio::test]
async fn walk_ins_never_get_the_book_s_places() {
    let desk = Desk::new().await;
    let places = ParkingCommand::SetPoolCapacity { pool: pool(), places: Some(2) };
    accepted(desk.world.park(desk.world.submit(places)).await);
    desk.world.enter("W-1").await;
    let turned_away = desk.world.park(desk.world.submit(enter("gate", "W-2"))).await;
    assert_eq!(refused(turned_away), ParkingRefusal::PoolFull { pool: pool() });
    desk.run_at(START_SECONDS).await;
    accepted(desk.world.park(desk.world.submit(desk.arrival())).await);
}
