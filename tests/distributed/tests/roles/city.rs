//! A city on all services: each role a process of its own, and traffic whose every command is counted.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use octocity_tests::client::Client;
use octocity_tests::stage::{Running, Stage, car_park, input, mutation, now_plus};
use octocity_tests_distributed::eventstoredb::EventStoreDb;
use octocity_tests_distributed::stage;
use serde_json::{Value, json};

use crate::broker::Broker;
use crate::own::Own;

const PARTITIONS: u32 = 4;
/// How long the rest of a test's work may take once its fault is over.
const PATIENCE: Duration = Duration::from_secs(120);

/// The services, and what is configured by them. Fields are dropped in this order.
pub struct City {
    stage: Stage,
    pub postgres: Own,
    pub kafka: Broker,
    log: EventStoreDb,
}

impl City {
    pub fn new() -> Self {
        let (log, kafka, postgres) = (EventStoreDb::start(), Broker::start(), Own::start());
        let config = format!(
            "gateway = \"simulated\"\n{}[postgres]\nurl = {:?}\n[kafka]\nbrokers = {:?}\npartitions = {PARTITIONS}\n",
            log.table(),
            postgres.url(),
            kafka.address
        );
        Self { stage: stage(&config), postgres, kafka, log }
    }

    /// One process with these roles, once it is ready.
    pub fn start(&self, roles: &str) -> Running {
        let launch = self.stage.launch().arguments(&["--role", roles]);
        Running::of(launch.start().unwrap_or_else(|sentence| panic!("{sentence}")))
    }

    /// Every role as a process of its own, and of those that serve, two.
    pub fn start_roles(&self) -> Roles {
        let [relay, projector, processes, first, second] =
            ["relay", "projector", "processes", "api", "api"].map(|role| self.start(role));
        Roles { relay, projector, processes, api: [first, second] }
    }

    /// What one process makes of the same log by itself.
    pub fn hashes_of_one_process(&self) -> Value {
        stage(&self.log.table()).hashes()
    }

    pub fn hashes(&self) -> Value {
        self.stage.hashes()
    }
}

pub struct Roles {
    pub relay: Running,
    pub projector: Running,
    pub processes: Running,
    pub api: [Running; 2],
}

impl Roles {
    /// As many car parks as there are several partitions to be in.
    pub fn open(&self, car_parks: usize) -> Vec<String> {
        let open = |number: usize| {
            let payload = self.api[number % 2].does("registerFacility", &car_park(10_000));
            payload["facilityId"].as_str().expect("a facility has an id").to_owned()
        };
        (0..car_parks).map(open).collect()
    }
}

/// Vehicles that enter until it is told to stop. What is not answered is sent again under its own id, here or there.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    drivers: Vec<JoinHandle<Driven>>,
}

/// What was acknowledged: how many entries of each car park, and the last position of each.
#[derive(Default)]
pub struct Driven {
    pub entries: Vec<(String, u64, Value)>,
    /// How often a command had to be sent again.
    pub repeats: u64,
}

impl Traffic {
    /// One driver for each car park; `nodes` are asked in turn.
    pub fn flow(facilities: &[String], nodes: &Arc<Mutex<Vec<Client>>>) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let drive = |(number, facility): (usize, &String)| {
            let (facility, nodes, stop) = (facility.clone(), Arc::clone(nodes), Arc::clone(&stop));
            std::thread::spawn(move || drive(number, &facility, &nodes, &stop))
        };
        Self { drivers: facilities.iter().enumerate().map(drive).collect(), stop }
    }

    pub fn stop(self) -> Driven {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Driven::default();
        for driver in self.drivers {
            let driven = driver.join().expect("a driver comes to an end");
            all.entries.extend(driven.entries);
            all.repeats += driven.repeats;
        }
        all
    }
}

fn drive(number: usize, facility: &str, nodes: &Mutex<Vec<Client>>, stop: &AtomicBool) -> Driven {
    let (mut entered, mut last, mut repeats, mut turn) = (0, Value::Null, 0, number);
    while !stop.load(Ordering::Relaxed) {
        let seen = json!({ "lane": "in", "direction": "ENTRY", "happenedAt": now_plus(0) });
        let command = json!({ "input": input(facility, seen) });
        let begun = Instant::now();
        loop {
            turn += 1;
            let node = {
                let nodes = nodes.lock().unwrap();
                nodes[turn % nodes.len()].clone()
            };
            let answer = node.try_graphql(&mutation("recordPassage"), command.clone());
            let position = answer.map_or(Value::Null, |answer| {
                let payload = &answer.body["data"]["recordPassage"];
                assert_eq!(payload["refusal"], Value::Null, "a passage is not refused");
                payload["position"].clone()
            });
            if position != Value::Null {
                (entered, last) = (entered + 1, position);
                break;
            }
            repeats += 1;
            assert!(begun.elapsed() < PATIENCE, "a command is answered in the end");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    Driven { entries: vec![(facility.to_owned(), entered, last)], repeats }
}

/// Every acknowledged command is in the rows once, as a node that none of them was sent to sees it; and the rows are
/// those that one process makes of the same log.
pub fn assert_all_is_there_once(city: &City, roles: Roles, driven: &Driven) {
    let last = city.start("api");
    assert!(driven.entries.iter().all(|(_, entered, _)| *entered > 0), "traffic flowed");
    let keys: BTreeSet<_> = driven.entries.iter().map(|(facility, ..)| facility).collect();
    for facility in keys {
        let mine = driven.entries.iter().filter(|(entered_at, ..)| entered_at == facility);
        let (count, positions) =
            mine.fold((0, Vec::new()), |(count, mut positions), (_, entered, position)| {
                positions.push(position);
                (count + entered, positions)
            });
        let begun = Instant::now();
        let inside = || {
            let query = "query ($facility: ID!, $after: String) {
                occupancy(facilities: [$facility], after: $after) { inside } }";
            let seen = |position: &&Value| {
                let asked = json!({ "facility": facility, "after": position });
                last.client
                    .try_graphql(query, asked)
                    .map(|answer| answer.body["data"]["occupancy"][0]["inside"].clone())
            };
            positions.iter().map(seen).next_back().flatten()
        };
        // A wait is bounded: while the projectors catch up it may say that they did not get there yet.
        while inside() != Some(json!(count)) {
            assert!(begun.elapsed() < PATIENCE, "{facility}: {:?} are inside, {count} entered", inside());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    let Roles { relay, projector, processes, api } = roles;
    for running in api.into_iter().chain([last, processes, projector, relay]) {
        assert_eq!(running.server.stop(), Ok(Some(0)), "it stops cleanly");
    }
    let wanted = city.hashes_of_one_process();
    assert_eq!(city.hashes(), wanted);
}
