//! What is wrong is said clearly, and nothing stored is harmed.

use octocity_tests::stage::*;
use serde_json::{Value, json};

use crate::stage;

/// After anything wrong: the server answers, and the car park is as it was.
#[track_caller]
fn unharmed(running: &mut Running, facility: &str, inside: i64) {
    assert!(running.server.is_running());
    eventually("the car park is as it was", || {
        running.occupancy(facility, &Value::Null)["inside"].as_i64() == Some(inside)
    });
}

#[test]
fn unknown_ids_are_refused_by_name() {
    let stage = stage();
    let mut running = stage.start();
    let facility = opened(&running, 5);
    let somebody = id();
    let enter = |facility: &str, lane: &str, pool: &str| {
        input(facility, json!({ "lane": lane, "pool": pool, "credentials": [plate("A 1")] }))
    };
    assert_eq!(running.refused("enterGate", &enter(&somebody, "in", "day")), "FACILITY_UNKNOWN");
    assert_eq!(running.refused("enterGate", &enter(&facility, "none", "day")), "LANE_UNKNOWN");
    assert_eq!(running.refused("enterGate", &enter(&facility, "in", "none")), "POOL_UNKNOWN");
    let cancel = input(&facility, json!({ "reservationId": somebody }));
    assert_eq!(running.refused("cancelReservation", &cancel), "RESERVATION_UNKNOWN");
    let capture = json!({ "commandId": id(), "paymentId": somebody });
    assert_eq!(running.refused("capturePayment", &capture), "PAYMENT_UNKNOWN");
    let exit = input(&facility, json!({ "lane": "out", "credentials": [plate("A 1")] }));
    assert_eq!(running.refused("exitGate", &exit), "CREDENTIAL_UNKNOWN");
    let nobody = running.query("query ($id: ID!) { visit(id: $id) { id } }", json!({ "id": somebody }));
    assert_eq!(nobody["visit"], Value::Null);
    unharmed(&mut running, &facility, 0);
}

#[test]
fn a_shut_facility_takes_nobody_in_and_lets_everybody_out() {
    let stage = stage();
    let running = stage.start();
    let facility = opened(&running, 5);
    let car = json!({ "lane": "column", "credentials": [plate("A 1")] });
    running.does("enterGate", &input(&facility, car.clone()));
    let shut = json!({ "mode": "SHUT", "reason": "flooded" });
    let shut = running.does("setAdmissionMode", &input(&facility, shut));
    let other = json!({ "lane": "column", "credentials": [plate("B 2")] });
    assert_eq!(running.refused("enterGate", &input(&facility, other)), "FACILITY_SHUT");
    let occupancy = running.occupancy(&facility, &shut["position"]);
    assert_eq!((&occupancy["closed"], &occupancy["full"]), (&json!(true), &json!(false)));
    running.does("exitGate", &input(&facility, car));
}

#[test]
fn a_request_has_its_time_and_a_fact_has_any() {
    let stage = stage();
    let running = stage.start();
    let facility = opened(&running, 5);
    let enter = |seconds: i64| {
        let asked = json!({ "lane": "in", "credentials": [plate("A 1")], "requestedAt": now_plus(seconds) });
        input(&facility, asked)
    };
    assert_eq!(running.refused("enterGate", &enter(3600)), "TIME_IN_FUTURE");
    assert_eq!(running.refused("enterGate", &enter(-86_400)), "TIME_TOO_OLD");
    let seen = json!({ "lane": "in", "direction": "ENTRY", "happenedAt": now_plus(-86_400 * 30) });
    running.does("recordPassage", &input(&facility, seen));
    let never = json!({ "lane": "in", "direction": "ENTRY", "happenedAt": "2026-02-30T25:00:00Z" });
    assert_eq!(running.errs("recordPassage", &input(&facility, never)), "BAD_USER_INPUT");
}

#[test]
fn plates_of_any_script_match_themselves_and_strange_ones_are_refused() {
    let stage = stage();
    let mut running = stage.start();
    let facility = opened(&running, 100);
    let plates = ["品川 300 あ 12-34", "А123ВС 77", "ب 12 345", "กข 1234", "서울 12가 3456", "DÜ-Ä 99"];
    for text in plates {
        let credentials = json!({ "lane": "column", "credentials": [plate(text)] });
        running.does("enterGate", &input(&facility, credentials.clone()));
        running.does("exitGate", &input(&facility, credentials));
    }
    let long = "Ж".repeat(40);
    for text in ["", "   ", "---", "A\u{0}B", "\u{202e}AB", "ﷺﷺ", long.as_str(), &"A".repeat(100_000)] {
        let strange = json!({ "lane": "in", "credentials": [plate(text)] });
        assert_eq!(running.errs("enterGate", &input(&facility, strange)), "BAD_USER_INPUT", "{text:.40}");
    }
    unharmed(&mut running, &facility, 0);
}

#[test]
fn a_passage_is_recorded_whatever_was_shown() {
    let stage = stage();
    let running = stage.start();
    let facility = opened(&running, 100);
    let card = json!({ "card": "4111 1111 1111 1111" });
    for strange in [json!({ "qr": "x".repeat(257) }), plate("ﷺﷺ"), card] {
        let shown = json!([strange, { "ticket": "T-1" }]);
        let seen =
            json!({ "lane": "in", "direction": "ENTRY", "credentials": shown, "happenedAt": now_plus(0) });
        let passed = running.does("recordPassage", &input(&facility, seen));
        let broken = passed["irregularities"].as_array().unwrap();
        assert!(broken.contains(&json!("CREDENTIAL_UNREADABLE")), "{passed}");
        assert!(passed["visitId"].is_string(), "the ticket counts: {passed}");
    }
}

#[test]
fn money_is_of_the_facility_and_never_negative() {
    let stage = stage();
    let running = stage.start();
    let facility = opened(&running, 5);
    let pay = |amount: i64, currency: &str| {
        let allocations = json!([{ "visitId": id(), "amountMinor": amount }]);
        let amount = json!({ "amountMinor": amount, "currency": currency });
        input(&facility, json!({ "amount": amount, "allocations": allocations, "token": "sim-ok" }))
    };
    assert_eq!(running.refused("authorizePayment", &pay(100, "EUR")), "CURRENCY_WRONG");
    assert_eq!(running.refused("authorizePayment", &pay(-100, "CZK")), "AMOUNT_INVALID");
    assert_eq!(running.refused("authorizePayment", &pay(100, "CZK")), "PAYABLE_UNKNOWN");
    assert_eq!(running.errs("authorizePayment", &pay(100, "QQQ")), "BAD_USER_INPUT");
    let mut card = pay(100, "CZK");
    card["token"] = json!("4111 1111 1111 1111");
    let car = input(&facility, json!({ "lane": "column", "credentials": [plate("A 1")] }));
    card["allocations"][0]["visitId"] = running.does("enterGate", &car)["visitId"].clone();
    assert_eq!(running.refused("authorizePayment", &card), "CARD_NUMBER_REFUSED");
    let tariff = json!({
        "id": "t", "currency": "CZK", "incrementSeconds": 60, "pricePerIncrementMinor": -5
    });
    let activate = input(&facility, json!({ "tariff": tariff }));
    assert_eq!(running.refused("activateTariff", &activate), "TARIFF_INVALID");
}

#[test]
fn the_same_id_has_one_body() {
    let stage = stage();
    let running = stage.start();
    let facility = opened(&running, 5);
    let first = input(&facility, json!({ "lane": "in", "credentials": [plate("A 1")] }));
    let granted = running.does("enterGate", &first);
    let again = running.does("enterGate", &first);
    assert_eq!((&again["repeated"], &again["grantId"]), (&json!(true), &granted["grantId"]));
    let mut other = first.clone();
    other["credentials"] = json!([plate("B 2")]);
    assert_eq!(running.errs("enterGate", &other), "COMMAND_ID_REUSED");
    let with_id = |id: &str| {
        let mut input = first.clone();
        input["commandId"] = json!(id);
        input
    };
    let old = "018bcfe5-6800-7000-8000-000000000000";
    assert_eq!(running.errs("enterGate", &with_id(old)), "COMMAND_ID_EXPIRED");
    let future = "ffffffff-ffff-7fff-bfff-ffffffffffff";
    assert_eq!(running.errs("enterGate", &with_id(future)), "COMMAND_ID_FROM_FUTURE");
    let random = "3d813cbb-47fb-42ba-91df-831e1593ac29";
    assert_eq!(running.errs("enterGate", &with_id(random)), "COMMAND_ID_INVALID");
    assert_eq!(running.errs("enterGate", &with_id("no id at all")), "BAD_USER_INPUT");
}

#[test]
fn huge_pages_and_deep_or_dear_queries_are_not_served() {
    let stage = stage();
    let mut running = stage.start();
    let facility = opened(&running, 5);
    let asked = |query: &str| error_code(&running.client.graphql(query, json!({ "facility": facility })));
    let page = |first: i64| {
        format!(
            "query ($facility: ID!) {{ visits(facilityId: $facility, first: {first}) {{ nodes {{ id }} }} }}"
        )
    };
    assert_eq!(asked(&page(1_000_000)), "QUERY_TOO_COMPLEX");
    assert_eq!(asked(&page(501)), "BAD_USER_INPUT");
    assert_eq!(asked(&page(-1)), "BAD_USER_INPUT");
    let deep = format!(
        "query ($facility: ID!) {{ facility(id: $facility) {{ {} id {} }} }}",
        "occupancy { facility { ".repeat(50),
        "} } ".repeat(50)
    );
    assert_eq!(asked(&deep), "QUERY_TOO_DEEP");
    let nested =
        "{ facilities(first: 500) { nodes { visits(first: 500) { nodes { facility { visits(first: 500) {
        nodes { id } } } } } } } }";
    assert_eq!(asked(nested), "QUERY_TOO_COMPLEX");
    let wide = format!("{{ {} }}", (0..20_000).map(|n| format!("a{n}: __typename ")).collect::<String>());
    assert_eq!(asked(&wide), "QUERY_TOO_LARGE");
    unharmed(&mut running, &facility, 0);
}

#[test]
fn what_is_no_request_is_said_to_be_none() {
    let stage = stage();
    let mut running = stage.start();
    let facility = opened(&running, 5);
    for body in ["{", "[]", "null", "{\"query\": 7}", "{\"query\":\"{ __typename }\",\"variables\":[]}", ""] {
        let answer = running.client.try_post(body, "application/json").unwrap();
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
        error_code(&answer);
    }
    let deep = "[".repeat(100_000);
    let answer = running.client.try_post(&deep, "application/json").unwrap();
    assert_eq!(answer.status, 400);
    let huge = format!("{{\"query\":\"{}\"}}", "a".repeat(64 * 1024 * 1024));
    // Refused while it is still being sent: the connection may break before the answer is read.
    if let Some(answer) = running.client.try_post(&huge, "application/json") {
        assert_eq!(answer.status, 413, "{:.200}", answer.body.to_string());
    }
    let text = running.client.try_post("{ __typename }", "text/plain").unwrap();
    assert_eq!(text.status, 415, "{}", text.body);
    unharmed(&mut running, &facility, 0);
}

#[test]
fn a_position_of_another_log_is_no_position_of_this_one() {
    let stage = stage();
    let running = stage.start();
    let facility = opened(&running, 5);
    let other = crate::stage();
    let foreign = other.start().does("registerFacility", &car_park(5))["position"].clone();
    let asked = |after: Value| {
        let query = "query ($facility: ID!, $after: String) {
            occupancy(facilities: [$facility], after: $after) { inside }
        }";
        error_code(&running.client.graphql(query, json!({ "facility": facility, "after": after })))
    };
    assert_eq!(asked(foreign), "POSITION_FOREIGN");
    assert_eq!(asked(json!("rubbish")), "BAD_USER_INPUT");
}
