//! A payment's life, scene by scene.

use std::sync::Arc;

use proptest::prelude::*;
use uuid::Uuid;

use super::split::split_minor;
use super::*;
use crate::decider::{Context, Decider, Decision, Moment, Refusal};
use crate::facilities::{Layout, Plan, Policies};
use crate::ids::{CommandId, FacilityId, OperatorId, ReservationId, VisitId};
use crate::money::{Currency, Money};
use crate::testing::{SPEC_TIME, Spec, given_with};
use crate::time::Zone;

fn euro(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::try_new("EUR").unwrap())
}
fn pound(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::try_new("GBP").unwrap())
}
fn facility() -> FacilityId {
    FacilityId(Uuid::from_u128(1))
}
fn facts() -> PaymentFacts {
    let plan = Plan {
        facility: facility(),
        version: 1,
        operator: OperatorId::try_new("city").unwrap(),
        name: "Brindleyplace".to_owned(),
        zone: Zone::try_new("Europe/Berlin").unwrap(),
        currency: Currency::try_new("EUR").unwrap(),
        layout: Layout::default(),
        policies: Policies::default(),
        tariffs: Vec::new(),
    };
    PaymentFacts { plan: Some(Arc::new(plan)), unknown_payable: None }
}
fn session(number: u128) -> Payable {
    Payable::Session { visit: VisitId(Uuid::from_u128(number)) }
}
fn part(number: u128, amount_minor: i64) -> Allocation {
    Allocation { payable: session(number), amount_minor }
}
fn authorize_with(amount: Money, allocations: Vec<Allocation>, token: &str) -> PaymentCommand {
    let (facility, token) = (facility(), token.into());
    PaymentCommand::AuthorizePayment { facility, amount, allocations, token, priced_at: None }
}
/// A family pays two tickets at one machine: 3.00 and 2.00.
fn authorize() -> PaymentCommand {
    authorize_with(euro(500), vec![part(1, 300), part(2, 200)], "tok_visa")
}
fn capture(amount: Option<Money>) -> PaymentCommand {
    PaymentCommand::CapturePayment { amount }
}
fn refund(amount: Option<Money>) -> PaymentCommand {
    PaymentCommand::RefundPayment { amount, reason: "paid twice".to_owned() }
}
fn answered(call: u32, outcome: GatewayOutcome) -> PaymentCommand {
    PaymentCommand::RecordGatewayOutcome { call, outcome }
}
fn done(call: u32) -> PaymentCommand {
    answered(call, GatewayOutcome::Done { reference: format!("gw-{call}") })
}
fn declined(call: u32) -> PaymentCommand {
    answered(call, GatewayOutcome::Declined { reason: "insufficient funds".to_owned() })
}
fn lost(call: u32) -> PaymentCommand {
    answered(call, GatewayOutcome::Unknown { reason: "no answer".to_owned() })
}
fn planned(number: u32, verb: GatewayVerb, amount_minor: i64) -> PaymentEvent {
    let call = GatewayCall { number, verb, amount: euro(amount_minor) };
    let reason = (verb == GatewayVerb::Refund).then(|| "paid twice".to_owned());
    PaymentEvent::GatewayCallPlanned { call, reason }
}
fn nothing_yet() -> Spec<Payment> {
    given_with::<Payment>(facts(), [])
}
fn requested() -> Spec<Payment> {
    nothing_yet().when(authorize()).then_events_that(|events| events.len() == 2)
}
fn authorized() -> Spec<Payment> {
    requested().when(done(1)).then_events_that(|events| events.len() == 1)
}
fn captured(amount: Option<Money>) -> Spec<Payment> {
    let spec = authorized().when(capture(amount)).then_events_that(|events| events.len() == 1);
    spec.when(done(2)).then_events_that(|events| matches!(events, [PaymentEvent::PaymentCaptured { .. }]))
}

#[test]
fn a_request_is_stored_with_the_intent_of_its_first_call() {
    let request = PaymentEvent::PaymentRequested {
        facility: facility(),
        amount: euro(500),
        allocations: vec![part(1, 300), part(2, 200)],
        token: "tok_visa".into(),
        priced_at: SPEC_TIME,
    };
    let spec = nothing_yet().when(authorize()).then([request, planned(1, GatewayVerb::Authorize, 500)]);
    assert_eq!(spec.state().status(), Some(PaymentStatus::Requested));
    assert_eq!(spec.state().open_call().map(|call| call.number), Some(1));
    spec.when(authorize()).then_refused("PAYMENT_EXISTS");
}

#[test]
fn what_was_never_requested_is_unknown() {
    for command in [capture(None), refund(None), PaymentCommand::VoidPayment, done(1)] {
        nothing_yet().when(command).then_refused("PAYMENT_UNKNOWN");
    }
}

#[test]
fn a_request_that_cannot_be_is_refused() {
    let one = |amount, token| authorize_with(amount, vec![part(1, 500)], token);
    let parts = |parts| authorize_with(euro(500), parts, "tok_visa");
    nothing_yet()
        .when(one(pound(500), "tok_visa"))
        .then_refused("CURRENCY_WRONG")
        .when(one(euro(0), "tok_visa"))
        .then_refused("AMOUNT_INVALID")
        .when(one(euro(1_000_000_001), "tok_visa"))
        .then_refused("AMOUNT_INVALID")
        .when(parts(Vec::new()))
        .then_refused("ALLOCATIONS_INVALID")
        .when(parts(vec![part(1, 501), part(2, -1)]))
        .then_refused("ALLOCATIONS_INVALID")
        .when(parts(vec![part(1, 250), part(1, 250)]))
        .then_refused("ALLOCATION_TWICE")
        .when(parts(vec![part(1, 250), part(2, 249)]))
        .then_refused("ALLOCATIONS_DO_NOT_ADD_UP")
        .when(one(euro(500), ""))
        .then_refused("TOKEN_INVALID")
        .with_facts(PaymentFacts {
            unknown_payable: Some(Payable::Session { visit: VisitId::new(Uuid::from_u128(1)) }),
            ..facts()
        })
        .when(authorize())
        .then_refused("PAYABLE_UNKNOWN")
        .with_facts(PaymentFacts::default())
        .when(authorize())
        .then_refused("FACILITY_UNKNOWN");
}

#[test]
fn a_card_number_is_refused_and_never_echoed() {
    let decided = nothing_yet().when(authorize_with(euro(5), vec![part(1, 5)], "4111 1111 1111 1111"));
    let Decision::Refused { refusal, .. } = decided.decision() else { panic!("it was accepted") };
    assert_eq!(refusal.code(), "CARD_NUMBER_REFUSED");
    let told = format!("{refusal:?} {} {}", refusal.message(), serde_json::to_string(refusal).unwrap());
    assert!(!told.contains("4111"), "{told}");
}

#[test]
fn a_price_from_the_future_is_none() {
    let (amount, allocations, token) = (euro(5), vec![part(1, 5)], "tok_visa".into());
    let priced_at = Some(SPEC_TIME.plus_seconds(61));
    let facility = facility();
    nothing_yet()
        .when(PaymentCommand::AuthorizePayment { facility, amount, allocations, token, priced_at })
        .then_refused("TIME_IN_FUTURE");
}

#[test]
fn one_call_is_open_at_a_time() {
    for command in [capture(None), refund(None), PaymentCommand::VoidPayment] {
        requested().when(command).then_refused("CALL_IN_PROGRESS");
    }
    authorized()
        .when(capture(None))
        .then([planned(2, GatewayVerb::Capture, 500)])
        .when(capture(None))
        .then_refused("CALL_IN_PROGRESS");
}

#[test]
fn a_capture_happens_once() {
    let spec = captured(None);
    assert_eq!(spec.state().captured(), Some(euro(500)));
    spec.when(capture(None)).then_refused("ALREADY_CAPTURED");
    captured(Some(euro(1))).when(capture(Some(euro(1)))).then_refused("ALREADY_CAPTURED");
}

#[test]
fn no_more_is_captured_than_authorised() {
    authorized()
        .when(capture(Some(euro(501))))
        .then_refused("CAPTURE_EXCEEDED")
        .when(capture(Some(euro(0))))
        .then_refused("AMOUNT_INVALID")
        .when(capture(Some(pound(5))))
        .then_refused("CURRENCY_WRONG");
}

#[test]
fn a_declined_payment_is_over() {
    let spec = requested().when(declined(1)).then_events_that(|events| events.len() == 1);
    assert_eq!(spec.state().status(), Some(PaymentStatus::Declined));
    spec.when(capture(None))
        .then_refused("PAYMENT_DECLINED")
        .when(PaymentCommand::VoidPayment)
        .then_refused("PAYMENT_DECLINED");
}

#[test]
fn a_refused_capture_leaves_the_payment_authorised() {
    let spec = authorized().when(capture(None)).then([planned(2, GatewayVerb::Capture, 500)]);
    let spec = spec.when(declined(2)).then_events_that(|events| events.len() == 1);
    assert_eq!(spec.state().status(), Some(PaymentStatus::Authorized));
    spec.when(capture(None)).then([planned(3, GatewayVerb::Capture, 500)]);
}

#[test]
fn an_unknown_outcome_keeps_the_call_open_until_it_is_known() {
    let unresolved = PaymentEvent::GatewayCallUnresolved { call: 1, reason: "no answer".to_owned() };
    let spec = requested().when(lost(1)).then([unresolved.clone()]).when(lost(1)).then([unresolved]);
    assert!(spec.state().is_unresolved());
    let spec = spec.when(capture(None)).then_refused("CALL_IN_PROGRESS");
    let resolved = PaymentEvent::PaymentAuthorized { call: 1, reference: "gw-1".to_owned() };
    let spec = spec.when(done(1)).then([resolved]);
    assert_eq!((spec.state().open_call(), spec.state().is_unresolved()), (None, false));
    assert_eq!(spec.state().reference(), Some("gw-1"));
}

#[test]
fn an_answer_that_comes_twice_is_no_news() {
    authorized().when(done(1)).then_nothing().when(declined(1)).then_nothing();
    authorized().when(done(2)).then_refused("CALL_UNKNOWN").when(done(0)).then_refused("CALL_UNKNOWN");
}

#[test]
fn a_void_lets_the_authorisation_go_once() {
    let spec = authorized().when(PaymentCommand::VoidPayment).then([planned(2, GatewayVerb::Void, 500)]);
    let spec =
        spec.when(done(2)).then([PaymentEvent::PaymentVoided { call: 2, reference: "gw-2".to_owned() }]);
    spec.when(PaymentCommand::VoidPayment)
        .then_nothing()
        .when(capture(None))
        .then_refused("PAYMENT_VOIDED")
        .when(refund(None))
        .then_refused("PAYMENT_VOIDED");
    captured(None).when(PaymentCommand::VoidPayment).then_refused("ALREADY_CAPTURED");
}

#[test]
fn no_more_is_refunded_than_captured() {
    authorized().when(refund(None)).then_refused("NOT_CAPTURED");
    let spec = captured(Some(euro(400)))
        .when(refund(Some(euro(401))))
        .then_refused("REFUND_EXCEEDED")
        .when(refund(Some(euro(100))))
        .then([planned(3, GatewayVerb::Refund, 100)])
        .when(done(3))
        .then_events_that(|events| events.len() == 1);
    assert_eq!(spec.state().status(), Some(PaymentStatus::PartlyRefunded));
    let spec = spec.when(refund(None)).then([planned(4, GatewayVerb::Refund, 300)]);
    let spec = spec.when(done(4)).then_events_that(|events| events.len() == 1);
    assert_eq!(
        (spec.state().status(), spec.state().refunded()),
        (Some(PaymentStatus::Refunded), Some(euro(400)))
    );
    spec.when(refund(None)).then_refused("ALREADY_REFUNDED");
}

#[test]
fn a_refund_has_a_reason() {
    let without = |reason: String| PaymentCommand::RefundPayment { amount: None, reason };
    captured(None)
        .when(without(String::new()))
        .then_refused("REASON_MISSING")
        .when(without("x".repeat(501)))
        .then_refused("TEXT_TOO_LONG");
}

#[test]
fn a_partial_capture_divides_over_the_allocations() {
    assert_eq!(credits_of(authorized().state()), []);
    let credits = credits_of(captured(Some(euro(7))).state());
    assert_eq!(credits, [(session(1), euro(4)), (session(2), euro(3))]);
    let all = credits_of(captured(None).state());
    assert_eq!(all, [(session(1), euro(300)), (session(2), euro(200))]);
}

#[test]
fn a_reservation_can_be_paid_too() {
    let payable = Payable::Reservation { reservation: ReservationId(Uuid::from_u128(9)) };
    let allocations = vec![Allocation { payable, amount_minor: 5 }];
    nothing_yet()
        .when(authorize_with(euro(5), allocations, "tok_visa"))
        .then_events_that(|events| events.len() == 2);
}

fn command() -> impl Strategy<Value = PaymentCommand> {
    let amount = || proptest::option::of((-5..60_i64).prop_map(euro));
    prop_oneof![
        1 => amount().prop_map(capture),
        3 => amount().prop_map(refund),
        1 => Just(PaymentCommand::VoidPayment),
        5 => (0..12_u32).prop_map(done),
        1 => (0..12_u32).prop_map(declined),
        1 => (0..12_u32).prop_map(lost),
    ]
}

proptest! {
    #[test]
    fn parts_add_up_and_none_exceeds_its_weight(
        weights in proptest::collection::vec(1..1_000_000_000_i64, 1..9), share in 0.0..=1.0_f64,
    ) {
        let total = (weights.iter().sum::<i64>() as f64 * share) as i64;
        let parts = split_minor(total, &weights);
        prop_assert_eq!(parts.iter().sum::<i64>(), total);
        prop_assert!(parts.iter().zip(&weights).all(|(part, weight)| (0..=*weight).contains(part)));
    }

    #[test]
    fn whatever_happens_money_is_conserved_and_snapshots_tell_the_same(
        weights in proptest::collection::vec(1..20_i64, 1..5),
        commands in proptest::collection::vec(command(), 0..60), cut in 0..60_usize,
    ) {
        let allocations: Vec<_> = (0..).zip(&weights).map(|(number, weight)| part(number, *weight)).collect();
        let first = authorize_with(euro(weights.iter().sum()), allocations, "tok_visa");
        let (mut state, mut restored) = (PaymentState::default(), PaymentState::default());
        for (step, command) in std::iter::once(&first).chain(&commands).enumerate() {
            let context = Context { command_id: CommandId(Uuid::nil()), now: SPEC_TIME };
            let decision = Payment::decide(&state, command, &facts(), context);
            for fact in decision.events() {
                let stored = serde_json::to_string(&fact.event).unwrap();
                let event: PaymentEvent = serde_json::from_str(&stored).unwrap();
                prop_assert_eq!(&event, &fact.event);
                let moment = Moment { happened_at: fact.happened_at, decided_at: SPEC_TIME };
                Payment::evolve(&mut state, &event, moment);
                Payment::evolve(&mut restored, &event, moment);
            }
            if step == cut {
                restored = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
            }
            let minor = |money: Option<Money>| money.unwrap().amount_minor;
            let (authorised, captured, refunded) =
                (minor(state.amount()), minor(state.captured()), minor(state.refunded()));
            prop_assert!(0 <= refunded && refunded <= captured && captured <= authorised);
            let credits = credits_of(&state);
            prop_assert_eq!(credits.iter().map(|(_, amount)| amount.amount_minor).sum::<i64>(), captured);
            let refunds = refunds_of(&state);
            prop_assert_eq!(refunds.iter().map(|share| share.amount.amount_minor).sum::<i64>(), refunded);
            for (payable, credit) in credits {
                let back = refunds.iter().filter(|share| share.payable == payable);
                prop_assert!(back.map(|share| share.amount.amount_minor).sum::<i64>() <= credit.amount_minor);
            }
        }
        prop_assert_eq!(&state, &restored);
    }
}
