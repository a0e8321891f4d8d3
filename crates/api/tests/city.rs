//! A facility's day through the API: commands, what they leave in the read models, and what is told live.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use octocity_api::{Auth, Limits};
use octocity_commands::Clock;
use serde_json::json;
use support::{Events, RealClock, new_id, serve, serve_with};

const OCCUPANCY: &str = "query Q($f: ID!, $after: String) { facility(id: $f, after: $after) { occupancy {
    inside visits unidentified granted free full closed stale parked notPlaced
    pools { pool places inside free } areas { area level inside } levels { level inside } } } }";

#[tokio::test]
async fn a_car_enters_pays_and_leaves() {
    let server = serve().await;
    let facility = server.facility(2).await;
    let entered = server.enter(&facility, "B-AB 123").await;
    let visit = entered["visitId"].as_str().unwrap();

    let seen = server.data(OCCUPANCY, json!({ "f": facility, "after": entered["position"] })).await;
    let occupancy = &seen["facility"]["occupancy"];
    assert_eq!(occupancy["inside"], 1, "{occupancy:#}");
    assert_eq!(occupancy["free"], 1, "{occupancy:#}");
    assert_eq!(occupancy["levels"], json!([{ "level": "L1", "inside": 1 }]));

    let leave =
        json!({ "facilityId": facility, "lane": "out", "credentials": [{ "plate": { "text": "bab123" } }] });
    let refused = server.command("exitGate", "grantId", leave.clone()).await;
    assert_eq!(refused["refusal"]["code"], "PAYMENT_REQUIRED", "{refused:#}");

    let quote = "query Q($f: ID!, $v: ID!) { quote(facilityId: $f, visitId: $v) { owed { amountMinor currency } pricedAt } }";
    let quote = server.data(quote, json!({ "f": facility, "v": visit })).await;
    let owed = &quote["quote"]["owed"];
    assert_eq!(owed["amountMinor"], 100, "{quote:#}");
    let pay = json!({
        "facilityId": facility, "amount": owed, "token": "tok_1", "pricedAt": quote["quote"]["pricedAt"],
        "allocations": [{ "visitId": visit, "amountMinor": owed["amountMinor"] }],
    });
    let authorized = server.command("authorizePayment", "paymentId outcome status", pay).await;
    assert_eq!(authorized["outcome"], "DONE", "{authorized:#}");
    let capture = json!({ "paymentId": authorized["paymentId"] });
    let captured = server.command("capturePayment", "outcome status", capture).await;
    assert_eq!(captured["status"], "CAPTURED", "{captured:#}");

    let granted = server.command("exitGate", "grantId visitId ground { kind leaveBy }", leave.clone()).await;
    assert_eq!(granted["ground"]["kind"], "PAID", "{granted:#}");
    let passage = json!({
        "facilityId": facility, "lane": "out", "direction": "EXIT", "credentials": leave["credentials"],
        "happenedAt": RealClock.now().to_string(),
    });
    let left = server.command("recordPassage", "visitId irregularities", passage).await;
    assert_eq!((&left["visitId"], &left["irregularities"]), (&json!(visit), &json!([])), "{left:#}");

    let query =
        "query Q($v: ID!, $after: String) { visit(id: $v, after: $after) { status credentials { kind value }
        session { status credits { amount { amountMinor } } } history { event position data } } }";
    let seen = server.data(query, json!({ "v": visit, "after": left["position"] })).await;
    assert_eq!(seen["visit"]["status"], "LEFT", "{seen:#}");
    assert_eq!(seen["visit"]["credentials"], json!([{ "kind": "PLATE", "value": "B-AB 123" }]));
    let history = seen["visit"]["history"].as_array().unwrap();
    let events: Vec<&str> = history.iter().map(|entry| entry["event"].as_str().unwrap()).collect();
    for expected in
        ["EntryGranted", "VehicleEntered", "SessionOpened", "PaymentCaptured", "CreditApplied", "VehicleLeft"]
    {
        assert!(events.contains(&expected), "{expected} in {events:?}");
    }
    assert!(!seen.to_string().contains("tok_1"), "means of payment stay inside");
}

#[tokio::test]
async fn analysts_get_figures_without_gaps_of_what_was_and_not_of_what_is_to_come() {
    let server = serve().await;
    let facility = server.facility(5).await;
    let now = RealClock.now();
    let entered = server.enter(&facility, "B-AB 123").await;
    let left = json!({
        "facilityId": facility, "lane": "out", "direction": "EXIT", "credentials": [{ "plate": { "text": "bab123" } }],
        "happenedAt": RealClock.now().to_string(),
    });
    let left = server.command("recordPassage", "visitId", left).await;
    assert_eq!(left["visitId"], entered["visitId"]);
    let query = "query Q($f: ID!, $from: DateTime!, $until: DateTime!, $step: Int!, $after: String) {
        analytics(facilities: [$f], from: $from, until: $until, after: $after) { facilityId
            occupancyByHour { pool hour average } occupancyByDay { hours turnover } staysByDay { stays averageSeconds }
            revenueByDay { sessions } occupancySeries(stepMinutes: $step) { places inside } } }";
    let from = now.minus_seconds(7_200 + now.seconds() % 3_600);
    let asked = json!({
        "f": facility, "from": from.to_string(), "until": now.plus_seconds(86_400).to_string(), "step": 15,
        "after": left["position"],
    });
    let seen = server.data(query, asked.clone()).await;
    let figures = &seen["analytics"][0];
    let hours = figures["occupancyByHour"].as_array().unwrap();
    // One more, if an hour ended meanwhile.
    assert!((2..=3).contains(&hours.len()), "the hour that is not over has no figures: {figures:#}");
    assert_eq!(figures["occupancySeries"][0]["inside"].as_array().unwrap().len(), 4 * hours.len());
    assert_eq!(figures["occupancySeries"][0]["places"], 5);
    assert_eq!(figures["staysByDay"][0]["stays"], 1, "{figures:#}");

    let mut uneven = asked;
    uneven["step"] = json!(7);
    let answer = server.ask(query, uneven.clone()).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer:#}");
    uneven["from"] = json!("1970-01-01T00:00:00Z");
    let answer = server.ask(query, uneven).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "QUERY_TOO_COMPLEX", "{answer:#}");
}

#[tokio::test]
async fn a_pool_that_left_the_layout_has_no_places_and_is_listed_while_somebody_is_inside() {
    let server = serve().await;
    let layout = |pools: &[&str]| {
        let places = |pool: &&str| json!({ "id": pool, "name": pool, "places": 5 });
        json!({
            "areas": [{ "id": "deck", "name": "Deck" }],
            "pools": pools.iter().map(places).collect::<Vec<_>>(),
            "lanes": [
                { "id": "in", "name": "In", "to": "deck", "pool": pools.last() },
                { "id": "out", "name": "Out", "from": "deck", "pool": "short" },
            ],
        })
    };
    let input = json!({ "operator": "city", "name": "Two pools", "zone": "Europe/Prague", "currency": "CZK",
        "layout": layout(&["short", "ev"]) });
    let facility = server.command("registerFacility", "facilityId", input).await["facilityId"].clone();
    let passage = |lane: &str, direction: &str| {
        json!({ "facilityId": facility, "lane": lane, "direction": direction,
            "happenedAt": RealClock.now().to_string(), "credentials": [{ "ticket": "T1" }] })
    };
    let seen = async |after: &serde_json::Value| {
        let query = "query Q($f: ID!, $after: String) { occupancy(facilities: [$f], after: $after) {
            places free inside full pools { pool places inside } } }";
        server.data(query, json!({ "f": facility, "after": after })).await["occupancy"][0].take()
    };
    server.command("recordPassage", "visitId", passage("in", "ENTRY")).await;
    let changed = json!({ "facilityId": facility, "layout": layout(&["short"]) });
    let changed = server.command("changeLayout", "facilityId", changed).await;
    let short = json!({ "pool": "short", "places": 5, "inside": 0 });
    let ev = json!({ "pool": "ev", "places": null, "inside": 1 });
    assert_eq!(
        seen(&changed["position"]).await,
        json!({ "places": 5, "free": 5, "inside": 1, "full": false, "pools": [ev, short] })
    );
    let left = server.command("recordPassage", "visitId", passage("out", "EXIT")).await;
    assert_eq!(
        seen(&left["position"]).await,
        json!({ "places": 5, "free": 5, "inside": 0, "full": false, "pools": [short] })
    );
}

#[tokio::test]
async fn figures_are_asked_for_in_bounded_pieces() {
    let server = serve().await;
    let facility = server.facility(5).await;
    let query = |days: i64, of_each: &str| {
        let (from, until) = (RealClock.now().minus_seconds(days * 86_400), RealClock.now());
        format!(
            r#"{{ analytics(facilities: ["{facility}"], from: "{from}", until: "{until}") {{ {of_each} }} }}"#
        )
    };
    let minutes = "occupancySeries(stepMinutes: 1) { inside }";
    let month = server.data(&query(31, minutes), json!({})).await;
    let counts = month["analytics"][0]["occupancySeries"][0]["inside"].as_array().unwrap();
    assert!((30 * 1_440..=31 * 1_440).contains(&counts.len()), "{}", counts.len());

    let aliases: String = (0..40).map(|at| format!("a{at}: {minutes} ")).collect();
    for (days, of_each) in [(31, aliases.as_str()), (200, minutes), (3_000, "occupancyByHour { peak }")] {
        let answer = server.ask(&query(days, of_each), json!({})).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "QUERY_TOO_COMPLEX", "{days}: {answer:#}");
        assert!(error["message"].as_str().unwrap().contains("shorter interval"), "{error:#}");
    }
}

#[tokio::test]
async fn a_repeat_gives_the_same_reply_and_another_body_is_refused() {
    let server = serve().await;
    let facility = server.facility(5).await;
    let input = json!({
        "commandId": new_id(), "facilityId": facility, "lane": "in", "credentials": [{ "ticket": "T1" }],
    });
    let first = server.command("enterGate", "grantId visitId", input.clone()).await;
    let mut again = server.command("enterGate", "grantId visitId", input.clone()).await;
    assert_eq!(again["repeated"].take(), true);
    again["repeated"] = json!(false);
    assert_eq!(again, first);
    let mut other = input;
    other["credentials"] = json!([{ "ticket": "T2" }]);
    let query = "mutation M($input: EnterGateInput!) { enterGate(input: $input) { position } }";
    let answer = server.ask(query, json!({ "input": other })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "COMMAND_ID_REUSED", "{answer:#}");
}

#[tokio::test]
async fn a_source_key_makes_a_passage_one_for_ever() {
    let server = serve().await;
    let facility = server.facility(5).await;
    let input = json!({
        "source": { "name": "controller-1", "sequence": 77 }, "facilityId": facility, "lane": "in",
        "direction": "ENTRY", "happenedAt": RealClock.now().to_string(),
    });
    let first = server.command("recordPassage", "visitId", input.clone()).await;
    let again = server.command("recordPassage", "visitId", input.clone()).await;
    assert_eq!((&first["repeated"], &again["repeated"]), (&json!(false), &json!(true)), "{first:#}");
    let seen = server.data(OCCUPANCY, json!({ "f": facility, "after": again["position"] })).await;
    assert_eq!(seen["facility"]["occupancy"]["unidentified"], 1);
    // Reports of nobody would be each other's repeats.
    let mut nameless = input;
    nameless["source"]["name"] = json!(" ");
    let query = "mutation M($input: RecordPassageInput!) { recordPassage(input: $input) { position } }";
    let answer = server.ask(query, json!({ "input": nameless })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer:#}");
}

#[tokio::test]
async fn a_full_pool_and_a_shut_facility_are_different_things() {
    let server = serve().await;
    let facility = server.facility(2).await;
    server.enter(&facility, "A 1").await;
    let enter =
        json!({ "facilityId": facility, "lane": "in", "credentials": [{ "plate": { "text": "A 2" } }] });
    let full = server.command("enterGate", "grantId", enter.clone()).await;
    assert_eq!(full["refusal"]["code"], "POOL_FULL", "{full:#}");
    assert!(full["grantId"].is_null());
    let shut = json!({ "facilityId": facility, "mode": "SHUT", "reason": "flood" });
    let shut = server.command("setAdmissionMode", "lane", shut).await;
    let seen = server.data(OCCUPANCY, json!({ "f": facility, "after": shut["position"] })).await;
    assert_eq!(seen["facility"]["occupancy"]["closed"], true);
    let refused = server.command("enterGate", "grantId", enter).await;
    assert_eq!(refused["refusal"]["code"], "FACILITY_SHUT");
    let query = "query Q($f: ID!) { laneActivity(facilityId: $f, lane: \"in\", first: 2) {
        nodes { event refusalCode } pageInfo { hasNextPage endCursor } } }";
    let page = server.data(query, json!({ "f": facility })).await;
    assert_eq!(page["laneActivity"]["nodes"][0]["refusalCode"], "FACILITY_SHUT", "{page:#}");
    assert_eq!(page["laneActivity"]["nodes"][1]["refusalCode"], "POOL_FULL");
    assert_eq!(page["laneActivity"]["pageInfo"]["hasNextPage"], true);
}

#[tokio::test]
async fn pages_go_on_behind_the_same_row() {
    let server = serve().await;
    let facility = server.facility(50).await;
    let mut position = json!(null);
    for at in 0..7 {
        position = server.enter(&facility, &format!("P {at}")).await["position"].take();
    }
    let query = "query Q($f: ID!, $c: String, $after: String) { visits(facilityId: $f, first: 3, after: $c, afterPosition: $after) {
        nodes { id } pageInfo { hasNextPage hasPreviousPage endCursor } } }";
    let (mut ids, mut cursor) = (Vec::new(), json!(null));
    loop {
        let page = server.data(query, json!({ "f": facility, "c": cursor, "after": position })).await;
        let nodes = page["visits"]["nodes"].as_array().unwrap();
        ids.extend(nodes.iter().map(|node| node["id"].as_str().unwrap().to_owned()));
        cursor = page["visits"]["pageInfo"]["endCursor"].clone();
        if page["visits"]["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!((count, ids.len()), (7, 7));
    let by_plate = "query Q($f: ID!) { visits(facilityId: $f, filter: { plate: \"p-3\" }) { nodes { credentials { value } } } }";
    let found = server.data(by_plate, json!({ "f": facility })).await;
    assert_eq!(found["visits"]["nodes"], json!([{ "credentials": [{ "value": "P 3" }] }]));
}

#[tokio::test]
async fn a_query_waits_for_its_position_or_says_that_it_did_not_get_there() {
    let limits = Limits { wait_seconds: 0, ..Limits::default() };
    let server = serve_with(Auth::default(), limits, false).await;
    let facility = server.facility(2).await;
    let status = server.data("{ status { position projections { caughtUp } } }", json!({})).await;
    assert!(status["status"]["projections"].as_array().unwrap().iter().all(|one| one["caughtUp"] == false));
    let late = server.ask(OCCUPANCY, json!({ "f": facility, "after": status["status"]["position"] })).await;
    assert_eq!(late["errors"][0]["extensions"]["code"], "POSITION_NOT_REACHED", "{late:#}");
    let header = ("x-octocity-after", status["status"]["position"].as_str().unwrap());
    let body = json!({ "query": "{ facilities { nodes { id } } }" }).to_string();
    let late = server.post(&[header], &body).await.json();
    assert_eq!(late["errors"][0]["extensions"]["code"], "POSITION_NOT_REACHED");
}

#[tokio::test]
async fn a_lane_that_is_not_there_has_no_silent_activity() {
    let server = serve().await;
    let facility = server.facility(5).await;
    let asked = |kind: &str, of_each: &str| {
        format!(
            "{kind} Q($f: ID!, $lane: ID!) {{ laneActivity(facilityId: $f, lane: $lane) {{ {of_each} }} }}"
        )
    };
    let (query, subscription) = (asked("query", "nodes { event }"), asked("subscription", "event"));
    let quiet = server.data(&query, json!({ "f": facility, "lane": "out" })).await;
    assert_eq!(quiet["laneActivity"]["nodes"], json!([]));
    for (facility, lane) in [(facility.as_str(), "nope"), (&new_id(), "in")] {
        let asked = json!({ "f": facility, "lane": lane });
        let answer = server.ask(&query, asked.clone()).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer:#}");
        let (_, answer) = Events::open(&server, &subscription, asked).await.next().await.unwrap();
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{answer:#}");
        assert!(error["message"].as_str().unwrap().contains(&format!("no lane '{lane}'")), "{answer:#}");
    }
}

#[tokio::test]
async fn lane_activity_misses_nothing_and_doubles_nothing_over_a_resume() {
    let server = serve().await;
    let facility = server.facility(90).await;
    let query = "subscription S($f: ID!, $after: String) { laneActivity(facilityId: $f, lane: \"in\", after: $after) { event visitId position } }";
    let start = server.data("{ status { position } }", json!({})).await["status"]["position"].take();
    let mut visits = Vec::new();
    for at in 0..6 {
        visits.push(server.enter(&facility, &format!("R {at}")).await["visitId"].clone());
    }
    let mut events = Events::open(&server, query, json!({ "f": facility, "after": start })).await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(events.data().await["laneActivity"].take());
    }
    let resume = seen.last().unwrap()["position"].clone();
    let mut events = Events::open(&server, query, json!({ "f": facility, "after": resume })).await;
    while seen.len() < 12 {
        seen.push(events.data().await["laneActivity"].take());
    }
    for visit in &visits {
        let of_visit: Vec<_> =
            seen.iter().filter(|one| one["visitId"] == *visit).map(|one| &one["event"]).collect();
        assert_eq!(of_visit, ["ENTRY_GRANTED", "ENTERED"]);
    }
}

#[tokio::test]
async fn a_visit_is_followed_by_state_and_by_event() {
    let server = serve().await;
    let facility = server.facility(9).await;
    let start = server.data("{ status { position } }", json!({})).await["status"]["position"].take();
    let entered = server.enter(&facility, "V 1").await;
    let (visit, position) = (&entered["visitId"], &entered["position"]);
    let state = "subscription S($v: ID!, $p: String) { visit(id: $v, after: $p) { status position } }";
    let mut states = Events::open(&server, state, json!({ "v": visit, "p": position })).await;
    assert_eq!(states.data().await["visit"]["status"], "OPEN");
    // The visit is known from the position of its entry on; its history is asked for from before it.
    let history = "subscription S($v: ID!, $p: String) { visitHistory(visitId: $v, after: $p) { event } }";
    let mut events = Events::open(&server, history, json!({ "v": visit, "p": start })).await;
    let mut told = Vec::new();
    while told.len() < 3 {
        told.push(events.data().await["visitHistory"]["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(told, ["EntryGranted", "VehicleEntered", "SessionOpened"]);
    server
        .command(
            "overrideGate",
            "grantId",
            json!({ "facilityId": facility, "lane": "out", "direction": "EXIT", "reason": "broken",
                "credentials": [{ "plate": { "text": "V 1" } }] }),
        )
        .await;
    let passage = json!({
        "facilityId": facility, "lane": "out", "direction": "EXIT", "credentials": [{ "plate": { "text": "V 1" } }],
        "happenedAt": RealClock.now().to_string(),
    });
    server.command("recordPassage", "visitId", passage).await;
    let mut last = states.data().await;
    while last["visit"]["status"] != "LEFT" {
        last = states.data().await;
    }
    while told.last().is_none_or(|event| event != "StayEnded") {
        told.push(events.data().await["visitHistory"]["event"].as_str().unwrap().to_owned());
    }
    assert!(told.contains(&"VehicleLeft".to_owned()), "{told:?}");
}

#[tokio::test]
async fn a_reservation_is_promised_followed_and_cancelled() {
    let server = serve().await;
    let facility = server.facility(3).await;
    let start = RealClock.now().plus_seconds(86_400);
    let input = json!({
        "facilityId": facility, "pool": "main", "startsAt": start.to_string(), "endsAt": start.plus_seconds(3_600).to_string(),
        "credentials": [{ "plate": { "text": "R 1" } }],
    });
    let made = server.command("reserveSpot", "reservationId", input.clone()).await;
    assert!(made["refusal"].is_null(), "{made:#}");
    let second = server.command("reserveSpot", "reservationId", input).await;
    assert_eq!(second["refusal"]["code"], "FULLY_RESERVED", "one place may be promised: {second:#}");
    let query =
        "subscription S($r: ID!, $p: String) { reservation(id: $r, after: $p) { status localStart zone } }";
    let mut states =
        Events::open(&server, query, json!({ "r": made["reservationId"], "p": made["position"] })).await;
    let first = states.data().await;
    assert_eq!(
        (&first["reservation"]["status"], &first["reservation"]["zone"]),
        (&json!("PROMISED"), &json!("Europe/Berlin"))
    );
    let cancel = json!({ "facilityId": facility, "reservationId": made["reservationId"] });
    server.command("cancelReservation", "reservationId", cancel).await;
    let mut last = states.data().await;
    while last["reservation"]["status"] != "CANCELLED" {
        last = states.data().await;
    }
}

#[tokio::test]
async fn the_past_is_answered_by_when_things_happened() {
    let server = serve().await;
    let facility = server.facility(9).await;
    let two_hours_ago = RealClock.now().minus_seconds(7_200);
    let mut position = json!(null);
    for (at, direction, lane) in [(0, "ENTRY", "in"), (600, "ENTRY", "in"), (1_200, "EXIT", "out")] {
        let passage = json!({
            "facilityId": facility, "lane": lane, "direction": direction,
            "happenedAt": two_hours_ago.plus_seconds(at).to_string(),
        });
        position = server.command("recordPassage", "visitId", passage).await["position"].take();
    }
    let query = "query Q($f: ID!, $p: String, $a: DateTime!, $b: DateTime!, $c: DateTime!) { facility(id: $f, after: $p) {
        a: occupancy(at: $a) { inside free full pools { full } } b: occupancy(at: $b) { inside } c: occupancy(at: $c) { inside } } }";
    let at = |seconds| two_hours_ago.plus_seconds(seconds).to_string();
    let past = json!({ "f": facility, "p": position, "a": at(-1), "b": at(700), "c": at(1_300) });
    let seen = server.data(query, past).await;
    let of = |name: &str| seen["facility"][name]["inside"].as_i64().unwrap();
    assert_eq!((of("a"), of("b"), of("c")), (0, 2, 1), "{seen:#}");
    let a = &seen["facility"]["a"];
    assert!(a["free"].is_null() && a["full"].is_null(), "what was free then is not known: {a:#}");
    assert_eq!(a["pools"], json!([{ "full": null }]));
    let to_come = json!({ "f": facility, "a": RealClock.now().plus_seconds(60).to_string() });
    for query in [
        "query Q($f: ID!, $a: DateTime!) { facility(id: $f) { occupancy(at: $a) { inside } } }",
        "query Q($f: ID!, $a: DateTime!) { occupancy(facilities: [$f], at: $a) { inside } }",
    ] {
        let answer = server.ask(query, to_come.clone()).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer:#}");
    }
    let overview = "{ operatorOverview(operator: \"city\") { inside toReview facilities { entriesToday occupancy { facilityId } } } }";
    let overview = server.data(overview, json!({})).await;
    assert_eq!(overview["operatorOverview"]["inside"], 1);
}

#[tokio::test]
async fn visits_to_review_and_the_others_are_told_apart() {
    let server = serve().await;
    let facility = server.facility(9).await;
    let enter = async |ticket: &str| {
        let passage = json!({
            "facilityId": facility, "lane": "in", "direction": "ENTRY", "credentials": [{ "ticket": ticket }],
            "happenedAt": RealClock.now().to_string(),
        });
        server.command("recordPassage", "visitId", passage).await
    };
    // Who comes in again is presumed to have left.
    let (first, other, again) = (enter("1").await, enter("2").await, enter("1").await);
    let query = "query Q($f: ID!, $p: String) {
        some: visits(facilityId: $f, filter: { needsReview: true }, afterPosition: $p) { nodes { id needsReview } }
        listed: toReview(facilityId: $f, afterPosition: $p) { nodes { id needsReview } }
        others: visits(facilityId: $f, filter: { needsReview: false }, afterPosition: $p) { nodes { id needsReview } }
        all: visits(facilityId: $f, afterPosition: $p) { nodes { id needsReview } } }";
    let seen = server.data(query, json!({ "f": facility, "p": again["position"] })).await;
    let shown = |passed: &serde_json::Value, needs| json!({ "id": passed["visitId"], "needsReview": needs });
    let (old, others) = (shown(&first, true), [shown(&again, false), shown(&other, false)]);
    assert_eq!(seen["some"]["nodes"], json!([old]));
    assert_eq!(seen["listed"]["nodes"], json!([old]));
    assert_eq!(seen["others"]["nodes"], json!(others));
    assert_eq!(seen["all"]["nodes"].as_array().unwrap().len(), 3);
}
