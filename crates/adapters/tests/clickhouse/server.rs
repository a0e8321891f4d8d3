//! An engine to test on, and a database for each test.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use octocity_adapters::clickhouse::{ClickHouse, ClickHouseOptions};

/// The address of the engine that all tests share.
pub fn url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| std::env::var("OCTOCITY_TEST_CLICKHOUSE").unwrap_or_else(|_| start()))
}

/// A front of our own before the engine. It ends when we end, however that comes: its standard input closes.
fn start() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let python = target.join("services/clickhouse/venv/bin/python");
    assert!(
        python.exists(),
        "lacking: ClickHouse. Run 'cargo xtask services up' once, which gets its engine (chdb), or name a server of \
         version 24 or newer in OCTOCITY_TEST_CLICKHOUSE, as http://user:password@host:8123"
    );
    let folder = tempfile::Builder::new().prefix("octocity-clickhouse-").tempdir().unwrap().keep();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let watch = r#""$1" "$2" "$3" "$4/data" & front=$!; read -r _; kill "$front"; sleep 1; rm -rf "$4""#;
    let mut sh = Command::new("sh");
    sh.args(["-c", watch, "sh"]).arg(python).arg(root.join("xtask/services/clickhouse.py"));
    sh.arg(port.to_string()).arg(&folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let watchdog: Child = sh.spawn().unwrap();
    std::mem::forget(watchdog);
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the front did not begin to listen within 60 s");
        std::thread::sleep(Duration::from_millis(50));
    }
    format!("http://127.0.0.1:{port}")
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
        let drop = format!("DROP DATABASE IF EXISTS {}", self.options.database);
        let client = self.client().with_database("default");
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // A server that is gone has nothing to tidy.
        let work = async move { client.query(&drop).execute().await };
        let _ = std::thread::spawn(move || runtime().block_on(work)).join();
    }
}
