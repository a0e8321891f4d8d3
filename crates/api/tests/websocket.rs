//! graphql-transport-ws as its protocol says it. The npm client judges the same with other eyes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use octocity_api::{Auth, Limits, TokenEntry};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::{Events, Server, serve, serve_with};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    async fn dial(server: &Server, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        let mut request = format!("ws://{}/graphql", server.address).into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let socket = TcpStream::connect(server.address).await.unwrap();
        Ok(Self(client_async(request, socket).await?.0))
    }

    async fn open(server: &Server) -> Self {
        Self::dial(server, &[("sec-websocket-protocol", "graphql-transport-ws")]).await.unwrap()
    }

    async fn acknowledged(server: &Server) -> Self {
        let mut socket = Self::open(server).await;
        socket.send(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.next().await.unwrap()["type"], "connection_ack");
        socket
    }

    async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message, or the code of the close.
    async fn next(&mut self) -> Result<Value, u16> {
        loop {
            let received = tokio::time::timeout(Duration::from_secs(5), self.0.next()).await;
            match received.expect("a message arrives").unwrap().unwrap() {
                Message::Text(text) => return Ok(serde_json::from_str(&text).unwrap()),
                Message::Close(Some(frame)) => return Err(frame.code.into()),
                _ => {}
            }
        }
    }

    async fn close_code(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }
}

fn subscribe(id: &str, query: &str) -> Value {
    json!({ "type": "subscribe", "id": id, "payload": { "query": query } })
}

#[tokio::test]
async fn each_breach_closes_with_its_code() {
    let limits = Limits { init_timeout_seconds: 1, ..Limits::default() };
    let server = serve_with(Auth::default(), limits, true).await;
    let init = json!({ "type": "connection_init" });
    let cases = [
        (4400, vec![json!("text")]),
        (4400, vec![json!({ "type": "start" })]),
        (4400, vec![init.clone(), json!({ "type": "subscribe", "id": "1", "payload": { "query": 1 } })]),
        (4401, vec![subscribe("1", "{ __typename }")]),
        (4408, vec![]),
        (4429, vec![init.clone(), init.clone()]),
    ];
    for (code, messages) in cases {
        let mut socket = Socket::open(&server).await;
        for message in &messages {
            socket.send(message.clone()).await;
        }
        assert_eq!(socket.close_code().await, code, "{messages:?}");
    }
    let mut binary = Socket::open(&server).await;
    binary.0.send(Message::binary(b"{}".to_vec())).await.unwrap();
    assert_eq!(binary.close_code().await, 4400);
    let mut other = Socket::dial(&server, &[]).await.unwrap();
    assert_eq!(other.close_code().await, 4406);
}

#[tokio::test]
async fn what_cannot_be_read_closes_with_the_code_of_its_fault() {
    let server = serve().await;
    // Masked by zeros: the payload as it is.
    let not_utf8 = [0x81, 0x82, 0, 0, 0, 0, 0xff, 0xff].as_slice();
    let reserved_bit = [0xc1, 0x80, 0, 0, 0, 0].as_slice();
    let unmasked = [0x81, 0x02, b'{', b'}'].as_slice();
    let two_mebibytes = [0x81, 0xff, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0].as_slice();
    for (code, frame) in [(1007, not_utf8), (1002, reserved_bit), (1002, unmasked), (1009, two_mebibytes)] {
        let mut socket = Socket::acknowledged(&server).await;
        socket.0.get_mut().write_all(frame).await.unwrap();
        assert_eq!(socket.close_code().await, code, "{frame:?}");
    }
}

#[tokio::test]
async fn a_subscription_has_one_root_field_on_every_transport() {
    let server = serve().await;
    let facility = server.facility(5).await;
    let one = format!("occupancy(facilities: [\"{facility}\"]) {{ inside }}");
    let two = format!("subscription {{ {one} ...More }} fragment More on Subscription {{ more: {one} }}");
    let mut socket = Socket::acknowledged(&server).await;
    socket.send(subscribe("1", &two)).await;
    let error = socket.next().await.unwrap();
    assert_eq!(
        (&error["type"], &error["payload"][0]["extensions"]["code"]),
        (&json!("error"), &json!("GRAPHQL_VALIDATION_FAILED"))
    );
    let mut events = Events::open(&server, &two, json!({})).await;
    let (_, response) = events.next().await.unwrap();
    assert_eq!(response["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn a_running_id_is_taken_until_it_is_completed() {
    let server = serve().await;
    let facility = server.facility(5).await;
    let live = format!("subscription {{ occupancy(facilities: [\"{facility}\"]) {{ inside }} }}");
    let mut socket = Socket::acknowledged(&server).await;
    socket.send(subscribe("1", &live)).await;
    assert_eq!(socket.next().await.unwrap()["payload"]["data"]["occupancy"]["inside"], 0);
    socket.send(json!({ "type": "complete", "id": "1" })).await;
    socket.send(subscribe("1", "{ __typename }")).await;
    assert_eq!(socket.next().await.unwrap()["payload"]["data"]["__typename"], "Query");
    assert_eq!(socket.next().await.unwrap(), json!({ "type": "complete", "id": "1" }));
    socket.send(subscribe("2", &live)).await;
    socket.send(subscribe("2", &live)).await;
    assert_eq!(socket.close_code().await, 4409);
}

#[tokio::test]
async fn queries_mutations_and_errors_travel_too() {
    let server = serve().await;
    let mut socket = Socket::acknowledged(&server).await;
    socket.send(json!({ "type": "ping", "payload": { "a": 1 } })).await;
    assert_eq!(socket.next().await.unwrap(), json!({ "type": "pong", "payload": { "a": 1 } }));
    socket.send(subscribe("q", "{ nothing }")).await;
    let error = socket.next().await.unwrap();
    assert_eq!(
        (&error["type"], &error["payload"][0]["extensions"]["code"]),
        (&json!("error"), &json!("GRAPHQL_VALIDATION_FAILED"))
    );
    socket.send(subscribe("s", "subscription { visit(id: \"x\") { id } }")).await;
    let error = socket.next().await.unwrap();
    assert_eq!(
        (&error["type"], &error["payload"][0]["extensions"]["code"]),
        (&json!("error"), &json!("BAD_USER_INPUT"))
    );
    let mutation = format!(
        "mutation {{ voidPayment(input: {{ commandId: \"{}\", paymentId: \"{}\" }}) {{ refusal {{ code }} }} }}",
        support::new_id(),
        support::new_id()
    );
    socket.send(subscribe("m", &mutation)).await;
    assert_eq!(
        socket.next().await.unwrap()["payload"]["data"]["voidPayment"]["refusal"]["code"],
        "PAYMENT_UNKNOWN"
    );
}

#[tokio::test]
async fn one_socket_runs_only_so_many_operations() {
    let limits = Limits { operations_per_socket: 2, ..Limits::default() };
    let server = serve_with(Auth::default(), limits, true).await;
    let facility = server.facility(5).await;
    let live = format!("subscription {{ occupancy(facilities: [\"{facility}\"]) {{ inside }} }}");
    let mut socket = Socket::acknowledged(&server).await;
    for id in ["1", "2", "3"] {
        socket.send(subscribe(id, &live)).await;
    }
    let mut refused = socket.next().await.unwrap();
    while refused["type"] != "error" {
        refused = socket.next().await.unwrap();
    }
    assert_eq!(
        (&refused["id"], &refused["payload"][0]["extensions"]["code"]),
        (&json!("3"), &json!("TOO_MANY_STREAMS"))
    );
}

#[tokio::test]
async fn all_who_ask_the_same_are_told_the_last_state() {
    let server = serve().await;
    let facility = server.facility(50).await;
    let live = format!("subscription {{ occupancy(facilities: [\"{facility}\"]) {{ inside }} }}");
    let mut sockets = Vec::new();
    for _ in 0..20 {
        let mut socket = Socket::acknowledged(&server).await;
        socket.send(subscribe("1", &live)).await;
        sockets.push(socket);
    }
    let (mut leaving, staying) = (sockets.split_off(10), &mut sockets);
    for at in 0..7 {
        server.enter(&facility, &format!("L {at}")).await;
        leaving.pop();
    }
    // And one that comes late.
    let mut late = Socket::acknowledged(&server).await;
    late.send(subscribe("other", &live)).await;
    staying.push(late);
    for socket in staying {
        while socket.next().await.unwrap()["payload"]["data"]["occupancy"]["inside"] != 7 {}
    }
}

#[tokio::test]
async fn a_bad_token_closes_with_4403() {
    let entry = TokenEntry { name: "gate-7".to_owned(), sha256: Sha256::digest(b"secret").into() };
    let server = serve_with(Auth::new([entry]), Limits::default(), true).await;
    for (payload, expected) in [
        (json!({ "authorization": "Bearer other" }), Err(4403)),
        (json!(null), Err(4403)),
        (json!({ "authorization": "Bearer secret" }), Ok(json!({ "type": "connection_ack" }))),
    ] {
        let mut socket = Socket::open(&server).await;
        socket.send(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.next().await, expected);
    }
}

#[tokio::test]
async fn pages_of_other_origins_do_not_reach_an_open_server() {
    let server = serve().await;
    let own = format!("http://{}", server.address);
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    assert!(Socket::dial(&server, &[protocol, ("origin", &own)]).await.is_ok());
    assert!(Socket::dial(&server, &[protocol, ("origin", "https://evil.example")]).await.is_err());
}

#[tokio::test]
async fn a_stopping_server_says_so() {
    let server = serve().await;
    let mut socket = Socket::acknowledged(&server).await;
    server.stop.send(true).unwrap();
    assert_eq!(socket.close_code().await, 1001);
}
