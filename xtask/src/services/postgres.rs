//! PostgreSQL: Debian's binaries on a cluster of its own.

use super::Service;
use super::cluster::{Cluster, binaries};
use super::home::Home;
use crate::process::{command, output, succeeds};

pub struct Postgres;

impl Service for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn install(&self, home: &Home) -> Result<(), String> {
        if binaries().is_ok() {
            return Ok(());
        }
        let root = output(command("id", &["-u"], &home.folder)).is_some_and(|id| id.trim() == "0");
        let apt = |arguments: &[&str]| succeeds(command("apt-get", arguments, &home.folder)).unwrap_or(false);
        if root && apt(&["update", "--quiet"]) && apt(&["install", "--quiet", "--yes", "postgresql"]) {
            println!("installed Debian's package postgresql");
        }
        binaries().map(drop)
    }

    fn start(&self, home: &Home) -> Result<(), String> {
        let cluster = Cluster::open(&home.folder)?;
        if cluster.running() {
            return Ok(());
        }
        cluster.start(home.port_to_start_on()?)
    }

    fn answers(&self, home: &Home) -> bool {
        let answers = |port| Cluster::open(&home.folder).is_ok_and(|cluster| cluster.answers(port));
        home.path("data").exists() && home.port().is_ok_and(answers)
    }

    fn stop(&self, home: &Home) -> Result<(), String> {
        match home.path("data").exists() {
            true => Cluster::open(&home.folder)?.stop(),
            false => Ok(()),
        }
    }

    fn config(&self, home: &Home) -> Result<String, String> {
        let cluster = Cluster::open(&home.folder)?;
        Ok(format!(
            "\n[postgres]\nhost = \"127.0.0.1\"\nport = {}\nuser = \"octocity\"\ndatabase = \"octocity\"\npassword_file = {:?}\n",
            home.port()?,
            cluster.password_file()
        ))
    }
}
