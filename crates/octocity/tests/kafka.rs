//! The binary with a relay: alone, and beside the rest.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../adapters/tests/kafka/broker.rs"]
#[allow(dead_code)]
mod broker;
#[path = "../../../xtask/src/services/ports.rs"]
#[allow(dead_code, reason = "not each test needs one port, or several")]
mod ports;
mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use broker::Broker;
use support::{Octocity, ran, sample};

fn configure(octocity: &Octocity, brokers: &str, more: &str) {
    let text = format!("[kafka]\nbrokers = {brokers:?}\npartitions = 3\n{more}");
    std::fs::write(octocity.folder.path().join("octocity.toml"), text).unwrap();
}

/// Starts, and reads until the line that begins with this.
fn start(octocity: &Octocity, arguments: &[&str], awaited: &str) -> (Child, String) {
    let mut child =
        octocity.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Byte by byte: what follows is for who waits for its end.
    let mut said = String::new();
    let stdout = child.stdout.as_mut().unwrap();
    let mut byte = [0];
    while !said.lines().any(|line| line.trim_start().starts_with(awaited)) || !said.ends_with('\n') {
        stdout.read_exact(&mut byte).unwrap();
        said.push(char::from(byte[0]));
    }
    (child, said)
}

fn stop(child: Child) -> support::Ran {
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    ran(child.wait_with_output().unwrap())
}

/// Where the metrics are, of what it said when it started.
fn metrics_address(said: &str) -> &str {
    let address = said.lines().find_map(|line| line.trim().strip_prefix("metrics")).unwrap().trim();
    address.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The values of /metrics.
fn metric(address: &str, name: &str) -> f64 {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    let value = lines.filter_map(|line| line.strip_prefix(&format!("{name} ")).map(str::to_owned)).next();
    value.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

#[test]
fn the_log_is_published_once_by_whoever_runs() {
    let (broker, octocity) = (Broker::start(), Octocity::new());
    configure(&octocity, &broker.address, "");
    assert_eq!(octocity.run(&["import", "gates", &sample("gates.log")]).code, 0);
    let (server, said) = start(&octocity, &["serve"], "Ctrl-C");
    let address = metrics_address(&said);
    until("the relay comes to the log's head", || {
        metric(address, "octocity_relay_events_total") > 0.0
            && metric(address, "octocity_relay_lag_seconds") == 0.0
    });
    assert_eq!(metric(address, "octocity_relay_leads"), 1.0);
    assert_eq!(stop(server).code, 0);
    // Alone, on what came since: nothing is published twice.
    let gates = ["import", "gates", &sample("gates.log"), "--facility", "Second garage"];
    assert_eq!(octocity.run(&gates).code, 0);
    let alone = ["serve", "--role", "relay", "--json"];
    let (relay, said) = start(&octocity, &alone, "Ctrl-C");
    until("what came is published", || metric(metrics_address(&said), "octocity_relay_events_total") > 0.0);
    let stopped = stop(relay);
    assert_eq!(stopped.code, 0, "{}", stopped.stderr);
    let published = stopped.number("published_events");
    let (relay, said) = start(&octocity, &alone, "Ctrl-C");
    until("it leads", || metric(metrics_address(&said), "octocity_relay_leads") == 1.0);
    std::thread::sleep(Duration::from_secs(2));
    let again = stop(relay).number("published_events");
    assert!(published > 0 && again == 0, "{published} and {again}");
}

#[test]
fn what_is_wrong_is_told_in_one_sentence() {
    let (broker, octocity) = (Broker::start(), Octocity::new());
    let relay = ["serve", "--role", "relay"];
    assert_eq!(octocity.run(&["import", "gates", &sample("gates.log")]).code, 0);
    let refused = octocity.run(&relay);
    assert!(refused.code == 2 && refused.stderr.contains("no table [kafka]"), "{}", refused.stderr);
    for (more, part) in [
        ("create_topics = false", "Kafka has no topic 'octocity.log'; make it with 3 partitions"),
        ("client = { \"isolation.level\" = \"none\" }", "octocity sets it itself"),
    ] {
        configure(&octocity, &broker.address, more);
        let refused = octocity.run(&relay);
        assert!(refused.code == 2 && refused.stderr.contains(part), "{}", refused.stderr);
        assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    }
    // Gates do not wait for Kafka.
    configure(&octocity, "127.0.0.1:1", "");
    octocity.serve_once();
}
