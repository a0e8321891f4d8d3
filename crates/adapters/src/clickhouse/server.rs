//! One database of ClickHouse, reached by HTTP.

use std::fmt::Debug;
use std::time::Duration;

use clickhouse::error::Error;
use clickhouse::query::RowCursor;
use clickhouse::{Client, Compression, RowOwned, RowRead, RowWrite};

use super::fault::{Fault, OpenError};
use super::schema;
use super::switch::BLUE;

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
        if options.url.contains(['@', '?']) {
            return Err(OpenError::NamedInAddress);
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

    /// Makes database and tables where they lack, and brings an older schema up. When facts expire is set by who tells
    /// them, once it has told all.
    pub async fn prepare(&self) -> Result<(), OpenError> {
        // One made now would stand in the way of the one that comes.
        if !self.exists().await? && self.beside(BLUE).exists().await? {
            return Err(OpenError::Switching { place: self.place.clone() });
        }
        self.execute_outside(&format!("CREATE DATABASE IF NOT EXISTS `{}`", self.place.database)).await?;
        schema::prepare(self).await
    }

    /// Drops the database and all that is in it.
    pub async fn remove(&self) -> Result<(), OpenError> {
        self.execute_outside(&format!("DROP DATABASE IF EXISTS `{}` SYNC", self.place.database)).await
    }

    /// Another database of the same server.
    pub(super) fn beside(&self, name: &str) -> Self {
        let place = Place { database: format!("{}_{name}", self.place.database), ..self.place.clone() };
        let client = self.outside.clone().with_database(&place.database);
        Self { client, place, ..self.clone() }
    }

    /// Gives it the name of another one, which is none then.
    pub(super) async fn rename(&self, to: &Self) -> Result<(), OpenError> {
        self.execute_outside(&format!("RENAME DATABASE `{}` TO `{}`", self.place.database, to.place.database))
            .await
    }

    pub(super) async fn exists(&self) -> Result<bool, OpenError> {
        self.is_known(&format!("databases WHERE name = '{}'", self.place.database)).await
    }

    /// See `switch.rs`.
    pub(super) async fn was_live(&self) -> Result<bool, OpenError> {
        self.is_known(&format!("tables WHERE database = '{}' AND name = 'was_live'", self.place.database))
            .await
    }

    async fn is_known(&self, what: &str) -> Result<bool, OpenError> {
        let asked = format!("SELECT count() FROM system.{what}");
        let counted = patiently(self.outside.query(&asked).fetch_one::<u64>()).await;
        Ok(counted.map_err(|error| OpenError::of(&self.place, &error))? > 0)
    }

    async fn execute_outside(&self, sql: &str) -> Result<(), OpenError> {
        let done = patiently(self.outside.query(sql).execute()).await;
        done.map_err(|error| OpenError::of(&self.place, &error))
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
