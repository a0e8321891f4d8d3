//! ClickHouse's engine behind a front of ours, which ends when we end, however that comes.

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::ports::free_port;

/// Ends the front when it is told to, or when its standard input closes; only then what it stored goes.
const WATCH: &str = r#""$1" "$2" "$3" "$4/data" & front=$!; read -r keep; kill -9 "$front"; wait "$front"
    [ -n "$keep" ] || rm -rf "$4""#;

pub struct Engine {
    port: u16,
    folder: PathBuf,
    watch: Option<Child>,
}

impl Engine {
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("octocity-clickhouse-").tempdir().unwrap().keep();
        let port = free_port().unwrap();
        let mut engine = Self { port, folder, watch: None };
        engine.start_again();
        engine
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From one moment to the next; what it stored stays.
    pub fn stop(&mut self) {
        let Some(mut watch) = self.watch.take() else { return };
        watch.stdin.take().unwrap().write_all(b"keep\n").unwrap();
        watch.wait().unwrap();
    }

    pub fn start_again(&mut self) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|path| path.join("xtask").exists());
        let root = root.expect("within the repository");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let python = target.join("services/clickhouse/venv/bin/python");
        assert!(
            python.exists(),
            "lacking: ClickHouse. Run 'cargo xtask services up' once, which gets its engine (chdb)"
        );
        let mut sh = Command::new("sh");
        sh.args(["-c", WATCH, "sh"]).arg(python).arg(root.join("xtask/services/clickhouse.py"));
        sh.arg(self.port.to_string()).arg(&self.folder);
        sh.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        self.watch = Some(sh.spawn().unwrap());
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "the front did not begin to listen within 60 s"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What a person would ask by hand.
    #[allow(dead_code, reason = "some tests have a client")]
    pub fn ask(&self, sql: &str) -> String {
        use std::io::Read;
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = "POST /?query= HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length:";
        write!(stream, "{head} {}\r\n\r\n{sql}", sql.len()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert!(said.starts_with("HTTP/1.1 200"), "{sql}: {said}");
        said.split_once("\r\n\r\n").unwrap().1.trim_end().to_owned()
    }
}
