//! `/graphql` over HTTP: methods, media types, statuses, limits, tokens. The npm audit judges the same with other eyes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use octocity_api::{Auth, Limits, TokenEntry};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::{Server, new_id, serve, serve_with};

const STRICT: (&str, &str) = ("accept", "application/graphql-response+json");

fn code(body: &Value) -> &str {
    body["errors"][0]["extensions"]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn statuses_follow_the_media_type() {
    let server = serve().await;
    for (query, loose, strict) in [("{ __typename }", 200, 200), ("{", 200, 400), ("{ nothing }", 200, 400)] {
        let body = json!({ "query": query }).to_string();
        let answer = server.post(&[], &body).await;
        assert_eq!(answer.status, loose, "{query}");
        assert!(answer.head.contains("content-type: application/json; charset=utf-8"));
        let answer = server.post(&[STRICT], &body).await;
        assert_eq!(answer.status, strict, "{query}");
        assert!(answer.head.contains("content-type: application/graphql-response+json"));
        assert_eq!(answer.json().get("data").is_some(), strict == 200, "no data before execution: {query}");
    }
}

#[tokio::test]
async fn what_is_no_graphql_request_is_told_so() {
    let server = serve().await;
    let post = |headers: &'static [(&'static str, &'static str)], body: &'static str| {
        let server = &server;
        async move { server.send("POST", "/graphql", headers, body).await.status }
    };
    const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
    assert_eq!(post(&[("content-type", "text/plain")], r#"{"query":"{__typename}"}"#).await, 415);
    assert_eq!(post(&[("content-type", "application/json; charset=utf-16")], "{}").await, 415);
    assert_eq!(post(&[], "{}").await, 415);
    assert_eq!(post(JSON, "").await, 400);
    assert_eq!(post(JSON, "[]").await, 400);
    assert_eq!(post(JSON, r#"{"query":1}"#).await, 400);
    let not_acceptable = server.post(&[("accept", "text/html")], r#"{"query":"{__typename}"}"#).await;
    assert_eq!(not_acceptable.status, 406);
    let put = server.send("PUT", "/graphql", &[], "").await;
    assert_eq!(put.status, 405);
    assert!(put.head.contains("allow: get, post"));
}

#[tokio::test]
async fn an_open_server_answers_under_its_machines_own_names_only() {
    let server = serve().await;
    let port = server.address.port();
    let ask = async |server: &Server, host: &str| {
        server.send("GET", "/graphql?query=%7B__typename%7D", &[("host", host)], "").await
    };
    for own in ["localhost", &format!("LOCALHOST:{port}"), "127.0.0.1", "[::1]:80", "127.9.9.9:1"] {
        assert_eq!(ask(&server, own).await.status, 200, "{own}");
    }
    for other in
        ["evil.example", &format!("evil.example:{port}"), "192.168.0.1", "localhost.evil.example", ""]
    {
        let refused = ask(&server, other).await;
        assert_eq!(refused.status, 403, "{other}");
        assert!(refused.json()["errors"][0]["message"].as_str().unwrap().contains("configure tokens"));
    }
    let token = TokenEntry { name: "gate".to_owned(), sha256: [0; 32] };
    let guarded = serve_with(Auth::new([token]), Limits::default(), true).await;
    assert_eq!(ask(&guarded, "parking.example").await.status, 401, "tokens say who asks");
}

#[tokio::test]
async fn a_get_reads_and_never_writes() {
    let server = serve().await;
    assert_eq!(server.send("GET", "/graphql?query=%7B__typename%7D", &[], "").await.status, 200);
    let input = format!(
        "{{commandId:\"{}\",operator:\"a\",name:\"a\",zone:\"UTC\",currency:\"EUR\",layout:{{pools:[{{id:\"p\",name:\"p\"}}]}}}}",
        new_id()
    );
    let mutation = format!("mutation{{registerFacility(input:{input}){{position}}}}");
    let encoded: String = mutation.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let answer = server.send("GET", &format!("/graphql?query={encoded}"), &[], "").await;
    assert_eq!(answer.status, 405, "{answer:?}");
    assert!(answer.head.contains("allow: post"));
    assert_eq!(*octocity_log::EventLog::head(&*server.log).borrow(), octocity_log::Position(0));
}

#[tokio::test]
async fn hostile_documents_are_refused_before_they_run() {
    let server = serve().await;
    let ask = |query: String| {
        let server = &server;
        async move { server.ask(&query, json!({})).await }
    };
    let aliases: String = (0..1_600).map(|at| format!("a{at}: status {{ now }} ")).collect();
    assert_eq!(code(&ask(format!("{{ {aliases} }}")).await), "QUERY_TOO_LARGE");
    let deep = format!("{{ facility(id: \"\") {}", "{ a ".repeat(1_000));
    assert_eq!(code(&ask(deep).await), "QUERY_TOO_DEEP");
    let dear = "{ facilities(first: 500) { nodes { visits(first: 500) { nodes { id } } } } }".to_owned();
    assert_eq!(code(&ask(dear).await), "QUERY_TOO_COMPLEX");
    let huge = "{ facilities(first: 501) { nodes { id } } }".to_owned();
    assert_eq!(code(&ask(huge).await), "BAD_USER_INPUT");
    let too_large = server.post(&[], &" ".repeat((1 << 20) + 1)).await;
    assert_eq!(too_large.status, 413);
}

#[tokio::test]
async fn the_usual_introspection_passes() {
    let server = serve().await;
    let kind = "kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } }";
    let query = format!(
        "query IntrospectionQuery {{ __schema {{ queryType {{ name }} types {{ kind name description fields(includeDeprecated: true) {{ name args {{ name type {{ {kind} }} defaultValue }} type {{ {kind} }} }} inputFields {{ name type {{ {kind} }} }} enumValues {{ name }} }} }} }}"
    );
    let data = server.data(&query, json!({})).await;
    assert!(data["__schema"]["types"].as_array().unwrap().len() > 50);
}

#[tokio::test]
async fn tokens_name_who_asks_and_keep_others_out() {
    let entry = TokenEntry { name: "gate-7".to_owned(), sha256: Sha256::digest(b"secret").into() };
    let server = serve_with(Auth::new([entry]), Limits::default(), true).await;
    let body = r#"{"query":"{__typename}"}"#;
    let refused = server.post(&[], body).await;
    assert_eq!((refused.status, code(&refused.json())), (401, "UNAUTHENTICATED"));
    assert!(refused.head.contains("www-authenticate: bearer"));
    assert_eq!(server.post(&[("authorization", "Bearer other")], body).await.status, 401);
    assert_eq!(server.post(&[("authorization", "Bearer secret")], body).await.status, 200);
}

#[tokio::test]
async fn bad_input_says_what_to_do() {
    let server = serve().await;
    for (query, expected) in [
        ("{ facility(id: \"x\") { id } }", "BAD_USER_INPUT"),
        ("{ facilities(after: \"zz\") { nodes { id } } }", "BAD_USER_INPUT"),
        ("{ status { now } facilities(afterPosition: \"zz\") { nodes { id } } }", "BAD_USER_INPUT"),
        ("{ facilities(afterPosition: \"11111111-0-1\") { nodes { id } } }", "POSITION_FOREIGN"),
        ("{ operatorOverview(operator: \"nobody\") { inside } }", "BAD_USER_INPUT"),
    ] {
        let answer = server.ask(query, json!({})).await;
        assert_eq!(code(&answer), expected, "{query}: {answer:#}");
    }
}

#[tokio::test]
async fn a_position_given_as_a_cursor_is_told_its_argument() {
    let server = serve().await;
    let position = server.data("{ status { position } }", json!({})).await["status"]["position"].take();
    let query = "query Q($p: String) { facilities(after: $p) { nodes { id } } }";
    let answer = server.ask(query, json!({ "p": position })).await;
    let message = answer["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("'afterPosition'"), "{message}");
}

#[tokio::test]
async fn a_misspelt_key_is_named_with_the_one_that_was_meant() {
    let server = serve().await;
    let message = |answer: &Value| answer["errors"][0]["message"].as_str().unwrap().to_owned();
    let query = "mutation M($input: RegisterFacilityInput!) { registerFacility(input: $input) { position } }";
    let input = json!({ "commandId": new_id(), "operater": "city", "layout": { "pools": [{ "id": "p" }] } });
    let answer = server.ask(query, json!({ "input": input })).await;
    assert_eq!(message(&answer), "input has no key 'operater'; did you mean 'operator'?");
    assert_eq!(code(&answer), "GRAPHQL_VALIDATION_FAILED");
    let literal =
        "mutation { registerFacility(input: { layout: { pools: [{ id: \"p\", place: 3 }] } }) { position } }";
    let answer = server.ask(literal, json!({})).await;
    assert_eq!(message(&answer), "input.layout.pools.0 has no key 'place'; did you mean 'places'?");
    assert_eq!(code(&answer), "GRAPHQL_VALIDATION_FAILED");
    // Also beside a variable that has no value.
    for variable in ["$plate: String", "$plate: String = \"B\""] {
        let query = format!(
            "query Q($f: ID!, {variable}) {{ visits(facilityId: $f, filter: {{ plate: $plate, needReview: true }}) {{
                nodes {{ id }} }} }}"
        );
        let answer = server.ask(&query, json!({ "f": new_id() })).await;
        assert_eq!(message(&answer), "filter has no key 'needReview'; did you mean 'needsReview'?");
    }
    // And wherever the field stands.
    let visits = "visits(filter: { plate: $plate, needReview: true }) { nodes { id } }";
    for selected in [
        format!("{{ facility(id: $f) {{ {visits} }} }}"),
        format!("{{ facility(id: $f) {{ ... on Facility {{ {visits} }} }} }}"),
        format!("{{ facility(id: $f) {{ ...F }} }} fragment F on Facility {{ {visits} }}"),
    ] {
        let query = format!("query Q($f: ID!, $plate: String) {selected}");
        let answer = server.ask(&query, json!({ "f": new_id() })).await;
        assert_eq!(message(&answer), "filter has no key 'needReview'; did you mean 'needsReview'?");
    }
}

#[tokio::test]
async fn variables_are_given_or_have_a_default() {
    let server = serve().await;
    let facility = server.facility(9).await;
    let query = "query Q($f: ID!, $not: Boolean = true) { facility(id: $f) { id name @skip(if: $not) } }";
    let seen = server.data(query, json!({ "f": facility })).await;
    assert_eq!(seen["facility"], json!({ "id": facility }));
    for variables in [json!({}), json!({ "f": null }), json!({ "id": facility })] {
        let answer = server.ask(query, variables).await;
        assert!(answer.get("data").is_none(), "{answer:#}");
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert!(message.starts_with("Variable 'f' of type ID! has no value"), "{message}");
        assert_eq!(code(&answer), "GRAPHQL_VALIDATION_FAILED");
    }
}

#[tokio::test]
async fn a_value_that_is_no_currency_is_told_so_in_plain_words() {
    let server = serve().await;
    let query = "mutation M($input: RegisterFacilityInput!) { registerFacility(input: $input) { position } }";
    let input = json!({
        "commandId": new_id(), "operator": "city", "name": "Market", "zone": "UTC", "currency": "euro",
        "layout": { "pools": [{ "id": "p", "name": "P" }] },
    });
    let answer = server.ask(query, json!({ "input": input })).await;
    let said = "Currency: the value is no active ISO 4217 code in capitals, such as EUR.";
    assert_eq!(answer["errors"][0]["message"], said);
    assert_eq!(code(&answer), "BAD_USER_INPUT");
}

#[tokio::test]
async fn a_fault_shows_a_reference_and_no_insides() {
    // Nobody else reads the log.
    let server = serve_with(Auth::default(), Limits::default(), false).await;
    let facility = server.facility(10).await;
    server.log.fail_reads(1);
    let query = "query Q($f: ID!) { laneActivity(facilityId: $f, lane: \"in\") { nodes { event } } }";
    let answer = server.ask(query, json!({ "f": facility })).await;
    assert_eq!(code(&answer), "UNAVAILABLE", "{answer:#}");
    let error = &answer["errors"][0];
    let reference = error["extensions"]["reference"].as_str().unwrap();
    assert_eq!(
        error["message"].as_str().unwrap(),
        format!(
            "This cannot be read just now; ask again in a moment. The operator finds it in the log under reference \
             {reference}."
        )
    );
}

#[tokio::test]
async fn pages_and_probes_answer() {
    let server = serve().await;
    for (path, holds) in [
        ("/", "<h1>Octocity</h1>"),
        ("/graphiql", "needs the internet"),
        ("/health/live", "live"),
        ("/health/ready", "ready"),
        ("/metrics", "octocity_up 1"),
    ] {
        let answer = server.send("GET", path, &[], "").await;
        assert!(answer.status == 200 && answer.body.contains(holds), "{path}: {answer:?}");
    }
}

/// What a page loads from elsewhere runs with its rights: it is the very file that was looked at, or nothing.
#[tokio::test]
async fn what_graphiql_loads_from_elsewhere_is_pinned_by_its_hash() {
    let page = serve().await.send("GET", "/graphiql", &[], "").await.body;
    let loaded: Vec<&str> = page.split('<').filter(|tag| tag.contains("https://")).collect();
    assert_eq!(loaded.len(), 5);
    for tag in loaded {
        assert!(tag.contains(" crossorigin ") && tag.contains("integrity=\"sha384-"), "{tag}");
    }
}
