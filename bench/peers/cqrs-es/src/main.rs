//! A parking session in cqrs-es: start, capture, exit, as three commands of so many callers, each waiting for the one
//! before. `octocity-bench-cqrs-es URL CALLERS SECONDS` prints commands per second. The database must be empty.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use postgres_es::postgres_cqrs;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

/// As its own documentation makes it.
const TABLE: &str = "CREATE TABLE events (
    aggregate_type text NOT NULL,
    aggregate_id text NOT NULL,
    sequence bigint CHECK (sequence >= 0) NOT NULL,
    event_type text NOT NULL,
    event_version text NOT NULL,
    payload json NOT NULL,
    metadata json NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, sequence))";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Event {
    Started { plate: String, at_ms: i64 },
    Captured { amount_minor: i64 },
    Exited { at_ms: i64 },
}

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        match self {
            Self::Started { .. } => "Started",
            Self::Captured { .. } => "Captured",
            Self::Exited { .. } => "Exited",
        }
        .to_owned()
    }
    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

enum Command {
    Start { plate: String, at_ms: i64 },
    Capture { amount_minor: i64 },
    Exit { at_ms: i64 },
}

#[derive(Debug)]
struct Refusal(&'static str);

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Refusal {}

#[derive(Default, Serialize, Deserialize)]
enum Session {
    #[default]
    Unknown,
    Open,
    Paid,
    Ended,
}

impl Aggregate for Session {
    const TYPE: &'static str = "session";
    type Command = Command;
    type Event = Event;
    type Error = Refusal;
    type Services = ();

    async fn handle(&mut self, command: Command, (): &(), sink: &EventSink<Self>) -> Result<(), Refusal> {
        let event = match (&self, command) {
            (Self::Unknown, Command::Start { plate, at_ms }) => Event::Started { plate, at_ms },
            (Self::Open, Command::Capture { amount_minor }) => Event::Captured { amount_minor },
            (Self::Paid, Command::Exit { at_ms }) => Event::Exited { at_ms },
            _ => return Err(Refusal("not now")),
        };
        sink.write(event, self).await;
        Ok(())
    }

    fn apply(&mut self, event: Event) {
        *self = match event {
            Event::Started { .. } => Self::Open,
            Event::Captured { .. } => Self::Paid,
            Event::Exited { .. } => Self::Ended,
        };
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, callers, seconds] = &arguments[..] else {
        return Err("usage: octocity-bench-cqrs-es URL CALLERS SECONDS".into());
    };
    // More connections than this only wait for each other on two cores.
    let pool = PgPoolOptions::new().max_connections(32).connect(url).await?;
    sqlx::query(TABLE).execute(&pool).await?;
    let sessions = Arc::new(postgres_cqrs::<Session>(pool, Vec::new(), ()));
    let (begun, lasting) = (Instant::now(), Duration::from_secs_f64(seconds.parse()?));
    let callers = (0..callers.parse::<usize>()?).map(|_| {
        let sessions = Arc::clone(&sessions);
        tokio::spawn(async move {
            let mut done = 0_u64;
            while begun.elapsed() < lasting {
                let id = Uuid::new_v4().to_string();
                let commands = [
                    Command::Start { plate: id[..8].to_owned(), at_ms: 1 },
                    Command::Capture { amount_minor: 350 },
                    Command::Exit { at_ms: 2 },
                ];
                for command in commands {
                    sessions.execute(&id, command).await.map_err(|error| error.to_string())?;
                    done += 1;
                }
            }
            Ok::<u64, String>(done)
        })
    });
    let mut done = 0;
    for caller in callers.collect::<Vec<_>>() {
        done += caller.await??;
    }
    println!("{:.1}", done as f64 / begun.elapsed().as_secs_f64());
    Ok(())
}
