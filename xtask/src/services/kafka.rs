//! Apache Kafka: one broker that is its own controller (KRaft), from Maven's central repository.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Command;

use super::Service;
use super::daemon;
use super::debian;
use super::home::Home;
use super::ports::free_port;
use crate::process::{command, output, succeeds};

/// Names the cluster; any 16 bytes in base64 do.
const CLUSTER_ID: &str = "b2N0b2NpdHlrYWZrYWxvZw";

pub struct Kafka;

impl Service for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn install(&self, home: &Home) -> Result<(), String> {
        if home.path("lib").exists() {
            return Ok(());
        }
        for (program, package) in [("java", "openjdk-17-jre-headless"), ("mvn", "maven")] {
            let is_there = || output(command(program, &["-version"], &home.folder)).is_some();
            if !debian::got(package, is_there) {
                return Err(format!(
                    "lacking: {program}. To get it on Debian: apt-get install --yes {package}"
                ));
            }
        }
        println!("getting Apache Kafka (54 MB)");
        let (project, beside) = (home.root.join("xtask/services/kafka.pom.xml"), home.path("lib.new"));
        let (project, into) =
            (project.to_string_lossy(), format!("-DoutputDirectory={}", beside.to_string_lossy()));
        let arguments =
            ["--quiet", "--batch-mode", "--file", &project, "dependency:copy-dependencies", &into];
        match succeeds(command("mvn", &arguments, &home.folder))? {
            // Whole or not at all: it is put in its place once it is complete.
            true => std::fs::rename(&beside, home.path("lib")).map_err(|error| home.fault(&error)),
            false => Err("mvn could not get its libraries; see above".to_owned()),
        }
    }

    fn start(&self, home: &Home) -> Result<(), String> {
        if daemon::running(home).is_some() {
            return Ok(());
        }
        let properties = write_properties(home)?;
        if !home.path("data/meta.properties").exists() {
            let mut format = java(home, "kafka.tools.StorageTool");
            format.args(["format", "--cluster-id", CLUSTER_ID, "--config"]).arg(&properties);
            let done = format.output().map_err(|error| format!("java cannot be started: {error}"))?;
            if !done.status.success() {
                let said = String::from_utf8_lossy(&done.stderr).into_owned();
                return Err(format!("its storage cannot be formatted:\n{said}"));
            }
        }
        let mut broker = java(home, "kafka.Kafka");
        broker.arg(properties);
        daemon::start(home, broker)
    }

    /// Asks which versions it speaks (ApiVersions, version 0): the one question of any client before all others.
    fn answers(&self, home: &Home) -> bool {
        let ask = || {
            let mut stream = home.connect()?;
            // Length, key 18, version 0, correlation 7, client id "up".
            stream.write_all(&[0, 0, 0, 12, 0, 18, 0, 0, 0, 0, 0, 7, 0, 2, b'u', b'p']).ok()?;
            let mut said = [0; 10];
            stream.read_exact(&mut said).ok()?;
            // After the length: the same correlation, and error 0.
            Some(said[4..] == [0, 0, 0, 7, 0, 0])
        };
        daemon::running(home).is_some() && ask().unwrap_or(false)
    }

    fn stop(&self, home: &Home) -> Result<(), String> {
        daemon::stop(home)
    }

    fn config(&self, home: &Home) -> Result<String, String> {
        Ok(format!("\n[kafka]\nbrokers = \"{}\"\n", home.address()?))
    }
}

fn java(home: &Home, class: &str) -> Command {
    let libraries = home.path("lib/*");
    let mut java =
        command("java", &["-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"], &home.folder);
    java.arg("-cp").arg(libraries).arg(class);
    java
}

fn write_properties(home: &Home) -> Result<PathBuf, String> {
    let (port, controller, data) = (home.port_to_start_on()?, free_port()?, home.path("data"));
    // One broker holds every copy there is; nobody makes a topic by misspelling one.
    let text = format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
",
        data.display()
    );
    let path = home.path("server.properties");
    std::fs::write(&path, text).map_err(|error| home.fault(&error))?;
    Ok(path)
}
