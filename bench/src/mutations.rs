//! Commands as GraphQL mutations over HTTP, beside an axum handler that parses and returns the same bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::post;
use octocity_tests_distributed::ports::free_port;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::Fault;
use crate::city::{City, Way, is_stored};
use crate::handler::{CALLERS as CLIENTS, FACILITIES};
use crate::http::Connection;
use crate::latencies::Latencies;
use crate::quiet;
use crate::report::{Report, median, range};

pub const BARE: &str = "serve-bare";
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(4);

/// `handler`: commands per second through the handler alone, of as many callers.
pub async fn measure(handler: f64, report: &mut Report) -> Result<(), Fault> {
    let city = Arc::new(City::open(FACILITIES, &[]).await?);
    let bare = Bare::start(&sample(&city).await?).await?;
    // Warm: what is read for the first time is read now.
    drive(city.address(), &city, ROUND / 2).await?;
    let rounds = quiet::rounds(ROUNDS, 2 * ROUNDS, async || {
        let (theirs, _) = drive(bare.address, &city, ROUND).await?;
        Ok((drive(city.address(), &city, ROUND).await?, theirs))
    });
    let rounds = rounds.await?;
    let mut latencies = Latencies::default();
    rounds.kept.iter().for_each(|((_, took), _)| latencies.add(took));
    let ours = || rounds.kept.iter().map(|((per_second, _), _)| *per_second);
    let theirs = || rounds.kept.iter().map(|(_, theirs)| *theirs);
    let ranges = (range(ours()), range(theirs()));
    let (ours, bare) = (median(ours()), median(theirs()));
    let limit = 1.0 / (1.0 / bare + 1.0 / handler);
    report.note(format!(
        "mutations over HTTP, {CLIENTS} clients ({}): {ours:.0}/s ({}; {}); bare axum {bare:.0}/s ({}), handler alone \
         {handler:.0}/s, which together allow {limit:.0}/s",
        rounds.said(),
        ranges.0,
        latencies.said(),
        ranges.1
    ));
    report.at_least("HTTP mutations, of what bare HTTP and the handler together allow", ours / limit, 0.7);
    report.at_most("HTTP mutations, p99 ms at 64 clients", latencies.millis(0.99), 25.0);
    Ok(())
}

/// An answer as the server gives it.
async fn sample(city: &City) -> Result<Vec<u8>, Fault> {
    let mut connection = Connection::open(city.address()).await?;
    let answer = connection.post(&city.passage(0, Way::In, "sample")).await?;
    if !is_stored(answer) {
        return Err(format!("a passage was not stored: {}", String::from_utf8_lossy(answer)).into());
    }
    Ok(answer.to_vec())
}

/// Requests per second, each client sending the next when it has the answer; and how long each took.
async fn drive(address: SocketAddr, city: &Arc<City>, lasting: Duration) -> Result<(f64, Latencies), Fault> {
    let begun = Instant::now();
    let clients =
        (0..CLIENTS).map(|client| tokio::spawn(one(client, address, Arc::clone(city), begun + lasting)));
    let mut all = Latencies::default();
    for client in clients.collect::<Vec<_>>() {
        all.add(&client.await??);
    }
    Ok((all.count() as f64 / begun.elapsed().as_secs_f64(), all))
}

async fn one(
    client: usize,
    address: SocketAddr,
    city: Arc<City>,
    until: Instant,
) -> Result<Latencies, Fault> {
    let mut connection = Connection::open(address).await?;
    let (mut latencies, mut vehicle) = (Latencies::default(), 0);
    while Instant::now() < until {
        for way in [Way::In, Way::Out] {
            let body = city.passage(client + vehicle * CLIENTS, way, &format!("{client}-{vehicle}"));
            let sent = Instant::now();
            let answer = connection.post(&body).await?;
            latencies.record(sent.elapsed());
            if !is_stored(answer) {
                return Err(format!("a passage was not stored: {}", String::from_utf8_lossy(answer)).into());
            }
        }
        vehicle += 1;
    }
    Ok(latencies)
}

/// A process of its own, as the server is.
struct Bare {
    address: SocketAddr,
    _process: Child,
    _folder: tempfile::TempDir,
}

impl Bare {
    async fn start(answer: &[u8]) -> Result<Self, Fault> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("answer");
        std::fs::write(&file, answer)?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let mut command = Command::new(std::env::current_exe()?);
        let mut process = command.arg(BARE).arg(address.to_string()).arg(&file).kill_on_drop(true).spawn()?;
        while Connection::open(address).await.is_err() {
            if process.try_wait()?.is_some() {
                return Err("the bare server ended early; see above".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { address, _process: process, _folder: folder })
    }
}

/// Parses every body and answers with these bytes.
pub async fn serve_bare(address: &str, file: &str) -> Result<(), Fault> {
    let answer = Bytes::from(std::fs::read(file)?);
    let handler = move |body: Bytes| {
        let answer = answer.clone();
        async move {
            let parsed =
                serde_json::from_slice::<serde_json::Value>(&body).is_ok_and(|body| body.is_object());
            ([(header::CONTENT_TYPE, "application/json")], if parsed { answer } else { Bytes::new() })
        }
    };
    let listener = TcpListener::bind(address).await?;
    let listener = axum::serve::ListenerExt::tap_io(listener, |socket| {
        // As our own server does.
        let _ = socket.set_nodelay(true);
    });
    Ok(axum::serve(listener, Router::new().route("/graphql", post(handler))).await?)
}
