//! A real server in a process of its own, on a free loopback port. Standard library only: the judges use it too.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a start may take, its recovery included.
const START_SECONDS: u64 = 60;
/// How long a clean stop may take.
const STOP_SECONDS: u64 = 60;

/// How a server is started.
#[derive(Clone, Debug)]
pub struct Launch {
    pub program: PathBuf,
    pub data: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
}

impl Launch {
    pub fn new(program: &Path, data: &Path) -> Self {
        Self {
            program: program.to_owned(),
            data: data.to_owned(),
            arguments: Vec::new(),
            // Payments are tried too, and no money moves.
            environment: vec![("OCTOCITY_GATEWAY".to_owned(), "simulated".to_owned())],
        }
    }

    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// Starts it and waits until it is ready. What it writes goes to `server.log` beside its data.
    pub fn start(&self) -> Result<Server, String> {
        let mut server = self.begin()?;
        server.wait_ready()?;
        Ok(server)
    }

    /// Starts it, and waits for nothing.
    pub fn begin(&self) -> Result<Server, String> {
        self.spawn(free_address()?)
    }

    fn spawn(&self, address: SocketAddr) -> Result<Server, String> {
        let log_path = self.data.with_extension("server.log");
        let open = || std::fs::OpenOptions::new().create(true).append(true).open(&log_path);
        let text = |error: std::io::Error| format!("{}: {error}", log_path.display());
        let child = Command::new(&self.program)
            .arg("serve")
            .arg("--data")
            .arg(&self.data)
            .args(["--listen", &address.to_string()])
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(open().map_err(text)?)
            .stderr(open().map_err(text)?)
            .spawn()
            .map_err(|error| format!("{} cannot be started: {error}", self.program.display()))?;
        Ok(Server { child, address, log_path })
    }
}

/// A running server; dropped, it is killed.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    log_path: PathBuf,
}

impl Server {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The status of its readiness, and the sentence with it.
    pub fn readiness(&self) -> Option<(u16, String)> {
        self.page("/health/ready")
    }

    /// What it counts under this name, all labels together.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.page("/metrics")?;
        let values = text.lines().filter_map(|line| {
            let (named, value) = line.rsplit_once(' ')?;
            (named.split('{').next()? == name).then(|| value.parse::<f64>().ok()).flatten()
        });
        values.reduce(|one, other| one + other)
    }

    fn page(&self, path: &str) -> Option<(u16, String)> {
        let mut answer = String::new();
        get(self.address, path)?.read_to_string(&mut answer).ok()?;
        let (head, text) = answer.split_once("\r\n\r\n")?;
        Some((head.get(9..12)?.parse().ok()?, text.trim_end().to_owned()))
    }

    /// Of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log_path).unwrap_or_default()
    }

    fn wait_ready(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        let mut said = String::new();
        while begun.elapsed() < Duration::from_secs(START_SECONDS) {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server ended at its start ({status}):\n{}", self.log()));
            }
            match self.readiness() {
                Some((200, _)) => return Ok(()),
                Some((_, sentence)) => said = sentence,
                None => {}
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("the server was not ready within {START_SECONDS} s and said '{said}':\n{}", self.log()))
    }

    /// kill -9: nothing of it runs on.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends it a signal: `STOP` lets it sleep, `CONT` wakes it.
    pub fn signal(&self, name: &str) -> Result<(), String> {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        sent.map(drop).map_err(|error| format!("kill cannot be started: {error}"))
    }

    /// Ctrl-C, and waits for the end. Its exit code; None where a signal ended it.
    pub fn stop(mut self) -> Result<Option<i32>, String> {
        self.signal("INT")?;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(STOP_SECONDS) {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Ok(status.code());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(format!("the server did not stop within {STOP_SECONDS} s:\n{}", self.log()))
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port nobody listens on just now.
fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    listener.local_addr().map_err(|error| error.to_string())
}

/// The HTTP status of a GET, if the server answers at all.
pub fn status_of(address: SocketAddr, path: &str) -> Option<u16> {
    let mut answer = [0_u8; 12];
    get(address, path)?.read_exact(&mut answer).ok()?;
    std::str::from_utf8(&answer).ok()?.strip_prefix("HTTP/1.1 ")?.parse().ok()
}

/// Asks; the answer is still to be read.
fn get(address: SocketAddr, path: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    Some(stream)
}
