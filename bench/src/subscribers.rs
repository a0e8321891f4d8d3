//! Many subscribers of one node.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::Fault;
use crate::city::City;
use crate::latencies::Latencies;
use crate::live::{Vehicles, no_vehicles, of, send, since_due};
use crate::report::Report;
use crate::websocket::Subscriber;
use crate::zipf::{Zipf, spread};

const SUBSCRIBERS: usize = 10_000;
const FACILITIES: usize = 1_000;
const PER_SECOND: f64 = 500.0;
const LASTING: Duration = Duration::from_secs(20);
/// How long the last states are waited for.
const LAST: Duration = Duration::from_secs(15);
/// How many connect at once.
const CONNECTING: usize = 64;

/// What one subscriber has seen.
#[derive(Default)]
struct Seen {
    facility: usize,
    inside: AtomicUsize,
}

pub async fn measure(report: &mut Report) -> Result<(), Fault> {
    let connections = (SUBSCRIBERS + SUBSCRIBERS / 5).to_string();
    let city = Arc::new(City::open(FACILITIES, &[("OCTOCITY_CONNECTIONS", &connections)]).await?);
    let (vehicles, zipf) = (no_vehicles(FACILITIES), Arc::new(Zipf::new(FACILITIES)));
    let latencies = Arc::<Mutex<Latencies>>::default();
    let before = resident_kibibytes(city.server().id())?;
    let subscribers = stream::iter(0..SUBSCRIBERS).map(|number| {
        let (city, vehicles, latencies) = (Arc::clone(&city), Arc::clone(&vehicles), Arc::clone(&latencies));
        let seen = Arc::new(Seen { facility: zipf.at(spread(number)), ..Seen::default() });
        async move {
            let mut subscriber = Subscriber::open(city.address(), &city.facilities[seen.facility]).await?;
            subscriber.inside().await?;
            let reading = read(subscriber, Arc::clone(&seen), vehicles, latencies);
            Ok::<_, Fault>((seen, tokio::spawn(reading)))
        }
    });
    let readers: Vec<_> = subscribers.buffer_unordered(CONNECTING).try_collect().await?;
    let each = (resident_kibibytes(city.server().id())? - before) / SUBSCRIBERS as f64;
    let changes = Arc::clone(&zipf);
    // Not in the subscribers' order.
    let where_to = Arc::new(move |number: usize| changes.at(spread(number * 7 + 3)));
    send(&city, &vehicles, PER_SECOND, LASTING, where_to).await?;
    let until = Instant::now() + LAST;
    let is_right = |seen: &Seen| seen.inside.load(Ordering::Relaxed) == of(&vehicles[seen.facility]).len();
    while Instant::now() < until && !readers.iter().all(|(seen, _)| is_right(seen)) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let right = readers.iter().filter(|(seen, _)| is_right(seen)).count();
    readers.iter().for_each(|(_, reading)| reading.abort());
    let latencies = latencies.lock().unwrap_or_else(PoisonError::into_inner);
    report.note(format!(
        "{SUBSCRIBERS} subscribers, {PER_SECOND} changes/s, both by Zipf on {FACILITIES} car parks: {} frames, each as old as \
         the oldest change in it: {}",
        latencies.count(),
        latencies.said()
    ));
    report.at_least("subscribers whose last state is right, of 10,000", right as f64, SUBSCRIBERS as f64);
    report.at_most("10,000 subscribers, p99 ms from change to frame", latencies.millis(0.99), 1_000.0);
    report.at_most("memory of the server for a subscriber, KiB", each, 24.0);
    Ok(())
}

async fn read(
    mut subscriber: Subscriber,
    seen: Arc<Seen>,
    vehicles: Vehicles,
    latencies: Arc<Mutex<Latencies>>,
) -> Result<(), Fault> {
    loop {
        let inside = subscriber.inside().await?;
        let before = seen.inside.swap(inside, Ordering::Relaxed);
        if inside > before
            && let Some(took) = since_due(&vehicles[seen.facility], before)
        {
            latencies.lock().unwrap_or_else(PoisonError::into_inner).record(took);
        }
    }
}

fn resident_kibibytes(process: u32) -> Result<f64, Fault> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let line = line.ok_or("the system does not say how much memory the server has")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
