//! One database of ClickHouse, reached by HTTP.

use std::fmt::Debug;

use clickhouse::query::RowCursor;
use clickhouse::{Client, Compression, RowOwned, RowRead, RowWrite};

use super::fault::{Fault, OpenError};
use super::schema;

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
    pub(super) place: Place,
    pub(super) keep_days: Option<u32>,
}

impl ClickHouse {
    /// Makes database and tables where they lack, brings an older schema up, and sets the time to live.
    pub async fn open(options: &ClickHouseOptions) -> Result<Self, OpenError> {
        if !options.url.starts_with("http://") || options.url.contains(char::is_whitespace) {
            return Err(OpenError::Address);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !(1..=63).contains(&options.database.len()) || !options.database.chars().all(plain) {
            return Err(OpenError::DatabaseName);
        }
        let compression = if options.compression { Compression::Lz4 } else { Compression::None };
        let mut client = Client::default().with_url(&options.url).with_compression(compression);
        if !options.user.is_empty() {
            client = client.with_user(&options.user).with_password(&options.password);
        }
        let place = Place {
            url: options.url.clone(),
            user: if options.user.is_empty() { "default".to_owned() } else { options.user.clone() },
            database: options.database.clone(),
        };
        let make = format!("CREATE DATABASE IF NOT EXISTS `{}`", options.database);
        client.query(&make).execute().await.map_err(|error| OpenError::of(&place, &error))?;
        let client = client.with_database(&options.database);
        let server = Self { client, place, keep_days: options.keep_days };
        schema::prepare(&server).await?;
        Ok(server)
    }

    pub(super) async fn execute(&self, sql: &str) -> Result<(), clickhouse::error::Error> {
        // A question mark would ask for a value.
        self.client.query(&sql.replace('?', "??")).execute().await
    }

    pub(super) async fn all<R: RowOwned + RowRead>(&self, sql: &str) -> Result<Vec<R>, Fault> {
        Ok(self.client.query(&sql.replace('?', "??")).fetch_all::<R>().await?)
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
        let mut insert = self.client.insert::<R>(table).await?;
        for row in rows {
            insert.write(&row).await?;
        }
        Ok(insert.end().await?)
    }
}
