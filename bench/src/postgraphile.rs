//! Queries of occupancy and of sessions, beside PostGraphile on the tables that Octocity reads too.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use octocity_domain::Timestamp;
use octocity_tests::stage::{car_park, input, mutation, now_plus};
use octocity_tests_distributed::own::Own;
use octocity_tests_distributed::ports::free_port;
use octocity_tests_distributed::stage;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::Fault;
use crate::http::Connection;
use crate::quiet;
use crate::report::{Report, median, range};

const CAR_PARKS: usize = 200;
const PLACES: u32 = 500;
/// Of the first car parks: a visit that costs money each.
const SESSIONS: usize = 48;
const CLIENTS: usize = 32;
/// To PostgreSQL, of each of the two.
const CONNECTIONS: usize = 8;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(4);
const TIMES: f64 = 3.0;
/// How long a session may take to open, and a server to start.
const PATIENCE: Duration = Duration::from_secs(60);

const ERRORS: &[u8] = br#""errors""#;
const OCCUPANCY: &str = "query($facility:ID!){occupancy(facilities:[$facility]){\
                         pools{pool places visits unidentified granted held}}}";
const THEIR_OCCUPANCY: &str = "query($facility:UUID!){allOccupancies(condition:{facility:$facility}){\
                               nodes{pool places visits unidentified granted held}}}";
const SESSION: &str = "query($visit:ID!){session(id:$visit){id status enteredAt}}";
const THEIR_SESSION: &str = "query($facility:UUID!,$visit:UUID!){\
                             sessionByFacilityAndVisit(facility:$facility,visit:$visit){visit status enteredAt}}";

pub async fn measure(report: &mut Report) -> Result<(), Fault> {
    let postgres = Own::start();
    let stage = stage(&format!("[postgres]\nurl = {:?}\npool_size = {CONNECTIONS}\n", postgres.url()));
    let server = stage.launch().start()?;
    let (occupancy, sessions) = questions(server.address).await?;
    let peer = PostGraphile::start(&postgres).await?;
    for (name, questions) in [("occupancy", occupancy), ("session", sessions)] {
        compare(&questions, server.address, peer.address).await?;
        let (ours, theirs): (Vec<_>, Vec<_>) =
            questions.into_iter().map(|question| (question.ours, question.theirs)).unzip();
        let (ours, theirs) = (Arc::new(ours), Arc::new(theirs));
        // Warm: what is read, planned or compiled for the first time is so now.
        drive(server.address, &ours, ROUND / 2).await?;
        drive(peer.address, &theirs, ROUND / 2).await?;
        let rounds = quiet::rounds(ROUNDS, 2 * ROUNDS, async || {
            let theirs = drive(peer.address, &theirs, ROUND).await?;
            Ok((drive(server.address, &ours, ROUND).await?, theirs))
        });
        let rounds = rounds.await?;
        let ratios = || rounds.kept.iter().map(|(ours, theirs)| ours / theirs);
        report.note(format!(
            "{name} queries, {CLIENTS} clients ({}): {:.0}/s, PostGraphile {:.0}/s; {} times",
            rounds.said(),
            median(rounds.kept.iter().map(|round| round.0)),
            median(rounds.kept.iter().map(|round| round.1)),
            range(ratios())
        ));
        report.at_least(&format!("{name} queries, times PostGraphile"), median(ratios()), TIMES);
    }
    Ok(())
}

/// The same question to both: the bodies of the requests, and what reads the answers as rows of texts.
struct Question {
    ours: String,
    theirs: String,
    read: fn(&Value) -> Option<Vec<Vec<String>>>,
    read_theirs: fn(&Value) -> Option<Vec<Vec<String>>>,
}

/// Opens the car parks; what is asked of their pools, and of the visits that cost money.
async fn questions(address: SocketAddr) -> Result<(Vec<Question>, Vec<Question>), Fault> {
    let mut connection = Connection::open(address).await?;
    let (mut occupancy, mut sessions) = (Vec::new(), Vec::new());
    for number in 0..CAR_PARKS {
        let payload = send(&mut connection, "registerFacility", two_pools()).await?;
        let facility = payload["facilityId"].as_str().ok_or("a car park has no id")?.to_owned();
        occupancy.push(Question {
            ours: body(OCCUPANCY, json!({ "facility": facility })),
            theirs: body(THEIR_OCCUPANCY, json!({ "facility": facility })),
            read: |answer| pools(&answer["occupancy"][0]["pools"]),
            read_theirs: |answer| pools(&answer["allOccupancies"]["nodes"]),
        });
        if number < SESSIONS {
            let visit = enter(&mut connection, &facility).await?;
            sessions.push(Question {
                ours: body(SESSION, json!({ "visit": visit })),
                theirs: body(THEIR_SESSION, json!({ "facility": facility, "visit": visit })),
                read: |answer| session(&answer["session"]),
                read_theirs: |answer| their_session(&answer["sessionByFacilityAndVisit"]),
            });
        }
    }
    // A process opens them.
    let begun = Instant::now();
    for Question { ours, .. } in &sessions {
        while ask(&mut connection, ours).await?["session"].is_null() {
            if begun.elapsed() > PATIENCE {
                return Err("the sessions were not opened in time".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok((occupancy, sessions))
}

fn two_pools() -> Value {
    let mut input = car_park(PLACES);
    let layout = &mut input["layout"];
    if let Some(pools) = layout["pools"].as_array_mut() {
        pools.push(json!({ "id": "permits", "name": "Permits", "places": PLACES / 10 }));
    }
    input
}

/// A car that pays enters; its visit.
async fn enter(connection: &mut Connection, facility: &str) -> Result<String, Fault> {
    let tariff = json!({
        "id": "day", "currency": "CZK", "incrementSeconds": 3600, "pricePerIncrementMinor": 2000, "graceSeconds": 0
    });
    send(connection, "activateTariff", input(facility, json!({ "tariff": tariff }))).await?;
    let passage = json!({
        "lane": "in", "direction": "ENTRY", "credentials": [{ "ticket": "1" }], "happenedAt": now_plus(0)
    });
    let payload = send(connection, "recordPassage", input(facility, passage)).await?;
    Ok(payload["visitId"].as_str().ok_or("a passage began no visit")?.to_owned())
}

/// Sends a mutation that must be accepted; its payload.
async fn send(connection: &mut Connection, field: &str, input: Value) -> Result<Value, Fault> {
    let data = ask(connection, &body(&mutation(field), json!({ "input": input }))).await?;
    match data[field]["refusal"].is_null() {
        true => Ok(data[field].clone()),
        false => Err(format!("{field} was refused: {data}").into()),
    }
}

fn body(query: &str, variables: Value) -> String {
    json!({ "query": query, "variables": variables }).to_string()
}

async fn ask(connection: &mut Connection, body: &str) -> Result<Value, Fault> {
    let answer: Value = serde_json::from_slice(connection.post(body).await?)?;
    match answer["errors"].is_null() {
        true => Ok(answer["data"].clone()),
        false => Err(format!("{body} was not answered: {answer}").into()),
    }
}

fn pools(pools: &Value) -> Option<Vec<Vec<String>>> {
    let columns = ["pool", "places", "visits", "unidentified", "granted", "held"];
    let row = |pool: &Value| columns.map(|column| text(&pool[column])).to_vec();
    let mut rows: Vec<_> = pools.as_array()?.iter().map(row).collect();
    rows.sort_unstable();
    (rows.len() == 2).then_some(rows)
}

fn session(session: &Value) -> Option<Vec<Vec<String>>> {
    let entered: Timestamp = session["enteredAt"].as_str()?.parse().ok()?;
    Some(vec![vec![text(&session["id"]), text(&session["status"]), entered.millis().to_string()]])
}

fn their_session(session: &Value) -> Option<Vec<Vec<String>>> {
    session["visit"].as_str()?;
    Some(vec![["visit", "status", "enteredAt"].map(|column| text(&session[column])).to_vec()])
}

/// PostGraphile writes a large number as a text.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// That both say the same of everything that is asked.
async fn compare(questions: &[Question], ours: SocketAddr, theirs: SocketAddr) -> Result<(), Fault> {
    let (mut ours, mut theirs) = (Connection::open(ours).await?, Connection::open(theirs).await?);
    for question in questions {
        let mine = ask(&mut ours, &question.ours).await?;
        let other = ask(&mut theirs, &question.theirs).await?;
        let read = (question.read)(&mine);
        if read.is_none() || read != (question.read_theirs)(&other) {
            return Err(format!("Octocity says {mine}, PostGraphile {other}").into());
        }
    }
    Ok(())
}

/// Answers per second, each client asking the next question when it has the answer.
async fn drive(address: SocketAddr, bodies: &Arc<Vec<String>>, lasting: Duration) -> Result<f64, Fault> {
    let begun = Instant::now();
    let clients = (0..CLIENTS).map(|client| {
        let bodies = Arc::clone(bodies);
        tokio::spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut answers = 0;
            while begun.elapsed() < lasting {
                let answer = connection.post(&bodies[(client + answers * CLIENTS) % bodies.len()]).await?;
                if answer.windows(ERRORS.len()).any(|part| part == ERRORS) {
                    return Err(Fault::from(String::from_utf8_lossy(answer).into_owned()));
                }
                answers += 1;
            }
            Ok(answers)
        })
    });
    let mut answers = 0;
    for client in clients.collect::<Vec<_>>() {
        answers += client.await??;
    }
    Ok(answers as f64 / begun.elapsed().as_secs_f64())
}

/// A server of its own; killed with this.
struct PostGraphile {
    address: SocketAddr,
    process: Child,
}

impl PostGraphile {
    async fn start(postgres: &Own) -> Result<Self, Fault> {
        let folder = std::env::var_os("BUILT_POSTGRAPHILE");
        let folder =
            PathBuf::from(folder.ok_or("BUILT_POSTGRAPHILE does not say where the peer is installed")?);
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let mut command = Command::new(folder.join("node_modules/.bin/node"));
        command.arg(Path::new("server.mjs")).arg(postgres.url()).arg(address.port().to_string());
        command.arg(CONNECTIONS.to_string()).env("NODE_ENV", "production").env("GRAPHILE_ENV", "production");
        let process = command.current_dir(&folder).kill_on_drop(true).spawn()?;
        let mut peer = Self { address, process };
        let begun = Instant::now();
        while !peer.answers().await {
            if begun.elapsed() > PATIENCE || peer.process.try_wait()?.is_some() {
                return Err("PostGraphile does not start; see above".into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(peer)
    }

    async fn answers(&self) -> bool {
        let Ok(mut connection) = Connection::open(self.address).await else { return false };
        ask(&mut connection, &body("{__typename}", json!({}))).await.is_ok()
    }
}
