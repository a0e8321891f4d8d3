//! The money side of a visit, scene by scene.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::decider::{Context, Decider, Moment};
use crate::ids::{Code, CommandId, FacilityId, PaymentId, PoolId, VisitId};
use crate::money::{Currency, Money};
use crate::tariffs::Tariff;
use crate::testing::{SPEC_TIME, given};
use crate::time::{Timestamp, Zone};

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;

fn after(seconds: i64) -> Timestamp {
    SPEC_TIME.plus_seconds(seconds)
}
fn euro(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::try_new("EUR").unwrap())
}
fn pound(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::try_new("GBP").unwrap())
}
fn payment(number: u128) -> PaymentId {
    PaymentId(Uuid::from_u128(number))
}

/// 2.00 per started hour, 20 minutes to drive out.
fn tariff() -> Tariff {
    Tariff {
        id: Code::try_new("day-1").unwrap(),
        currency: Currency::try_new("EUR").unwrap(),
        free_seconds: 900,
        increment_seconds: 3600,
        price_per_increment_minor: 200,
        cap: None,
        grace_seconds: 1200,
    }
}

fn open() -> SessionCommand {
    SessionCommand::OpenSession {
        visit: VisitId(Uuid::from_u128(7)),
        facility: FacilityId(Uuid::from_u128(1)),
        pool: PoolId::try_new("short").unwrap(),
        entered_at: SPEC_TIME,
        tariff: tariff(),
        zone: Zone::try_new("Europe/Berlin").unwrap(),
    }
}
fn opened() -> SessionEvent {
    SessionEvent::SessionOpened {
        visit: VisitId(Uuid::from_u128(7)),
        facility: FacilityId(Uuid::from_u128(1)),
        pool: PoolId::try_new("short").unwrap(),
        entered_at: SPEC_TIME,
        tariff: tariff(),
        zone: Zone::try_new("Europe/Berlin").unwrap(),
    }
}
fn apply(number: u128, amount: Money, priced_at: Timestamp) -> SessionCommand {
    SessionCommand::ApplyCredit { payment: payment(number), amount, priced_at }
}
fn applied(number: u128, amount: Money, priced_at: Timestamp, leave_by: Option<Timestamp>) -> SessionEvent {
    let tariff = Some(tariff().id);
    SessionEvent::CreditApplied { payment: payment(number), amount, priced_at, leave_by, tariff }
}
fn reverse(number: u128, amount: Money, refund: u32) -> SessionCommand {
    SessionCommand::ReverseCredit { payment: payment(number), amount, refund }
}
fn adjust(amount: Money, reason: &str) -> SessionCommand {
    SessionCommand::AdjustCharge { amount, reason: reason.to_owned() }
}
fn end(seconds: i64) -> SessionCommand {
    SessionCommand::EndStay { ended_at: after(seconds) }
}
fn ended(seconds: i64) -> SessionEvent {
    SessionEvent::StayEnded { ended_at: after(seconds) }
}
fn owed(state: &SessionState, seconds: i64) -> i64 {
    state.owed(after(seconds)).unwrap().amount_minor
}

#[test]
fn a_session_opens_once() {
    given::<Session>([]).when(open()).then([opened()]).when(open()).then_nothing();
    given::<Session>([opened(), ended(HOUR)]).when(open()).then_nothing();
}

#[test]
fn what_has_no_session_owes_nothing_and_ends_nothing() {
    let spec = given::<Session>([]).when(end(HOUR)).then_refused("SESSION_UNKNOWN");
    assert_eq!(spec.state().quote(SPEC_TIME), None);
    spec.when(adjust(euro(1), "damage")).then_refused("SESSION_UNKNOWN");
}

#[test]
fn a_credit_covers_what_was_quoted_and_says_until_when_to_leave() {
    let leave_by = Some(after(79 * MINUTE));
    let spec = given::<Session>([opened()])
        .at(after(60 * MINUTE))
        .when(apply(1, euro(200), after(59 * MINUTE)))
        .then([applied(1, euro(200), after(59 * MINUTE), leave_by)]);
    assert_eq!(spec.state().leave_by(), leave_by);
    assert_eq!((owed(spec.state(), 79 * MINUTE), owed(spec.state(), 80 * MINUTE)), (0, 200));
}

#[test]
fn a_credit_that_does_not_cover_gives_no_time_to_leave() {
    given::<Session>([opened()])
        .at(after(HOUR))
        .when(apply(1, euro(100), after(59 * MINUTE)))
        .then([applied(1, euro(100), after(59 * MINUTE), None)]);
}

#[test]
fn one_payment_credits_once() {
    given::<Session>([opened(), applied(1, euro(200), SPEC_TIME, None)])
        .when(apply(1, euro(200), SPEC_TIME))
        .then_nothing();
}

#[test]
fn a_credit_may_come_before_the_session() {
    let early = SessionEvent::CreditApplied {
        payment: payment(1),
        amount: euro(200),
        priced_at: after(20 * MINUTE),
        leave_by: None,
        tariff: None,
    };
    let spec = given::<Session>([])
        .at(after(20 * MINUTE))
        .when(apply(1, euro(200), after(20 * MINUTE)))
        .then([early])
        .when(open())
        .then([opened()]);
    assert_eq!(owed(spec.state(), 50 * MINUTE), 0);
    assert_eq!(spec.state().leave_by(), Some(after(40 * MINUTE)));
}

#[test]
fn a_credit_may_come_too_late_or_be_too_much() {
    let spec = given::<Session>([opened(), ended(HOUR)])
        .at(after(100 * HOUR))
        .when(apply(1, euro(500), after(100 * HOUR)))
        .then_events_that(|events| events.len() == 1);
    let quote = spec.state().quote(after(101 * HOUR)).unwrap();
    assert_eq!((quote.owed.amount_minor, quote.surplus_minor), (0, 300));
}

#[test]
fn no_quote_is_from_the_future() {
    given::<Session>([opened()])
        .at(after(59 * MINUTE))
        .when(apply(1, euro(200), after(90 * HOUR)))
        .then([applied(1, euro(200), after(59 * MINUTE), Some(after(79 * MINUTE)))]);
}

#[test]
fn a_credit_has_the_currency_of_the_tariff_and_is_positive() {
    given::<Session>([opened()])
        .when(apply(1, pound(200), SPEC_TIME))
        .then_refused("CURRENCY_WRONG")
        .when(apply(1, euro(0), SPEC_TIME))
        .then_refused("AMOUNT_INVALID")
        .when(apply(1, euro(-5), SPEC_TIME))
        .then_refused("AMOUNT_INVALID");
}

#[test]
fn a_stay_that_ends_with_money_owed_leaves_a_debt() {
    let spec = given::<Session>([opened()]).when(end(90 * MINUTE)).then([ended(90 * MINUTE)]);
    assert_eq!(owed(spec.state(), 1000 * HOUR), 400);
}

#[test]
fn the_first_end_of_a_stay_counts() {
    given::<Session>([opened(), ended(HOUR)]).when(end(2 * HOUR)).then_nothing();
}

#[test]
fn a_stay_that_ends_within_the_grace_owes_nothing_for_ever() {
    let paid = applied(1, euro(200), after(59 * MINUTE), Some(after(79 * MINUTE)));
    let spec = given::<Session>([opened(), paid]).when(end(70 * MINUTE)).then([ended(70 * MINUTE)]);
    assert_eq!(owed(spec.state(), 1000 * HOUR), 0);
}

#[test]
fn a_stay_judged_anew_is_priced_anew() {
    let retime = |entered: i64, end: Option<i64>| SessionCommand::RetimeStay {
        entered_at: Some(after(entered)),
        ended_at: end.map(after),
    };
    let spec = given::<Session>([opened(), ended(5 * HOUR)])
        .when(retime(-2 * HOUR, Some(-HOUR)))
        .then([SessionEvent::StayRetimed { entered_at: after(-2 * HOUR), ended_at: Some(after(-HOUR)) }]);
    assert_eq!(owed(spec.state(), 100 * HOUR), 200);
    let spec = spec.when(retime(-2 * HOUR, Some(-HOUR))).then_nothing();
    let spec = spec.when(retime(-HOUR, Some(-2 * HOUR))).then_refused("STAY_ENDS_BEFORE_ENTRY");
    let spec = spec.when(retime(-3 * HOUR, None)).then_events_that(|events| events.len() == 1);
    assert_eq!((owed(spec.state(), 100 * HOUR), spec.state().ended_at()), (400, Some(after(-HOUR))));
    spec.when(retime(0, Some(1_000_000 * HOUR))).then_refused("TIME_IN_FUTURE");
}

#[test]
fn an_attendant_changes_the_charge_and_says_why() {
    let spec = given::<Session>([opened()])
        .when(adjust(euro(-150), " "))
        .then_refused("REASON_MISSING")
        .when(adjust(euro(-150), &"x".repeat(501)))
        .then_refused("TEXT_TOO_LONG")
        .when(adjust(euro(0), "nothing"))
        .then_refused("AMOUNT_INVALID")
        .when(adjust(euro(i64::MIN), "all"))
        .then_refused("AMOUNT_INVALID")
        .when(adjust(pound(-150), "lift broken"))
        .then_refused("CURRENCY_WRONG")
        .when(adjust(euro(-150), "lift broken"))
        .then_events_that(|events| events.len() == 1);
    assert_eq!((owed(spec.state(), HOUR), owed(spec.state(), 0)), (50, 0));
}

#[test]
fn each_refund_takes_a_credit_back_once() {
    let reversed = |amount_minor, refund| SessionEvent::CreditReversed {
        payment: payment(1),
        amount: euro(amount_minor),
        refund,
    };
    let spec = given::<Session>([opened(), applied(1, euro(200), after(20 * MINUTE), None)])
        .when(reverse(1, euro(50), 3))
        .then([reversed(50, 3)])
        .when(reverse(1, euro(50), 3))
        .then_nothing()
        .when(reverse(1, euro(151), 4))
        .then_refused("CREDIT_EXCEEDED")
        .when(reverse(1, pound(150), 4))
        .then_refused("CURRENCY_WRONG")
        .when(reverse(2, euro(1), 4))
        .then_refused("CREDIT_UNKNOWN")
        .when(reverse(1, euro(150), 4))
        .then([reversed(150, 4)]);
    assert_eq!(owed(spec.state(), HOUR), 200);
    spec.when(apply(1, euro(200), SPEC_TIME)).then_nothing();
}

#[test]
fn a_captured_payment_counts_before_it_is_credited() {
    let spec = given::<Session>([opened()]);
    let ahead = spec.state().with_credit(payment(1), euro(200), after(59 * MINUTE));
    assert_eq!((owed(spec.state(), 70 * MINUTE), owed(&ahead, 70 * MINUTE)), (400, 0));
    let twice = ahead.with_credit(payment(1), euro(200), after(59 * MINUTE));
    assert_eq!(twice.credits().len(), 1);
}

#[test]
fn a_merged_stay_is_charged_where_it_was_merged_into_and_what_was_paid_counts_there() {
    let (merged, kept) = (VisitId(Uuid::from_u128(8)), VisitId(Uuid::from_u128(7)));
    let paid = [opened(), applied(1, euro(200), after(20 * MINUTE), None)];
    let gone = given::<Session>(paid)
        .when(SessionCommand::MergeStay { into: kept })
        .then([SessionEvent::StayMerged { into: kept }])
        .when(SessionCommand::MergeStay { into: kept })
        .then_nothing()
        .when(adjust(euro(-50), "lift broken"))
        .then_refused("STAY_MERGED")
        .when(end(HOUR))
        .then_nothing()
        .when(reverse(1, euro(50), 3))
        .then_events_that(|events| events.len() == 1);
    assert_eq!((gone.state().quote(after(HOUR)), gone.state().merged_into()), (None, Some(kept)));

    let say = |revision, amount| SessionCommand::TakeOverStay {
        visit: merged,
        revision,
        entered_at: after(-HOUR),
        credits: vec![TakenCredit { payment: payment(1), amount: euro(amount), priced_at: after(HOUR) }],
    };
    let spec = given::<Session>([opened(), ended(HOUR)])
        .when(say(3, 200))
        .then_events_that(|events| events.len() == 1)
        .when(say(2, 900))
        .then_nothing();
    assert_eq!(owed(spec.state(), HOUR), 200, "two hours by now, of which one is paid, and its end stays");
    let spec = spec.when(say(4, 150)).then_events_that(|events| events.len() == 1);
    assert_eq!(owed(spec.state(), HOUR), 250);
    // Its own payment and the merged visit's may be one.
    let spec = spec.when(apply(1, euro(250), after(HOUR))).then_events_that(|events| events.len() == 1);
    assert_eq!((owed(spec.state(), HOUR), spec.state().ended_at()), (0, Some(after(HOUR))));
}

#[test]
fn a_session_that_nobody_paid_for_and_that_never_opened_is_of_no_use_to_another() {
    let into = VisitId(Uuid::from_u128(7));
    given::<Session>([]).when(SessionCommand::MergeStay { into }).then_nothing();
    let empty =
        SessionCommand::TakeOverStay { visit: into, revision: 1, entered_at: SPEC_TIME, credits: vec![] };
    given::<Session>([]).when(empty).then_nothing();
}

fn command() -> impl Strategy<Value = SessionCommand> {
    let seconds = 0..100_000_i64;
    prop_oneof![
        2 => Just(open()),
        1 => seconds.clone().prop_map(end),
        1 => (seconds.clone(), proptest::option::of(0..100_000_i64)).prop_map(|(entered, ended)| {
            SessionCommand::RetimeStay { entered_at: Some(after(entered)), ended_at: ended.map(after) }
        }),
        2 => (-500..500_i64).prop_map(|amount| adjust(euro(amount), "why")),
        4 => (0..4_u128, -10..900_i64, seconds).prop_map(|(p, amount, at)| apply(p, euro(amount), after(at))),
        1 => Just(SessionCommand::MergeStay { into: VisitId(Uuid::from_u128(9)) }),
        1 => (0..4_u64, 0..500_i64).prop_map(|(revision, amount)| SessionCommand::TakeOverStay {
            visit: VisitId(Uuid::from_u128(8)),
            revision,
            entered_at: SPEC_TIME,
            credits: vec![TakenCredit { payment: payment(1), amount: euro(amount), priced_at: SPEC_TIME }],
        }),
        3 => (0..4_u128, 0..500_i64, 0..4_u32).prop_map(|(p, amount, refund)| reverse(p, euro(amount), refund)),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_credits_are_conserved_and_snapshots_tell_the_same(
        commands in proptest::collection::vec(command(), 0..30), cut in 0..30_usize,
    ) {
        let mut state = SessionState::default();
        let mut restored = SessionState::default();
        let (mut given_minor, mut taken_minor) = (0, 0);
        for (step, command) in commands.iter().enumerate() {
            let now = after(step as i64 * 1000);
            let context = Context { command_id: CommandId(Uuid::from_u128(step as u128)), now };
            let decision = Session::decide(&state, command, &(), context);
            for fact in decision.events() {
                let stored = serde_json::to_string(&fact.event).unwrap();
                let event: SessionEvent = serde_json::from_str(&stored).unwrap();
                prop_assert_eq!(&event, &fact.event);
                match &event {
                    SessionEvent::CreditApplied { amount, .. } => given_minor += amount.amount_minor,
                    SessionEvent::CreditReversed { amount, .. } => taken_minor += amount.amount_minor,
                    _ => {}
                }
                let moment = Moment { happened_at: fact.happened_at, decided_at: now };
                Session::evolve(&mut state, &event, moment);
                Session::evolve(&mut restored, &event, moment);
            }
            let repeated = Session::decide(&state, command, &(), context);
            if !matches!(command, SessionCommand::AdjustCharge { .. }) {
                prop_assert!(repeated.events().is_empty(), "{:?} twice", command);
            }
            if step == cut {
                restored = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
            }
            prop_assert!(state.credits().iter().all(|credit| credit.amount.amount_minor >= 0));
        }
        let held: i64 = state.credits().iter().map(|credit| credit.amount.amount_minor).sum();
        prop_assert_eq!(held, given_minor - taken_minor);
        prop_assert_eq!(&state, &restored);
    }
}
