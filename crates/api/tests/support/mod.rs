//! The whole API in one process: the log and the rows in memory, the real handler, engine and executor.
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use octocity_api::{ApiState, Auth, Limits, Probes, Readiness};
use octocity_commands::{
    Clock, Executor, GatewayRequest, Handler, HandlerOptions, IdempotencyKey, MemoryProcessStore,
    PaymentGateway,
};
use octocity_domain::Timestamp;
use octocity_domain::payments::{GatewayOutcome, GatewayVerb};
use octocity_log::{EventLog, LogId, MemoryLog};
use octocity_projections::engine::{Engine, EngineOptions};
use octocity_projections::{MemoryRows, ReadModels, RowStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

pub struct RealClock;

impl Clock for RealClock {
    #[allow(clippy::disallowed_methods, reason = "command ids must be of about now, and are made here")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the client that makes its ids")]
pub fn new_id() -> String {
    Uuid::now_v7().to_string()
}

/// Does whatever it is asked, but declines the token `decline` and never answers a capture of the token `silent`.
struct Obliging;

#[async_trait]
impl PaymentGateway for Obliging {
    async fn call(&self, request: GatewayRequest) -> GatewayOutcome {
        if request.token.as_str() == "silent" && request.call.verb == GatewayVerb::Capture {
            return std::future::pending().await;
        }
        match request.token.as_str() {
            "decline" => GatewayOutcome::Declined { reason: "no money".to_owned() },
            "lost" => GatewayOutcome::Unknown { reason: "no answer".to_owned() },
            _ => GatewayOutcome::Done { reference: request.key.to_string() },
        }
    }
    async fn find(&self, _: IdempotencyKey) -> Option<GatewayOutcome> {
        None
    }
}

struct Steady;

#[async_trait]
impl Probes for Steady {
    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }
    async fn metrics(&self) -> String {
        "octocity_up 1\n".to_owned()
    }
    fn held_keys(&self) -> u64 {
        3
    }
}

pub struct Server {
    pub address: SocketAddr,
    pub log: Arc<MemoryLog>,
    pub models: ReadModels,
    pub stop: watch::Sender<bool>,
    /// Ends when the server has stopped.
    pub serving: JoinHandle<()>,
}

/// What came back on one request.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

pub async fn serve() -> Server {
    serve_with(Auth::default(), Limits::default(), true).await
}

/// `following`: whether engine and processes follow the log.
pub async fn serve_with(auth: Auth, limits: Limits, following: bool) -> Server {
    let log = Arc::new(MemoryLog::new(LogId(Uuid::from_u128(7 << 100))));
    serve_on(log, Arc::new(MemoryRows::new()), auth, limits, following).await
}

/// What these hold already is there.
pub async fn serve_on(
    log: Arc<MemoryLog>,
    rows: Arc<dyn RowStore>,
    auth: Auth,
    limits: Limits,
    following: bool,
) -> Server {
    let (port, clock): (Arc<dyn EventLog>, Arc<dyn Clock>) = (log.clone(), Arc::new(RealClock));
    let handler = Handler::new(Arc::clone(&port), None, Arc::clone(&clock), HandlerOptions::default());
    let (stop, closing) = watch::channel(false);
    let engine = Engine::open(Arc::clone(&port), rows, EngineOptions::default());
    let engine = engine.await.unwrap();
    let models = engine.models();
    if following {
        tokio::spawn(engine.run(closing.clone()));
        let store = Arc::new(MemoryProcessStore::default());
        let executor = Executor::new(Arc::clone(&handler), store, Arc::new(Obliging));
        executor.start().await.unwrap();
        tokio::spawn(executor.run(closing.clone()));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let state = ApiState {
        handler,
        log: port,
        models: models.clone(),
        clock,
        auth,
        limits,
        listen: address,
        closing,
        probes: Arc::new(Steady),
        page: "<h1>Octocity</h1>",
    };
    let closing = state.closing.clone();
    let serving = tokio::spawn(octocity_api::serve(listener, octocity_api::router(state), limits, closing));
    Server { address, log, models, stop, serving }
}

impl Server {
    /// One request over a connection of its own, as these bytes say it.
    pub async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut socket = self.open(method, target, headers, body).await;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub async fn open(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
        let mut request = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n");
        if headers.iter().all(|(name, _)| *name != "host") {
            request += &format!("host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("content-length: {}\r\n\r\n{body}", body.len());
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        socket
    }

    pub async fn post(&self, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send("POST", "/graphql", &all, body).await
    }

    /// A request as clients send it: the whole response.
    pub async fn ask(&self, query: &str, variables: Value) -> Value {
        self.post(&[], &json!({ "query": query, "variables": variables }).to_string()).await.json()
    }

    /// The data of a request without errors.
    #[track_caller]
    pub fn data(&self, query: &str, variables: Value) -> impl Future<Output = Value> {
        let asked = query.to_owned();
        async move {
            let mut answer = self.ask(&asked, variables).await;
            assert!(answer["errors"].is_null(), "{asked}: {answer:#}");
            answer["data"].take()
        }
    }

    /// One mutation with its input; a command id is added. The payload.
    pub async fn command(&self, mutation: &str, wanted: &str, mut input: Value) -> Value {
        if input["commandId"].is_null() && input["source"].is_null() {
            input["commandId"] = json!(new_id());
        }
        let kind = format!("{}{}Input", mutation[..1].to_ascii_uppercase(), &mutation[1..]);
        let query = format!(
            "mutation M($input: {kind}!) {{ {mutation}(input: $input) {{ position repeated refusal {{ code message }} {wanted} }} }}"
        );
        self.data(&query, json!({ "input": input })).await[mutation].take()
    }

    /// A facility with one pool of so many places, one entry and one exit lane, and a tariff of 100 a minute.
    pub async fn facility(&self, places: u32) -> String {
        let layout = json!({
            "areas": [{ "id": "deck", "name": "Deck", "level": "L1" }],
            "pools": [{ "id": "main", "name": "Main", "places": places, "reservablePlaces": 1 }],
            "lanes": [
                { "id": "in", "name": "In", "to": "deck", "pool": "main" },
                { "id": "out", "name": "Out", "to": "deck", "pool": "main" },
            ],
        });
        let registered = self
            .command(
                "registerFacility",
                "facilityId",
                json!({ "operator": "city", "name": "Market", "zone": "Europe/Berlin", "currency": "EUR", "layout": layout }),
            )
            .await;
        let id = registered["facilityId"].as_str().unwrap_or_else(|| panic!("{registered:#}")).to_owned();
        let tariff =
            json!({ "id": "t1", "currency": "EUR", "incrementSeconds": 60, "pricePerIncrementMinor": 100 });
        let activated =
            self.command("activateTariff", "from", json!({ "facilityId": id, "tariff": tariff })).await;
        assert!(activated["refusal"].is_null(), "{activated:#}");
        id
    }

    /// A vehicle that asks and passes: its visit.
    pub async fn enter(&self, facility: &str, plate: &str) -> Value {
        let credentials = json!([{ "plate": { "text": plate } }]);
        let granted = self
            .command(
                "enterGate",
                "grantId visitId expiresAt ground { kind }",
                json!({ "facilityId": facility, "lane": "in", "credentials": credentials }),
            )
            .await;
        assert!(granted["refusal"].is_null(), "{granted:#}");
        let passage = json!({
            "facilityId": facility, "lane": "in", "direction": "ENTRY", "credentials": credentials,
            "happenedAt": RealClock.now().to_string(),
        });
        let passed = self.command("recordPassage", "visitId irregularities", passage).await;
        assert_eq!(passed["visitId"], granted["visitId"], "{passed:#}");
        passed
    }
}

/// What arrives on an event stream within a time, as (event, data).
pub struct Events {
    socket: TcpStream,
    text: String,
}

impl Events {
    pub async fn open(server: &Server, query: &str, variables: Value) -> Self {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let headers = [("content-type", "application/json"), ("accept", "text/event-stream")];
        Self { socket: server.open("POST", "/graphql", &headers, &body).await, text: String::new() }
    }

    /// The next event; None: the stream ended.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        let mut bytes = [0; 4096];
        loop {
            if let Some((kind, data, rest)) = cut(&self.text) {
                self.text = rest;
                return Some((kind, data));
            }
            let read = tokio::time::timeout(Duration::from_secs(5), self.socket.read(&mut bytes));
            match read.await.expect("an event arrives").unwrap() {
                0 => return None,
                read => self.text += std::str::from_utf8(&bytes[..read]).unwrap(),
            }
        }
    }

    /// The data of the next message.
    pub async fn data(&mut self) -> Value {
        let (kind, mut response) = self.next().await.expect("the stream goes on");
        assert_eq!(kind, "next");
        assert!(response["errors"].is_null(), "{response:#}");
        response["data"].take()
    }
}

/// The first whole event of a text in which chunk sizes may stand between the lines.
fn cut(text: &str) -> Option<(String, Value, String)> {
    let start = text.find("event: ")?;
    let (kind, rest) = text[start + 7..].split_once('\n')?;
    let data = rest.strip_prefix("data: ")?;
    let (data, rest) = data.split_once("\n\n")?;
    let data = serde_json::from_str(data).unwrap_or(Value::Null);
    Some((kind.to_owned(), data, rest.to_owned()))
}
