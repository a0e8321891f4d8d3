//! The folder of one service: its data, its log, and the port it keeps as long as nobody else takes it.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ports::free_port;

/// How long a service may take to answer one question.
const ANSWER: Duration = Duration::from_secs(5);

pub struct Home {
    /// Of the project.
    pub root: PathBuf,
    /// Where cargo builds.
    pub target: PathBuf,
    pub folder: PathBuf,
}

impl Home {
    pub fn open(root: &Path, target: &Path, name: &str) -> Result<Self, String> {
        let folder = target.join("services").join(name);
        let home = Self { root: root.to_owned(), target: target.to_owned(), folder };
        std::fs::create_dir_all(&home.folder).map_err(|error| home.fault(&error))?;
        Ok(home)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn log(&self) -> PathBuf {
        self.path("log")
    }

    pub fn fault(&self, error: &dyn std::fmt::Display) -> String {
        format!("{}: {error}", self.folder.display())
    }

    pub fn log_tail(&self) -> String {
        let text = std::fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// The port it was given last.
    pub fn port(&self) -> Result<u16, String> {
        let known = std::fs::read_to_string(self.path("port")).ok();
        match known.and_then(|text| text.trim().parse().ok()) {
            Some(port) => Ok(port),
            None => self.choose_port(),
        }
    }

    /// For a start: the port it had last, or another where somebody else listens there.
    pub fn port_to_start_on(&self) -> Result<u16, String> {
        let port = self.port()?;
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(_) => Ok(port),
            Err(_) => self.choose_port(),
        }
    }

    fn choose_port(&self) -> Result<u16, String> {
        let port = free_port()?;
        std::fs::write(self.path("port"), port.to_string()).map_err(|error| self.fault(&error))?;
        Ok(port)
    }

    pub fn address(&self) -> Result<String, String> {
        Ok(format!("127.0.0.1:{}", self.port()?))
    }

    /// A connection on which nobody waits for ever.
    pub fn connect(&self) -> Option<TcpStream> {
        let address = self.address().ok()?.parse().ok()?;
        let stream = TcpStream::connect_timeout(&address, ANSWER).ok()?;
        stream.set_read_timeout(Some(ANSWER)).ok()?;
        stream.set_write_timeout(Some(ANSWER)).ok()?;
        Some(stream)
    }
}
