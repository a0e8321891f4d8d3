//! An effect that panics. One test in a program of its own: what decides whether a line is logged is shared by all
//! threads.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use octocity_domain::PaymentId;
use octocity_domain::payments::PaymentStatus;
use support::gateway::Answer;
use support::till::Till;
use support::*;

#[tokio::test]
async fn a_panic_holds_up_its_own_subject_alone_and_is_tried_again_ever_later() {
    let till = Till::new([Answer::Panic, Answer::Done, Answer::Panic]).await;
    let log = support::log_lines::LogLines::default();
    let logging = log.begin();
    till.pay(till.authorize()).await;
    let other = PaymentId::new(id_at(till.world.clock_now()).uuid());
    accepted(till.world.handler.payment(other, till.world.submit(till.authorize())).await);
    till.run().await;
    // The visit's session and the other payment go on.
    assert_eq!(till.world.count("SessionOpened").await, 1);
    let status = async |payment| till.world.handler.payment_state(payment).await.unwrap().status();
    assert_eq!(status(other).await, Some(PaymentStatus::Authorized));
    assert_eq!(status(till.payment).await, Some(PaymentStatus::Requested));
    for (seconds, calls) in [(0, 2), (2, 3), (2, 3), (2, 4)] {
        till.world.clock.pass_seconds(seconds);
        till.run().await;
        assert_eq!(till.gateway.calls(), calls, "it waits two seconds, then four");
    }
    assert_eq!(status(till.payment).await, Some(PaymentStatus::Authorized));
    assert_eq!(till.world.count("PaymentAuthorized").await, 2);
    drop(logging);
    let lines = log.take();
    assert_eq!(lines.len(), 2, "each panic is logged once: {lines:?}");
    for line in lines {
        assert!(line.contains("process=gateway effect=\"call-gateway\""), "{line}");
        assert!(line.contains(&format!("subject={}", till.payment)), "{line}");
        assert!(!line.contains("no such token") && !line.contains("tok"), "{line}");
    }
    one_that_panics_for_ever_is_tried_every_minute().await;
}

async fn one_that_panics_for_ever_is_tried_every_minute() {
    let till = Till::new([Answer::Panic; 20]).await;
    till.pay(till.authorize()).await;
    till.run().await;
    for calls in 2..=20 {
        till.world.clock.pass_seconds(60);
        till.run().await;
        assert_eq!(till.gateway.calls(), calls);
    }
    till.world.clock.pass_seconds(60);
    till.run().await;
    assert_eq!(till.status().await, Some(PaymentStatus::Authorized));
}
