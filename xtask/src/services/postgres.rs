//! PostgreSQL: Debian's binaries on a cluster of its own.

use super::Service;
use super::cluster::{Cluster, binaries};
use super::debian;
use super::home::Home;

pub struct Postgres;

impl Service for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn install(&self, _: &Home) -> Result<(), String> {
        debian::got("postgresql", || binaries().is_ok());
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
        let answers = |port| {
            Cluster::open(&home.folder).is_ok_and(|cluster| cluster.sql(port, "octocity", "SELECT 1").is_ok())
        };
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
