//! What the gates' events make of visits, unmatched exits, areas and spots.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use octocity_domain::parking::{
    Basis, Cover, Credential, CredentialChange, Departure, DeviceClock, Entry, EstimateBasis, Irregularity,
    JoinedExit, MatchKey, ParkingEvent, Presumption, Reconciliation,
};
use octocity_domain::{GrantId, SpotId, Timestamp, VisitId};
use octocity_projections::parking::{
    EndKind, EntryKind, OccupancyRow, SpotOutOfServiceRow, UnmatchedExitRow, VisitRow, VisitStatus, queries,
};
use octocity_projections::query::find;
use octocity_projections::testing::*;
use octocity_projections::{MemoryRows, Query, ReadModels, Row};
use uuid::Uuid;

type Scene<'a> = &'a [(i64, ParkingEvent)];

/// The read models of one facility after these events, each with the second it happened at.
async fn given(scene: Scene<'_>) -> ReadModels {
    let mut history = History::default();
    history.register(facility(1)).await;
    for (second, event) in scene {
        history.parking(facility(1), event, at(*second)).await;
    }
    let models = history.read(Arc::new(MemoryRows::new()), 3).await;
    assert_eq!(models.store.parked(&[]).await.unwrap(), []);
    models
}

async fn visit_row(models: &ReadModels, number: u128) -> VisitRow {
    row::<VisitRow>(models, (facility(1), visit(number))).await.expect("the visit has a row")
}

async fn row<R: Row>(models: &ReadModels, key: R::Key) -> Option<R> {
    find::<R>(&*models.store, &key).await.unwrap().0
}

fn grant(number: u128) -> GrantId {
    GrantId(Uuid::from_u128(number))
}

fn granted(number: u128) -> ParkingEvent {
    ParkingEvent::EntryGranted {
        grant: grant(number),
        visit: visit(number),
        lane: lane("in"),
        pool: pool("short"),
        basis: Basis::ShortTerm,
        credentials: vec![plate("AB12")],
        expires_at: at(120),
        plan_version: 1,
    }
}

fn entered(number: u128, joined_exit: Option<JoinedExit>) -> ParkingEvent {
    let credentials = vec![plate(&format!("CAR{number}"))];
    passed_in(Some(visit(number)), None, credentials, joined_exit)
}

fn passed_in(
    visit: Option<VisitId>,
    grant: Option<GrantId>,
    credentials: Vec<Credential>,
    joined_exit: Option<JoinedExit>,
) -> ParkingEvent {
    ParkingEvent::VehicleEntered {
        visit,
        grant,
        lane: lane("in"),
        pool: pool("short"),
        area: Some(area("deck")),
        credentials,
        irregularities: vec![Irregularity::Unrequested],
        joined_exit,
        used_reservation: None,
        clock: DeviceClock::default(),
    }
}

fn left(departure: Departure) -> ParkingEvent {
    ParkingEvent::VehicleLeft {
        on_reservation: false,
        departure,
        grant: None,
        lane: lane("out"),
        pool: pool("short"),
        area: Some(area("deck")),
        requested_at: None,
        credentials: match departure {
            Departure::Unidentified | Departure::MissedEntry => vec![plate("CAR1")],
            _ => Vec::new(),
        },
        irregularities: Vec::new(),
        clock: DeviceClock::default(),
    }
}

fn reconciled(number: u128, outcome: Reconciliation, visits_change: i8) -> ParkingEvent {
    ParkingEvent::VisitReconciled {
        on_reservation: false,
        visit: visit(number),
        pool: pool("short"),
        outcome,
        visits_change,
        unidentified_change: 0,
    }
}

fn presumed_left(number: u128) -> ParkingEvent {
    let presumption = Presumption::ReEntry;
    ParkingEvent::VisitPresumedLeft {
        visit: visit(number),
        pool: pool("short"),
        presumption,
        on_reservation: false,
    }
}

fn of_visit(number: u128) -> Departure {
    Departure::Visit { visit: visit(number) }
}

#[tokio::test]
async fn a_granted_visit_enters_and_leaves_under_its_cover() {
    let exit = ParkingEvent::ExitGranted {
        grant: grant(9),
        visit: Some(visit(1)),
        lane: lane("out"),
        cover: Cover::NothingOwed,
        expires_at: at(3_700),
        plan_version: 1,
    };
    let enters = passed_in(Some(visit(1)), Some(grant(1)), Vec::new(), None);
    let scene = [(0, granted(1)), (9, enters), (3_600, exit), (3_620, left(of_visit(1)))];
    let models = given(&scene[..2]).await;
    let row = visit_row(&models, 1).await;
    assert_eq!((row.status, row.started_at, row.entered_at), (VisitStatus::Open, at(0), Some(at(9))));
    assert!(!format!("{row:?}").contains("AB12"), "a plate stays out of logs");
    assert_eq!((row.plate_key, row.area), (Some(MatchKey("AB12".to_owned())), Some(area("deck"))));
    let models = given(&scene).await;
    let row = visit_row(&models, 1).await;
    assert_eq!(
        (row.status, row.end_kind, row.ended_at),
        (VisitStatus::Left, Some(EndKind::Seen), Some(at(3_620)))
    );
    assert_eq!(
        (row.exit_granted_at, row.cover.map(|cover| cover.0)),
        (Some(at(3_600)), Some(Cover::NothingOwed))
    );
    assert_eq!((row.lane_in, row.lane_out, row.area), (Some(lane("in")), Some(lane("out")), None));
    assert_eq!(row.revisions.0, [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_lapsed_grant_gives_its_place_back() {
    let lapsed = ParkingEvent::GrantLapsed {
        grant: grant(1),
        visit: Some(visit(1)),
        pool: Some(pool("short")),
        on_reservation: false,
        reservation: None,
    };
    let models = given(&[(0, granted(1))]).await;
    let counts = |row: Option<OccupancyRow>| row.map(|row| (row.granted, row.free()));
    let key = (facility(1), pool("short"));
    assert_eq!(counts(row(&models, key).await), Some((1, Some(4))));
    let models = given(&[(0, granted(1)), (120, lapsed)]).await;
    assert_eq!(counts(row(&models, key).await), Some((0, Some(5))));
    assert_eq!(visit_row(&models, 1).await.status, VisitStatus::Lapsed);
}

#[tokio::test]
async fn a_presumed_end_is_in_review_until_it_is_judged() {
    let scene = [(0, entered(1, None)), (50, presumed_left(1))];
    let presumed = visit_row(&given(&scene).await, 1).await;
    assert_eq!((presumed.status, presumed.needs_review), (VisitStatus::PresumedLeft, Some(true)));
    assert_eq!(
        (presumed.end_kind, presumed.review_reason.as_deref()),
        (Some(EndKind::Presumed), Some("RE_ENTRY"))
    );

    let judge = async |outcome, change| {
        let scene = [scene[0].clone(), scene[1].clone(), (90, reconciled(1, outcome, change))];
        visit_row(&given(&scene).await, 1).await
    };
    let confirmed = judge(Reconciliation::Confirmed, 0).await;
    assert_eq!(
        (confirmed.status, confirmed.ended_at, confirmed.needs_review),
        (VisitStatus::Left, Some(at(50)), None)
    );
    let inside = judge(Reconciliation::StillInside, 1).await;
    assert_eq!((inside.status, inside.ended_at, inside.presumption), (VisitStatus::Open, None, None));
    let reassigned = judge(Reconciliation::Reassigned { lane: lane("out"), left_at: at(70) }, 0).await;
    assert_eq!((reassigned.end_kind, reassigned.ended_at), (Some(EndKind::Seen), Some(at(70))));
}

#[tokio::test]
async fn an_exit_of_a_presumed_visit_ends_its_review() {
    let departure = Departure::PresumedVisit { visit: visit(1) };
    let models = given(&[(0, entered(1, None)), (50, presumed_left(1)), (90, left(departure))]).await;
    let left = visit_row(&models, 1).await;
    assert_eq!((left.status, left.ended_at, left.needs_review), (VisitStatus::Left, Some(at(90)), None));
    let counts = row::<OccupancyRow>(&models, (facility(1), pool("short"))).await.unwrap();
    assert_eq!((counts.inside(), counts.exits), (0, 1));
}

#[tokio::test]
async fn a_merged_visit_gives_the_other_its_entry_and_credentials() {
    let into = Reconciliation::Merged { into: visit(2) };
    let models = given(&[(0, entered(1, None)), (50, entered(2, None)), (90, reconciled(1, into, -1))]).await;
    let (merged, kept) = (visit_row(&models, 1).await, visit_row(&models, 2).await);
    assert_eq!((merged.status, merged.merged_into), (VisitStatus::Merged, Some(visit(2))));
    assert_eq!((kept.status, kept.entered_at, kept.started_at), (VisitStatus::Open, Some(at(0)), at(0)));
    assert_eq!(kept.credentials.0, [plate("CAR2"), plate("CAR1")]);
    assert_eq!((merged.revisions.0, kept.revisions.0), (vec![0, 2], vec![1, 2]));
}

#[tokio::test]
async fn a_declared_visit_has_an_estimated_entry_and_takes_an_unidentified_vehicle() {
    let declared = ParkingEvent::VisitDeclared {
        visit: visit(1),
        pool: pool("short"),
        entry: Entry::Estimated { at: at(-600), basis: EstimateBasis::DriverStatement },
        credentials: vec![plate("LOST")],
        takes_unidentified: true,
    };
    let anonymous = passed_in(None, None, Vec::new(), None);
    let models = given(&[(0, anonymous), (50, declared)]).await;
    let visit = visit_row(&models, 1).await;
    assert_eq!((visit.entry_kind, visit.entered_at), (Some(EntryKind::Estimated), Some(at(-600))));
    let counts = row::<OccupancyRow>(&models, (facility(1), pool("short"))).await.unwrap();
    assert_eq!((counts.visits, counts.unidentified), (1, 0));
}

#[tokio::test]
async fn a_late_entry_joins_the_exit_that_came_before_it() {
    let key = (facility(1), at(500));
    let early = (500, left(Departure::MissedEntry));
    let models = given(std::slice::from_ref(&early)).await;
    let unmatched = row::<UnmatchedExitRow>(&models, key).await.unwrap();
    assert_eq!(unmatched.exits[0].credentials, [plate("CAR1")]);

    let joined = JoinedExit { lane: lane("out"), left_at: at(500), gives_back_unidentified: false };
    let models = given(&[early, (100, entered(1, Some(joined)))]).await;
    assert_eq!(row::<UnmatchedExitRow>(&models, key).await, None);
    let visit = visit_row(&models, 1).await;
    assert_eq!((visit.status, visit.ended_at), (VisitStatus::Left, Some(at(500))));
    let inside = async |second| past(&models, at(second)).await;
    assert_eq!((inside(99).await, inside(100).await, inside(499).await, inside(500).await), (0, 1, 1, 0));
}

async fn past(models: &ReadModels, when: Timestamp) -> i64 {
    queries::occupancy_at(&*models.store, facility(1), pool("short"), when).await.unwrap().inside
}

#[tokio::test]
async fn a_count_puts_the_missing_to_review_and_moves_the_unidentified() {
    let corrected = ParkingEvent::OccupancyCorrected {
        pool: pool("short"),
        counted: 3,
        ledger: 1,
        unidentified_change: 2,
        reason: "night round".to_owned(),
        to_review: vec![visit(1)],
    };
    let models = given(&[(0, entered(1, None)), (7_200, corrected)]).await;
    let missing = visit_row(&models, 1).await;
    assert_eq!((missing.status, missing.review_reason.as_deref()), (VisitStatus::Open, Some("MISSING")));
    assert_eq!((past(&models, at(7_199)).await, past(&models, at(7_200)).await), (1, 3));
}

#[tokio::test]
async fn a_corrected_plate_is_found_under_its_new_key_only() {
    let changed = ParkingEvent::CredentialsChanged {
        visit: visit(1),
        change: CredentialChange::Corrected,
        old: Some(plate("CAR1").match_key()),
        new: Some(plate("CAR7")),
    };
    let models = given(&[(0, entered(1, None)), (5, changed)]).await;
    let found = async |key: &str| {
        let query =
            Query::<VisitRow>::new().eq("facility", &facility(1)).eq("plate_key", &MatchKey(key.to_owned()));
        query.run(&*models.store).await.unwrap().rows.len()
    };
    assert_eq!((found("CAR1").await, found("CAR7").await), (0, 1));
}

#[tokio::test]
async fn inner_lanes_move_vehicles_between_areas() {
    let moved = |visit: Option<VisitId>| ParkingEvent::VehicleMoved {
        visit,
        lane: lane("ramp"),
        from: area("deck"),
        to: area("roof"),
        clock: DeviceClock::default(),
    };
    let scene = [(0, entered(1, None)), (1, entered(2, None)), (5, moved(Some(visit(1)))), (6, moved(None))];
    let models = given(&scene).await;
    let counts = queries::areas(&*models.store, facility(1)).await.unwrap();
    assert_eq!(counts.areas.into_iter().collect::<Vec<_>>(), [(area("deck"), 0), (area("roof"), 2)]);
    assert_eq!(counts.not_placed, 0);
    assert_eq!(visit_row(&models, 1).await.area, Some(area("roof")));
}

#[tokio::test]
async fn a_spot_out_of_service_is_a_place_less_until_it_returns() {
    let spot = SpotId::try_new("P1").unwrap();
    let taken = ParkingEvent::SpotTakenOutOfService { spot, pool: pool("short"), reason: "oil".to_owned() };
    let returned = ParkingEvent::SpotReturnedToService { spot, pool: pool("short") };
    let free = async |models: &ReadModels| {
        row::<OccupancyRow>(models, (facility(1), pool("short"))).await.unwrap().free()
    };
    let models = given(&[(0, taken.clone())]).await;
    assert_eq!(free(&models).await, Some(4));
    let out = row::<SpotOutOfServiceRow>(&models, (facility(1), spot)).await.unwrap();
    assert_eq!((out.reason.as_str(), out.since), ("oil", at(0)));
    let models = given(&[(0, taken), (9, returned)]).await;
    assert_eq!(free(&models).await, Some(5));
    assert_eq!(row::<SpotOutOfServiceRow>(&models, (facility(1), spot)).await, None);
}
