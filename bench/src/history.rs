//! What a command and a query cost the server, with a short history behind it and with a long one.

use std::path::Path;
use std::time::{Duration, Instant};

use octocity_tests::stage::Stage;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::Fault;
use crate::city::{City, Way, is_stored};
use crate::http;
use crate::movements::{counts, imported};
use crate::report::{Report, median, range};

const CAR_PARKS: usize = 100;
const SHORT: usize = 10_000;
const LONG: usize = 10_000_000;
/// Between two counts of a car park so many vehicles pass at most.
const STEP: usize = 500;
const ROUNDS: usize = 7;
const COMMANDS: usize = 2_000;
const QUERIES: usize = 2_000;
const COST: f64 = 1.15;

pub async fn measure(report: &mut Report) -> Result<(), Fault> {
    let (short, long) = (Past::of(SHORT)?, Past::of(LONG)?);
    report.note(format!("{LONG} events, bytes an event in the log: {}", long.bytes_an_event));
    report.note(format!(
        "the first start after their import took {:.1} s",
        long.first_started_in.as_secs_f64()
    ));
    report.at_most("start-up with 10 million events, s", long.started_in.as_secs_f64(), 2.0);
    let (short, long) = (short.serve().await?, long.serve().await?);
    // Warm: what is read for the first time is read now.
    for city in [&short, &long] {
        commands_us(city).await?;
        queries_us(city).await?;
    }
    let (mut commands, mut queries) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        commands.push((commands_us(&short).await?, commands_us(&long).await?));
        queries.push((queries_us(&short).await?, queries_us(&long).await?));
    }
    for (name, rounds) in [("a command", commands), ("a query", queries)] {
        let few = median(rounds.iter().map(|round| round.0));
        let many = median(rounds.iter().map(|round| round.1));
        let ratios = || rounds.iter().map(|round| round.1 / round.0);
        report.note(format!(
            "{name}: {few:.0} us of the server's cores with {SHORT} events, {many:.0} us with {LONG} (ratio {})",
            range(ratios())
        ));
        report.at_most(
            &format!("{name} with 10 million events, of what it costs with 10 thousand"),
            median(ratios()),
            COST,
        );
    }
    Ok(())
}

/// A city with this many events.
struct Past {
    stage: Stage,
    bytes_an_event: String,
    first_started_in: Duration,
    started_in: Duration,
}

/// Until it says that it is ready.
fn started_in(stage: &Stage) -> Result<Duration, Fault> {
    let begun = Instant::now();
    let server = stage.launch().start()?;
    let started_in = begun.elapsed();
    drop(server);
    Ok(started_in)
}

impl Past {
    fn of(events: usize) -> Result<Self, Fault> {
        let stage = imported(&counts(events, CAR_PARKS, STEP)?)?;
        let bytes_an_event = bytes_an_event(&stage.data().join("log.db"), events)?;
        // The first start looks through an imported log for traffic whose process state was lost.
        let first_started_in = started_in(&stage)?;
        let started_in = started_in(&stage)?;
        Ok(Self { stage, bytes_an_event, first_started_in, started_in })
    }

    async fn serve(self) -> Result<City, Fault> {
        let server = self.stage.launch().start()?;
        City::with_history(self.stage, server).await
    }
}

/// All of the log's file, and what its tables and indexes have of it; the rest is below a byte each.
fn bytes_an_event(log: &Path, events: usize) -> Result<String, Fault> {
    let log = Connection::open_with_flags(log, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut parts = log.prepare(
        "SELECT name, sum(pgsize) AS bytes FROM dbstat WHERE aggregate = TRUE GROUP BY name ORDER BY bytes DESC",
    )?;
    let parts = parts.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, f64>(1)?)))?;
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    let each = |bytes: f64| bytes / events as f64;
    let all: f64 = parts.iter().map(|(_, bytes)| bytes).sum();
    let named = parts.iter().filter(|(_, bytes)| each(*bytes) >= 1.0);
    let named = named.map(|(name, bytes)| format!("{name} {:.0}", each(*bytes))).collect::<Vec<_>>();
    Ok(format!("{:.0} ({})", each(all), named.join(", ")))
}

/// What the server's cores work for one command, in microseconds.
async fn commands_us(city: &City) -> Result<f64, Fault> {
    let mut connection = http::Connection::open(city.address()).await?;
    let before = worked(city.server().id())?;
    for number in 0..COMMANDS {
        let way = if number % 2 == 0 { Way::In } else { Way::Out };
        let answer = connection.post(&city.passage(number / 2, way, &format!("cost-{}", number / 2))).await?;
        if !is_stored(answer) {
            return Err(format!("a passage was not stored: {}", String::from_utf8_lossy(answer)).into());
        }
    }
    Ok((worked(city.server().id())? - before).as_secs_f64() * 1e6 / COMMANDS as f64)
}

async fn queries_us(city: &City) -> Result<f64, Fault> {
    let mut connection = http::Connection::open(city.address()).await?;
    let before = worked(city.server().id())?;
    for number in 0..QUERIES {
        let facility = &city.facilities[number % city.facilities.len()];
        let asked = serde_json::json!({
            "query": "query($facility:ID!){occupancy(facilities:[$facility]){inside free pools{pool places}} \
                visits(facilityId:$facility,first:10){nodes{id}}}",
            "variables": { "facility": facility },
        });
        let answer: Value = serde_json::from_slice(connection.post(&asked.to_string()).await?)?;
        if answer["data"]["occupancy"][0]["inside"].is_null() {
            return Err(format!("a query was not answered: {answer}").into());
        }
    }
    Ok((worked(city.server().id())? - before).as_secs_f64() * 1e6 / QUERIES as f64)
}

/// How long the process has kept cores at work, in all. Linux counts it in hundredths of a second.
fn worked(process: u32) -> Result<Duration, Fault> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').ok_or("the system does not say how long the server worked")?;
    // utime and stime, the fourteenth and fifteenth of all.
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}
