//! A server of a test's own.
#![allow(dead_code, reason = "more than one crate's tests use it, and not each all of it")]

use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::cluster::Cluster;

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
