//! What nodes do together, each role a process of its own on all services, on this machine:
//! `cargo bench -p octocity-tests-distributed`. Who sends the load runs here, too, and so does what stands for EventStoreDB.
//!
//! - **hot**: all commands are of one facility, each caller's next one when the last is answered.
//! - **open loop**: a command is sent when it is due, however long those before it take. Its latency counts from then.
//! - **visible**: in the hands of a subscriber at the node that was not asked.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use octocity_log::position::ParsedToken;
use octocity_tests::client::Client;
use octocity_tests::stage::{Running, Stage, input, mutation, now_plus, opened};
use octocity_tests_distributed::services::anew;
use serde_json::{Value, json};

const PLACES: u32 = 1_000_000;
const CALLERS: usize = 64;
const HOT: Duration = Duration::from_secs(10);
const PER_SECOND: u32 = 500;
const FACILITIES: usize = 20;
const OPEN: Duration = Duration::from_secs(15);
/// Who waits for longer is not measured any more: the run ends.
const PATIENCE: Duration = Duration::from_secs(300);

fn main() {
    let stage = anew();
    let [_relay, _projector, _processes, first, second] =
        ["relay", "projector", "processes", "api", "api"].map(|role| start(&stage, role));
    let nodes = [&first, &second];
    let one = hot(&nodes[..1]);
    println!("commands/s, one hot facility, one node    {one:>10.0}");
    let two = hot(&nodes);
    println!("commands/s, one hot facility, two nodes   {two:>10.0}");
    let visible = visible(nodes);
    let at = |share: f64| visible[((visible.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let [p50, p99, p999] = [at(0.5), at(0.99), at(0.999)];
    println!(
        "command to visible at {PER_SECOND} commands/s       p50 {p50:.1} ms, p99 {p99:.1} ms, p99.9 {p999:.1} ms"
    );
    println!(
        "{}",
        json!({
            "hot_one_node_per_second": one, "hot_two_nodes_per_second": two, "visible_commands": visible.len(),
            "visible_p50_ms": p50, "visible_p99_ms": p99, "visible_p999_ms": p999
        })
    );
}

fn start(stage: &Stage, role: &str) -> Running {
    let launch = stage.launch().arguments(&["--role", role]);
    Running::of(launch.start().unwrap_or_else(|sentence| panic!("{sentence}")))
}

/// With a connection of its own.
fn client(node: &Running) -> Client {
    let client = Client::with_patience(node.server.url("/graphql"), PATIENCE);
    client.graphql("{ __typename }", json!({}));
    client
}

/// Where it stands in the log. Where two nodes decide at once the facility may be busy: it is sent again, as it is.
fn pass(client: &Client, facility: &str) -> u64 {
    let seen = json!({ "lane": "in", "direction": "ENTRY", "happenedAt": now_plus(0) });
    let command = json!({ "input": input(facility, seen) });
    loop {
        let answer = client.graphql(&mutation("recordPassage"), command.clone());
        if answer.code() != Some("BUSY") {
            let payload = &answer.data()["recordPassage"];
            assert_eq!(payload["refusal"], Value::Null);
            return place(payload);
        }
    }
}

fn place(of: &Value) -> u64 {
    of["position"].as_str().unwrap().parse::<ParsedToken>().unwrap().position.0
}

fn hot(nodes: &[&Running]) -> f64 {
    let facility = opened(nodes[0], PLACES);
    let begun = Instant::now();
    let call = |caller: usize| {
        let client = client(nodes[caller % nodes.len()]);
        let mut done = 0_u64;
        while begun.elapsed() < HOT {
            pass(&client, &facility);
            done += 1;
        }
        done
    };
    let done: u64 = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS).map(|caller| scope.spawn(move || call(caller))).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    done as f64 / begun.elapsed().as_secs_f64()
}

/// One facility under the open loop: it is asked at one node and watched at the other.
struct Watched<'a> {
    id: String,
    asked: &'a Running,
    watched: &'a Running,
    /// The last command that is measured, once it is known.
    last: AtomicU64,
}

/// The latencies of all commands, the shortest first.
fn visible(nodes: [&Running; 2]) -> Vec<Duration> {
    let facility = |number: usize| {
        let (asked, watched) = (nodes[number % 2], nodes[(number + 1) % 2]);
        let facility = Watched { id: opened(asked, PLACES), asked, watched, last: AtomicU64::new(u64::MAX) };
        pass(&client(asked), &facility.id);
        facility
    };
    let facilities: Vec<_> = (0..FACILITIES).map(facility).collect();
    let mut latencies = std::thread::scope(|scope| {
        let watching: Vec<_> = facilities.iter().map(|facility| scope.spawn(|| watch(facility))).collect();
        let sent = send(&facilities);
        for (facility, sent) in facilities.iter().zip(&sent) {
            let last = sent.iter().map(|(_, position)| *position).max().unwrap();
            facility.last.store(last, Ordering::Relaxed);
            // One more state comes, in which all others are.
            pass(&client(facility.asked), &facility.id);
        }
        let latency = |seen: &[(Instant, u64)], (due, position): (Instant, u64)| {
            let first =
                seen.iter().find(|(_, upto)| *upto >= position).expect("every command becomes visible");
            first.0 - due
        };
        let seen = watching.into_iter().map(|watching| watching.join().unwrap());
        let of_facility = |(seen, sent): (Vec<_>, Vec<_>)| {
            sent.into_iter().map(|sent| latency(&seen, sent)).collect::<Vec<_>>()
        };
        seen.zip(sent).flat_map(of_facility).collect::<Vec<_>>()
    });
    latencies.sort_unstable();
    latencies
}

/// When the commands of each facility were due, and where they stand in the log.
fn send(facilities: &[Watched<'_>]) -> Vec<Vec<(Instant, u64)>> {
    let commands = PER_SECOND as usize * OPEN.as_secs() as usize;
    // Time for connections to be made.
    let begin = Instant::now() + Duration::from_secs(1);
    let call = |caller: usize| {
        let clients: Vec<_> = facilities[..2].iter().map(|facility| client(facility.asked)).collect();
        let mut sent = Vec::new();
        for number in (caller..commands).step_by(CALLERS) {
            let due = begin + Duration::from_secs(1) * number as u32 / PER_SECOND;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let facility = number % facilities.len();
            sent.push((facility, (due, pass(&clients[facility % 2], &facilities[facility].id))));
        }
        sent
    };
    let mut all = vec![Vec::new(); facilities.len()];
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS).map(|caller| scope.spawn(move || call(caller))).collect();
        for (facility, sent) in callers.into_iter().flat_map(|caller| caller.join().unwrap()) {
            all[facility].push(sent);
        }
    });
    all
}

/// When which position was told, until the last command is.
fn watch(facility: &Watched<'_>) -> Vec<(Instant, u64)> {
    let query = "subscription ($facility: ID!) { occupancy(facilities: [$facility]) { position } }";
    let states = client(facility.watched).events(query, json!({ "facility": facility.id }));
    let mut seen = Vec::new();
    for state in states {
        let position = place(&state["data"]["occupancy"]);
        seen.push((Instant::now(), position));
        if position >= facility.last.load(Ordering::Relaxed) {
            break;
        }
    }
    seen
}
