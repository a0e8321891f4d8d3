//! Scenes of the field, from the gate to the query.

use octocity_tests::stage::*;
use serde_json::{Value, json};

use crate::stage;

/// Costs 20 a started hour from the first second on.
fn tariff(facility: &str) -> Value {
    let tariff = json!({
        "id": "day-1", "currency": "CZK", "incrementSeconds": 3600, "pricePerIncrementMinor": 2000,
        "cap": { "amountMinor": 12000, "period": "LOCAL_DAY" }, "graceSeconds": 900
    });
    input(facility, json!({ "tariff": tariff }))
}

/// The visit, and the position of its passage.
fn enters(running: &Running, facility: &str, credential: &Value) -> (String, Value) {
    let asked = input(facility, json!({ "lane": "in", "credentials": [credential] }));
    let granted = running.does("enterGate", &asked);
    let seen = json!({
        "lane": "in", "direction": "ENTRY", "credentials": [credential], "happenedAt": now_plus(0)
    });
    let passed = running.does("recordPassage", &input(facility, seen));
    (granted["visitId"].as_str().unwrap().to_owned(), passed["position"].clone())
}

#[test]
fn a_car_enters_pays_and_leaves() {
    let stage = stage();
    let running = stage.start();
    let facility = opened(&running, 10);
    running.does("activateTariff", &tariff(&facility));
    let car = plate("5A2 1234");
    let (visit, entered) = enters(&running, &facility, &car);

    let inside = running.occupancy(&facility, &entered);
    assert_eq!((inside["inside"].as_i64(), inside["granted"].as_i64()), (Some(1), Some(0)), "{inside}");

    let refused =
        running.sends("exitGate", &input(&facility, json!({ "lane": "out", "credentials": [car] })));
    assert_eq!(refused["refusal"]["code"], "PAYMENT_REQUIRED", "{refused}");
    assert_eq!(refused["refusal"]["quote"]["owed"]["amountMinor"], 2000);

    let quote = "query ($facility: ID!, $visit: ID!) {
        quote(facilityId: $facility, visitId: $visit) {
            owed { amountMinor currency } pricedAt holdsUntil lines { rule from until amountMinor }
        }
    }";
    let quote = running.query(quote, json!({ "facility": facility, "visit": visit }))["quote"].clone();
    assert_eq!(quote["owed"], json!({ "amountMinor": 2000, "currency": "CZK" }));
    assert!(!quote["lines"].as_array().unwrap().is_empty());

    let authorize = json!({
        "amount": quote["owed"], "token": "sim-ok", "pricedAt": quote["pricedAt"],
        "allocations": [{ "visitId": visit, "amountMinor": 2000 }]
    });
    let authorized = running.does("authorizePayment", &input(&facility, authorize));
    assert_eq!(authorized["status"], "AUTHORIZED", "{authorized}");
    let capture = json!({ "commandId": id(), "paymentId": authorized["paymentId"] });
    let captured = running.does("capturePayment", &capture);
    assert_eq!(captured["status"], "CAPTURED", "{captured}");
    let again = running.does("capturePayment", &capture);
    assert_eq!((&again["repeated"], &again["position"]), (&json!(true), &captured["position"]));

    let out = running.does("exitGate", &input(&facility, json!({ "lane": "out", "credentials": [car] })));
    assert_eq!(out["ground"]["kind"], "PAID", "{out}");
    let left = json!({ "lane": "out", "direction": "EXIT", "credentials": [car], "happenedAt": now_plus(0) });
    let left = running.does("recordPassage", &input(&facility, left));
    assert_eq!(running.occupancy(&facility, &left["position"])["inside"], 0);
    history_tells_all(&running, &visit, &left["position"]);
}

fn history_tells_all(running: &Running, visit: &str, after: &Value) {
    let history = "query ($visit: ID!, $after: String) {
        visitHistory(visitId: $visit, after: $after) { event position actor correlationId }
    }";
    let told = || running.query(history, json!({ "visit": visit, "after": after }))["visitHistory"].clone();
    let names = |told: &Value| -> Vec<String> {
        told.as_array().unwrap().iter().map(|entry| entry["event"].as_str().unwrap().to_owned()).collect()
    };
    // The process that ends the stay follows a moment later.
    eventually("the history has the stay's end", || names(&told()).contains(&"StayEnded".to_owned()));
    let names = names(&told());
    for event in [
        "EntryGranted",
        "VehicleEntered",
        "SessionOpened",
        "PaymentCaptured",
        "CreditApplied",
        "ExitGranted",
        "VehicleLeft",
        "StayEnded",
    ] {
        let times = names.iter().filter(|name| *name == event).count();
        assert_eq!(times, 1, "{event} stands once in {names:?}");
    }
}

#[test]
fn a_reservation_is_checked_in_and_keeps_its_place() {
    let stage = stage();
    let running = stage.start();
    let facility = opened(&running, 2);
    let reserve = json!({
        "pool": "day", "startsAt": now_plus(60), "endsAt": now_plus(3600), "credentials": [plate("RES 1")]
    });
    let reserved = running.does("reserveSpot", &input(&facility, reserve.clone()));
    let reservation = &reserved["reservationId"];
    assert_eq!(running.refused("reserveSpot", &input(&facility, reserve)), "FULLY_RESERVED");

    let enter =
        |credential: Value| input(&facility, json!({ "lane": "column", "credentials": [credential] }));
    running.does("enterGate", &enter(plate("WALK 1")));
    assert_eq!(running.refused("enterGate", &enter(plate("WALK 2"))), "POOL_FULL");
    let admitted = running.does("enterGate", &enter(json!({ "reservationId": reservation })));
    assert_eq!(admitted["ground"]["kind"], "RESERVATION", "{admitted}");
    let again = enter(json!({ "reservationId": reservation }));
    assert_eq!(running.refused("enterGate", &again), "RESERVATION_USED");
    let status = || {
        let query = "query ($id: ID!) { reservation(id: $id) { status } }";
        running.query(query, json!({ "id": reservation }))["reservation"]["status"].clone()
    };
    eventually("the book hears of the check-in", || status() == "CHECKED_IN");
}

#[test]
fn the_past_can_be_asked_for() {
    let stage = stage();
    let running = stage.start();
    let facility = opened(&running, 10);
    let passes = |direction: &str, seconds: i64| {
        let lane = if direction == "ENTRY" { "in" } else { "out" };
        let seen = json!({ "lane": lane, "direction": direction, "happenedAt": now_plus(seconds) });
        running.does("recordPassage", &input(&facility, seen))["position"].clone()
    };
    passes("ENTRY", -7200);
    passes("ENTRY", -3600);
    passes("EXIT", -1800);
    // Late news changes the past.
    let last = passes("ENTRY", -5400);
    let inside_at = |seconds: i64| {
        let query = "query ($facility: ID!, $at: DateTime!, $after: String) {
            occupancy(facilities: [$facility], at: $at, after: $after) { inside }
        }";
        let asked = json!({ "facility": facility, "at": now_plus(seconds), "after": last });
        running.query(query, asked)["occupancy"][0]["inside"].as_i64().unwrap()
    };
    let told: Vec<i64> = [-8000, -7000, -5000, -3000, -1000].map(inside_at).to_vec();
    assert_eq!(told, [0, 1, 2, 3, 2]);
}

#[test]
fn a_stop_is_clean_and_a_second_start_goes_on() {
    let stage = stage();
    let running = stage.start();
    let facility = opened(&running, 10);
    let entered = json!({ "lane": "in", "direction": "ENTRY", "happenedAt": now_plus(0) });
    let entered = running.does("recordPassage", &input(&facility, entered));
    let code = running.server.stop().unwrap();
    assert_eq!(code, Some(0));
    let running = stage.start();
    assert_eq!(running.occupancy(&facility, &entered["position"])["inside"], 1);
}

#[test]
fn a_stop_answers_a_payment_that_the_gateway_has_not_answered() {
    let stage = stage();
    let running = stage.start();
    let facility = opened(&running, 10);
    running.does("activateTariff", &tariff(&facility));
    let (visit, _) = enters(&running, &facility, &plate("1AB 2345"));
    let authorize = json!({
        "amount": { "amountMinor": 2000, "currency": "CZK" }, "token": "sim-lost-reply",
        "allocations": [{ "visitId": visit, "amountMinor": 2000 }]
    });
    let authorize = input(&facility, authorize);
    let authorized = std::thread::scope(|scope| {
        let authorizing = scope.spawn(|| running.does("authorizePayment", &authorize));
        eventually("the gateway is to be asked again", || {
            let query = "query ($facility: ID!) { paymentsToReview(facilityId: $facility) { nodes { id } } }";
            let found = running.query(query, json!({ "facility": facility }));
            found["paymentsToReview"]["nodes"] != json!([])
        });
        running.server.signal("INT").unwrap();
        authorizing.join().unwrap()
    });
    assert_eq!(authorized["outcome"], "DONE", "{authorized}");
}
