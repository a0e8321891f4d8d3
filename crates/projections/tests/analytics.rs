//! What analysts are told: hours without gaps, days of the facility's own zone, stays that were seen whole.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use octocity_domain::parking::{Departure, DeviceClock, ParkingEvent};
use octocity_domain::sessions::SessionEvent;
use octocity_domain::tariffs::Tariff;
use octocity_domain::{Category, Code, Currency, Interval, Money, PaymentId, Timestamp, time::Zone};
use octocity_log::StreamId;
use octocity_projections::analytics::{Hours, pool_days, pool_hours, revenue_days, stay_days};
use octocity_projections::testing::*;
use octocity_projections::{MemoryRows, ReadModels};
use uuid::Uuid;

const HOUR: i64 = 3_600;

fn prague() -> Zone {
    Zone::try_new("Europe/Prague").unwrap()
}

fn entered(number: u128) -> ParkingEvent {
    ParkingEvent::VehicleEntered {
        visit: Some(visit(number)),
        grant: None,
        lane: lane("in"),
        pool: pool("short"),
        area: None,
        credentials: vec![plate(&format!("CAR{number}"))],
        irregularities: Vec::new(),
        joined_exit: None,
        used_reservation: None,
        clock: DeviceClock::default(),
    }
}

fn left(number: u128) -> ParkingEvent {
    ParkingEvent::VehicleLeft {
        on_reservation: false,
        departure: Departure::Visit { visit: visit(number) },
        grant: None,
        lane: lane("out"),
        pool: pool("short"),
        area: None,
        requested_at: None,
        credentials: Vec::new(),
        irregularities: Vec::new(),
        clock: DeviceClock::default(),
    }
}

async fn read(history: &History) -> ReadModels {
    let models = history.read(Arc::new(MemoryRows::new()), 2).await;
    assert_eq!(models.store.parked(&[]).await.unwrap(), []);
    models
}

async fn given(scene: &[(Timestamp, ParkingEvent)]) -> ReadModels {
    let mut history = History::default();
    history.register(facility(1)).await;
    for (at, event) in scene {
        history.parking(facility(1), event, *at).await;
    }
    read(&history).await
}

fn between(start: Timestamp, end: Timestamp) -> Interval {
    Interval::try_new(start, end).unwrap()
}

#[test]
fn only_whole_hours_lie_within_an_interval() {
    let first = at(0).seconds() / HOUR;
    let of = |start, end| Hours::within(&between(at(start), at(end)));
    assert_eq!(of(0, 2 * HOUR), Hours { first, end: first + 2 });
    assert_eq!(of(1, 2 * HOUR - 1).count(), 0);
    assert_eq!(of(1, 2 * HOUR), Hours { first: first + 1, end: first + 2 });
}

#[tokio::test]
async fn every_hour_has_a_row_and_a_quiet_one_goes_on_with_what_was_inside() {
    let models =
        given(&[(at(900), entered(1)), (at(HOUR + 1_800), entered(2)), (at(4 * HOUR + 600), left(1))]).await;
    let hours = Hours::within(&between(at(HOUR), at(6 * HOUR)));
    let found = pool_hours(&*models.store, facility(1), hours).await.unwrap();
    let short: Vec<_> = found.iter().filter(|hour| hour.pool == pool("short")).collect();
    let starts: Vec<_> = short.iter().map(|hour| hour.start_count).collect();
    assert_eq!(starts, [1, 2, 2, 2, 1], "the entry before the interval counts");
    let seconds: Vec<_> = short.iter().map(|hour| hour.vehicle_seconds()).collect();
    assert_eq!(seconds, [3_600 + 1_800, 7_200, 7_200, 7_200 - 3_000, 3_600]);
    assert_eq!(short.iter().map(|hour| hour.entries).sum::<u64>(), 1);
}

#[tokio::test]
async fn a_day_is_the_facilitys_own_and_may_have_25_hours() {
    // In Prague the clocks went back on 2023-10-29: that day began at 22:00Z on the 28th.
    let began: Timestamp = "2023-10-28T22:00:00Z".parse().unwrap();
    let models = given(&[(began.minus_seconds(1), entered(1)), (began.plus_seconds(1_800), left(1))]).await;
    let hours = Hours::within(&between(began.minus_seconds(2 * HOUR), began.plus_seconds(26 * HOUR)));
    let found = pool_hours(&*models.store, facility(1), hours).await.unwrap();
    let days = pool_days(&found, &prague());
    let short: Vec<_> = days.iter().filter(|day| day.pool == pool("short")).collect();
    let told: Vec<_> = short.iter().map(|day| (prague().local_date(day.began_at), day.hours)).collect();
    let date = |text: &str| text.to_owned();
    assert_eq!(told, [(date("2023-10-28"), 2), (date("2023-10-29"), 25), (date("2023-10-30"), 1)]);
    assert_eq!((short[0].entries, short[0].exits, short[0].vehicle_seconds), (1, 0, 1));
    assert_eq!((short[1].entries, short[1].exits, short[1].vehicle_seconds, short[1].peak), (0, 1, 1_800, 1));
}

#[tokio::test]
async fn a_stay_counts_on_the_day_it_ended_and_only_if_it_was_seen_whole() {
    let unseen = ParkingEvent::VehicleLeft {
        on_reservation: false,
        departure: Departure::MissedEntry,
        grant: None,
        lane: lane("out"),
        pool: pool("short"),
        area: None,
        requested_at: None,
        credentials: vec![plate("STRANGER")],
        irregularities: Vec::new(),
        clock: DeviceClock::default(),
    };
    let scene = [
        (at(0), entered(1)),
        (at(0), entered(2)),
        (at(600), left(1)),
        (at(1_800), left(2)),
        (at(1_900), unseen),
    ];
    let models = given(&scene).await;
    let of = async |end: i64| {
        let interval = between(at(0), at(end));
        stay_days(&*models.store, facility(1), &prague(), interval).await.unwrap()
    };
    let days = of(HOUR).await;
    assert_eq!(days.len(), 1);
    assert_eq!((days[0].stays, days[0].seconds, days[0].longest_seconds), (2, 2_400, 1_800));
    assert_eq!(of(1_800).await[0].stays, 1, "the end of the interval is not in it");
}

#[tokio::test]
async fn revenue_is_told_by_tariff_and_day_charged_paid_and_owed() {
    let crowns = |amount_minor| Money::new(amount_minor, Currency::try_new("CZK").unwrap());
    let opened = |number: u128, tariff: &str| SessionEvent::SessionOpened {
        visit: visit(number),
        facility: facility(1),
        pool: pool("short"),
        entered_at: at(0),
        tariff: by_the_hour(tariff),
        zone: prague(),
    };
    let mut history = History::default();
    history.register(facility(1)).await;
    for (number, tariff) in [(1, "summer"), (2, "summer"), (3, "winter")] {
        let stream = StreamId::new(Category::Session, visit(number).uuid());
        history.add(stream, facility(1), &opened(number, tariff), at(0)).await;
        let ended = SessionEvent::StayEnded { ended_at: at(1_800) };
        history.add(stream, facility(1), &ended, at(1_800)).await;
    }
    let credit = SessionEvent::CreditApplied {
        payment: PaymentId(Uuid::from_u128(9)),
        amount: crowns(4_000),
        priced_at: at(1_700),
        leave_by: None,
        tariff: None,
    };
    let stream = StreamId::new(Category::Session, visit(1).uuid());
    history.add(stream, facility(1), &credit, at(1_900)).await;
    let models = read(&history).await;
    let days = revenue_days(&*models.store, facility(1), &prague(), between(at(0), at(HOUR))).await.unwrap();
    let told: Vec<_> = days
        .iter()
        .map(|day| (day.tariff.as_str(), day.sessions, day.charged_minor, day.paid_minor, day.owed_minor))
        .collect();
    assert_eq!(told, [("summer", 2, 8_000, 4_000, 4_000), ("winter", 1, 4_000, 0, 4_000)]);
}

fn by_the_hour(version: &str) -> Tariff {
    Tariff {
        id: Code::try_new(version).unwrap(),
        currency: Currency::try_new("CZK").unwrap(),
        free_seconds: 0,
        increment_seconds: 3_600,
        price_per_increment_minor: 4_000,
        cap: None,
        grace_seconds: 900,
    }
}
