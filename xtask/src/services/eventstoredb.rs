//! EventStoreDB: it cannot be had without Docker, so this is the project's own test server that speaks its protocol.

use std::io::{Read, Write};

use super::Service;
use super::daemon;
use super::home::Home;
use crate::process::{command, succeeds};

const PACKAGE: &str = "octocity-eventstoredb-double";
/// How a client begins with HTTP/2 (RFC 9113, 3.4): the preface, and a frame of no settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// The server's own first frame says its settings: in a frame's head the type stands after the length.
const SETTINGS: u8 = 4;

pub struct EventStoreDb;

impl Service for EventStoreDb {
    fn name(&self) -> &'static str {
        "eventstoredb"
    }

    fn install(&self, home: &Home) -> Result<(), String> {
        let arguments = ["build", "--release", "--quiet", "--locked", "--package", PACKAGE];
        match succeeds(command("cargo", &arguments, &home.root))? {
            true => Ok(()),
            false => Err(format!("{PACKAGE} could not be built; see above")),
        }
    }

    fn start(&self, home: &Home) -> Result<(), String> {
        if daemon::running(home).is_some() {
            return Ok(());
        }
        let program = home.target.join("release").join(PACKAGE);
        let mut server = command(&program.to_string_lossy(), &["--listen"], &home.folder);
        server.arg(format!("127.0.0.1:{}", home.port_to_start_on()?)).arg("--file").arg(home.path("events"));
        daemon::start(home, server)
    }

    fn answers(&self, home: &Home) -> bool {
        let ask = || {
            let mut stream = home.connect()?;
            stream.write_all(PREFACE).ok()?;
            let mut said = [0; 9];
            stream.read_exact(&mut said).ok()?;
            Some(said[3] == SETTINGS)
        };
        daemon::running(home).is_some() && ask().unwrap_or(false)
    }

    fn stop(&self, home: &Home) -> Result<(), String> {
        daemon::stop(home)
    }

    fn config(&self, home: &Home) -> Result<String, String> {
        Ok(format!("\n[eventstoredb]\nurl = \"esdb://{}?tls=false\"\n", home.address()?))
    }
}
