//! What a stay costs, and what a quote promises.

use proptest::prelude::*;

use super::*;
use crate::ids::Code;
use crate::money::Currency;
use crate::time::{Timestamp, Zone};

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;

/// 15 minutes free, 2.00 per started hour, 12.00 a day, 20 minutes to drive out.
fn tariff(cap: Option<CapPeriod>) -> Tariff {
    Tariff {
        id: Code::try_new("day-1").unwrap(),
        currency: Currency::try_new("EUR").unwrap(),
        free_seconds: 900,
        increment_seconds: 3600,
        price_per_increment_minor: 200,
        cap: cap.map(|period| Cap { amount_minor: 1200, period }),
        grace_seconds: 1200,
    }
}

fn utc() -> Zone {
    Zone::try_new("UTC").unwrap()
}

/// 2026-03-02T10:00:00Z.
fn entry() -> Timestamp {
    Timestamp::from_seconds(1_772_445_600)
}

fn after(seconds: i64) -> Timestamp {
    entry().plus_seconds(seconds)
}

fn costs(tariff: &Tariff, seconds: i64) -> i64 {
    price(tariff, &utc(), entry(), after(seconds)).1.amount_minor
}

fn credit(amount_minor: i64, seconds: i64) -> Credit {
    Credit { amount_minor, priced_at: after(seconds) }
}

fn quoted(credits: &[Credit], seconds: i64) -> Quote {
    quote(&tariff(Some(CapPeriod::DayFromEntry)), &utc(), entry(), after(seconds), credits, None)
}

#[test]
fn a_stay_up_to_the_free_time_costs_nothing() {
    assert_eq!(costs(&tariff(None), 0), 0);
    assert_eq!(costs(&tariff(None), 15 * MINUTE), 0);
    let (lines, _) = price(&tariff(None), &utc(), entry(), after(60));
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].rule, lines[0].interval.end), (QuoteRule::FreeTime, after(15 * MINUTE)));
}

#[test]
fn a_longer_stay_is_charged_from_its_entry_per_started_increment() {
    assert_eq!(costs(&tariff(None), 15 * MINUTE + 1), 200);
    assert_eq!(costs(&tariff(None), HOUR), 200);
    assert_eq!(costs(&tariff(None), HOUR + 1), 400);
    let by_a_millisecond = Timestamp::from_millis(after(HOUR).millis() + 1);
    assert_eq!(price(&tariff(None), &utc(), entry(), by_a_millisecond).1.amount_minor, 400);
}

#[test]
fn a_stay_that_ends_before_its_entry_costs_nothing() {
    assert_eq!(costs(&tariff(None), -HOUR), 0);
}

#[test]
fn the_cap_of_24_hours_counts_from_the_entry() {
    let capped = tariff(Some(CapPeriod::DayFromEntry));
    assert_eq!(costs(&capped, 6 * HOUR), 1200);
    assert_eq!(costs(&capped, 24 * HOUR), 1200);
    assert_eq!(costs(&capped, 24 * HOUR + 1), 1400);
    assert_eq!(costs(&capped, 48 * HOUR), 2400);
    let (lines, _) = price(&capped, &utc(), entry(), after(25 * HOUR));
    let rules: Vec<_> = lines.iter().map(|line| (line.rule, line.amount_minor, line.interval.end)).collect();
    let expected = [(QuoteRule::Cap, 1200, after(24 * HOUR)), (QuoteRule::Increments, 200, after(25 * HOUR))];
    assert_eq!(rules, expected);
}

#[test]
fn the_cap_of_the_local_day_ends_at_midnight() {
    let capped = tariff(Some(CapPeriod::LocalDay));
    // Entered at 10:00: the hours to midnight are 14, capped at six.
    assert_eq!(costs(&capped, 14 * HOUR), 1200);
    assert_eq!(costs(&capped, 15 * HOUR), 1400);
    assert_eq!(costs(&capped, 38 * HOUR), 2400);
}

#[test]
fn an_increment_belongs_to_the_day_in_which_it_starts() {
    let late = after(13 * HOUR + 30 * MINUTE);
    let (_, paid) = price(&tariff(Some(CapPeriod::LocalDay)), &utc(), late, late.plus_seconds(HOUR));
    assert_eq!(paid.amount_minor, 200);
}

/// Days of 23 and 25 hours: the hours between the local midnights, without a cap that hides them.
#[test]
fn a_local_day_has_as_many_hours_as_its_clocks_show() {
    let berlin = Zone::try_new("Europe/Berlin").unwrap();
    let hourly = Tariff {
        free_seconds: 0,
        cap: Some(Cap { amount_minor: 24 * 200, period: CapPeriod::LocalDay }),
        ..tariff(None)
    };
    // 2026-03-29T00:00+01:00, 2026-10-25T00:00+02:00, and an ordinary day between.
    for (midnight, hours) in [(1_774_738_800, 23), (1_792_879_200, 25), (1_780_264_800, 24)] {
        let start = Timestamp::from_seconds(midnight);
        let day = berlin.local_day(start);
        assert_eq!((day.start, day.end), (start, start.plus_seconds(hours * HOUR)));
        let (_, whole_day) = price(&hourly, &berlin, start, day.end);
        assert_eq!(whole_day.amount_minor, 200 * hours.min(24));
        let (_, an_hour_more) = price(&hourly, &berlin, start, day.end.plus_seconds(HOUR));
        assert_eq!(an_hour_more.amount_minor, 200 * (hours.min(24) + 1));
    }
}

#[test]
fn extremes_neither_overflow_nor_last() {
    let dear = Tariff {
        increment_seconds: 1,
        price_per_increment_minor: 1_000_000_000,
        ..tariff(Some(CapPeriod::LocalDay))
    };
    let (first, last) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
    for capped in [None, Some(CapPeriod::DayFromEntry), Some(CapPeriod::LocalDay)] {
        let dear =
            Tariff { cap: capped.map(|period| Cap { amount_minor: 1_000_000_000, period }), ..dear.clone() };
        assert!(price(&dear, &utc(), first, last).1.amount_minor > 0);
        assert!(price(&dear, &utc(), last, last).1.amount_minor == 0);
        assert!(quote(&dear, &utc(), first, last, &[], None).owed.amount_minor > 0);
    }
    // A vehicle left for a century costs what ten years do.
    let years = |count: i64| costs(&tariff(Some(CapPeriod::LocalDay)), count * 366 * 24 * HOUR);
    assert_eq!(years(100), years(11));
}

#[test]
fn a_tariff_that_cannot_be_says_why() {
    let good = tariff(Some(CapPeriod::LocalDay));
    let cap = |amount_minor| Some(Cap { amount_minor, period: CapPeriod::LocalDay });
    assert_eq!(good.check(), Ok(()));
    let faults = [
        (Tariff { increment_seconds: 0, ..good.clone() }, TariffFault::IncrementZero),
        (Tariff { price_per_increment_minor: -1, ..good.clone() }, TariffFault::PriceNegative),
        (Tariff { cap: cap(-1), ..good.clone() }, TariffFault::PriceNegative),
        (Tariff { price_per_increment_minor: 1_000_000_001, ..good.clone() }, TariffFault::AmountTooLarge),
        (Tariff { cap: cap(1_000_000_001), ..good.clone() }, TariffFault::AmountTooLarge),
        (Tariff { grace_seconds: 32 * 86_400, ..good.clone() }, TariffFault::DurationTooLong),
        (Tariff { increment_seconds: u32::MAX, ..good }, TariffFault::DurationTooLong),
    ];
    for (tariff, fault) in faults {
        assert_eq!(tariff.check(), Err(fault));
    }
}

#[test]
fn before_paying_a_quote_holds_to_the_end_of_its_increment() {
    let quote = quoted(&[], 20 * MINUTE);
    assert_eq!((quote.owed.amount_minor, quote.priced_at), (200, after(20 * MINUTE)));
    assert_eq!(quote.holds_until, after(HOUR));
}

#[test]
fn a_quote_holds_at_least_for_the_grace() {
    assert_eq!(quoted(&[], 59 * MINUTE).holds_until, after(79 * MINUTE));
}

#[test]
fn in_the_free_time_a_quote_holds_to_its_end_and_no_longer() {
    assert_eq!(quoted(&[], 14 * MINUTE).holds_until, after(15 * MINUTE));
}

#[test]
fn a_quote_under_the_cap_holds_for_a_day_at_most() {
    assert_eq!(quoted(&[], 7 * HOUR).holds_until, after(24 * HOUR));
    let never_rising = Tariff { price_per_increment_minor: 0, ..tariff(None) };
    let quote = quote(&never_rising, &utc(), entry(), after(HOUR), &[], None);
    assert_eq!(quote.holds_until, after(25 * HOUR));
}

#[test]
fn within_the_grace_after_paying_nothing_further_is_owed() {
    let paid = [credit(200, 59 * MINUTE)];
    let leaving = quoted(&paid, 79 * MINUTE);
    assert_eq!((leaving.owed.amount_minor, leaving.price.amount_minor), (0, 200));
    assert_eq!(leaving.holds_until, after(79 * MINUTE));
}

#[test]
fn after_the_grace_the_difference_on_the_same_ladder_is_owed() {
    let late = quoted(&[credit(200, 59 * MINUTE)], 79 * MINUTE + 1);
    assert_eq!((late.price.amount_minor, late.credits_minor, late.owed.amount_minor), (400, 200, 200));
}

#[test]
fn what_was_paid_stays_paid_to_the_end_of_its_increment() {
    let paid = quoted(&[credit(200, 20 * MINUTE)], 50 * MINUTE);
    assert_eq!((paid.owed.amount_minor, paid.holds_until), (0, after(HOUR)));
}

#[test]
fn a_part_payment_buys_no_grace() {
    let part = quoted(&[credit(150, 59 * MINUTE)], 61 * MINUTE);
    assert_eq!(part.owed.amount_minor, 250);
}

#[test]
fn a_payment_hours_later_does_not_make_good_an_older_one() {
    let paid = [credit(150, 59 * MINUTE), credit(50, 5 * HOUR)];
    let ended = quote(&tariff(None), &utc(), entry(), after(6 * HOUR), &paid, Some(after(61 * MINUTE)));
    assert_eq!(ended.owed.amount_minor, 200);
}

#[test]
fn a_coin_in_the_free_time_buys_no_grace() {
    assert_eq!(quoted(&[credit(1, 14 * MINUTE)], 20 * MINUTE).owed.amount_minor, 199);
}

#[test]
fn a_coin_in_the_grace_does_not_lengthen_it() {
    let paid = [credit(200, 59 * MINUTE), credit(1, 78 * MINUTE)];
    assert_eq!(quoted(&paid, 80 * MINUTE).owed.amount_minor, 199);
}

#[test]
fn what_was_paid_too_much_is_shown() {
    let quote = quoted(&[credit(500, 20 * MINUTE)], 21 * MINUTE);
    assert_eq!((quote.owed.amount_minor, quote.surplus_minor), (0, 300));
}

#[test]
fn a_stay_that_ended_costs_no_more_as_time_goes_by() {
    let ended = |now| quote(&tariff(None), &utc(), entry(), now, &[], Some(after(HOUR)));
    assert_eq!(ended(after(50 * HOUR)).owed.amount_minor, 200);
}

fn any_tariff() -> impl Strategy<Value = Tariff> {
    let cap = (0..5000_i64, prop_oneof![Just(CapPeriod::DayFromEntry), Just(CapPeriod::LocalDay)])
        .prop_map(|(amount_minor, period)| Cap { amount_minor, period });
    (0..7200_u32, 1..100_000_u32, 0..1000_i64, proptest::option::of(cap), 0..7200_u32).prop_map(
        |(free_seconds, increment_seconds, price_per_increment_minor, cap, grace_seconds)| Tariff {
            free_seconds,
            increment_seconds,
            price_per_increment_minor,
            cap,
            grace_seconds,
            ..tariff(None)
        },
    )
}

/// Entries round both changes of the clocks in Berlin, 2026.
fn any_entry() -> impl Strategy<Value = Timestamp> {
    let hours = -100..100_i64;
    (prop_oneof![Just(1_774_738_800_i64), Just(1_792_879_200)], hours, 0..3_600_000_i64)
        .prop_map(|(at, hours, millis)| Timestamp::from_millis((at + hours * HOUR) * 1000 + millis))
}

proptest! {
    #[test]
    fn a_longer_stay_never_costs_less(
        tariff in any_tariff(), entry in any_entry(), stay in 0..700_000_i64, longer in 0..100_000_i64,
    ) {
        let berlin = Zone::try_new("Europe/Berlin").unwrap();
        let cost = |seconds| price(&tariff, &berlin, entry, entry.plus_seconds(seconds)).1.amount_minor;
        prop_assert!(cost(stay) <= cost(stay + longer));
    }

    #[test]
    fn lines_add_up_to_price_less_credits(
        tariff in any_tariff(), entry in any_entry(), now in 0..700_000_i64, adjusted_minor in -2000..2000_i64,
        paid in proptest::collection::vec((1..2000_i64, 0..700_000_i64), 0..4),
    ) {
        let zone = Zone::try_new("Europe/Berlin").unwrap();
        let credits = paid.iter().map(|(amount_minor, at)| Credit {
            amount_minor: *amount_minor,
            priced_at: entry.plus_seconds(*at),
        });
        let bill = Bill {
            tariff: &tariff, zone: &zone, entered_at: entry, ended_at: None, adjusted_minor,
            credits: credits.collect(),
        };
        let quote = bill.quote(entry.plus_seconds(now));
        let sum: i64 = quote.lines.iter().map(|line| line.amount_minor).sum();
        prop_assert_eq!(sum, quote.price.amount_minor - quote.credits_minor);
        prop_assert_eq!(quote.owed.amount_minor - quote.surplus_minor, sum);
        prop_assert!(quote.owed.amount_minor >= 0 && quote.surplus_minor >= 0);
        prop_assert!(quote.holds_until >= quote.priced_at);
    }

    #[test]
    fn who_pays_while_a_quote_holds_owes_nothing_then(
        tariff in any_tariff(), entry in any_entry(), now in 0..400_000_i64, earlier in 0..400_000_i64,
        paid_minor in 0..1500_i64, part in 0.0..=1.0_f64,
    ) {
        let zone = Zone::try_new("Europe/Berlin").unwrap();
        let now = entry.plus_seconds(now);
        let first = Credit { amount_minor: paid_minor, priced_at: now.minus_seconds(earlier) };
        let quoted = quote(&tariff, &zone, entry, now, &[first], None);
        let paid = Credit { amount_minor: quoted.owed.amount_minor, priced_at: quoted.priced_at };
        let held_millis = (quoted.holds_until.millis() - now.millis()) as f64;
        for leaving in [Timestamp::from_millis(now.millis() + (held_millis * part) as i64), quoted.holds_until] {
            let then = quote(&tariff, &zone, entry, leaving, &[first, paid], None);
            prop_assert_eq!(then.owed.amount_minor, 0);
        }
    }
}
