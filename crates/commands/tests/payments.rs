//! From the quote to the open gate: payments, their gateway, and what they credit.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::Arc;

use octocity_commands::{CommandError, Handler, HandlerOptions, Outcome};
use octocity_domain::parking::ParkingRefusal;
use octocity_domain::payments::{PaymentCommand, PaymentStatus};
use octocity_log::Fault;
use support::gateway::Answer;
use support::till::{Till, euro};
use support::*;

#[tokio::test]
async fn an_exit_is_refused_with_the_quote_and_granted_once_paid() {
    let till = Till::new([]).await;
    let asked = till.world.park(till.world.submit(exit("gate", "B-1"))).await;
    match refused(asked) {
        ParkingRefusal::PaymentRequired { visit, quote } => {
            assert_eq!((visit, quote.owed), (till.visit, euro(400)));
        }
        other => panic!("{other:?}"),
    }
    till.captured().await;
    till.run().await;
    assert_eq!(till.status().await, Some(PaymentStatus::Captured));
    assert_eq!(till.owed().await, 0);
    accepted(till.world.park(till.world.submit(exit("gate", "B-1"))).await);
    till.run().await;
    assert_eq!(till.world.count("VehicleLeft").await, 1);
    assert_eq!(till.world.count("StayEnded").await, 1);
    assert_eq!(till.gateway.done(), 2, "an authorisation and a capture");
}

#[tokio::test]
async fn a_quote_needs_no_process_to_have_run() {
    let till = Till::new([]).await;
    assert_eq!(till.world.count("SessionOpened").await, 0);
    assert_eq!(till.owed().await, 400);
    till.run().await;
    assert_eq!(till.world.count("SessionOpened").await, 1);
    assert_eq!(till.owed().await, 400);
}

#[tokio::test]
async fn a_capture_counts_at_the_gate_before_any_process_has_run() {
    let till = Till::new([]).await;
    till.captured().await;
    // The outcome as the executor records it, and nothing of the executor after it.
    let done = octocity_domain::payments::GatewayOutcome::Done { reference: "r".into() };
    till.pay(PaymentCommand::RecordGatewayOutcome { call: 2, outcome: done }).await;
    accepted(till.world.park(till.world.submit(exit("gate", "B-1"))).await);
    till.run().await;
    assert_eq!(till.world.count("CreditApplied").await, 1, "the process finds it applied");
}

#[tokio::test]
async fn a_capture_sent_twice_with_one_id_captures_once() {
    let till = Till::new([]).await;
    till.pay(till.authorize()).await;
    till.run().await;
    let capture = till.world.submit(PaymentCommand::CapturePayment { amount: None });
    let first = till.send(capture.clone()).await.unwrap();
    let again = till.send(capture.clone()).await.unwrap();
    till.run().await;
    let late = till.send(capture).await.unwrap();
    assert!(matches!(first.outcome, Outcome::Accepted(_)));
    assert!(again.repeated && late.repeated);
    assert_eq!((&again.outcome, &late.outcome), (&first.outcome, &first.outcome));
    assert_eq!(till.world.count("PaymentCaptured").await, 1);
    assert_eq!(till.gateway.done(), 2);
}

#[tokio::test]
async fn without_a_gateway_no_payment_begins_and_those_that_did_go_on() {
    let mut till = Till::new([]).await;
    till.pay(till.authorize()).await;
    till.run().await;
    let (log, clock) = (Arc::new(till.world.log.clone()), till.world.clock.clone());
    let options = HandlerOptions { gateway: false, ..HandlerOptions::default() };
    till.world.handler = Handler::new(log, None, clock, options);
    let events = till.world.events().await.len();
    let refused = till.send(till.world.submit(till.authorize())).await.unwrap_err();
    assert!(matches!(refused, CommandError::NoGateway), "{refused}");
    assert_eq!(till.world.events().await.len(), events);
    till.pay(PaymentCommand::VoidPayment).await;
}

#[tokio::test]
async fn a_declined_card_credits_nothing() {
    let till = Till::new([Answer::Declined]).await;
    till.pay(till.authorize()).await;
    till.run().await;
    assert_eq!(till.status().await, Some(PaymentStatus::Declined));
    assert_eq!(till.owed().await, 400);
}

#[tokio::test]
async fn a_lost_reply_is_asked_about_under_its_key_and_captured_once() {
    let mut till = Till::new([Answer::Done, Answer::LostReply]).await;
    till.captured().await;
    till.run().await;
    assert_eq!(till.status().await, Some(PaymentStatus::Authorized));
    assert_eq!(till.world.count("GatewayCallUnresolved").await, 1);
    till.restart();
    till.world.clock.pass_seconds(301);
    till.run().await;
    assert_eq!(till.status().await, Some(PaymentStatus::Captured));
    assert_eq!((till.gateway.calls(), till.gateway.done()), (2, 2));
}

#[tokio::test]
async fn a_timeout_is_called_again_under_the_same_key_ever_later() {
    let till = Till::new([Answer::Timeout, Answer::Timeout]).await;
    till.pay(till.authorize()).await;
    till.run().await;
    assert_eq!(till.gateway.calls(), 1);
    till.run().await;
    assert_eq!(till.gateway.calls(), 1, "it waits");
    till.world.clock.pass_seconds(1);
    till.run().await;
    assert_eq!((till.gateway.calls(), till.gateway.done()), (2, 0));
    till.world.clock.pass_seconds(1);
    till.run().await;
    assert_eq!(till.gateway.calls(), 2, "it waits longer");
    till.world.clock.pass_seconds(1);
    till.run().await;
    assert_eq!((till.gateway.calls(), till.gateway.done()), (3, 1));
    assert_eq!(till.status().await, Some(PaymentStatus::Authorized));
}

#[tokio::test]
async fn a_call_whose_record_was_lost_is_made_again_and_counts_once() {
    let mut till = Till::new([]).await;
    till.run().await;
    till.pay(till.authorize()).await;
    // The gateway has done it, but its outcome cannot be stored.
    till.world.log.inject([Some(Fault::NotStored)]);
    till.run().await;
    assert_eq!((till.gateway.done(), till.world.count("PaymentAuthorized").await), (1, 0));
    till.restart();
    till.world.clock.pass_seconds(99);
    till.run().await;
    assert_eq!(till.status().await, Some(PaymentStatus::Authorized));
    assert_eq!(till.world.count("PaymentAuthorized").await, 1);
    assert_eq!(till.gateway.done(), 1);
}

#[tokio::test]
async fn a_refund_takes_the_credit_back_once() {
    let mut till = Till::new([]).await;
    till.captured().await;
    till.run().await;
    let refund = PaymentCommand::RefundPayment { amount: Some(euro(150)), reason: "goodwill".into() };
    till.pay(refund).await;
    till.run().await;
    till.restart();
    till.run().await;
    assert_eq!(till.status().await, Some(PaymentStatus::PartlyRefunded));
    assert_eq!(till.world.count("CreditReversed").await, 1);
    assert_eq!(till.owed().await, 150);
}

#[tokio::test]
async fn settled_waits_for_the_gateway_and_for_the_credits() {
    let till = Till::new([]).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let running = tokio::spawn(till.executor.clone().run(stopped));
    till.pay(till.authorize()).await;
    let state = till.world.handler.settled(till.payment, 9).await.unwrap();
    assert_eq!(state.status(), Some(PaymentStatus::Authorized));
    till.pay(PaymentCommand::CapturePayment { amount: None }).await;
    let state = till.world.handler.settled(till.payment, 9).await.unwrap();
    assert_eq!(state.status(), Some(PaymentStatus::Captured));
    assert_eq!(till.owed().await, 0);
    stop.send_replace(true);
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn settled_says_after_its_time_that_a_call_is_still_open() {
    let till = Till::new([Answer::Timeout]).await;
    till.pay(till.authorize()).await;
    till.run().await;
    let state = till.world.handler.settled(till.payment, 2).await.unwrap();
    assert!(state.is_unresolved());
}

#[tokio::test]
async fn a_crash_between_the_capture_and_its_credits_is_healed() {
    let mut till = Till::new([]).await;
    till.captured().await;
    // The capture is stored; its credit is not.
    till.world.log.inject([None, Some(Fault::NotStored)]);
    till.run().await;
    assert_eq!(till.world.count("CreditApplied").await, 0);
    till.restart();
    till.world.clock.pass_seconds(99);
    till.run().await;
    assert_eq!(till.world.count("PaymentCaptured").await, 1);
    assert_eq!(till.world.count("CreditApplied").await, 1);
}

#[tokio::test]
async fn a_gate_that_cannot_read_what_is_owed_lets_out_by_policy_and_the_debt_stays() {
    use octocity_domain::parking::{Cover, ParkingEvent};
    let mut till = Till::new([]).await;
    till.run().await;
    till.restart();
    // In memory are the plan and the gates; the session must be read.
    till.world.handler.plan(till.world.facility).await.unwrap();
    till.world.handler.look_at_parking(till.world.facility, |_| ()).await.unwrap();
    till.world.log.fail_reads(1);
    let events = accepted(till.world.park(till.world.submit(exit("gate", "B-1"))).await);
    assert!(matches!(&events[0], ParkingEvent::ExitGranted { cover: Cover::MoneySideDown, .. }));
    till.run().await;
    assert_eq!(till.owed().await, 400);
}

#[tokio::test]
async fn a_credit_counts_before_its_session_is_opened() {
    use octocity_domain::sessions::SessionCommand;
    let till = Till::new([]).await;
    let credit = SessionCommand::ApplyCredit {
        payment: till.payment,
        amount: euro(400),
        priced_at: till.world.clock_now(),
    };
    let submission = till.world.submit(credit);
    accepted(till.world.handler.session(till.visit, till.world.facility, submission).await);
    assert_eq!(till.world.count("SessionOpened").await, 0);
    assert_eq!(till.owed().await, 0);
    accepted(till.world.park(till.world.submit(exit("gate", "B-1"))).await);
}
