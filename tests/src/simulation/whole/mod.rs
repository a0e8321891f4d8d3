//! The scheduler: one seed, one history.

mod checks;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use octocity_adapters::gateway::SimulatedGateway;
use octocity_commands::{Clock, CommandError, MemoryProcessStore};
use octocity_domain::parking::ParkingCommand;
use octocity_domain::{CommandId, PoolId};
use octocity_log::memory::{Fault, MemoryLog, MemorySnapshots};
use octocity_log::{EventLog, LogError, Position};

use crate::simulation::city::{self, CarPark};
use crate::simulation::clock::VirtualClock;
use crate::simulation::disturbed::{Disturbed, Followers};
use crate::simulation::disturbed_stores::{DisturbedGateway, DisturbedRows};
use crate::simulation::node::{Ground, Node, Returned};
use crate::simulation::oracle::Oracle;
use crate::simulation::order::{Answer, Order};
use crate::simulation::random::Random;
use crate::simulation::traffic::Traffic;
use crate::simulation::watchers::Watched;

const NODES: usize = 2;
/// The node that keeps the read models and runs the processes.
const KEEPER: usize = 0;
/// After how many steps the rows are compared with those of a fresh rebuild.
const REBUILT_EVERY: usize = 100;
/// How many of the last steps are told when an invariant breaks.
const TOLD: usize = 12;
/// How many rounds everything may take to be answered, once no fault is left.
const ROUNDS: usize = 400;

/// One command with all that came of it.
struct Sent {
    id: CommandId,
    order: Order,
    answer: Option<Answer>,
    /// Somebody was told that it was decided just then.
    decided: bool,
    /// The nodes that work on it.
    at: BTreeSet<usize>,
}

/// What one run did, so that a test can tell that it met what it is for.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    pub sent: usize,
    pub accepted: usize,
    pub repeated: usize,
    /// How many events of each type.
    pub events: BTreeMap<String, u64>,
    pub crashes: usize,
    pub faults: usize,
    /// Of all that was stored and answered, in order: runs with one digest were one history.
    pub digest: u64,
}

pub struct Simulation {
    random: Random,
    clock: VirtualClock,
    log: MemoryLog,
    followers: Followers,
    snapshots: MemorySnapshots,
    rows: DisturbedRows,
    processes: MemoryProcessStore,
    gateway: SimulatedGateway,
    watched: Watched,
    nodes: Vec<Option<Node>>,
    parks: Vec<CarPark>,
    sent: Vec<Sent>,
    oracle: Oracle,
    read_to: Position,
    told: VecDeque<String>,
    digest: DefaultHasher,
    summary: Summary,
}

/// Runs so many steps under a seed, then lets everything settle. The sentence says what broke, and how to see it again.
pub fn run(seed: u64, steps: usize) -> Result<Summary, String> {
    let mut simulation = Simulation::new(seed);
    simulation.all(steps).map_err(|sentence| {
        let told: Vec<String> = simulation.told.iter().cloned().collect();
        format!("{sentence}\n  seed {seed}, the last steps:\n  {}", told.join("\n  "))
    })?;
    Ok(std::mem::take(&mut simulation.summary))
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let random = Random::new(seed);
        let clock = VirtualClock::default();
        let (parks, orders) = city::found(&random, &clock);
        let rows = DisturbedRows::new(random.clone());
        let mut simulation = Self {
            random,
            clock,
            log: MemoryLog::default(),
            followers: Followers::default(),
            snapshots: MemorySnapshots::default(),
            rows,
            processes: MemoryProcessStore::default(),
            gateway: SimulatedGateway::in_memory(),
            watched: Watched::default(),
            nodes: Vec::new(),
            parks,
            sent: Vec::new(),
            oracle: Oracle::default(),
            read_to: Position::default(),
            told: VecDeque::new(),
            digest: DefaultHasher::new(),
            summary: Summary::default(),
        };
        simulation.nodes = (0..NODES).map(|number| Some(simulation.start(number))).collect();
        for order in orders {
            let id = CommandId::new(simulation.random.command_id(simulation.clock.now().millis()));
            simulation.sent.push(Sent { id, order, answer: None, decided: false, at: BTreeSet::new() });
        }
        simulation
    }

    /// The first node keeps the read models and runs the processes; both take commands.
    fn start(&self, number: usize) -> Node {
        // Chance of its own, so that how long a node takes changes nothing of what happens to it.
        let own = Random::new(self.random.next());
        let random = || own.clone();
        let ground = Ground {
            log: Arc::new(Disturbed {
                log: self.log.clone(),
                followers: self.followers.clone(),
                random: random(),
            }),
            snapshots: Arc::new(self.snapshots.clone()),
            clock: Arc::new(self.clock.clone()),
            rows: Arc::new(self.rows.disturbed_by(random())),
            processes: Arc::new(self.processes.clone()),
            gateway: Arc::new(DisturbedGateway { gateway: self.gateway.clone(), random: random() }),
            watched: self.watched.clone(),
            facilities: self.parks.iter().map(|park| park.id).collect(),
        };
        Node::start(&ground, number == KEEPER)
    }

    fn all(&mut self, steps: usize) -> Result<(), String> {
        // The car parks first: everything else would only be refused.
        self.settle()?;
        for number in 1..=steps {
            self.step()?;
            if number % REBUILT_EVERY == 0 {
                self.catch_up();
                self.look()?;
                self.check_rows()?;
            }
        }
        self.log.heal();
        self.settle()?;
        self.let_time_pass()?;
        self.check_end()?;
        self.repeat_all()?;
        self.summary.sent = self.sent.len();
        self.summary.accepted = self
            .sent
            .iter()
            .filter(|sent| sent.answer.as_ref().is_some_and(|answer| answer.accepted))
            .count();
        self.summary.events = self.oracle.counts();
        self.summary.digest = self.digest.finish();
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        let node = self.random.below(NODES as u64) as usize;
        match self.random.below(100) {
            0..40 => self.send_new(node),
            40..50 => self.send_again(node, false),
            50..53 => self.send_again(node, true),
            53..84 => {
                let turns = 1 + self.random.below(60);
                self.work(node, turns);
            }
            84..89 => {
                let seconds = [1, 20, 90, 700, 4000][self.random.below(5) as usize];
                self.pass(seconds);
            }
            89..93 => self.fault(),
            93..96 => self.crash(node),
            _ => self.revive(node),
        }
        self.look()
    }

    fn tell(&mut self, what: String) {
        if self.told.len() == TOLD {
            self.told.pop_front();
        }
        self.told.push_back(what);
    }

    fn send_new(&mut self, node: usize) {
        let park = self.random.pick(&self.parks).cloned().expect("there are car parks");
        let seen = self.oracle.seen(park.id);
        let traffic = Traffic { random: &self.random, clock: &self.clock, park: &park, seen: &seen };
        let (id, order) = traffic.next();
        self.sent.push(Sent { id, order, answer: None, decided: false, at: BTreeSet::new() });
        self.send(self.sent.len() - 1, node, None);
    }

    /// A duplicate, perhaps while the first is under way; or another body under an id that was answered.
    fn send_again(&mut self, node: usize, altered: bool) {
        let number = self.random.below(self.sent.len() as u64) as usize;
        if !altered {
            return self.send(number, node, None);
        }
        let Order::Parking(facility, _) = self.sent[number].order else { return };
        if self.sent[number].answer.is_some() {
            let pool = PoolId::try_new("day").expect("a code");
            let other = ParkingCommand::SetPoolCapacity { pool, places: Some(999) };
            self.send(number, node, Some(Order::Parking(facility, other)));
        }
    }

    fn send(&mut self, number: usize, node: usize, altered: Option<Order>) {
        let Some(live) = &self.nodes[node] else { return };
        let sent = &mut self.sent[number];
        let order = altered.clone().unwrap_or_else(|| sent.order.clone());
        let what = format!("node {node} is sent {} {}: {order:?}", number, sent.id);
        if let Order::Parking(facility, _) = order {
            self.oracle.asked(facility, sent.id);
        }
        live.send(number, sent.id, order, altered.is_some());
        sent.at.insert(node);
        self.tell(what);
    }

    fn work(&mut self, node: usize, turns: u64) {
        if let Some(live) = &self.nodes[node] {
            live.work(turns);
            self.tell(format!("node {node} works {turns} turns"));
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.clock.advance(seconds as i64 * 1000);
        for node in self.nodes.iter().flatten() {
            node.pass(seconds);
        }
        self.tell(format!("{seconds} s pass"));
    }

    fn fault(&mut self) {
        self.summary.faults += 1;
        if self.random.chance(150) {
            let commits = 1 + self.random.below(3) as usize;
            self.rows.fail(commits);
            return self.tell(format!("the next {commits} commits of rows fail"));
        }
        if self.random.chance(150) {
            let calls = 1 + self.random.below(3) as usize;
            self.processes.fail(calls);
            return self.tell(format!("the next {calls} calls of the process store fail"));
        }
        if self.random.chance(250) {
            let reads = 1 + self.random.below(3) as usize;
            self.log.fail_reads(reads);
            return self.tell(format!("the next {reads} reads fail"));
        }
        let kinds = [None, Some(Fault::NotStored), Some(Fault::ReplyLost), Some(Fault::Duplicated)];
        let faults: Vec<Option<Fault>> =
            (0..=self.random.below(3)).filter_map(|_| self.random.pick(&kinds).copied()).collect();
        self.tell(format!("the next appends meet {faults:?}"));
        self.log.inject(faults);
    }

    fn crash(&mut self, node: usize) {
        if self.nodes[node].take().is_some() {
            self.summary.crashes += 1;
            for sent in &mut self.sent {
                sent.at.remove(&node);
            }
            self.tell(format!("node {node} crashes"));
        }
    }

    fn revive(&mut self, node: usize) {
        if self.nodes[node].is_none() {
            self.nodes[node] = Some(self.start(node));
            self.tell(format!("node {node} starts"));
        }
    }

    /// Reads what came back, and what the log says; the first thing that must not be ends the run.
    fn look(&mut self) -> Result<(), String> {
        let log = self.log.clone();
        let events = loop {
            let page = futures_now(log.read_all(self.read_to, usize::MAX, &[], &[]));
            match page {
                Ok(page) => {
                    self.read_to = page.next;
                    break page.events;
                }
                // A read that failed on demand was meant for the system.
                Err(LogError::Unavailable(_)) => {}
                Err(error) => return Err(error.to_string()),
            }
        };
        for event in &events {
            (event.position, event.meta.command_id, &event.event_type, &event.data).hash(&mut self.digest);
        }
        self.oracle.read(&events)?;
        for node in 0..NODES {
            let returned = self.nodes[node].as_ref().map(Node::returned).unwrap_or_default();
            for returned in returned {
                self.take(node, returned)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, node: usize, returned: Returned) -> Result<(), String> {
        let Returned { number, altered, result } = returned;
        let sent = &mut self.sent[number];
        sent.at.remove(&node);
        match result {
            Err(CommandError::IdReused) if altered => Ok(()),
            Err(CommandError::Busy | CommandError::Log(LogError::Unavailable(_))) => Ok(()),
            Err(error) => Err(format!("8: command {number} ({}) got {error:?}", sent.id)),
            Ok(_) if altered => Err(format!("8: another body under the id of command {number} was answered")),
            Ok((answer, repeated)) => {
                self.summary.repeated += usize::from(repeated);
                self.answered(number, answer, repeated)
            }
        }
    }

    fn answered(&mut self, number: usize, answer: Answer, repeated: bool) -> Result<(), String> {
        (number, &answer.outcome, repeated).hash(&mut self.digest);
        let sent = &mut self.sent[number];
        let effects = self.oracle.effects.get(&(sent.order.stream(), sent.id)).map_or(0, Vec::len);
        if answer.accepted && effects != answer.events {
            return Err(format!(
                "7: command {number} was acknowledged with {}, the log has {effects}",
                answer.events
            ));
        }
        if answer.position > self.read_to {
            return Err(format!("7: command {number} was acknowledged at a position the log has not"));
        }
        match &sent.answer {
            Some(first) if *first != answer => {
                Err(format!("8: command {number} was answered {first:?}, then {answer:?}"))
            }
            _ if !repeated && sent.decided => Err(format!("8: command {number} was decided twice")),
            _ => {
                sent.answer = Some(answer);
                sent.decided |= !repeated;
                Ok(())
            }
        }
    }

    /// Without further faults everything is answered in the end.
    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..ROUNDS {
            for node in 0..NODES {
                self.revive(node);
            }
            let open: Vec<usize> =
                (0..self.sent.len()).filter(|number| self.sent[*number].answer.is_none()).collect();
            if open.is_empty() {
                return Ok(());
            }
            for number in open {
                if self.sent[number].at.is_empty() {
                    self.send(number, number % NODES, None);
                }
            }
            for node in 0..NODES {
                self.work(node, 50);
            }
            self.pass(1);
            self.look()?;
        }
        let open = self.sent.iter().find(|sent| sent.answer.is_none());
        Err(format!("7: never answered: {:?}", open.map(|sent| (sent.id, &sent.order))))
    }

    /// Lets the keeper reach the log's head, as far as faults allow.
    fn catch_up(&mut self) {
        self.revive(KEEPER);
        for _ in 0..20 {
            self.work(KEEPER, 50);
            self.nodes[KEEPER].as_ref().expect("it was started").pass(1);
        }
    }

    /// Every deadline comes, and everything that follows from it.
    fn let_time_pass(&mut self) -> Result<(), String> {
        for seconds in
            [1, 1, 1, 5, 30, 60, 60, 60, 60, 600, 1800, 3600, 3600, 3600, 60, 60, 60, 60, 60, 60, 60]
        {
            self.pass(seconds);
            for _ in 0..10 {
                for node in 0..NODES {
                    self.work(node, 50);
                }
            }
            self.look()?;
            if seconds == 600 {
                // Grants have lapsed, and reservations are still to come.
                self.oracle.check_reservations(self.clock.now())?;
            }
        }
        for _ in 0..ROUNDS {
            if self.nodes.iter().flatten().all(Node::is_idle) {
                return Ok(());
            }
            self.pass(1);
            for node in 0..NODES {
                self.work(node, 50);
            }
            self.look()?;
        }
        // A gateway that never answers is asked for ever; what follows finds anything else that is left.
        Ok(())
    }

    /// Whatever was answered is answered alike by a node that has only the log.
    fn repeat_all(&mut self) -> Result<(), String> {
        for node in 0..NODES {
            self.crash(node);
            self.revive(node);
        }
        for number in 0..self.sent.len() {
            self.send(number, number % NODES, None);
            self.work(number % NODES, 30);
            self.look()?;
        }
        for _ in 0..ROUNDS {
            for node in 0..NODES {
                self.work(node, 50);
            }
            self.look()?;
            if self.sent.iter().all(|sent| sent.at.is_empty()) {
                return Ok(());
            }
        }
        Err("8: a repeat was not answered".to_owned())
    }
}

/// The result of a future of the memory log, which never waits.
fn futures_now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the memory log waits for nobody"),
    }
}
