//! What the configured services do, each in a part of it that is removed: projected events per second into PostgreSQL
//! beside bare upserts of the same rows, and the way there over Kafka.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use octocity_adapters::kafka::{
    KafkaFault, KafkaOptions, Projector, Relay, RelayOptions, Scratch as Topics, Standing,
};
use octocity_adapters::postgres::{PostgresOptions, Scratch};
use octocity_log::{EventLog, Position};
use octocity_projections::RowStore;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::projection::{Recorded, project};
use super::report::{BenchReport, Ratio};
use super::{BenchOptions, Fault, ROUNDS, median};
use crate::config::KafkaConfig;
use crate::kafka::options as kafka_options;
use crate::stores::options as postgres_options;

pub async fn measure(
    report: &mut BenchReport,
    log: &Arc<dyn EventLog>,
    options: &BenchOptions,
    progress: &impl Fn(&str),
) -> Result<(), Fault> {
    let postgres = options.postgres.as_ref().map(postgres_options);
    if let Some(postgres) = &postgres {
        progress("projection into PostgreSQL");
        report.projection_postgres = Some(projected(log, postgres).await?);
    }
    if let Some(kafka) = &options.kafka {
        progress("the relay to Kafka, and projection from there");
        over_kafka(report, log, kafka, postgres.as_ref()).await?;
    }
    Ok(())
}

async fn projected(log: &Arc<dyn EventLog>, postgres: &PostgresOptions) -> Result<Ratio, Fault> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let scratch = Scratch::make(postgres).await?;
        let store = Arc::new(Recorded::new(Arc::new(scratch.rows(1))));
        let projected = project(log, &store).await;
        scratch.remove().await?;
        let (events, seconds) = projected?;
        rounds.push((events as f64 / seconds, events as f64 / bare(postgres, &store).await?));
    }
    Ok(Ratio::of(&rounds))
}

/// How many seconds the server takes for what the store was told.
async fn bare(postgres: &PostgresOptions, store: &Recorded) -> Result<f64, Fault> {
    let (tables, batches) = store.taken();
    let scratch = Scratch::make(postgres).await?;
    let bare = scratch.bare(&tables, &batches).await;
    scratch.remove().await?;
    Ok(bare?.as_secs_f64())
}

async fn over_kafka(
    report: &mut BenchReport,
    log: &Arc<dyn EventLog>,
    kafka: &KafkaConfig,
    postgres: Option<&PostgresOptions>,
) -> Result<(), Fault> {
    let (mut relayed, mut rounds) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let topics = Topics::make(&kafka_options(kafka)).await?;
        let round = async {
            let per_second = relay(log, topics.options()).await?;
            let rates = match postgres {
                Some(postgres) => Some(project_from(log, topics.options(), postgres).await?),
                None => None,
            };
            Ok::<_, Fault>((per_second, rates))
        };
        let round = round.await;
        topics.remove().await?;
        let (per_second, rates) = round?;
        relayed.push(per_second);
        rounds.extend(rates);
    }
    report.relayed_events_per_second = Some(median(relayed));
    report.projection_kafka = postgres.map(|_| Ratio::of(&rounds));
    Ok(())
}

/// Events per second from the log until they are committed in both topics.
async fn relay(log: &Arc<dyn EventLog>, kafka: KafkaOptions) -> Result<f64, Fault> {
    let head = *log.head().borrow();
    let relay = Relay::new(Arc::clone(log), kafka, RelayOptions::default());
    let stats = relay.stats();
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(relay.run(stopped));
    until(&running, || stats.standing() == Standing::Leads).await?;
    let started = Instant::now();
    until(&running, || Position(stats.position.load(Ordering::Relaxed)) >= head).await?;
    let seconds = started.elapsed().as_secs_f64();
    stop.send_replace(true);
    running.await??;
    Ok(stats.events.load(Ordering::Relaxed) as f64 / seconds)
}

/// Events per second from the topic into the rows, from the moment the group has given the partitions out; and bare.
async fn project_from(
    log: &Arc<dyn EventLog>,
    kafka: KafkaOptions,
    postgres: &PostgresOptions,
) -> Result<(f64, f64), Fault> {
    let head = *log.head().borrow();
    let scratch = Scratch::make(postgres).await?;
    let store = Arc::new(Recorded::new(Arc::new(scratch.rows(kafka.partitions))));
    let projecting = async {
        let port: Arc<dyn RowStore> = Arc::clone(&store) as Arc<dyn RowStore>;
        let projector = Projector::open(kafka, Arc::clone(log), port).await?;
        let (models, stats) = (projector.models(), projector.stats());
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(projector.run(stopped));
        until(&running, || stats.partitions.load(Ordering::Relaxed) > 0).await?;
        let started = Instant::now();
        until(&running, || models.position() >= head).await?;
        let seconds = started.elapsed().as_secs_f64();
        stop.send_replace(true);
        running.await??;
        Ok::<_, Fault>((models.stats.events.load(Ordering::Relaxed) as f64, seconds))
    };
    let projected = projecting.await;
    scratch.remove().await?;
    let (events, seconds) = projected?;
    Ok((events / seconds, events / bare(postgres, &store).await?))
}

/// Waits until it holds, or the work has ended.
async fn until(running: &JoinHandle<Result<(), KafkaFault>>, holds: impl Fn() -> bool) -> Result<(), Fault> {
    while !holds() {
        if running.is_finished() {
            return Err("the work on Kafka has ended early; run octocity with --log info to see why".into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}
