//! The binary with ClickHouse: analysts get the same answers as from the read models.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../adapters/tests/clickhouse/engine.rs"]
#[allow(dead_code)]
mod engine;
#[path = "../../../xtask/src/services/ports.rs"]
#[allow(dead_code, reason = "not each test needs one port, or several")]
mod ports;
mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use engine::Engine;
use serde_json::{Value, json};
use support::{Octocity, sample};

fn configure(octocity: &Octocity, url: &str, more: &str) {
    let text = format!("[clickhouse]\nurl = {url:?}\ncompression = false\n{more}");
    std::fs::write(octocity.folder.path().join("octocity.toml"), text).unwrap();
}

struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start(octocity: &Octocity) -> Self {
        let mut child = octocity.command(&["serve"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map(Result::unwrap);
        let metrics = lines.find_map(|line| line.trim().strip_prefix("metrics").map(str::to_owned)).unwrap();
        assert!(lines.any(|line| line.starts_with("Ctrl-C")));
        let address = metrics.trim().strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
        Self { address: address.to_owned(), child }
    }

    fn ask(&self, query: &str) -> Value {
        let body = json!({ "query": query }).to_string();
        let head = format!("POST /graphql HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        let head = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        let said = self.said(&format!("{head}{body}"));
        serde_json::from_str(said.split_once("\r\n\r\n").unwrap().1).unwrap_or_else(|_| panic!("{said}"))
    }

    fn said(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    }

    fn metric(&self, name: &str) -> f64 {
        let said = self
            .said(&format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address));
        let value = said.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        value.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    }

    /// What analysts are told of every facility.
    fn figures(&self) -> Value {
        let facilities = self.ask("{ facilities { nodes { id } } }");
        let ids =
            facilities["data"]["facilities"]["nodes"].as_array().unwrap().iter().map(|node| &node["id"]);
        let months = (5..12).map(|month| {
            format!("from: \"2016-{month:02}-01T00:00:00Z\", until: \"2016-{:02}-01T00:00:00Z\"", month + 1)
        });
        let months = months.collect::<Vec<_>>();
        let mut all = Vec::new();
        for (id, month) in ids.flat_map(|id| months.iter().map(move |month| (id, month))) {
            let said = self.ask(&format!(
                "{{ analytics(facilities: [{id}], {month}) {{ \
                 facilityId occupancyByDay {{ pool day peak average entries exits refused turnover }} \
                 occupancyByHour {{ pool hour insideAtStart peak average entries exits refused }} \
                 staysByDay {{ pool day stays averageSeconds }} revenueByDay {{ pool day sessions }} }} }}"
            ));
            assert!(said["errors"].is_null(), "{said}");
            all.push(said["data"]["analytics"].clone());
        }
        assert!(!all.is_empty());
        Value::Array(all)
    }

    fn stop(mut self) {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn analysts_are_answered_as_by_the_read_models() {
    let (engine, with, without) = (Engine::start(), Octocity::new(), Octocity::new());
    configure(&with, &engine.url(), "");
    let mut told = Vec::new();
    for octocity in [&with, &without] {
        assert_eq!(octocity.run(&["import", "gates", &sample("gates.log")]).code, 0);
        assert_eq!(octocity.run(&["import", "occupancy", &sample("occupancy.csv")]).code, 0);
        let serving = Serving::start(octocity);
        let begun = Instant::now();
        // The lag is in whole seconds: it says something once a block is written.
        let has_begun = || engine.ask("SELECT count() FROM octocity.checkpoints") != "0";
        let is_behind = || !has_begun() || serving.metric("octocity_figures_lag_seconds") > 0.0;
        while octocity.folder.path().join("octocity.toml").exists() && is_behind() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the figures come to the log's head");
            std::thread::sleep(Duration::from_millis(100));
        }
        told.push(serving.figures());
        serving.stop();
    }
    // Both are a megabyte of text.
    assert!(told[0] == told[1], "ClickHouse answers otherwise than the rows");
    assert!(told[0].to_string().contains("\"entries\":95"), "the counts of a day are among them");
    assert!(engine.ask("SELECT count() FROM octocity.movements FINAL").parse::<u64>().unwrap() > 100);
    let doctor = with.run(&["doctor"]);
    assert_eq!(doctor.code, 0, "{}", doctor.stdout);
    assert!(doctor.stdout.contains("well   ClickHouse: octocity at http://127.0.0.1"), "{}", doctor.stdout);
    // The facts of another log do not go among these.
    configure(&without, &engine.url(), "");
    let refused = without.run(&["serve"]);
    assert!(refused.code == 3 && refused.stderr.contains("belongs to another log"), "{}", refused.stderr);
}

#[test]
fn what_is_wrong_is_told_in_one_sentence_and_gates_do_not_wait() {
    let octocity = Octocity::new();
    configure(&octocity, "http://127.0.0.1:1", "");
    octocity.serve_once();
    let doctor = octocity.run(&["doctor"]);
    assert!(doctor.code == 5 && doctor.stdout.contains("WRONG  ClickHouse"), "{}", doctor.stdout);
    assert!(
        doctor.stdout.contains("ClickHouse at http://127.0.0.1:1 cannot be reached"),
        "{}",
        doctor.stdout
    );
    configure(&octocity, "https://city:8443", "");
    let refused = octocity.run(&["serve"]);
    assert!(refused.code == 2 && refused.stderr.contains("it has the form http://"), "{}", refused.stderr);
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
}
