//! One database of ClickHouse, reached by HTTP.

use std::fmt::Debug;
use std::time::Duration;

use clickhouse::error::Error;
use clickhouse::query::RowCursor;
use clickhouse::{Client, Compression, RowOwned, RowRead, RowWrite};

use super::fault::{Fault, OpenError};
use super::schema;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub struct ClickHouseOptions {
    /// The HTTP interface: `http://host:8123`.
    pub url: String,
    pub user: String,
    pub password: String,
    /// Made where there is none.
    pub database: String,
    /// LZ4 on the wire.
    pub compression: bool,
    /// For how many days facts are kept after what they tell of; None: for ever. Sums per day stay.
    pub keep_days: Option<u32>,
}

impl Debug for ClickHouseOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.database, self.url)
    }
}

/// Which server and database, for messages.
#[derive(Clone, Debug)]
pub struct Place {
    pub url: String,
    pub user: String,
    pub database: String,
}

/// A database with the schema of this version. Clones share their connections.
#[derive(Clone)]
pub struct ClickHouse {
    pub(super) client: Client,
    /// Not within the database, which may have to be made.
    outside: Client,
    pub(super) place: Place,
    pub(super) keep_days: Option<u32>,
}

impl ClickHouse {
    /// Asks nothing yet; only the options are looked at.
    pub fn try_new(options: &ClickHouseOptions) -> Result<Self, OpenError> {
        if !options.url.starts_with("http://") || options.url.contains(char::is_whitespace) {
            return Err(OpenError::Address);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !(1..=63).contains(&options.database.len()) || !options.database.chars().all(plain) {
            return Err(OpenError::DatabaseName);
        }
        let compression = if options.compression { Compression::Lz4 } else { Compression::None };
        let mut outside = Client::default().with_url(&options.url).with_compression(compression);
        if !options.user.is_empty() {
            outside = outside.with_user(&options.user).with_password(&options.password);
        }
        let place = Place {
            url: options.url.clone(),
            user: if options.user.is_empty() { "default".to_owned() } else { options.user.clone() },
            database: options.database.clone(),
        };
        let client = outside.clone().with_database(&options.database);
        Ok(Self { client, outside, place, keep_days: options.keep_days })
    }

    /// With all that is needed in place.
    pub async fn open(options: &ClickHouseOptions) -> Result<Self, OpenError> {
        let server = Self::try_new(options)?;
        server.prepare().await?;
        Ok(server)
    }

    /// Makes database and tables where they lack, brings an older schema up, and sets the time to live.
    pub async fn prepare(&self) -> Result<(), OpenError> {
        let make = format!("CREATE DATABASE IF NOT EXISTS `{}`", self.place.database);
        let made = patiently(self.outside.query(&make).execute()).await;
        made.map_err(|error| OpenError::of(&self.place, &error))?;
        schema::prepare(self).await
    }

    /// Drops the database and all that is in it.
    pub async fn remove(&self) -> Result<(), OpenError> {
        let drop = format!("DROP DATABASE IF EXISTS `{}`", self.place.database);
        let dropped = patiently(self.outside.query(&drop).execute()).await;
        dropped.map_err(|error| OpenError::of(&self.place, &error))
    }

    /// Says which server it is, without changing anything there.
    pub async fn look(&self) -> Result<String, OpenError> {
        let said = self.outside.query("SELECT version()").fetch_one::<String>().await;
        let version = said.map_err(|error| OpenError::of(&self.place, &error))?;
        schema::look(self, &self.outside).await?;
        Ok(format!("{} at {}, version {version}", self.place.database, self.place.url))
    }

    pub(super) async fn execute(&self, sql: &str) -> Result<(), Error> {
        // A question mark would ask for a value.
        patiently(self.client.query(&sql.replace('?', "??")).execute()).await
    }

    pub(super) async fn all<R: RowOwned + RowRead>(&self, sql: &str) -> Result<Vec<R>, Fault> {
        Ok(patiently(self.client.query(&sql.replace('?', "??")).fetch_all::<R>()).await?)
    }

    /// The rows one by one, as they come.
    pub(super) fn cursor<R: RowOwned + RowRead>(&self, sql: &str) -> Result<RowCursor<R>, Fault> {
        Ok(self.client.query(&sql.replace('?', "??")).fetch::<R>()?)
    }

    /// Inserts as one block.
    pub(super) async fn insert<R: RowOwned + RowWrite>(
        &self,
        table: &str,
        rows: impl Iterator<Item = R>,
    ) -> Result<(), Fault> {
        let mut rows = rows.peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        let mut insert = patiently(self.client.insert::<R>(table)).await?;
        insert = insert.with_timeouts(Some(PATIENCE), Some(PATIENCE));
        for row in rows {
            insert.write(&row).await?;
        }
        Ok(insert.end().await?)
    }
}

/// A server that stands still is as one that is down.
pub(super) async fn patiently<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or(Err(Error::TimedOut))
}
