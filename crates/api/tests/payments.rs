//! What a payment's command is told, the first time and on a repeat.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use octocity_api::{Auth, Limits};
use serde_json::{Value, json};
use support::{Events, Server, new_id, serve_with};

const WANTED: &str = "paymentId outcome status declineReason";

/// An authorisation of what a visit that has just begun costs.
async fn order(server: &Server, token: &str) -> Value {
    let facility = server.facility(3).await;
    let entered = server.enter(&facility, "P 1").await;
    json!({
        "commandId": new_id(), "facilityId": facility, "token": token,
        "amount": { "amountMinor": 100, "currency": "EUR" },
        "allocations": [{ "visitId": entered["visitId"], "amountMinor": 100 }],
    })
}

#[tokio::test]
async fn a_repeat_tells_what_came_of_its_own_call() {
    let limits = Limits { settle_seconds: 1, ..Limits::default() };
    let server = serve_with(Auth::default(), limits, true).await;
    let order = order(&server, "silent").await;
    let authorized = server.command("authorizePayment", WANTED, order.clone()).await;
    assert_eq!(authorized["outcome"], "DONE", "{authorized:#}");

    let capture = json!({ "commandId": new_id(), "paymentId": authorized["paymentId"] });
    let running = server.command("capturePayment", WANTED, capture.clone()).await;
    assert_eq!(running["outcome"], "PENDING", "{running:#}");

    let again = server.command("authorizePayment", WANTED, order).await;
    assert_eq!((&again["outcome"], &again["repeated"]), (&json!("DONE"), &json!(true)), "{again:#}");
    let again = server.command("capturePayment", WANTED, capture).await;
    assert_eq!(again["outcome"], "PENDING", "{again:#}");
}

#[tokio::test]
async fn a_declined_command_stays_declined() {
    let server = serve_with(Auth::default(), Limits::default(), true).await;
    let order = order(&server, "decline").await;
    for repeated in [false, true] {
        let told = server.command("authorizePayment", WANTED, order.clone()).await;
        assert_eq!((&told["outcome"], &told["repeated"]), (&json!("DECLINED"), &json!(repeated)), "{told:#}");
        assert_eq!(told["declineReason"], "no money");
    }
}

/// The query reads what the subscription tells: also a payment that gave nothing to the session.
#[tokio::test]
async fn a_visits_history_has_the_payments_that_were_never_captured() {
    let server = serve_with(Auth::default(), Limits::default(), true).await;
    let start = server.data("{ status { position } }", json!({})).await["status"]["position"].take();
    let order = order(&server, "decline").await;
    let declined = server.command("authorizePayment", WANTED, order.clone()).await;
    assert_eq!(declined["outcome"], "DECLINED", "{declined:#}");
    let visit = &order["allocations"][0]["visitId"];
    let position = server.data("{ status { position } }", json!({})).await["status"]["position"].take();
    let query = "query Q($v: ID!, $p: String) { visitHistory(visitId: $v, after: $p) { event position } }";
    let mut read = server.data(query, json!({ "v": visit, "p": position })).await;
    let subscription = query.replace("query Q", "subscription S");
    let mut events = Events::open(&server, &subscription, json!({ "v": visit, "p": start })).await;
    let mut told = Vec::new();
    while told.last().is_none_or(|entry: &Value| entry["event"] != "GatewayCallRefused") {
        told.push(events.data().await["visitHistory"].take());
    }
    assert!(told.iter().any(|entry| entry["event"] == "PaymentRequested"), "{told:#?}");
    assert_eq!(read["visitHistory"].take(), json!(told));
}

#[tokio::test]
async fn a_capture_stays_done_when_it_was_refunded() {
    let server = serve_with(Auth::default(), Limits::default(), true).await;
    let authorized = server.command("authorizePayment", WANTED, order(&server, "tok_1").await).await;
    let capture = json!({ "commandId": new_id(), "paymentId": authorized["paymentId"] });
    let first = server.command("capturePayment", WANTED, capture.clone()).await;
    assert_eq!((&first["outcome"], &first["status"]), (&json!("DONE"), &json!("CAPTURED")), "{first:#}");
    let refund = json!({ "paymentId": authorized["paymentId"], "reason": "barrier stuck" });
    server.command("refundPayment", WANTED, refund).await;
    let again = server.command("capturePayment", WANTED, capture).await;
    assert_eq!((&again["outcome"], &again["status"]), (&json!("DONE"), &json!("REFUNDED")), "{again:#}");
}

#[tokio::test]
async fn a_payment_without_a_known_outcome_is_there_to_review() {
    let limits = Limits { settle_seconds: 1, ..Limits::default() };
    let server = serve_with(Auth::default(), limits, true).await;
    let lost = order(&server, "lost").await;
    let told = server.command("authorizePayment", &format!("{WANTED} position"), lost.clone()).await;
    assert_eq!(told["outcome"], "PENDING", "{told:#}");
    let query = "query ($facility: ID!, $after: String) {
        paymentsToReview(facilityId: $facility, afterPosition: $after) { nodes { id unresolved unresolvedSince } }
    }";
    let variables = json!({ "facility": lost["facilityId"], "after": told["position"] });
    let listed = server.data(query, variables).await;
    let listed = listed["paymentsToReview"]["nodes"].as_array().unwrap();
    assert_eq!(listed.len(), 1, "{listed:#?}");
    assert_eq!((&listed[0]["id"], &listed[0]["unresolved"]), (&told["paymentId"], &json!(true)));
    assert!(listed[0]["unresolvedSince"].is_string());

    let other = order(&server, "tok_1").await;
    let done = server.command("authorizePayment", &format!("{WANTED} position"), other.clone()).await;
    let variables = json!({ "facility": other["facilityId"], "after": done["position"] });
    assert_eq!(server.data(query, variables).await["paymentsToReview"]["nodes"], json!([]));
}

#[tokio::test]
async fn what_was_paid_for_a_merged_visit_counts_for_the_stay_that_it_is_a_part_of() {
    let server = serve_with(Auth::default(), Limits::default(), true).await;
    let order = order(&server, "tok_1").await;
    let (facility, paid) = (&order["facilityId"], order["allocations"][0]["visitId"].clone());
    let kept = server.enter(facility.as_str().unwrap(), "P 2").await["visitId"].take();
    let authorized = server.command("authorizePayment", WANTED, order.clone()).await;
    let capture = json!({ "commandId": new_id(), "paymentId": authorized["paymentId"] });
    server.command("capturePayment", WANTED, capture).await;
    let merge = json!({
        "commandId": new_id(), "facilityId": facility, "visitId": paid, "review": { "mergeInto": kept },
    });
    server.command("reviewVisit", "refusal { code }", merge).await;

    let query =
        "query Q($v: ID!) { session(id: $v) { status mergedInto creditsMinor credits { mergedFrom } } }";
    let session = async |visit: &Value| server.data(query, json!({ "v": visit })).await["session"].take();
    let mut whole = session(&kept).await;
    for _ in 0..200 {
        if whole["creditsMinor"] == 100 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        whole = session(&kept).await;
    }
    assert_eq!(whole["credits"], json!([{ "mergedFrom": paid }]), "{whole:#}");
    let part = session(&paid).await;
    assert_eq!((&part["status"], &part["mergedInto"]), (&json!("MERGED"), &kept), "{part:#}");

    let rebate = |visit: &Value| {
        let amount = json!({ "amountMinor": -50, "currency": "EUR" });
        json!({ "commandId": new_id(), "visitId": visit, "amount": amount, "reason": "lift broken" })
    };
    let refused = server.command("adjustCharge", "visitId", rebate(&paid)).await;
    assert_eq!(refused["refusal"]["code"], "STAY_MERGED", "{refused:#}");
    let accepted = server.command("adjustCharge", "visitId", rebate(&kept)).await;
    assert_eq!(accepted["refusal"], Value::Null, "{accepted:#}");
}
