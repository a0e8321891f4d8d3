//! A server of a test's own.
#![allow(dead_code, reason = "more than one crate's tests use it, and not each all of it")]

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::cluster::{Cluster, binaries};
use crate::ports::free_port;

/// By whom the server runs, as nobody else may read its files.
const COPY: &str = r#"mkdir "$3"; cp "$2/password" "$3/password"
    "$1/pg_basebackup" --pgdata "$3/data" --write-recovery-conf --checkpoint=fast --dbname "$4""#;
/// The server is halted first, so that it starts no one more meanwhile; one of its children may have ended of itself. The file that
/// names its process goes with it: the number may soon be another's.
const KILL: &str = r#"server="$(head -1 "$1/data/postmaster.pid")"; kill -STOP "$server"
    children="$(cat "/proc/$server/task/$server/children")"; kill -9 "$server"
    for child in $children; do kill -9 "$child" 2>/dev/null || true; done; rm "$1/data/postmaster.pid""#;

/// To be stopped and started.
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
        Self::of(Cluster::open(&folder).unwrap(), folder)
    }

    /// A copy of it that follows it, by what it hears at the port `way`, until it is promoted.
    pub fn standby(&self, way: u16) -> Self {
        let folder = self.folder.join("standby");
        let mut copy = self.cluster.command("sh");
        copy.args(["-e", "-c", COPY, "sh"]).arg(binaries().unwrap()).arg(&self.folder).arg(&folder);
        copy.arg(format!(
            "host=127.0.0.1 port={way} user=octocity password={}",
            self.cluster.password().unwrap()
        ));
        assert!(copy.status().unwrap().success(), "pg_basebackup makes a standby");
        Self::of(Cluster::open(&folder).unwrap(), folder)
    }

    fn of(cluster: Cluster, folder: PathBuf) -> Self {
        let port = free_port().unwrap();
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

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub fn stop(&self) {
        self.cluster.stop().unwrap();
    }

    pub fn start_again(&self) {
        self.cluster.start(self.port).unwrap();
    }

    /// A standby takes the place of what it followed.
    pub fn promote(&self) {
        let promoted = self.cluster.control("promote").args(["--wait", "--silent"]).status();
        assert!(promoted.unwrap().success(), "the standby is promoted");
    }

    /// kill -9 of the server and all that serve its clients.
    pub fn kill(&self) {
        let killed = Command::new("sh").args(["-e", "-c", KILL, "sh"]).arg(&self.folder).status();
        assert!(killed.unwrap().success(), "the server is killed");
    }

    /// What psql prints of it.
    pub fn sql(&self, sql: &str) -> String {
        self.cluster.sql(self.port, "octocity", sql).unwrap()
    }

    /// Lets it run until this process ends.
    pub fn leave(self) -> String {
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
