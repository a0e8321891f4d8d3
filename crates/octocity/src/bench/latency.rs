//! From the gate's command to the rows in a subscriber's hands, with nothing else going on.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use octocity_adapters::sqlite::SqliteRows;
use octocity_domain::parking::Direction;
use octocity_log::EventLog;
use octocity_projections::parking::OccupancyRow;
use octocity_projections::{Engine, EngineOptions, Query, RowStore};
use rusqlite::{Connection, params};
use tokio::sync::watch;

use super::Fault;
use super::city::{City, Shell, pass};
use super::report::LatencyFigures;

/// Roughly what a passage stores: an event with its ledger entry, and its occupancy row.
const EVENT_BYTES: usize = 400;
const ROW_BYTES: usize = 200;

pub async fn measure(dir: &Path, city: &City, seconds: f64) -> Result<LatencyFigures, Fault> {
    let ours = subscribed(dir, city, Duration::from_secs_f64(seconds / 2.0)).await?;
    let bare = by_hand(dir, Duration::from_secs_f64(seconds / 2.0))?;
    Ok(LatencyFigures {
        passages: ours.len(),
        p50_us: ours.value_at_quantile(0.5),
        p99_us: ours.value_at_quantile(0.99),
        bare_p50_us: bare.value_at_quantile(0.5),
        bare_p99_us: bare.value_at_quantile(0.99),
    })
}

async fn subscribed(dir: &Path, city: &City, lasting: Duration) -> Result<Histogram<u64>, Fault> {
    let log = dir.join("latency.db");
    city.copy_to(&log)?;
    let shell = Shell::open(&log)?;
    let store: Arc<dyn RowStore> = Arc::new(SqliteRows::open(&dir.join("latency-rows.db"))?);
    let port: Arc<dyn EventLog> = Arc::clone(&shell.log) as Arc<dyn EventLog>;
    let mut engine = Engine::open(port, store, EngineOptions::default()).await?;
    engine.catch_up(|_| {}).await?;
    let models = engine.models();
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(engine.run(stopped));
    let mut histogram = Histogram::new(3)?;
    let started = Instant::now();
    let mut vehicle = 0;
    while started.elapsed() < lasting {
        let facility = city.facilities[vehicle % city.facilities.len()];
        let mut subscription = models.live.facility::<OccupancyRow>(facility);
        let sent = Instant::now();
        let position =
            pass(&shell.handler, facility, Direction::Entry, &format!("latency-{vehicle}")).await?;
        loop {
            subscription.changed().await.ok_or("the engine ended")?;
            let rows = Query::<OccupancyRow>::new().eq("facility", &facility).run(&*models.store).await?;
            if rows.position >= position {
                break;
            }
        }
        histogram.record(u64::try_from(sent.elapsed().as_micros())?)?;
        vehicle += 1;
    }
    stop.send_replace(true);
    running.await?;
    drop(models);
    shell.close().await?;
    Ok(histogram)
}

/// One synced commit for the event, one that is not synced for the row.
fn by_hand(dir: &Path, lasting: Duration) -> Result<Histogram<u64>, Fault> {
    let open = |name: &str, synchronous: &str| -> Result<Connection, Fault> {
        let connection = Connection::open(dir.join(name))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.execute("CREATE TABLE rows (key INTEGER PRIMARY KEY, data BLOB)", [])?;
        Ok(connection)
    };
    let (log, rows) = (open("bare-log.db", "FULL")?, open("bare-row.db", "NORMAL")?);
    let (event, row) = (vec![1_u8; EVENT_BYTES], vec![1_u8; ROW_BYTES]);
    let insert = "INSERT OR REPLACE INTO rows VALUES (?, ?)";
    let mut histogram = Histogram::new(3)?;
    let started = Instant::now();
    let mut number = 0_i64;
    while started.elapsed() < lasting {
        let sent = Instant::now();
        log.prepare_cached(insert)?.execute(params![number, event])?;
        rows.prepare_cached(insert)?.execute(params![number % 1000, row])?;
        histogram.record(u64::try_from(sent.elapsed().as_micros())?)?;
        number += 1;
    }
    Ok(histogram)
}
