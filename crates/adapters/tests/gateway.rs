//! The simulated gateway: one key is one call, also over a restart, and its totals say what moved.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use octocity_adapters::gateway::{SimulatedGateway, Totals};
use octocity_adapters::sqlite::SqliteProcessStore;
use octocity_commands::{GatewayRequest, IdempotencyKey, PaymentGateway};
use octocity_domain::payments::{GatewayCall, GatewayOutcome, GatewayVerb};
use octocity_domain::{CommandId, Currency, Money};
use uuid::Uuid;

fn request(number: u32, verb: GatewayVerb, token: &str) -> GatewayRequest {
    let payment = CommandId::new(Uuid::from_u128(5)).payment();
    let amount = Money::new(400, Currency::try_new("EUR").unwrap());
    GatewayRequest {
        key: IdempotencyKey { payment, call: number },
        call: GatewayCall { number, verb, amount },
        token: token.into(),
        reference: None,
    }
}

fn totals(gateway: &SimulatedGateway) -> Totals {
    gateway.totals().get(&Currency::try_new("EUR").unwrap()).copied().unwrap_or_default()
}

#[tokio::test]
async fn one_key_is_one_call() {
    let gateway = SimulatedGateway::in_memory();
    let first = gateway.call(request(1, GatewayVerb::Capture, "sim-ok")).await;
    let again = gateway.call(request(1, GatewayVerb::Capture, "sim-ok")).await;
    assert!(matches!(first, GatewayOutcome::Done { .. }));
    assert_eq!(first, again);
    assert_eq!(totals(&gateway), Totals { captured_minor: 400, ..Totals::default() });
}

#[tokio::test]
async fn a_lost_reply_was_done_and_a_timeout_was_not() {
    let gateway = SimulatedGateway::in_memory();
    let (lost, silent) =
        (request(1, GatewayVerb::Capture, "sim-lost-reply"), request(2, GatewayVerb::Refund, "sim-timeout"));
    assert!(matches!(gateway.call(lost.clone()).await, GatewayOutcome::Unknown { .. }));
    assert!(matches!(gateway.call(silent.clone()).await, GatewayOutcome::Unknown { .. }));
    assert!(matches!(gateway.find(lost.key).await, Some(GatewayOutcome::Done { .. })));
    assert_eq!(gateway.find(silent.key).await, None);
    assert_eq!(totals(&gateway), Totals { captured_minor: 400, ..Totals::default() });
}

#[tokio::test]
async fn a_declined_card_moves_nothing() {
    let gateway = SimulatedGateway::in_memory();
    let declined = gateway.call(request(1, GatewayVerb::Authorize, "sim-decline")).await;
    assert!(matches!(declined, GatewayOutcome::Declined { .. }));
    assert_eq!(totals(&gateway), Totals::default());
}

#[tokio::test]
async fn with_a_store_it_remembers_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("processes.db");
    let gateway = SimulatedGateway::open(Arc::new(SqliteProcessStore::open(&path).unwrap())).await.unwrap();
    let lost = request(1, GatewayVerb::Capture, "sim-lost-reply");
    gateway.call(lost.clone()).await;
    drop(gateway);
    let gateway = SimulatedGateway::open(Arc::new(SqliteProcessStore::open(&path).unwrap())).await.unwrap();
    assert!(matches!(gateway.find(lost.key).await, Some(GatewayOutcome::Done { .. })));
    assert_eq!(totals(&gateway), Totals { captured_minor: 400, ..Totals::default() });
}
