//! What everybody who answers analysts must do: one suite, run on each by [`figures_contract!`](crate::figures_contract).
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use async_trait::async_trait;
use octocity_domain::parking::{Departure, ParkingEvent};
use octocity_domain::sessions::SessionEvent;
use octocity_domain::time::Zone;
use octocity_domain::{Interval, Timestamp};

use super::scenes::*;
use super::{Figures, Hours, Scope, pool_days};
use crate::memory::MemoryRows;
use crate::store::RowStore;
use crate::testing::*;

const HOUR: i64 = 3_600;

/// One test's engine.
#[async_trait]
pub trait Answers: Send + Sync {
    /// Figures of all that the history says.
    async fn of(&self, history: &History) -> Arc<dyn Figures>;
}

/// The figures of the rows in a store.
pub struct OfRows(pub Arc<dyn RowStore>);

#[async_trait]
impl Answers for OfRows {
    async fn of(&self, history: &History) -> Arc<dyn Figures> {
        let models = history.read(Arc::clone(&self.0), 64).await;
        assert_eq!(models.store.parked(&[]).await.unwrap(), []);
        models.figures
    }
}

/// Runs the whole suite, each case as a test of its own, on what the expression makes: an [`Answers`] of no history yet.
#[macro_export]
macro_rules! figures_contract {
    ($answers:expr) => {
        $crate::figures_contract!($answers;
            every_hour_has_a_row_and_a_quiet_one_goes_on_with_what_was_inside,
            nothing_below_zero_is_shown_where_an_exit_is_told_before_its_entry,
            a_day_is_the_facilitys_own_and_may_have_25_hours,
            a_stay_counts_on_the_day_it_ended_and_only_if_it_was_seen_whole,
            a_stay_is_told_as_attendants_judged_it,
            revenue_is_told_by_tariff_and_day_charged_paid_and_owed,
            what_is_not_known_has_no_figures,
            answers_as_the_oracle_does,
        );
    };
    ($answers:expr; $($case:ident),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            $crate::analytics::contract::$case(&$answers).await;
        }
    )+};
}

pub fn scope(number: u128, zone: &str) -> Scope {
    let pools = vec![pool("long"), pool("short")];
    Scope { facility: facility(number), zone: Zone::try_new(zone).unwrap(), pools }
}

fn in_prague() -> [Scope; 1] {
    [scope(1, "Europe/Prague")]
}

fn between(start: Timestamp, end: Timestamp) -> Interval {
    Interval::try_new(start, end).unwrap()
}

async fn given(answers: &dyn Answers, scene: &[(Timestamp, ParkingEvent)]) -> Arc<dyn Figures> {
    let mut history = History::default();
    history.register(facility(1)).await;
    for (at, event) in scene {
        history.parking(facility(1), event, *at).await;
    }
    answers.of(&history).await
}

pub async fn every_hour_has_a_row_and_a_quiet_one_goes_on_with_what_was_inside(answers: &dyn Answers) {
    let scene = [
        (at(900), entered(1)),
        (at(HOUR + 1_800), entered(2)),
        (at(HOUR + 1_900), refused()),
        (at(4 * HOUR + 600), visit_left(1)),
    ];
    let figures = given(answers, &scene).await;
    let hours = Hours::within(&between(at(HOUR), at(6 * HOUR)));
    let found = figures.pool_hours(&in_prague(), hours).await.unwrap();
    let (long, short) = found.split_at(5);
    assert!(long.iter().all(|hour| hour.pool == pool("long") && hour.start_count == 0));
    let starts: Vec<_> = short.iter().map(|hour| hour.start_count).collect();
    assert_eq!(starts, [1, 2, 2, 2, 1], "the entry before the interval counts");
    let seconds: Vec<_> = short.iter().map(|hour| hour.vehicle_seconds()).collect();
    assert_eq!(seconds, [3_600 + 1_800, 7_200, 7_200, 7_200 - 3_000, 3_600]);
    assert_eq!((short[0].entries, short[0].exits, short[0].refused, short[0].peak), (1, 0, 1, 2));
}

pub async fn nothing_below_zero_is_shown_where_an_exit_is_told_before_its_entry(answers: &dyn Answers) {
    // The clock of the way in is two hours ahead.
    let scene = [(at(3 * HOUR + 1_800), entered(1)), (at(HOUR + 1_800), visit_left(1))];
    let figures = given(answers, &scene).await;
    let hours = Hours::within(&between(at(0), at(5 * HOUR)));
    let found = figures.pool_hours(&in_prague(), hours).await.unwrap();
    let short: Vec<_> = found.iter().filter(|hour| hour.pool == pool("short")).collect();
    let starts: Vec<_> = short.iter().map(|hour| hour.start_count).collect();
    assert_eq!(starts, [0, 0, -1, -1, 0], "the sums are true");
    for hour in &short {
        let shown = (hour.inside_at_start(), hour.most_inside(), hour.vehicle_seconds());
        assert_eq!(shown, (0, 0, 0), "{hour:?}");
        assert!(hour.inside_each(15).all(|inside| inside == 0), "{hour:?}");
    }
    let days = pool_days(&found, &prague());
    assert!(days.iter().all(|day| (day.peak, day.vehicle_seconds) == (0, 0)), "{days:?}");
}

pub async fn a_day_is_the_facilitys_own_and_may_have_25_hours(answers: &dyn Answers) {
    // In Prague the clocks went back on 2023-10-29: that day began at 22:00Z on the 28th.
    let began: Timestamp = "2023-10-28T22:00:00Z".parse().unwrap();
    let scene = [(began.minus_seconds(1), entered(1)), (began.plus_seconds(1_800), visit_left(1))];
    let figures = given(answers, &scene).await;
    let hours = Hours::within(&between(began.minus_seconds(2 * HOUR), began.plus_seconds(26 * HOUR)));
    let found = figures.pool_hours(&in_prague(), hours).await.unwrap();
    let days = pool_days(&found, &prague());
    let short: Vec<_> = days.iter().filter(|day| day.pool == pool("short")).collect();
    let told: Vec<_> = short.iter().map(|day| (prague().local_date(day.began_at), day.hours)).collect();
    let date = |text: &str| text.to_owned();
    assert_eq!(told, [(date("2023-10-28"), 2), (date("2023-10-29"), 25), (date("2023-10-30"), 1)]);
    assert_eq!((short[0].entries, short[0].exits, short[0].vehicle_seconds), (1, 0, 1));
    assert_eq!((short[1].entries, short[1].exits, short[1].vehicle_seconds, short[1].peak), (0, 1, 1_800, 1));
}

pub async fn a_stay_counts_on_the_day_it_ended_and_only_if_it_was_seen_whole(answers: &dyn Answers) {
    let scene = [
        (at(0), entered(1)),
        (at(0), entered(2)),
        (at(600), visit_left(1)),
        (at(1_800), visit_left(2)),
        (at(1_900), left(Departure::MissedEntry)),
    ];
    let figures = given(answers, &scene).await;
    let of = async |end: i64| figures.stay_days(&in_prague(), between(at(0), at(end))).await.unwrap();
    let days = of(HOUR).await;
    assert_eq!(days.len(), 1);
    assert_eq!((days[0].stays, days[0].seconds, days[0].longest_seconds), (2, 2_400, 1_800));
    assert_eq!(of(1_800).await[0].stays, 1, "the end of the interval is not in it");
}

pub async fn a_stay_is_told_as_attendants_judged_it(answers: &dyn Answers) {
    let figures = given(answers, &judged_stays()).await;
    let days = figures.stay_days(&in_prague(), between(at(0), at(2 * HOUR))).await.unwrap();
    let told: Vec<_> = days
        .iter()
        .map(|day| (day.pool, prague().local_date(day.began_at), day.stays, day.seconds, day.longest_seconds))
        .collect();
    let (first, second) = ("2023-11-14".to_owned(), "2023-11-15".to_owned());
    assert_eq!(
        told,
        [(pool("short"), first, 4, 1_100, 800), (pool("short"), second, 2, 8_000, 4_000)],
        "the clock strikes midnight at {}",
        at(HOUR)
    );
}

pub async fn revenue_is_told_by_tariff_and_day_charged_paid_and_owed(answers: &dyn Answers) {
    let mut history = History::default();
    history.register(facility(1)).await;
    for (number, tariff) in [(1, "summer"), (2, "summer"), (3, "winter")] {
        let mut events = vec![
            (at(0), opened(facility(1), number, by_the_hour(tariff), at(0))),
            (at(1_800), SessionEvent::StayEnded { ended_at: at(1_800) }),
        ];
        if number == 1 {
            events.push((at(1_900), credited(9, crowns(4_000), at(1_700))));
        }
        session(&mut history, facility(1), visit(number), events).await;
    }
    let figures = answers.of(&history).await;
    let days = figures.revenue_days(&in_prague(), between(at(0), at(HOUR))).await.unwrap();
    let told: Vec<_> = days
        .iter()
        .map(|day| (day.tariff.as_str(), day.sessions, day.charged_minor, day.paid_minor, day.owed_minor))
        .collect();
    assert_eq!(told, [("summer", 2, 8_000, 4_000, 4_000), ("winter", 1, 4_000, 0, 4_000)]);
}

pub async fn what_is_not_known_has_no_figures(answers: &dyn Answers) {
    let figures = given(answers, &[(at(900), entered(1)), (at(1_800), visit_left(1))]).await;
    let interval = between(at(0), at(2 * HOUR));
    let unknown = [scope(77, "Europe/Prague")];
    let hours = figures.pool_hours(&unknown, Hours::within(&interval)).await.unwrap();
    assert!(hours.len() == 4 && hours.iter().all(|hour| hour.peak == 0 && hour.entries == 0), "{hours:?}");
    assert_eq!(figures.stay_days(&unknown, interval).await.unwrap(), []);
    assert_eq!(figures.revenue_days(&unknown, interval).await.unwrap(), []);
    let nowhere = figures.pool_hours(&[], Hours::within(&interval)).await.unwrap();
    assert_eq!(nowhere, []);
}

/// Many questions, drawn by chance from a fixed seed, to it and to the rows in memory: equal to the digit.
pub async fn answers_as_the_oracle_does(answers: &dyn Answers) {
    let history = long_history().await;
    let figures = answers.of(&history).await;
    same_answers(&*figures, &history).await;
}

pub async fn same_answers(figures: &dyn Figures, history: &History) {
    let oracle = OfRows(Arc::new(MemoryRows::new())).of(history).await;
    let (mut chance, mut told) = (Chance(11), [0; 3]);
    let all = [scope(3, "Asia/Kathmandu"), scope(1, "Europe/Prague"), scope(2, "America/New_York")];
    for _ in 0..40 {
        let start = chance.second(90_000) - 25_000;
        let interval = between(at(start), at(start + 1 + chance.second(90_000)));
        let scopes = &all[usize::try_from(chance.below(3)).unwrap()..];
        let hours = Hours::within(&interval);
        let wanted = oracle.pool_hours(scopes, hours).await.unwrap();
        assert_eq!(figures.pool_hours(scopes, hours).await.unwrap(), wanted, "{interval:?}");
        told[0] += wanted.iter().map(|hour| hour.changes.len()).sum::<usize>();
        let wanted = oracle.stay_days(scopes, interval).await.unwrap();
        assert_eq!(figures.stay_days(scopes, interval).await.unwrap(), wanted, "{interval:?}");
        told[1] += wanted.len();
        let wanted = oracle.revenue_days(scopes, interval).await.unwrap();
        assert_eq!(figures.revenue_days(scopes, interval).await.unwrap(), wanted, "{interval:?}");
        told[2] += wanted.len();
    }
    assert!(told.iter().all(|told| *told > 50), "the questions ask for something: {told:?}");
}
