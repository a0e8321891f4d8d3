//! From a gate's command to a subscriber's frame, at a steady rate of commands. A gate has its answer a moment after the commit:
//! its way over the loopback is as long as a frame's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::Fault;
use crate::city::{City, Way, is_stored};
use crate::http::Connection;
use crate::latencies::Latencies;
use crate::machine::synced_writes;
use crate::quiet;
use crate::report::Report;
use crate::websocket::Subscriber;

const FACILITIES: usize = 500;
/// Each of these has its own connection, and commands of one car park go over one of them.
const GATES: usize = 50;
const PER_SECOND: f64 = 2_000.0;
const LASTING: Duration = Duration::from_secs(12);
/// How often it is measured at most, until other machines leave it the cores.
const TRIES: usize = 3;
/// So many vehicles of each car park are not counted, those of the first two seconds: what is done once is done for them.
const NOT_COUNTED: usize = 8;
/// How long commands come before that over Kafka, whose Java compiles what runs often: a third of a core for half a minute.
const WARM_UP: Duration = Duration::from_secs(40);

/// The vehicles of each car park in turn.
pub type Vehicles = Arc<Vec<Mutex<Vec<Vehicle>>>>;

#[derive(Clone, Copy)]
pub struct Vehicle {
    /// When it was at its gate.
    due: Instant,
    /// When its gate had the answer that its passage is stored.
    stored: Option<Instant>,
}

pub fn no_vehicles(facilities: usize) -> Vehicles {
    Arc::new((0..facilities).map(|_| Mutex::default()).collect())
}

pub fn of(vehicles: &Mutex<Vec<Vehicle>>) -> MutexGuard<'_, Vec<Vehicle>> {
    vehicles.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long it has been since the n-th vehicle was due.
pub fn since_due(vehicles: &Mutex<Vec<Vehicle>>, number: usize) -> Option<Duration> {
    of(vehicles).get(number).map(|vehicle| vehicle.due.elapsed())
}

pub async fn in_one_process(report: &mut Report) -> Result<(), Fault> {
    let disk = tokio::task::spawn_blocking(|| synced_writes(&std::env::temp_dir())).await??;
    report.note(format!(
        "the disk below it, a page written and synced with pauses of 2 ms, and nothing else: {}",
        disk.said()
    ));
    let open = async || City::open(FACILITIES, &[]).await;
    let p99 = quietest(open, Duration::ZERO, "one process", report).await?;
    report.at_most("gate's answer to subscriber, p99 ms at 2,000 commands/s, one process", p99, 10.0);
    Ok(())
}

pub async fn over_kafka(report: &mut Report) -> Result<(), Fault> {
    let open = async || City::on_services(FACILITIES).await;
    let p99 = quietest(open, WARM_UP, "over Kafka, one process for all roles", report).await?;
    let name =
        "gate's answer to subscriber, p99 ms at 2,000 commands/s, over Kafka, one process for all roles";
    report.at_most(name, p99, 60.0);
    Ok(())
}

/// The 99th percentile from answer to frame, in milliseconds.
async fn quietest(
    open: impl AsyncFn() -> Result<City, Fault>,
    warm_up: Duration,
    name: &str,
    report: &mut Report,
) -> Result<f64, Fault> {
    let rounds = quiet::rounds(1, TRIES, async || measure_in(open().await?, warm_up).await);
    let rounds = rounds.await?;
    let said = rounds.said();
    let took = rounds.kept.into_iter().next().ok_or("nothing was measured")?;
    report.note(format!(
        "gate to subscriber at {PER_SECOND} commands/s, {name} ({said}): from the gate's answer to the frame {}; from when it \
         was due to the answer {}, to the frame {}",
        took.from_answer.said(),
        took.to_answer.said(),
        took.from_due.said()
    ));
    Ok(took.from_answer.millis(0.99))
}

struct Took {
    from_due: Latencies,
    to_answer: Latencies,
    from_answer: Latencies,
}

async fn measure_in(city: City, warm_up: Duration) -> Result<Took, Fault> {
    let city = Arc::new(city);
    let vehicles = no_vehicles(FACILITIES);
    let mut readers = Vec::new();
    for number in 0..FACILITIES {
        let mut subscriber = Subscriber::open(city.address(), &city.facilities[number]).await?;
        readers.push(tokio::spawn(async move {
            // When the n-th vehicle was in a frame.
            let mut shown = Vec::new();
            while let Ok(Ok(inside)) = tokio::time::timeout(LASTING, subscriber.inside()).await {
                shown.resize(inside.max(shown.len()), Instant::now());
            }
            shown
        }));
    }
    let send_for = async |lasting| {
        send(&city, &vehicles, PER_SECOND, lasting, Arc::new(|number| number % FACILITIES)).await
    };
    let mut sent = send_for(warm_up).await?;
    let not_counted = vehicles.iter().map(|vehicles| of(vehicles).len() + NOT_COUNTED).collect::<Vec<_>>();
    sent += send_for(LASTING).await?;
    let (mut from_due, mut to_answer, mut from_answer) = Default::default();
    let mut seen = 0;
    for (number, reader) in readers.into_iter().enumerate() {
        let shown = reader.await?;
        seen += shown.len();
        for (vehicle, shown) in of(&vehicles[number]).iter().zip(shown).skip(not_counted[number]) {
            let stored = vehicle.stored.ok_or("a gate has no answer")?;
            Latencies::record(&mut from_due, shown - vehicle.due);
            Latencies::record(&mut to_answer, stored - vehicle.due);
            // A frame may be there before the answer.
            Latencies::record(&mut from_answer, shown.saturating_duration_since(stored));
        }
    }
    if seen != sent {
        return Err(format!("{sent} vehicles entered, and subscribers saw {seen}").into());
    }
    Ok(Took { from_due, to_answer, from_answer })
}

/// Entries at a rate that no answer slows down; how many there were. `where_to` says the car park of the n-th.
pub async fn send(
    city: &Arc<City>,
    vehicles: &Vehicles,
    per_second: f64,
    lasting: Duration,
    where_to: Arc<dyn Fn(usize) -> usize + Send + Sync>,
) -> Result<usize, Fault> {
    let count = (per_second * lasting.as_secs_f64()) as usize;
    let begun = Instant::now() + Duration::from_millis(100);
    let gates = (0..GATES).map(|gate| {
        let (city, vehicles, where_to) = (Arc::clone(city), Arc::clone(vehicles), Arc::clone(&where_to));
        tokio::spawn(async move {
            let mut connection = Connection::open(city.address()).await?;
            for number in 0..count {
                let to = where_to(number);
                if to % GATES != gate {
                    continue;
                }
                let at = begun + Duration::from_secs_f64(number as f64 / per_second);
                tokio::time::sleep_until(at.into()).await;
                let ticket = {
                    let mut vehicles = of(&vehicles[to]);
                    vehicles.push(Vehicle { due: at, stored: None });
                    vehicles.len().to_string()
                };
                let answer = connection.post(&city.passage(to, Way::In, &ticket)).await?;
                if !is_stored(answer) {
                    return Err(
                        format!("a passage was not stored: {}", String::from_utf8_lossy(answer)).into()
                    );
                }
                // Those of one car park go over one connection, in turn.
                if let Some(vehicle) = of(&vehicles[to]).last_mut() {
                    vehicle.stored = Some(Instant::now());
                }
            }
            Ok::<(), Fault>(())
        })
    });
    for gate in gates.collect::<Vec<_>>() {
        gate.await??;
    }
    Ok(count)
}
