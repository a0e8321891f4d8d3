//! A city on all services: each role a process of its own, and traffic whose every command is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use octocity_tests::client::Client;
use octocity_tests::server::Launch;
use octocity_tests::stage::{Running, Stage, id, input, mutation, now_plus, opened, plate};
use octocity_tests_distributed::broker::Broker;
use octocity_tests_distributed::engine::Engine;
use octocity_tests_distributed::eventstoredb::EventStoreDb;
use octocity_tests_distributed::own::Own;
use octocity_tests_distributed::way::Way;
use octocity_tests_distributed::{Ran, run, stage};
use serde_json::{Value, json};

pub const PARTITIONS: u32 = 4;
/// Of each car park.
const PLACES: u32 = 100_000;
/// How long the rest of a test's work may take once its fault is over.
const PATIENCE: Duration = Duration::from_secs(200);

/// The services, and what is configured by them. Fields are dropped in this order.
pub struct City {
    stage: Stage,
    /// What all roles reach PostgreSQL by.
    pub way: Way,
    pub standby: Option<Own>,
    pub postgres: Own,
    pub kafka: Broker,
    pub clickhouse: Option<Engine>,
    log: EventStoreDb,
}

impl City {
    pub fn new() -> Self {
        let (log, kafka, postgres) = (EventStoreDb::start(), Broker::start(), Own::start());
        let way = Way::to(postgres.address());
        let city = Self { stage: stage(""), way, standby: None, postgres, kafka, clickhouse: None, log };
        city.stage.configure(&city.services());
        city
    }

    pub fn with_clickhouse() -> Self {
        let mut city = Self::new();
        let engine = city.clickhouse.insert(Engine::start());
        let table = format!("[clickhouse]\nurl = {:?}\ncompression = false\n", engine.url());
        city.stage.configure(&(city.services() + &table));
        city
    }

    /// The tables of all services but ClickHouse.
    pub fn services(&self) -> String {
        let own = format!("127.0.0.1:{}", self.postgres.port);
        format!(
            "gateway = \"simulated\"\n{}[postgres]\nurl = {:?}\n[kafka]\nbrokers = {:?}\npartitions = {PARTITIONS}\n",
            self.log.table(),
            self.postgres.url().replace(&own, &self.way.address.to_string()),
            self.kafka.address
        )
    }

    /// A process with these roles, not started yet.
    pub fn launch(&self, role: &str) -> Launch {
        self.stage.launch().arguments(&["--role", role])
    }

    /// One process with this role, once it is ready.
    pub fn start(&self, role: &str) -> Running {
        started(&self.launch(role))
    }

    /// A process for each role, of those that serve and of others.
    pub fn start_roles(&self, serving: &[&str], working: &[&'static str]) -> Roles {
        let working = working.iter().map(|role| (*role, self.start(role))).collect();
        Roles { working, api: serving.iter().map(|role| self.start(role)).collect() }
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        run(&self.stage, arguments)
    }

    /// What one process makes of the same log by itself.
    pub fn hashes_of_one_process(&self) -> Value {
        stage(&self.log.table()).hashes()
    }

    pub fn hashes(&self) -> Value {
        self.stage.hashes()
    }
}

pub fn started(launch: &Launch) -> Running {
    Running::of(launch.start().unwrap_or_else(|sentence| panic!("{sentence}")))
}

pub fn is_ready(running: &Running) -> bool {
    running.server.readiness().is_some_and(|(status, _)| status == 200)
}

/// Whether it is not ready, and says that it is because of this service.
pub fn says_away(running: &Running, service: &str) -> bool {
    let sentence = format!("{service} does not answer");
    running.server.readiness().is_some_and(|(status, said)| status == 503 && said.contains(&sentence))
}

pub struct Roles {
    /// Those that serve.
    pub api: Vec<Running>,
    /// The others, each by its role.
    pub working: BTreeMap<&'static str, Running>,
}

impl Roles {
    pub fn working(&mut self, role: &str) -> &mut Running {
        self.working.get_mut(role).expect("it was started")
    }

    /// As many car parks as there are several partitions to be in. What is granted there lapses soon.
    pub fn open(&self, car_parks: usize) -> Vec<String> {
        let open = |number: usize| {
            let node = &self.api[number % self.api.len()];
            let facility = opened(node, PLACES);
            let policies = json!({ "policies": { "grantLimitSeconds": 5 } });
            node.does("setPolicies", &input(&facility, policies));
            facility
        };
        (0..car_parks).map(open).collect()
    }
}

/// What drivers do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Do {
    Passages,
    /// Now and then a gate also grants what nobody makes use of: it has to lapse.
    PassagesAndGrants,
}

/// Vehicles that enter until it is told to stop. What is not answered is sent again under its own id, here or there.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    drivers: Vec<JoinHandle<Driven>>,
}

/// What was acknowledged at a car park: how many entries, and the last position.
pub struct Driven {
    pub facility: String,
    pub entered: u64,
    pub last: Value,
}

impl Traffic {
    /// One driver for each car park; `nodes` are asked in turn.
    pub fn flow(what: Do, facilities: &[String], nodes: &Arc<Mutex<Vec<Client>>>) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let drive = |(turn, facility): (usize, &String)| {
            let driven = Driven { facility: facility.clone(), entered: 0, last: Value::Null };
            let mut driver = Driver { nodes: Arc::clone(nodes), turn, driven };
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                for number in 1.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    driver.drive(what == Do::PassagesAndGrants && number % 5 == 0);
                }
                driver.driven
            })
        };
        Self { drivers: facilities.iter().enumerate().map(drive).collect(), stop }
    }

    pub fn stop(self) -> Vec<Driven> {
        self.stop.store(true, Ordering::Relaxed);
        self.drivers.into_iter().map(|driver| driver.join().expect("a driver comes to an end")).collect()
    }
}

struct Driver {
    nodes: Arc<Mutex<Vec<Client>>>,
    turn: usize,
    driven: Driven,
}

impl Driver {
    fn drive(&mut self, asks_for_a_grant: bool) {
        if asks_for_a_grant {
            // Nobody passes here.
            let nobody = [plate(&id()[28..])];
            self.does("enterGate", json!({ "lane": "out", "credentials": nobody }));
        } else {
            self.does(
                "recordPassage",
                json!({ "lane": "in", "direction": "ENTRY", "happenedAt": now_plus(0) }),
            );
            self.driven.entered += 1;
        }
    }

    fn does(&mut self, field: &str, more: Value) {
        let command = json!({ "input": input(&self.driven.facility, more) });
        let begun = Instant::now();
        loop {
            self.turn += 1;
            let node = {
                let nodes = self.nodes.lock().unwrap();
                nodes[self.turn % nodes.len()].clone()
            };
            let answer = node.try_graphql(&mutation(field), command.clone());
            let answer = answer.map_or(Value::Null, |answer| answer.body);
            let payload = &answer["data"][field];
            assert_eq!(payload["refusal"], Value::Null, "{field} is not refused");
            if payload["position"] != Value::Null {
                self.driven.last = payload["position"].clone();
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{field} is answered in the end, and not: {answer}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Every acknowledged command is in the rows once, as a node that none of them was sent to sees it, and every deadline
/// came; and the rows are those that one process makes of the same log.
pub fn assert_all_is_there_once(city: &City, roles: Roles, driven: &[Driven]) {
    let last = city.start("api");
    assert!(driven.iter().all(|driven| driven.entered > 0), "traffic flowed");
    let facilities: BTreeSet<&str> = driven.iter().map(|driven| &*driven.facility).collect();
    for facility in facilities {
        let mine = driven.iter().filter(|driven| driven.facility == facility);
        let entered: u64 = mine.clone().map(|driven| driven.entered).sum();
        let wanted = json!({ "inside": entered, "granted": 0 });
        // A wait is bounded: while the projectors catch up it may say that they did not get there yet.
        let seen = || mine.clone().map(|driven| counts(&last, facility, &driven.last)).next_back().flatten();
        becomes(facility, &Some(wanted), seen);
    }
    let Roles { working, api } = roles;
    for running in api.into_iter().chain([last]).chain(working.into_values()) {
        assert_eq!(running.server.stop(), Ok(Some(0)), "it stops cleanly");
    }
    let wanted = city.hashes_of_one_process();
    assert_eq!(city.hashes(), wanted);
}

fn counts(node: &Running, facility: &str, after: &Value) -> Option<Value> {
    let query = "query ($facility: ID!, $after: String) {
        occupancy(facilities: [$facility], after: $after) { inside granted } }";
    let answer = node.client.try_graphql(query, json!({ "facility": facility, "after": after }));
    answer.map(|answer| answer.body["data"]["occupancy"][0].clone())
}

/// However loaded the machine is.
#[track_caller]
pub fn becomes<T: Debug + PartialEq>(what: &str, wanted: &T, mut seen: impl FnMut() -> T) {
    let begun = Instant::now();
    loop {
        let seen = seen();
        if seen == *wanted {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: {seen:?} after {PATIENCE:?}, and not {wanted:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[track_caller]
pub fn eventually(what: &str, holds: impl FnMut() -> bool) {
    becomes(what, &true, holds);
}
