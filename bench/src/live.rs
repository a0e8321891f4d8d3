//! From a gate's command to a subscriber's frame, at a steady rate of commands.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Fault;
use crate::city::{City, Way, is_stored};
use crate::http::Connection;
use crate::latencies::Latencies;
use crate::machine::synced_writes;
use crate::report::Report;
use crate::websocket::Subscriber;

const FACILITIES: usize = 500;
/// Each of these has its own connection, and commands of one car park go over one of them.
const GATES: usize = 50;
const PER_SECOND: f64 = 2_000.0;
const LASTING: Duration = Duration::from_secs(12);
/// So many vehicles of each car park are not counted, those of the first two seconds: what is done once is done for them.
const WARM_UP: usize = 8;

/// When the n-th vehicle of a car park was due at its gate.
pub type Due = Arc<Vec<Mutex<Vec<Instant>>>>;

pub fn due_times(facilities: usize) -> Due {
    Arc::new((0..facilities).map(|_| Mutex::default()).collect())
}

/// How long it has been since the n-th vehicle was due.
pub fn since_due(due: &Mutex<Vec<Instant>>, number: usize) -> Option<Duration> {
    due.lock().unwrap_or_else(PoisonError::into_inner).get(number).map(Instant::elapsed)
}

pub async fn measure(report: &mut Report) -> Result<(), Fault> {
    let disk = tokio::task::spawn_blocking(|| synced_writes(&std::env::temp_dir())).await??;
    report.note(format!(
        "the disk below it, a page written and synced with pauses of 2 ms, and nothing else: {}",
        disk.said()
    ));
    let embedded = measure_in(City::open(FACILITIES, &[]).await?, "one process", report).await?;
    report.at_most("gate to subscriber, p99 ms at 2,000 commands/s, one process", embedded, 10.0);
    let on_services = measure_in(City::on_services(FACILITIES).await?, "over Kafka", report).await?;
    report.at_most("gate to subscriber, p99 ms at 2,000 commands/s, over Kafka", on_services, 60.0);
    Ok(())
}

/// The 99th percentile, in milliseconds.
async fn measure_in(city: City, name: &str, report: &mut Report) -> Result<f64, Fault> {
    let city = Arc::new(city);
    let due = due_times(FACILITIES);
    let mut readers = Vec::new();
    for number in 0..FACILITIES {
        let mut subscriber = Subscriber::open(city.address(), &city.facilities[number]).await?;
        let due = Arc::clone(&due);
        readers.push(tokio::spawn(async move {
            let (mut latencies, mut seen) = (Latencies::default(), 0);
            while let Ok(Ok(inside)) = tokio::time::timeout(LASTING, subscriber.inside()).await {
                if inside > seen
                    && seen >= WARM_UP
                    && let Some(took) = since_due(&due[number], seen)
                {
                    latencies.record(took);
                }
                seen = inside.max(seen);
            }
            (latencies, seen)
        }));
    }
    let sent = send(&city, &due, PER_SECOND, LASTING, Arc::new(|number| number % FACILITIES)).await?;
    let (mut all, mut seen) = (Latencies::default(), 0);
    for reader in readers {
        let (latencies, last) = reader.await?;
        all.add(&latencies);
        seen += last;
    }
    if seen != sent {
        return Err(format!("{sent} vehicles entered, and subscribers saw {seen}").into());
    }
    let said = all.said();
    report
        .note(format!("gate to subscriber at {PER_SECOND} commands/s, {name}, from when it was due: {said}"));
    Ok(all.millis(0.99))
}

/// Entries at a rate that no answer slows down; how many there were. `where_to` says the car park of the n-th.
pub async fn send(
    city: &Arc<City>,
    due: &Due,
    per_second: f64,
    lasting: Duration,
    where_to: Arc<dyn Fn(usize) -> usize + Send + Sync>,
) -> Result<usize, Fault> {
    let count = (per_second * lasting.as_secs_f64()) as usize;
    let begun = Instant::now() + Duration::from_millis(100);
    let gates = (0..GATES).map(|gate| {
        let (city, due, where_to) = (Arc::clone(city), Arc::clone(due), Arc::clone(&where_to));
        tokio::spawn(async move {
            let mut connection = Connection::open(city.address()).await?;
            for number in 0..count {
                let to = where_to(number);
                if to % GATES != gate {
                    continue;
                }
                let at = begun + Duration::from_secs_f64(number as f64 / per_second);
                tokio::time::sleep_until(at.into()).await;
                due[to].lock().unwrap_or_else(PoisonError::into_inner).push(at);
                let answer = connection.post(&city.passage(to, Way::In, &number.to_string())).await?;
                if !is_stored(answer) {
                    return Err(
                        format!("a passage was not stored: {}", String::from_utf8_lossy(answer)).into()
                    );
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
