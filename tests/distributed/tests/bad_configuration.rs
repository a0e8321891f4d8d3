//! What is configured wrongly is told at once in one sentence, with its exit code, and the doctor says the same.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../../crates/adapters/tests/kafka/broker.rs"]
#[allow(dead_code)]
mod broker;
#[path = "../../../xtask/src/services/cluster.rs"]
mod cluster;
#[path = "../../../crates/adapters/tests/clickhouse/engine.rs"]
#[allow(dead_code)]
mod engine;
#[path = "../../../crates/adapters/tests/postgres/own.rs"]
mod own;
#[path = "../../../xtask/src/services/ports.rs"]
#[allow(dead_code, reason = "not each test needs one port, or several")]
mod ports;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use broker::{Broker, USER};
use engine::Engine;
use eventstore::{AppendToStreamOptions, Client, EventData};
use octocity_eventstoredb_double::Options;
use octocity_tests::stage::Stage;
use octocity_tests_distributed::eventstoredb::EventStoreDb;
use octocity_tests_distributed::{run, sample, stage};
use own::Own;
use serde_json::json;

/// No stack of retries; generous, as the machine may have much else to do.
const SOON: Duration = Duration::from_secs(30);

/// A data folder that is in use.
fn used() -> Stage {
    let stage = stage("");
    assert_eq!(run(&stage, &["import", "gates", &sample("gates.log")]).code, Some(0));
    stage
}

#[track_caller]
fn is_refused(stage: &Stage, table: &str, command: &[&str], code: i32, part: &str) {
    stage.configure(table);
    let begun = Instant::now();
    let refused = run(stage, command);
    assert!(refused.code == Some(code) && refused.stderr.contains(part), "{table}: {}", refused.stderr);
    let is_whole =
        refused.stderr.starts_with("octocity: ") && refused.stderr.trim_end().ends_with(['.', '?']);
    assert!(is_whole, "{}", refused.stderr);
    assert_eq!(refused.stderr.lines().count(), 1, "{table}: {}", refused.stderr);
    assert!(begun.elapsed() < SOON, "{table}: {:?}", begun.elapsed());
}

/// The doctor says so too.
#[track_caller]
fn is_wrong(stage: &Stage, table: &str, command: &[&str], code: i32, part: &str) {
    is_refused(stage, table, command, code, part);
    says_so(stage, part);
}

#[track_caller]
fn says_so(stage: &Stage, part: &str) {
    let doctor = run(stage, &["doctor"]);
    let says_so = doctor.stdout.lines().any(|line| line.starts_with("WRONG") && line.contains(part));
    assert!(doctor.code == Some(5) && says_so, "{part}: {}", doctor.stdout);
}

#[test]
fn eventstoredb() {
    let credentials = Some(("admin".to_owned(), "changeit".to_owned()));
    let (server, stage) = (EventStoreDb::with(Options { credentials }), stage(""));
    let wrong = |table: &str, code, part| is_wrong(&stage, table, &["hash"], code, part);
    let at = |url: &str| format!("[eventstoredb]\nurl = {url:?}\n");
    wrong(&at("esdb://127.0.0.1:1?tls=false"), 2, "EventStoreDB at 127.0.0.1:1 cannot be reached");
    wrong(&at("http://here"), 2, "esdb://USER:PASSWORD@HOST:2113");
    wrong(&server.table(), 2, "refuses the user; check user and password.");
    wrong(&format!("{}usr = \"city\"\n", server.table()), 2, "unknown key 'usr'; did you mean 'user'?");
    wrong(&format!("{}password_file = \"none\"\n", server.table()), 2, "none cannot be read");
    let url = server.url().replace("esdb://", "esdb://admin:changeit@");
    let client = server.block_on(async { Client::new(url.parse().unwrap()) }).unwrap();
    for (namespace, record, part) in [
        ("new.", json!({"form": 2}), "written by a newer version of Octocity (its form is 2"),
        ("other.", json!({"whose": "not ours"}), "holds a stream other.octocity-log that is not Octocity's"),
    ] {
        let name = format!("{namespace}octocity-log");
        let record = EventData::json("Opened", &record).unwrap();
        server.block_on(client.append_to_stream(name, &AppendToStreamOptions::default(), record)).unwrap();
        wrong(&format!("{}namespace = {namespace:?}\n", at(&url)), 3, part);
    }
}

#[test]
fn postgres() {
    let (server, stage) = (Own::start(), used());
    let wrong = |table: &str, code, part| is_wrong(&stage, table, &["hash"], code, part);
    let with = |more: &str| format!("[postgres]\nurl = {:?}\n{more}", server.url());
    wrong("[postgres]\nport = 1\n", 2, "PostgreSQL at 127.0.0.1:1 cannot be reached");
    wrong(&with("user = \"nobody\"\n"), 2, "does not let the user 'nobody' in");
    wrong(&with("database = \"nowhere\"\n"), 2, "has no database 'nowhere'");
    wrong(&with("schema = \"Not plain\"\n"), 2, "is no plain name");
    wrong(&with("shema = \"city\"\n"), 2, "unknown key 'shema'; did you mean 'schema'?");
    wrong(&with("tls = true\n"), 2, "cannot agree on encryption");
    // Made, and then as somebody else left it.
    stage.configure(&with(""));
    assert_eq!(run(&stage, &["hash"]).code, Some(0));
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let no_log = "the configuration lacks its table [eventstoredb]";
    is_refused(&octocity_tests_distributed::stage(""), &with(""), &serve, 3, no_log);
    let sql = |sql: &str| server.sql(sql);
    sql("CREATE SCHEMA theirs; CREATE TABLE theirs.cars (owner TEXT)");
    wrong(&with("schema = \"theirs\"\n"), 3, "has tables that are not Octocity's");
    sql("UPDATE octocity.form SET log = gen_random_uuid()");
    is_refused(&stage, &with(""), &["hash"], 3, "belongs to another log");
    sql("UPDATE octocity.form SET version = 99");
    wrong(&with(""), 3, "was written by a newer version of Octocity (its form is 99");
    // An older one is brought up.
    let first = include_str!("../../../schema/postgres/1.sql");
    sql(&format!(
        "DROP SCHEMA octocity CASCADE; CREATE SCHEMA octocity; SET search_path = octocity;
         CREATE TABLE form (version INT NOT NULL, log UUID); INSERT INTO form (version) VALUES (1); {first}"
    ));
    assert_eq!(run(&stage, &["hash"]).code, Some(0));
}

#[test]
fn kafka() {
    let (broker, stage) = (Broker::start(), used());
    let relay = ["serve", "--role", "relay", "--listen", "127.0.0.1:0"];
    let wrong = |table: &str, part| is_wrong(&stage, table, &relay, 2, part);
    let at = |brokers: &str, more: &str| format!("[kafka]\nbrokers = {brokers:?}\npartitions = 3\n{more}");
    let here = |more: &str| at(&broker.address, more);
    // A relay would wait for it, as it may boot still.
    stage.configure(&at("127.0.0.1:1", ""));
    says_so(&stage, "no Kafka broker answers at '127.0.0.1:1'");
    let sasl = format!(
        "client = {{ \"security.protocol\" = \"sasl_plaintext\", \"sasl.mechanism\" = \"PLAIN\", \
         \"sasl.username\" = {:?}, \"sasl.password\" = \"hush\" }}\n",
        USER.0
    );
    wrong(&at(&broker.guarded_address, &sasl), "does not let us in");
    wrong(&here("create_topics = false\n"), "Kafka has no topic 'octocity.log'; make it with 3 partitions");
    wrong(&here("client = { \"isolation.level\" = \"none\" }\n"), "octocity sets it itself");
    wrong(&here("client = { \"sasl.usernam\" = \"x\" }\n"), "sasl.usernam");
    wrong(&here("broker = \"x\"\n"), "unknown key 'broker'; did you mean 'brokers'?");
    // Written with three partitions.
    stage.configure(&here(""));
    let doctor = run(&stage, &["doctor"]);
    assert!(doctor.code == Some(0) && doctor.stdout.contains("the relay makes"), "{}", doctor.stdout);
    let running = stage.launch().arguments(&["--role", "relay"]).start().unwrap();
    let begun = Instant::now();
    let fewer = here("").replace("partitions = 3", "partitions = 2");
    stage.configure(&fewer);
    while !run(&stage, &["doctor"]).stdout.contains("was written with 'partitions = 3'") {
        assert!(begun.elapsed() < Duration::from_secs(60), "the relay writes");
    }
    assert_eq!(running.stop(), Ok(Some(0)));
    wrong(&fewer, "was written with 'partitions = 3', and 2 are configured");
    wrong(
        &here("").replace("partitions = 3", "partitions = 4"),
        "has 3 partitions, fewer than the 4 that are configured",
    );
    is_refused(&used(), &here(""), &relay, 2, "the topic 'octocity.log' is of log");
}

/// As ClickHouse answers a wrong password: its engine without a server knows no users.
fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let text = "Code: 516. DB::Exception: octocity: Authentication failed: password is incorrect.\n";
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4_096]);
            let _ = write!(
                stream,
                "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{text}",
                text.len()
            );
        }
    });
    format!("http://{address}")
}

#[test]
fn clickhouse() {
    let (engine, stage) = (Engine::start(), used());
    let tell = ["serve", "--role", "analytics", "--listen", "127.0.0.1:0"];
    let wrong = |table: &str, code, part| is_wrong(&stage, table, &tell, code, part);
    let at = |url: &str, more: &str| format!("[clickhouse]\nurl = {url:?}\ncompression = false\n{more}");
    let here = |more: &str| at(&engine.url(), more);
    let away = "ClickHouse at http://127.0.0.1:1 cannot be reached";
    is_wrong(&stage, &at("http://127.0.0.1:1", ""), &["rebuild", "analytics"], 2, away);
    wrong(&at(&refusing(), ""), 2, "does not let the user 'default' in");
    wrong(&at("https://city:8443", ""), 2, "only http:// is taken");
    wrong(&here("database = \"no name\"\n"), 2, "is no plain name");
    wrong(&here("databas = \"x\"\n"), 2, "unknown key 'databas'; did you mean 'database'?");
    let form = "CREATE TABLE newer.form (version UInt32) ENGINE = MergeTree ORDER BY version";
    for sql in ["CREATE DATABASE newer", form, "INSERT INTO newer.form VALUES (99)"] {
        engine.ask(sql);
    }
    wrong(&here("database = \"newer\"\n"), 3, "was written by a newer version of Octocity (its form is 99");
    stage.configure(&here(""));
    let running = stage.launch().arguments(&["--role", "analytics"]).start().unwrap();
    let begun = Instant::now();
    while engine.ask("SELECT count() FROM octocity.checkpoints") == "0" {
        assert!(begun.elapsed() < Duration::from_secs(60), "the figures begin");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(running.stop(), Ok(Some(0)));
    is_wrong(&used(), &here(""), &tell, 3, "belongs to another log");
}
