//! ClickHouse: the engine itself as the Python package `chdb`, behind a small front that speaks its HTTP interface.

use std::io::{Read, Write};

use super::Service;
use super::daemon;
use super::debian;
use super::home::Home;
use crate::process::{command, succeeds};

pub struct ClickHouse;

impl Service for ClickHouse {
    fn name(&self) -> &'static str {
        "clickhouse"
    }

    fn install(&self, home: &Home) -> Result<(), String> {
        if home.path("installed").exists() {
            return Ok(());
        }
        println!("getting ClickHouse (chdb, from PyPI)");
        let need = "lacking: Python 3.10 or newer with venv. To get it on Debian: apt-get install --yes python3-venv";
        let make =
            || succeeds(command("python3", &["-m", "venv", "--clear", "venv"], &home.folder)) == Ok(true);
        if !debian::got("python3-venv", make) {
            return Err(need.to_owned());
        }
        let wanted = home.root.join("xtask/services/clickhouse.requirements.txt");
        let arguments = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        let mut pip = command("venv/bin/python", &arguments, &home.folder);
        pip.arg(wanted);
        match succeeds(pip)? {
            true => std::fs::write(home.path("installed"), "").map_err(|error| home.fault(&error)),
            false => Err("pip could not get chdb; see above".to_owned()),
        }
    }

    fn start(&self, home: &Home) -> Result<(), String> {
        if daemon::running(home).is_some() {
            return Ok(());
        }
        let port = home.port_to_start_on()?.to_string();
        let python = home.path("venv/bin/python");
        let mut front = command(&python.to_string_lossy(), &[], &home.folder);
        front.arg(home.root.join("xtask/services/clickhouse.py")).arg(port).arg(home.path("data"));
        daemon::start(home, front)
    }

    fn answers(&self, home: &Home) -> bool {
        let ask = || {
            let mut stream = home.connect()?;
            stream
                .write_all(b"GET /?query=SELECT+42 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                .ok()?;
            let mut said = String::new();
            stream.read_to_string(&mut said).ok()?;
            Some(said.starts_with("HTTP/1.1 200") && said.trim_end().ends_with("42"))
        };
        daemon::running(home).is_some() && ask().unwrap_or(false)
    }

    fn stop(&self, home: &Home) -> Result<(), String> {
        daemon::stop(home)
    }

    /// The front does not compress.
    fn config(&self, home: &Home) -> Result<String, String> {
        Ok(format!(
            "\n[clickhouse]\nurl = \"http://{}\"\ndatabase = \"octocity\"\ncompression = false\n",
            home.address()?
        ))
    }
}
