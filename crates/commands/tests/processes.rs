//! Processes and deadlines: each effect once, whatever crashes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use octocity_commands::process_store::{OutboxChange, Step};
use octocity_commands::{
    Executor, ExecutorError, Handler, HandlerOptions, MemoryProcessStore, Misplaced, ParkedStream,
    ProcessStore, Progress, Submission,
};
use octocity_domain::parking::{Direction, ParkingCommand};
use octocity_domain::process::{Effect, Planned};
use octocity_domain::{CommandId, FacilityId, VisitId};
use octocity_log::{Fault, LogId, MemoryLog, Origin, RecordedEvent};
use support::gateway::ScriptedGateway;
use support::held_log::HeldLog;
use support::log_lines::LogLines;
use support::*;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

fn executor(world: &World, store: &MemoryProcessStore) -> Arc<Executor> {
    // A new handler too, as after a restart.
    Executor::new(world.another_handler(), Arc::new(store.clone()), Arc::new(ScriptedGateway::default()))
}

async fn run(world: &World, store: &MemoryProcessStore) {
    executor(world, store).run_until_idle().await.unwrap();
}

#[tokio::test]
async fn a_grant_lapses_at_its_time_and_once_over_restarts() {
    let world = World::new().await;
    let store = MemoryProcessStore::default();
    run(&world, &store).await;
    accepted(world.park(world.submit(enter("seen", "B-1"))).await);
    run(&world, &store).await;
    assert_eq!(world.count("GrantLapsed").await, 0);
    world.clock.pass_seconds(121);
    run(&world, &store).await;
    run(&world, &store).await;
    assert_eq!(world.count("GrantLapsed").await, 1);
    assert_eq!(store.due(world.clock_now(), 9, &[]).await.unwrap(), []);
}

#[tokio::test]
async fn a_passage_cancels_the_lapse() {
    let world = World::new().await;
    let store = MemoryProcessStore::default();
    run(&world, &store).await;
    accepted(world.park(world.submit(enter("seen", "B-1"))).await);
    run(&world, &store).await;
    assert!(store.next_due(MORNING).await.unwrap().is_some());
    accepted(world.park(world.submit(passage(Some("B-1"), Direction::Entry, MORNING))).await);
    run(&world, &store).await;
    assert_eq!(store.next_due(MORNING).await.unwrap(), None);
    world.clock.pass_seconds(500);
    run(&world, &store).await;
    assert_eq!(world.count("GrantLapsed").await, 0);
}

#[tokio::test]
async fn imported_history_causes_no_effect() {
    let world = World::new().await;
    let store = MemoryProcessStore::default();
    run(&world, &store).await;
    for number in 0..10 {
        let entry = passage(Some(&format!("P-{number}")), Direction::Entry, MORNING);
        let imported = Submission { origin: Origin::Imported, ..world.submit(entry) };
        accepted(world.park(imported).await);
    }
    let events = world.events().await.len();
    run(&world, &store).await;
    world.clock.pass_seconds(9999);
    run(&world, &store).await;
    assert_eq!(world.events().await.len(), events);
    assert_eq!(world.count("SessionOpened").await, 0);
}

#[tokio::test]
async fn a_process_that_is_new_starts_at_the_head() {
    let world = World::new().await;
    world.enter("B-1").await;
    let store = MemoryProcessStore::default();
    run(&world, &store).await;
    assert_eq!(world.count("SessionOpened").await, 0, "what was before is not its business");
    world.enter("B-2").await;
    run(&world, &store).await;
    assert_eq!(world.count("SessionOpened").await, 1);
}

#[tokio::test]
async fn checkpoints_that_are_not_of_the_log_are_refused() {
    let (world, store) = (World::new().await, MemoryProcessStore::default());
    run(&world, &store).await;
    // An older copy of the same log, then a longer one that is another.
    let older = World::on(MemoryLog::default()).await;
    let other = World::on(MemoryLog::new(LogId(Uuid::from_u128(2)))).await;
    world.enter("B-1").await;
    run(&world, &store).await;
    for _ in 0..9 {
        accepted(other.park(other.submit(passage(None, Direction::Entry, MORNING))).await);
    }
    for (log, why) in [(older, Misplaced::Ahead), (other, Misplaced::OtherLog)] {
        let refused = executor(&log, &store).start().await.unwrap_err();
        assert!(matches!(refused, ExecutorError::Misplaced(said) if said == why), "{refused}");
    }
    executor(&world, &store).start().await.unwrap();
}

#[tokio::test]
async fn what_is_stored_says_that_somebody_reads_on_though_nobody_reacts() {
    let (world, store) = (World::new().await, MemoryProcessStore::default());
    let executor = executor(&world, &store);
    executor.run_until_idle().await.unwrap();
    let begun = store.checkpoints().await.unwrap();
    accepted(world.park(world.submit(passage(None, Direction::Entry, MORNING))).await);
    executor.run_until_idle().await.unwrap();
    assert_eq!(store.checkpoints().await.unwrap(), begun, "not at once");
    world.clock.pass_seconds(10);
    executor.run_until_idle().await.unwrap();
    let head = *octocity_log::EventLog::head(&world.log).borrow();
    let stored = store.checkpoints().await.unwrap();
    assert!(stored.len() == begun.len() && stored.iter().all(|at| at.position == head), "{stored:?}");
}

#[tokio::test]
async fn a_visit_opens_one_session_and_its_exit_ends_it() {
    let world = World::new().await;
    let store = MemoryProcessStore::default();
    run(&world, &store).await;
    let visit = world.enter("B-1").await;
    run(&world, &store).await;
    let leave = ParkingCommand::OverrideGate {
        lane: lane("gate"),
        direction: Direction::Exit,
        credentials: plate("B-1"),
        reason: "test".into(),
    };
    world.clock.pass_seconds(600);
    accepted(world.park(world.submit(leave)).await);
    run(&world, &store).await;
    run(&world, &store).await;
    assert_eq!(world.count("SessionOpened").await, 1);
    assert_eq!(world.count("StayEnded").await, 1);
    let session = world.another_handler().session_state(visit).await.unwrap();
    assert_eq!(session.ended_at(), Some(MORNING.plus_seconds(600)));
    // One increment is owed for ten minutes: the override let out, and left a debt.
    assert_eq!(session.quote(world.clock_now()).unwrap().owed.amount_minor, 200);
}

#[tokio::test]
async fn an_effect_that_meets_a_fault_is_tried_again_later_in_its_order() {
    let world = World::new().await;
    let store = MemoryProcessStore::default();
    run(&world, &store).await;
    world.enter("B-1").await;
    let executor = executor(&world, &store);
    world.log.inject([Some(Fault::NotStored)]);
    executor.run_until_idle().await.unwrap();
    assert_eq!(world.count("SessionOpened").await, 0);
    executor.run_until_idle().await.unwrap();
    assert_eq!(world.count("SessionOpened").await, 0, "it waits");
    world.clock.pass_seconds(3);
    executor.run_until_idle().await.unwrap();
    assert_eq!(world.count("SessionOpened").await, 1);
}

/// An executor that runs by itself, and has looked at the outbox.
async fn running(world: &World, store: &MemoryProcessStore) -> (Arc<Executor>, Running) {
    let (executor, (stop, stopped)) = (executor(world, store), watch::channel(false));
    let task = tokio::spawn(Arc::clone(&executor).run(stopped));
    idle(&executor).await;
    (executor, Running { task, stop })
}

struct Running {
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

async fn idle(executor: &Executor) {
    let wait = tokio::time::Duration::from_secs(60);
    let mut progress = executor.progress();
    tokio::time::timeout(wait, progress.wait_for(Progress::is_idle)).await.unwrap().unwrap();
}

async fn eventually(holds: impl AsyncFn() -> bool) {
    let wait = tokio::time::Duration::from_secs(60);
    let until = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(wait, until).await.unwrap();
}

#[tokio::test]
async fn what_is_due_at_once_is_done_without_the_outbox_and_again_after_a_crash() {
    let (world, store) = (World::new().await, MemoryProcessStore::default());
    let (first, dying) = running(&world, &store).await;
    let begun = store.checkpoints().await.unwrap();
    accepted(world.park(world.submit(passage(Some("B-1"), Direction::Entry, MORNING))).await);
    eventually(async || world.count("SessionOpened").await == 1).await;
    idle(&first).await;
    assert_eq!(store.checkpoints().await.unwrap(), begun, "nothing was to be stored");
    // It dies before a checkpoint is written.
    dying.task.abort();
    assert!(dying.task.await.unwrap_err().is_cancelled());
    let events = world.events().await.len();
    let (_second, stopping) = running(&world, &store).await;
    assert_eq!(world.events().await.len(), events);
    stopping.stop.send_replace(true);
    stopping.task.await.unwrap();
    let left = store.checkpoints().await.unwrap();
    let head = *octocity_log::EventLog::head(&world.log).borrow();
    assert!(left.iter().all(|checkpoint| checkpoint.position == head), "who stops says how far it came");
}

#[tokio::test]
async fn what_meets_a_fault_at_once_waits_in_the_outbox_and_later_effects_behind_it() {
    let (world, store) = (World::new().await, MemoryProcessStore::default());
    let (_executor, _running) = running(&world, &store).await;
    // The entry is stored; its session is not.
    world.log.inject([None, Some(Fault::NotStored)]);
    let visit = world.enter("B-1").await;
    let waiting = || async {
        let waiting = store.due(world.clock_now(), 9, &[]).await.unwrap();
        waiting.iter().map(|planned| (planned.subject, planned.effect.name())).collect::<Vec<_>>()
    };
    eventually(async || waiting().await.len() == 1).await;
    let leave = passage(Some("B-1"), Direction::Exit, MORNING);
    accepted(world.park(world.submit(leave)).await);
    eventually(async || waiting().await.len() == 2).await;
    assert_eq!(waiting().await, [(visit.uuid(), "open-session"), (visit.uuid(), "end-stay")]);
    world.clock.pass_seconds(3);
    eventually(async || world.count("StayEnded").await == 1 && waiting().await.is_empty()).await;
    assert_eq!(world.count("SessionOpened").await, 1);
}

fn open_session(world: &World, number: u128) -> Planned {
    let (visit, at) = (VisitId::new(Uuid::from_u128(number)), world.clock_now());
    Planned {
        id: CommandId::from_effect(at, "stays", "parking-1", 1, "open", &number.to_string()),
        process: "stays".into(),
        subject: visit.uuid(),
        facility: world.facility,
        due: at,
        correlation: Uuid::from_u128(99),
        effect: Effect::OpenSession { visit, pool: pool(), entered_at: at },
    }
}

async fn plan(store: &MemoryProcessStore, effects: Vec<Planned>) {
    let changes = effects.into_iter().map(OutboxChange::Plan).collect();
    store.commit(Step { changes, ..Step::default() }).await.unwrap();
}

#[tokio::test]
async fn many_faults_do_not_hold_up_what_is_planned_after_them() {
    let world = World::new().await;
    let store = MemoryProcessStore::default();
    run(&world, &store).await;
    plan(&store, (0..1100).map(|number| open_session(&world, 1000 + number)).collect()).await;
    world.enter("B-1").await;
    world.log.inject([Some(Fault::NotStored); 1090]);
    run(&world, &store).await;
    // The ten without a fault, and the one of the visit.
    assert_eq!(world.count("SessionOpened").await, 11);
}

#[tokio::test]
async fn what_is_due_runs_though_nothing_more_can_be_planned() {
    let world = World::new().await;
    let store = MemoryProcessStore::default();
    run(&world, &store).await;
    plan(&store, vec![open_session(&world, 1000)]).await;
    world.enter("B-1").await;
    let executor = executor(&world, &store);
    executor.start().await.unwrap();
    store.fail(1);
    assert!(executor.run_until_idle().await.is_err());
    assert_eq!(world.count("SessionOpened").await, 1);
}

#[tokio::test]
async fn a_log_that_was_put_back_is_refused() {
    let world = World::new().await;
    let store = MemoryProcessStore::default();
    run(&world, &store).await;
    let older = World::new().await;
    world.enter("B-1").await;
    run(&world, &store).await;
    let refused = executor(&older, &store).start().await.unwrap_err();
    assert!(refused.to_string().contains("same backup"), "{refused}");
}

#[tokio::test]
async fn what_is_done_but_not_noted_has_no_second_effect() {
    let world = World::new().await;
    let store = MemoryProcessStore::default();
    run(&world, &store).await;
    world.enter("B-1").await;
    // It is stored, but the process hears that it failed: as if it had crashed in between.
    world.log.inject([Some(Fault::ReplyLost)]);
    run(&world, &store).await;
    assert_eq!(world.count("SessionOpened").await, 1);
    run(&world, &store).await;
    assert_eq!(world.count("SessionOpened").await, 1);
    assert_eq!(store.due(world.clock_now(), 9, &[]).await.unwrap(), []);
}

#[tokio::test]
async fn a_failed_commit_plans_again_from_the_checkpoint() {
    let world = World::new().await;
    let store = MemoryProcessStore::default();
    run(&world, &store).await;
    world.enter("B-1").await;
    let executor = executor(&world, &store);
    executor.start().await.unwrap();
    store.fail(1);
    assert!(executor.run_until_idle().await.is_err());
    executor.run_until_idle().await.unwrap();
    assert_eq!(world.count("SessionOpened").await, 1);
}

#[tokio::test]
async fn a_new_pool_gets_its_capacity_and_a_known_one_keeps_its_own() {
    use octocity_domain::facilities::FacilityCommand;
    let world = World::new().await;
    let store = MemoryProcessStore::default();
    run(&world, &store).await;
    let own = ParkingCommand::SetPoolCapacity { pool: pool(), places: Some(4) };
    accepted(world.park(world.submit(own)).await);
    let change = FacilityCommand::ChangeLayout { layout: layout(&[("short", 10), ("vip", 3)]) };
    accepted(world.handler.facility(world.facility, world.submit(change)).await);
    let places = |handler: Arc<octocity_commands::Handler>| async move {
        let of = |name| octocity_domain::PoolId::try_new(name).unwrap();
        let look = move |state: &octocity_domain::parking::ParkingState| {
            (state.pool(of("short")).places, state.pool(of("vip")).places)
        };
        handler.look_at_parking(world.facility, look).await.unwrap()
    };
    let before = world.count("CapacitySet").await;
    assert_eq!(places(world.handler.clone()).await, (Some(Some(4)), Some(Some(3))));
    run(&world, &store).await;
    assert_eq!(world.count("CapacitySet").await, before, "the process finds it done");
}

#[tokio::test]
async fn the_executor_runs_by_itself_and_stops_when_told() {
    let world = World::new().await;
    let store = MemoryProcessStore::default();
    let executor = executor(&world, &store);
    executor.start().await.unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut progress = executor.progress();
    assert!(!progress.borrow().is_idle(), "nobody has looked yet");
    let running = tokio::spawn(executor.clone().run(stopped));
    world.enter("B-1").await;
    let head = *octocity_log::EventLog::head(&world.log).borrow();
    let reached = progress.wait_for(|now| now.position >= head && now.is_idle());
    tokio::time::timeout(Duration::from_secs(9), reached).await.unwrap().unwrap();
    stop.send_replace(true);
    running.await.unwrap();
    assert_eq!(world.count("SessionOpened").await, 1);
}

/// How often the processes look while 100 vehicles enter, one a millisecond.
async fn looks(processes_rest: Option<Duration>) -> usize {
    let (world, store) = (World::new().await, MemoryProcessStore::default());
    let options = HandlerOptions { processes_rest, ..HandlerOptions::default() };
    let handler = Handler::new(Arc::new(world.log.clone()), None, world.clock.clone(), options);
    let executor = Executor::new(handler, Arc::new(store), Arc::new(ScriptedGateway::default()));
    executor.start().await.unwrap();
    let (stop, stopped) = watch::channel(false);
    let mut progress = executor.progress();
    let running = tokio::spawn(executor.run(stopped));
    let counting = tokio::spawn(async move {
        let mut looks = 0;
        while progress.changed().await.is_ok() {
            looks += 1;
        }
        looks
    });
    for number in 0..100 {
        let entry = passage(Some(&format!("P-{number}")), Direction::Entry, MORNING);
        accepted(world.park(world.submit(entry)).await);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stop.send_replace(true);
    running.await.unwrap();
    counting.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_the_processes_rest_costs_one_look() {
    let (without, with) = (looks(None).await, looks(Some(Duration::from_millis(5))).await);
    assert!(without >= 100 && with < without / 2, "{without} looks without rests, {with} with them");
}

#[tokio::test(start_paused = true)]
async fn processes_that_are_behind_do_not_rest() {
    let (world, store) = (World::new().await, MemoryProcessStore::default());
    run(&world, &store).await;
    for number in 0..3_000 {
        let entry = passage(Some(&format!("P-{number}")), Direction::Entry, MORNING);
        accepted(world.park(Submission { origin: Origin::Imported, ..world.submit(entry) }).await);
    }
    let head = *octocity_log::EventLog::head(&world.log).borrow();
    let executor = executor(&world, &store);
    let (_stop, stopped) = watch::channel(false);
    let (begun, mut progress) = (tokio::time::Instant::now(), executor.progress());
    tokio::spawn(executor.run(stopped));
    progress.wait_for(|now| now.position >= head).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_stops_only_its_stream_until_it_can() {
    let (world, store) = (World::new().await, MemoryProcessStore::default());
    let other = World {
        facility: FacilityId::new(Uuid::from_u128(8)),
        log: world.log.clone(),
        clock: world.clock.clone(),
        handler: world.handler.clone(),
    };
    other.register().await;
    let log = HeldLog::new(world.log.clone());
    log.permits.add_permits(1_000);
    let started = || {
        let log = Arc::new(log.clone());
        let handler = Handler::new(log, None, world.clock.clone(), HandlerOptions::default());
        Executor::new(handler, Arc::new(store.clone()), Arc::new(ScriptedGateway::default()))
    };
    started().run_until_idle().await.unwrap();
    let unreadable = world.submit(enter("gate", "B-1"));
    accepted(world.park(unreadable.clone()).await);
    *log.garbled.lock().unwrap() = Some(unreadable.command_id);
    world.enter("B-2").await;
    other.enter("B-3").await;

    let lines = LogLines::default();
    let logging = lines.begin();
    let executor = started();
    // What could be parked is lost once, and parked when it is tried again.
    executor.start().await.unwrap();
    store.fail(1);
    assert!(executor.run_until_idle().await.is_err());
    executor.run_until_idle().await.unwrap();
    assert_eq!(world.count("SessionOpened").await, 1, "only that of the other facility");
    let parked = store.parked().await.unwrap();
    let events = world.events().await;
    let of_command = |parked: &ParkedStream| {
        let is_it =
            |event: &&RecordedEvent| (event.stream, event.revision) == (parked.stream, parked.revision);
        events.iter().find(is_it).unwrap().meta.command_id
    };
    assert!(parked.iter().any(|parked| parked.process == "stays"), "{parked:?}");
    assert!(parked.iter().all(|parked| of_command(parked) == unreadable.command_id), "{parked:?}");
    assert_eq!(executor.progress().borrow().parked, parked.len());
    assert_eq!(lines.take().len(), parked.len());

    other.enter("B-4").await;
    started().run_until_idle().await.unwrap();
    assert_eq!(world.count("SessionOpened").await, 2);
    assert_eq!(store.parked().await.unwrap(), parked, "a restart alone mends nothing");
    assert_eq!(lines.take(), Vec::<String>::new());
    drop(logging);

    *log.garbled.lock().unwrap() = None;
    started().run_until_idle().await.unwrap();
    assert_eq!(world.count("SessionOpened").await, 4, "each visit has its session, and one only");
    assert_eq!(store.parked().await.unwrap(), []);
}
