//! A server to test on, and a schema for each test.

use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use octocity_adapters::postgres::{Database, PostgresOptions};
use octocity_projections::testing::Move;

use crate::cluster::Cluster;

/// The address of the server all tests share.
pub fn url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| std::env::var("OCTOCITY_TEST_POSTGRES").unwrap_or_else(|_| Own::start().leave()))
}

/// A server of a test's own, to be stopped and started.
pub struct Own {
    cluster: Cluster,
    pub port: u16,
    folder: PathBuf,
    /// Ends the server when we end, however that comes: its standard input closes.
    watchdog: Child,
}

impl Own {
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("octocity-postgres-").tempdir().unwrap().keep();
        let cluster = Cluster::open(&folder).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        cluster.start(port).unwrap();
        let watch = r#"read -r _; kill -QUIT "$(head -1 "$1/data/postmaster.pid")"; sleep 1; rm -rf "$1""#;
        let mut sh = Command::new("sh");
        sh.args(["-c", watch, "sh"]).arg(&folder).stdin(Stdio::piped()).stderr(Stdio::null());
        Self { cluster, port, folder, watchdog: sh.spawn().unwrap() }
    }

    pub fn url(&self) -> String {
        let password = self.cluster.password().unwrap().replace('+', "%2B").replace('/', "%2F");
        format!("postgresql://octocity:{password}@127.0.0.1:{}/octocity", self.port)
    }

    pub fn stop(&self) {
        self.cluster.stop().unwrap();
    }

    pub fn start_again(&self) {
        self.cluster.start(self.port).unwrap();
    }

    /// Lets it run until this process ends.
    fn leave(self) -> String {
        let url = self.url();
        std::mem::forget(self);
        url
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.cluster.stop();
        let _ = self.watchdog.stdin.take().map(|mut stdin| stdin.write_all(b"\n"));
        let _ = self.watchdog.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
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
