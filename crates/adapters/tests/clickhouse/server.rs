//! An engine to test on, and a database for each test.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use octocity_adapters::clickhouse::{AnalyticsSink, ClickHouse, ClickHouseOptions, OpenError, SinkOptions};
use octocity_log::Tail;

use crate::engine::Engine;

/// The address of the engine that all tests share.
pub fn url() -> &'static str {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    static URL: OnceLock<String> = OnceLock::new();
    let own = || ENGINE.get_or_init(Engine::start).url();
    URL.get_or_init(|| std::env::var("OCTOCITY_TEST_CLICKHOUSE").unwrap_or_else(|_| own()))
}

/// A database that nobody else uses, dropped with this.
pub struct Database {
    pub options: ClickHouseOptions,
}

impl Database {
    pub fn new() -> Self {
        Self::at(url())
    }

    /// `url` may name a user and a password.
    pub fn at(url: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (user, password, url) = match url.split_once('@') {
            None => (String::new(), String::new(), url.to_owned()),
            Some((named, host)) => {
                let (user, password) = named.trim_start_matches("http://").split_once(':').unwrap();
                (user.to_owned(), password.to_owned(), format!("http://{host}"))
            }
        };
        let database = format!("octocity_test_{}_{number}", std::process::id());
        let options =
            ClickHouseOptions { url, user, password, database, compression: false, keep_days: None };
        Self { options }
    }

    /// Opened anew at each call, as after a restart.
    pub async fn open(&self) -> ClickHouse {
        ClickHouse::open(&self.options).await.unwrap()
    }

    /// A sink that has taken up its checkpoint.
    pub async fn sink(&self, tail: &dyn Tail, options: SinkOptions) -> Result<AnalyticsSink, OpenError> {
        let mut sink = AnalyticsSink::new(ClickHouse::try_new(&self.options)?, tail, options);
        sink.begin(tail).await?;
        Ok(sink)
    }

    /// What a person would do with its client.
    pub async fn sql(&self, sql: &str) {
        self.client().query(sql).execute().await.unwrap();
    }

    pub async fn number(&self, sql: &str) -> u64 {
        self.client().query(sql).fetch_one::<u64>().await.unwrap()
    }

    pub async fn text(&self, sql: &str) -> String {
        self.client().query(sql).fetch_one::<String>().await.unwrap()
    }

    fn client(&self) -> clickhouse::Client {
        let ClickHouseOptions { url, user, password, database, .. } = &self.options;
        let client = clickhouse::Client::default().with_url(url).with_database(database);
        let client = client.with_compression(clickhouse::Compression::None);
        if user.is_empty() { client } else { client.with_user(user).with_password(password) }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = &self.options.database;
        let drops = ["", "_green", "_blue"].map(|beside| format!("DROP DATABASE IF EXISTS {name}{beside}"));
        let client = self.client().with_database("default");
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // A server that is gone has nothing to tidy.
        let work = async move {
            for drop in drops {
                let _ = client.query(&drop).execute().await;
            }
        };
        let _ = std::thread::spawn(move || runtime().block_on(work)).join();
    }
}
