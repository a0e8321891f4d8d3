//! The server as a process: it starts, answers, stops when told to, and goes on from what it stored.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use support::Octocity;

const PATIENCE: Duration = Duration::from_secs(60);

struct Server {
    process: Child,
    stdout: BufReader<ChildStdout>,
    address: String,
}

impl Server {
    fn start(data: &Path, command: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_octocity"))
            .args(command)
            .args(["--listen", "127.0.0.1:0", "--json", "--data"])
            .arg(data)
            .current_dir(data.parent().unwrap())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(
                stdout.read_line(&mut line).unwrap() > 0,
                "the server ended before it said where it serves"
            );
            if let Some((_, address)) = line.split_once("http://") {
                break address.trim_end().trim_end_matches('/').to_owned();
            }
        };
        Self { process, stdout, address }
    }

    fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let host = &self.address;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            assert!(begun.elapsed() < PATIENCE, "{what} did not come");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics");
        let line = text.lines().find(|line| line.split(' ').next() == Some(name));
        line.unwrap_or_else(|| panic!("no {name}")).rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Tells it to stop; returns its last line.
    fn stop(mut self, signal: &str) -> serde_json::Value {
        let begun = Instant::now();
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let status = self.process.wait().unwrap();
        assert_eq!(status.code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(60), "it took {:?} to stop", begun.elapsed());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        serde_json::from_str(rest.lines().last().unwrap()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Only a failed test leaves it running.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn it_serves_stops_when_told_to_and_keeps_its_folder_to_itself() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, &["serve"]);
    server.until("readiness", |server| server.get("/health/ready").0 == 200);
    assert_eq!(server.get("/health/live").0, 200);
    assert!(server.get("/").1.contains("<title>Octocity"));
    assert_eq!(server.get("/graphiql").0, 200);
    let second = Command::new(env!("CARGO_BIN_EXE_octocity"));
    let mut second = second;
    let refused = second.args(["hash", "--data"]).arg(&data).current_dir(folder.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("in use by process"));
    assert_eq!(server.stop("-TERM")["stopped"], true);
    assert_eq!(Server::start(&data, &["serve"]).stop("-INT")["stopped"], true);
}

/// What `serve --help` shows is typed as it stands, but for the port.
#[test]
fn the_example_of_its_help_works() {
    let help = Command::new(env!("CARGO_BIN_EXE_octocity")).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let start = help.find("  hex()").unwrap();
    let example = &help[start..start + help[start..].find("\n\n").unwrap()];
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &["serve"]);
    let example = example.replace("127.0.0.1:8090", &server.address);
    server.until("readiness", |server| server.get("/health/ready").0 == 200);
    let typed = Command::new("sh").args(["-euc", &example]).output().unwrap();
    let said = String::from_utf8(typed.stdout).unwrap();
    let answers: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [registered, seen] = answers.as_slice() else { panic!("two answers: {said}") };
    assert!(registered["data"]["registerFacility"]["facilityId"].is_string(), "{said}");
    assert!(seen["data"]["facilities"]["nodes"].is_array(), "{said}");
    server.stop("-TERM");
}

#[test]
fn the_demonstration_flows_and_goes_on_after_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let demo = ["demo", "--passages-per-second", "40"];
    let server = Server::start(&data, &demo);
    server.until("readiness", |server| server.get("/health/ready").0 == 200);
    let begun = server.metric("octocity_events_appended_total");
    server.until("traffic", |server| server.metric("octocity_events_appended_total") > begun + 100.0);
    assert!(server.metric("octocity_log_commits_total") > 0.0);
    assert_eq!(server.metric("octocity_projection_parked_keys"), 0.0);
    server.stop("-INT");
    let server = Server::start(&data, &demo);
    // The city is not registered again: what is appended now is traffic.
    server.until("traffic", |server| server.metric("octocity_events_appended_total") > 50.0);
    let facilities = "%7Bfacilities%7BtotalCount%7D%7D";
    let (status, answer) = server.get(&format!("/graphql?query={facilities}"));
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("\"totalCount\":8"), "{answer}");
    server.stop("-TERM");
}

/// A disk that is full, or a pipe that nobody reads any more, takes no log line; the server goes on without.
#[cfg(target_os = "linux")]
#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_octocity"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.path().join("data"))
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(full)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("Ctrl-C")));
    assert!(Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap().success());
    assert_eq!(process.wait().unwrap().code(), Some(0));
}

/// What processes planned stands in their file alone: a start without it would forget it, and says so instead.
#[test]
fn lost_process_state_is_not_begun_anew_without_a_word() {
    let octocity = Octocity::new();
    let server = Server::start(&octocity.data(), &["demo", "--passages-per-second", "40"]);
    let begun = server.metric("octocity_events_appended_total");
    server.until("traffic", |server| server.metric("octocity_events_appended_total") > begun + 50.0);
    server.stop("-TERM");
    for name in ["processes.db", "processes.db-wal", "processes.db-shm"] {
        let _ = std::fs::remove_file(octocity.data().join(name));
    }
    let doctor = octocity.run(&["doctor", "--json"]);
    assert_eq!(
        (doctor.code, &doctor.json()["problems"][0]["of"]),
        (5, &"processes".into()),
        "{}",
        doctor.stdout
    );
    // The second time the file is there, and empty.
    for _ in 0..2 {
        let refused = octocity.run(&["serve"]);
        assert_eq!(refused.code, 3, "{}", refused.stderr);
        assert!(refused.stderr.contains("--processes-from-now"), "{}", refused.stderr);
    }
    assert_eq!(octocity.run(&["doctor"]).code, 5);
    Server::start(&octocity.data(), &["serve", "--processes-from-now"]).stop("-TERM");
    assert_eq!(octocity.run(&["doctor"]).code, 0);
    octocity.serve_once();
}
