//! The tables' form, and how an older one is brought up.

use clickhouse::error::Error;
use clickhouse::{Client, Row};
use serde::{Deserialize, Serialize};

use super::fault::OpenError;
use super::server::ClickHouse;

/// One a version, in order. A change of what facts say is a new version too: it empties the tables and `checkpoints`.
const MIGRATIONS: [&str; 1] = [include_str!("../../../../schema/clickhouse/0001_facts.sql")];
/// The tables whose rows may have a time to live.
pub const FACTS: [&str; 4] = ["movements", "visits", "sessions", "payments"];
const FORM: &str = "CREATE TABLE IF NOT EXISTS form (version UInt32) ENGINE = MergeTree ORDER BY version";

#[derive(Row, Serialize, Deserialize)]
struct Form {
    version: u32,
}

#[derive(Row, Deserialize)]
struct Made {
    create_table_query: String,
}

pub async fn prepare(server: &ClickHouse) -> Result<(), OpenError> {
    let fault = |error: Error| OpenError::of(&server.place, &error);
    check(server, bring_up(server).await.map_err(fault)?)
}

/// Refuses what `prepare` would refuse, and changes nothing.
pub async fn look(server: &ClickHouse, outside: &Client) -> Result<(), OpenError> {
    let fault = |error: Error| OpenError::of(&server.place, &error);
    let database = &server.place.database;
    let asked = format!("SELECT count() FROM system.tables WHERE database = '{database}' AND name = 'form'");
    match outside.query(&asked).fetch_one::<u64>().await.map_err(fault)? {
        0 => Ok(()),
        _ => check(server, version(server).await.map_err(fault)?),
    }
}

fn check(server: &ClickHouse, found: u32) -> Result<(), OpenError> {
    let known = MIGRATIONS.len() as u32;
    match found > known {
        true => Err(OpenError::Newer { place: server.place.clone(), found, known }),
        false => Ok(()),
    }
}

async fn version(server: &ClickHouse) -> Result<u32, Error> {
    let found = server.client.query("SELECT max(form.version) AS version FROM form").fetch_one::<Form>();
    Ok(found.await?.version)
}

/// Returns the version that is there then. A migration that was stopped is run again: its statements allow it.
async fn bring_up(server: &ClickHouse) -> Result<u32, Error> {
    server.execute(FORM).await?;
    let mut version = version(server).await?;
    for migration in MIGRATIONS.iter().skip(version as usize) {
        for statement in statements(migration) {
            server.execute(statement).await?;
        }
        version += 1;
        server.execute(&format!("INSERT INTO form VALUES ({version})")).await?;
    }
    Ok(version)
}

/// Each ends with a semicolon at the end of a line.
fn statements(text: &str) -> impl Iterator<Item = &str> {
    text.split(";\n").map(str::trim).filter(|statement| !statement.is_empty())
}

/// Makes the views anew, on the tables of this database.
pub async fn make_views(server: &ClickHouse) -> Result<(), OpenError> {
    for statement in MIGRATIONS.iter().flat_map(|migration| statements(migration)) {
        if let Some((_, view)) = statement.split_once("CREATE VIEW IF NOT EXISTS ") {
            let made = server.execute(&format!("CREATE OR REPLACE VIEW {view}")).await;
            made.map_err(|error| OpenError::of(&server.place, &error))?;
        }
    }
    Ok(())
}

async fn made(server: &ClickHouse, table: &str) -> Result<String, Error> {
    let asked = format!(
        "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = '{table}'"
    );
    Ok(server.client.query(&asked).fetch_one::<Made>().await?.create_table_query)
}

/// For how many days movements, of which sums per day are made, are kept as things stand. None: for ever.
pub async fn days_kept(server: &ClickHouse) -> Result<Option<u32>, Error> {
    let made = made(server, "movements").await?;
    let days = made.split_once("toIntervalDay(").and_then(|(_, days)| days.split_once(')'));
    Ok(days.and_then(|(days, _)| days.parse().ok()))
}

/// Lets facts expire as it is configured.
pub async fn set_time_to_live(server: &ClickHouse) -> Result<(), Error> {
    for table in FACTS {
        let made = made(server, table).await?;
        let wanted = server.keep_days.map(|days| format!("toDateTime(happened_at) + toIntervalDay({days})"));
        match wanted {
            Some(wanted) if !made.contains(&wanted) => {
                server.execute(&format!("ALTER TABLE {table} MODIFY TTL {wanted}")).await?;
            }
            None if made.contains(" TTL ") => {
                server.execute(&format!("ALTER TABLE {table} REMOVE TTL")).await?;
            }
            _ => {}
        }
    }
    Ok(())
}
