//! What analysts are told from the rows in memory, and the facts that other engines are told.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use octocity_domain::parking::{Departure, JoinedExit, ParkingEvent};
use octocity_domain::sessions::SessionEvent;
use octocity_domain::{Event, Interval};
use octocity_log::{EventLog, Position, decode};
use octocity_projections::MemoryRows;
use octocity_projections::analytics::contract::OfRows;
use octocity_projections::analytics::scenes::*;
use octocity_projections::analytics::{Fact, Hours, News, PaymentNews, VisitNews, facts};
use octocity_projections::parking::{EndKind, EntryKind, Movement, Passing};
use octocity_projections::testing::*;
use octocity_projections::view::EventRecord;

octocity_projections::figures_contract!(OfRows(Arc::new(MemoryRows::new())));

#[test]
fn only_whole_hours_lie_within_an_interval() {
    const HOUR: i64 = 3_600;
    let first = at(0).seconds() / HOUR;
    let of = |start, end| Hours::within(&Interval::try_new(at(start), at(end)).unwrap());
    assert_eq!(of(0, 2 * HOUR), Hours { first, end: first + 2 });
    assert_eq!(of(1, 2 * HOUR - 1).count(), 0);
    assert_eq!(of(1, 2 * HOUR), Hours { first: first + 1, end: first + 2 });
}

async fn facts_of(history: &History) -> Vec<Fact> {
    let page = history.log.read_all(Position(0), 10_000, &[], &[]).await.unwrap();
    let mut told = Vec::new();
    for recorded in page.events {
        let event: Event =
            decode(recorded.stream.category, &recorded.event_type, recorded.version, &recorded.data).unwrap();
        let (stream, revision) = (recorded.stream, recorded.revision);
        facts(&EventRecord { event: &event, stream, revision, meta: &recorded.meta }, &mut told);
    }
    told
}

#[tokio::test]
async fn each_fact_of_an_event_has_its_own_number() {
    let mut history = History::default();
    history.register(facility(1)).await;
    let joined_exit =
        Some(JoinedExit { lane: lane("out"), left_at: at(700), gives_back_unidentified: false });
    history.parking(facility(1), &entered_into("short", 1, joined_exit), at(60)).await;
    history.parking(facility(1), &left(Departure::Unidentified), at(800)).await;
    captured(&mut history, facility(1), 5, crowns(900)).await;
    let told = facts_of(&history).await;
    let moved = |at, change, passing, lane| News::Movement {
        pool: pool("short"),
        movement: Movement { at, change, passing },
        lane,
        refusal: None,
    };
    let of_visit = |news| News::Visit { visit: visit(1), news };
    let wanted = [
        (0, moved(at(60), 1, Passing::Entry, Some(lane("in")))),
        (1, moved(at(700), -1, Passing::Other, None)),
        (2, of_visit(VisitNews::Entered { pool: pool("short"), kind: EntryKind::Seen, at: Some(at(60)) })),
        (3, of_visit(VisitNews::Ended { kind: EndKind::Seen, at: at(700) })),
        (0, moved(at(800), -1, Passing::Exit, Some(lane("out")))),
        (
            0,
            News::Payment {
                payment: octocity_domain::PaymentId(uuid::Uuid::from_u128(5)),
                news: PaymentNews::Captured,
                amount: crowns(900),
            },
        ),
    ];
    let found: Vec<_> = told.into_iter().map(|fact| (fact.number, fact.news)).collect();
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn no_fact_says_a_credential_or_what_somebody_wrote() {
    let mut history = History::default();
    history.register(facility(1)).await;
    let scene: [ParkingEvent; 4] = [granted(1), entered(1), refused(), declared(2, None)];
    for event in &scene {
        history.parking(facility(1), event, at(0)).await;
    }
    let rebate = SessionEvent::ChargeAdjusted { amount: crowns(-100), reason: "CAR1 was ill".to_owned() };
    let events = vec![(at(0), opened(facility(1), 1, by_the_hour("summer"), at(0))), (at(1), rebate)];
    session(&mut history, facility(1), visit(1), events).await;
    let told = format!("{:?}", facts_of(&history).await);
    assert!(told.contains("POOL_FULL") && told.contains("ChargeAdjusted"), "{told}");
    assert!(!told.contains("CAR1") && !told.contains("TURNED"), "{told}");
}
