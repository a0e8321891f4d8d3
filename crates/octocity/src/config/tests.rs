use std::fs;

use super::*;

const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn load(file: &str, environment: &[(&str, &str)], common: Common) -> Result<Config, Failure> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("octocity.toml");
    fs::write(&path, file).unwrap();
    let common = Common { config: Some(path), ..common };
    Config::load(&common, environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
}

#[test]
fn flags_beat_environment_beats_file() {
    let file = "listen = \"127.0.0.1:1\"\nretention_days = 1\nqueue = 100\n";
    let environment = [("OCTOCITY_LISTEN", "127.0.0.1:2"), ("OCTOCITY_RETENTION_DAYS", "2"), ("HOME", "/x")];
    let common = Common { listen: Some("127.0.0.1:3".parse().unwrap()), ..Common::default() };
    let config = load(file, &environment, common).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.retention_days, 2);
    assert_eq!(config.queue, 100);
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_known_one() {
    let failure = load("lisen = \"127.0.0.1:1\"", &[], Common::default()).unwrap_err();
    assert_eq!(failure.kind.exit_code(), 2);
    assert!(failure.message.contains("'lisen'") && failure.message.contains("'listen'"), "{failure}");
    let failure = load("", &[("OCTOCITY_DATAA", "x")], Common::default()).unwrap_err();
    assert!(failure.message.contains("OCTOCITY_DATAA"), "{failure}");
    assert!(failure.message.contains("'OCTOCITY_DATA'"), "{failure}");
}

#[test]
fn a_relative_data_folder_lies_beside_its_file() {
    let config = load("data = \"city\"", &[], Common::default()).unwrap();
    assert_eq!(config.data, config.file.unwrap().parent().unwrap().join("city"));
}

#[test]
fn tokens_are_hashes_and_a_bad_one_is_not_repeated() {
    let config = load(&format!("[tokens]\ncamera = \"{HASH}\""), &[], Common::default()).unwrap();
    assert_eq!(config.tokens[0].name, "camera");
    assert_eq!(config.tokens[0].sha256[0], 0x9f);
    let failure = load("[tokens]\ncamera = \"hunter2\"", &[], Common::default()).unwrap_err();
    assert!(failure.message.contains("camera") && !failure.message.contains("hunter2"), "{failure}");
    let environment = format!("till={HASH}");
    let config = load("", &[("OCTOCITY_TOKENS", environment.as_str())], Common::default()).unwrap();
    assert_eq!(config.tokens[0].name, "till");
}

#[test]
fn no_other_machine_is_served_without_tokens() {
    let open = load("listen = \"0.0.0.0:8090\"", &[], Common::default()).unwrap();
    assert!(open.check_listen().unwrap_err().message.contains("no tokens are configured"));
    let guarded = format!("listen = \"0.0.0.0:8090\"\n[tokens]\ncamera = \"{HASH}\"");
    assert!(load(&guarded, &[], Common::default()).unwrap().check_listen().is_ok());
    assert!(load("", &[], Common::default()).unwrap().check_listen().is_ok());
}

#[test]
fn wrong_values_say_what_is_right() {
    for (file, part) in [
        ("retention_days = 0", "between 1 and 365"),
        ("retention_days = \"7\"", "whole number"),
        ("queue = 3", "between 16"),
        ("connections = 3", "between 16"),
        ("log = \"loud\"", "one of off, error"),
        ("listen = \"here\"", "127.0.0.1:8090"),
        ("gateway = \"bank\"", "moves no money"),
        ("tokens = 3", "must be a table"),
        ("data = ", "no TOML"),
    ] {
        let failure = load(file, &[], Common::default()).unwrap_err();
        assert!(failure.message.contains(part), "{file}: {failure}");
    }
}

#[test]
fn what_is_no_toml_is_named_by_its_line_and_not_repeated() {
    let password = "[postgres]\nurl = postgresql://octocity:hunter2@db\n";
    for (file, line) in [(password, 2), ("listen = \"hunter2\nqueue = 64", 1), ("hunter2", 1)] {
        let failure = load(file, &[], Common::default()).unwrap_err();
        assert!(failure.message.contains(&format!("is no TOML in line {line} (")), "{failure}");
        assert!(!failure.message.contains("hunter") && !failure.message.contains('\n'), "{failure}");
    }
}

#[test]
fn an_eventstoredb_table_is_read_and_its_mistakes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "hunter2\n").unwrap();
    let table = |rest: &str| format!("[eventstoredb]\nurl = \"esdb://a:hunter3@db\"\n{rest}");
    let config = load(&table(&format!("user = \"b\"\npassword_file = {secret:?}")), &[], Common::default());
    let config = config.unwrap().eventstoredb.unwrap();
    assert_eq!((config.user.as_deref(), config.password.as_deref()), (Some("b"), Some("hunter2")));
    assert!(!format!("{config:?}").contains("hunter"));
    for (file, part) in [
        (table("namespce = \"a\""), "did you mean 'namespace'?"),
        (table("user = \"b\""), "add password_file"),
        (table(&format!("password_file = {secret:?}")), "add user"),
        (table("user = \"b\"\npassword_file = \"/no/such\""), "correct 'password_file'"),
        ("[eventstoredb]".to_owned(), "add url"),
        ("eventstoredb = 3".to_owned(), "[eventstoredb]"),
    ] {
        let failure = load(&file, &[], Common::default()).unwrap_err();
        assert!(failure.message.contains(part) && !failure.message.contains("hunter"), "{file}: {failure}");
    }
}

#[test]
fn a_postgres_table_is_read_and_its_mistakes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "hunter2\n").unwrap();
    let table = |rest: &str| format!("[postgres]\nhost = \"db\"\n{rest}");
    let config = load(&table(&format!("password_file = {secret:?}\ntls = false")), &[], Common::default());
    let postgres = config.unwrap().postgres.unwrap();
    assert_eq!((postgres.password.as_deref(), postgres.pool_size), (Some("hunter2"), 8));
    assert!(!format!("{postgres:?}").contains("hunter2"));
    for (rest, part) in [
        ("hots = \"db2\"", "did you mean 'host'?"),
        ("port = 70000", "between 1 and 65535"),
        ("pool_size = 1", "between 2 and 500"),
        ("tls = \"yes\"", "true or false"),
        ("password_file = \"/no/such\"", "correct 'password_file'"),
    ] {
        let failure = load(&table(rest), &[], Common::default()).unwrap_err();
        assert!(failure.message.contains(part), "{rest}: {failure}");
    }
    assert!(load("postgres = 3", &[], Common::default()).unwrap_err().message.contains("[postgres]"));
}

#[test]
fn a_clickhouse_table_is_read_and_its_mistakes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "hunter2\n").unwrap();
    let table = |rest: &str| format!("[clickhouse]\nurl = \"http://ch:8123\"\n{rest}");
    let config = load(&table(&format!("password_file = {secret:?}")), &[], Common::default());
    let clickhouse = config.unwrap().clickhouse.unwrap();
    assert_eq!((clickhouse.password.as_str(), clickhouse.compression), ("hunter2", true));
    assert!(!format!("{clickhouse:?}").contains("hunter2"));
    for (rest, part) in [
        ("keep_day = 3", "did you mean 'keep_days'?"),
        ("keep_days = 0", "between 1 and 36500"),
        ("compression = 1", "true or false"),
        ("password_file = \"/no/such\"", "correct 'password_file' under [clickhouse]"),
    ] {
        let failure = load(&table(rest), &[], Common::default()).unwrap_err();
        assert!(failure.message.contains(part), "{rest}: {failure}");
    }
    let nowhere = load("[clickhouse]\nuser = \"city\"", &[], Common::default()).unwrap_err();
    assert!(nowhere.message.contains("add url ="), "{nowhere}");
}

#[test]
fn the_configuration_of_the_containers_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "hunter2").unwrap();
    let text = include_str!("../../../../docker/octocity.toml");
    let there = "/run/secrets/password";
    assert!(text.contains(there));
    let config = load(&text.replace(there, secret.to_str().unwrap()), &[], Common::default()).unwrap();
    assert!(config.eventstoredb.is_some() && config.postgres.is_some());
    assert!(config.kafka.is_some() && config.clickhouse.is_some());
    config.check_listen().unwrap();
}

#[test]
fn a_kafka_table_is_read_and_its_mistakes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "hunter2\n").unwrap();
    let table = |rest: &str| format!("[kafka]\nbrokers = \"k1:9092,k2:9092\"\n{rest}");
    let rest = format!("password_file = {secret:?}\n[kafka.client]\n\"sasl.username\" = \"city\"");
    let kafka = load(&table(&rest), &[], Common::default()).unwrap().kafka.unwrap();
    assert_eq!((kafka.brokers.as_str(), kafka.client["sasl.username"].as_str()), ("k1:9092,k2:9092", "city"));
    assert_eq!(kafka.client["sasl.password"], "hunter2");
    assert!(!format!("{kafka:?}").contains("hunter2"));
    for (rest, part) in [
        ("partition = 3", "did you mean 'partitions'?"),
        ("partitions = 0", "between 1 and 1000"),
        ("create_topics = 1", "true or false"),
        ("client = \"sasl\"", "must be a table"),
        ("password_file = \"/no/such\"", "correct 'password_file' under [kafka]"),
    ] {
        let failure = load(&table(rest), &[], Common::default()).unwrap_err();
        assert!(failure.message.contains(part), "{rest}: {failure}");
    }
    let nowhere = load("[kafka]\npartitions = 3", &[], Common::default()).unwrap_err();
    assert!(nowhere.message.contains("add brokers ="), "{nowhere}");
}
