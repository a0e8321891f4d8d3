//! Read models are a function of the log: however it is cut, interrupted or replayed, the rows are the same, and
//! they say what the gates themselves know.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use octocity_domain::parking::{Departure, DeviceClock, ParkingEvent, Reconciliation};
use octocity_domain::{Event, FacilityId, PoolId, Timestamp};
use octocity_log::{EventLog, Position, decode};
use octocity_projections::parking::{OccupancyHourRow, OccupancyRow, queries};
use octocity_projections::testing::*;
use octocity_projections::{CommitFault, MemoryRows, Query, ReadModels};
use proptest::prelude::*;

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let late = prop_oneof![3 => Just(0_u16), 2 => 0..600_u16, 1 => 0..40_000_u16];
    proptest::collection::vec((any::<u8>(), any::<u8>(), late, any::<bool>()), 1..150)
}

async fn occupancy(models: &ReadModels) -> Vec<OccupancyRow> {
    Query::<OccupancyRow>::new().run(&*models.store).await.unwrap().rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_cut_into_batches_gives_equal_rows(moves in moves(), cut in 1..40_usize) {
        run(async {
            let history = play(&mut [Garage::new(1), Garage::new(2)], &moves).await;
            let whole = history.read(Arc::new(MemoryRows::new()), usize::MAX >> 1).await;
            let cut = history.read(Arc::new(MemoryRows::new()), cut).await;
            prop_assert_eq!(hashes(&whole).await, hashes(&cut).await);
            Ok(())
        })?;
    }

    #[test]
    fn a_rebuild_and_faults_between_change_nothing(moves in moves(), faults in proptest::collection::vec(0..3_u8, 1..12)) {
        run(async {
            let history = play(&mut [Garage::new(1)], &moves).await;
            let whole = history.read(Arc::new(MemoryRows::new()), 4_096).await;

            let store = Arc::new(MemoryRows::new());
            let retries = faults.len();
            store.inject(faults.iter().map(|fault| match fault {
                0 => None,
                1 => Some(CommitFault::NotWritten),
                _ => Some(CommitFault::ReplyLost),
            }));
            // Each fault ends an engine; the next one takes up what the store says.
            for _ in 0..=retries {
                let mut engine = history.engine(store.clone(), 7).await;
                if engine.catch_up(|_| {}).await.is_ok() {
                    break;
                }
            }
            store.heal();
            let mut engine = history.engine(store.clone(), 7).await;
            engine.catch_up(|_| {}).await.unwrap();
            prop_assert_eq!(hashes(&whole).await, hashes(&engine.models()).await);

            engine.rebuild(&[], |_| {}).await.unwrap();
            prop_assert_eq!(hashes(&whole).await, hashes(&engine.models()).await);
            Ok(())
        })?;
    }

    #[test]
    fn the_counts_are_those_of_the_gates(moves in moves()) {
        run(async {
            let mut garages = [Garage::new(1), Garage::new(2)];
            let history = play(&mut garages, &moves).await;
            let models = history.read(Arc::new(MemoryRows::new()), 16).await;
            for row in occupancy(&models).await {
                let garage = garages.iter().find(|garage| garage.facility == row.facility).unwrap();
                let ledger = garage.state.pool(row.pool);
                let known = [row.visits, row.unidentified, row.granted, row.held, row.on_reservation];
                let decided = [
                    ledger.visits,
                    ledger.unidentified,
                    ledger.granted,
                    ledger.held,
                    ledger.on_reservation,
                ]
                .map(i64::from);
                prop_assert_eq!(known, decided);
            }
            Ok(())
        })?;
    }

    #[test]
    fn the_past_is_what_a_recount_gives(moves in moves(), probes in proptest::collection::vec(-40_000..25_000_i64, 1..20)) {
        run(async {
            let history = play(&mut [Garage::new(1), Garage::new(2)], &moves).await;
            let models = history.read(Arc::new(MemoryRows::new()), 11).await;
            let changes = recount(&history).await;
            for row in occupancy(&models).await {
                let key = (row.facility, row.pool);
                let of_pool = changes.get(&key).map(Vec::as_slice).unwrap_or_default();
                for probe in probes.iter().map(|seconds| at(*seconds)) {
                    let past = queries::occupancy_at(&*models.store, row.facility, row.pool, probe).await.unwrap();
                    let naive: i64 = of_pool.iter().filter(|(when, _)| *when <= probe).map(|(_, change)| change).sum();
                    prop_assert_eq!(past.inside, naive.max(0));
                }
                let last = queries::occupancy_at(&*models.store, row.facility, row.pool, at(1 << 30)).await.unwrap();
                prop_assert_eq!(last.inside, row.inside());
            }
            peaks_are_right(&models).await
        })?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Further back than the hours that stay in memory, in any order.
    #[test]
    fn news_of_days_ago_changes_the_past(times in proptest::collection::vec(0..500_000_i64, 1..150), batch in 1..20_usize) {
        run(async {
            let mut history = History::default();
            history.register(facility(1)).await;
            for seconds in &times {
                history.parking(facility(1), &anonymous_entry(), at(*seconds)).await;
            }
            let models = history.read(Arc::new(MemoryRows::new()), batch).await;
            for probe in times.iter().flat_map(|seconds| [seconds - 1, *seconds, seconds + 4_000]) {
                let past = queries::occupancy_at(&*models.store, facility(1), pool("short"), at(probe)).await.unwrap();
                let naive = times.iter().filter(|seconds| **seconds <= probe).count();
                prop_assert_eq!(past.inside, naive as i64);
            }
            let whole = history.read(Arc::new(MemoryRows::new()), 4_096).await;
            prop_assert_eq!(hashes(&models).await, hashes(&whole).await);
            peaks_are_right(&models).await
        })?;
    }
}

fn anonymous_entry() -> ParkingEvent {
    ParkingEvent::VehicleEntered {
        visit: None,
        grant: None,
        lane: lane("in"),
        pool: pool("short"),
        area: Some(area("deck")),
        credentials: Vec::new(),
        irregularities: Vec::new(),
        joined_exit: None,
        used_reservation: None,
        clock: DeviceClock::default(),
    }
}

/// Every change of every pool's inside, from the events alone.
async fn recount(history: &History) -> BTreeMap<(FacilityId, PoolId), Vec<(Timestamp, i64)>> {
    let page = history.log.read_all(Position(0), usize::MAX, &[], &[]).await.unwrap();
    let mut changes = BTreeMap::<_, Vec<_>>::new();
    for recorded in page.events {
        let event = decode(recorded.stream.category, &recorded.event_type, 1, &recorded.data).unwrap();
        let Event::Parking(event) = event else { continue };
        let mut change = |pool: PoolId, when, change: i64| {
            changes.entry((recorded.meta.key, pool)).or_default().push((when, change));
        };
        let when = recorded.meta.happened_at;
        match event {
            ParkingEvent::VehicleEntered { pool, joined_exit, .. } => {
                change(pool, when, 1);
                if let Some(joined) = joined_exit.filter(|joined| !joined.gives_back_unidentified) {
                    change(pool, joined.left_at, -1);
                }
            }
            ParkingEvent::VehicleLeft {
                departure: Departure::Visit { .. } | Departure::Unidentified,
                pool,
                ..
            } => {
                change(pool, when, -1);
            }
            ParkingEvent::VisitDeclared { pool, takes_unidentified: false, .. } => change(pool, when, 1),
            ParkingEvent::VisitPresumedLeft { pool, .. } => change(pool, when, -1),
            ParkingEvent::VisitReconciled { pool, visits_change, unidentified_change, outcome, .. } => {
                assert!(!matches!(outcome, Reconciliation::Reassigned { .. }), "not among the moves");
                change(pool, when, i64::from(visits_change) + i64::from(unidentified_change));
            }
            ParkingEvent::OccupancyCorrected { pool, unidentified_change, .. } => {
                change(pool, when, unidentified_change);
            }
            _ => {}
        }
    }
    changes
}

async fn peaks_are_right(models: &ReadModels) -> Result<(), TestCaseError> {
    for row in Query::<OccupancyHourRow>::new().run(&*models.store).await.unwrap().rows {
        let highest = (0..3_600).map(|second| row.sum_after(second)).max().unwrap();
        prop_assert_eq!(row.peak, highest.max(row.start_count));
        prop_assert_eq!(row.net, row.sum_after(3_599) - row.start_count);
    }
    Ok(())
}
