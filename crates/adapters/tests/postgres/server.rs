//! The server to test on, and a schema for each test.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use octocity_adapters::postgres::{Database, PostgresOptions};
use octocity_projections::testing::Move;

use crate::own::Own;

/// The address of the server all tests share.
pub fn url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| std::env::var("OCTOCITY_TEST_POSTGRES").unwrap_or_else(|_| Own::start().leave()))
}

/// A schema that nobody else uses, dropped with this.
pub struct Schema {
    pub url: String,
    pub name: String,
}

impl Schema {
    pub fn new() -> Self {
        Self::at(url())
    }

    pub fn at(url: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { url: url.to_owned(), name: format!("test_{}_{number}", std::process::id()) }
    }

    pub fn options(&self) -> PostgresOptions {
        let (url, schema) = (Some(self.url.clone()), self.name.clone());
        PostgresOptions { url, schema, pool_size: 4, ..PostgresOptions::default() }
    }

    /// Opened anew at each call, as after a restart.
    pub fn database(&self) -> Database {
        let open = || tokio::runtime::Handle::current().block_on(Database::open(&self.options()));
        tokio::task::block_in_place(open).unwrap()
    }

    /// What a person would do with psql.
    pub async fn sql(&self, sql: &str) -> Vec<tokio_postgres::Row> {
        let (client, connection) = tokio_postgres::connect(&self.url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("SET search_path = {}", self.name)).await.unwrap();
        client.query(sql, &[]).await.unwrap()
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name);
        let url = self.url.clone();
        let work = async move {
            // A server that is gone has nothing to tidy.
            let Ok((client, connection)) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await else {
                return;
            };
            tokio::spawn(connection);
            let _ = client.batch_execute(&drop).await;
        };
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _ = std::thread::spawn(move || runtime().block_on(work)).join();
    }
}

/// A history of every kind of event that gates make, with late news.
pub fn moves() -> Vec<Move> {
    let mut chance = 1_u32;
    let mut next = || {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        chance >> 16
    };
    (0..600).map(|_| (next() as u8, next() as u8, (next() % 20_000) as u16, next() % 2 == 0)).collect()
}
