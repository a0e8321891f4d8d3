//! What is wrong with a configuration or a schema is told in one sentence, and nothing is changed.

use std::time::{Duration, Instant};

use octocity_adapters::postgres::{Database, OpenError, PostgresOptions, PostgresRows, Tls};
use octocity_log::{LogId, Position};
use octocity_projections::RowStore;
use uuid::Uuid;

use crate::server::Schema;

/// One sentence or two, soon, without the password.
async fn refused(options: &PostgresOptions, part: &str) -> OpenError {
    let begun = Instant::now();
    let error = Database::open(options).await.map(drop).unwrap_err();
    let said = error.to_string();
    assert!(said.contains(part) && said.ends_with('.') && !said.contains('\n'), "{said}");
    assert!(!said.contains("hunter2") && !format!("{error:?}").contains("hunter2"), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(30), "told after {:?}", begun.elapsed());
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_configuration_is_told_at_once() {
    let schema = Schema::new();
    let fine = schema.options();
    let password = PostgresOptions { password: Some("hunter2".to_owned()), ..fine.clone() };
    refused(&password, "correct user and password").await;
    let nobody = PostgresOptions { user: Some("nobody".to_owned()), ..fine.clone() };
    refused(&nobody, "does not let the user 'nobody' in").await;
    let database = PostgresOptions { database: Some("nowhere".to_owned()), ..fine.clone() };
    refused(&database, "has no database 'nowhere'").await;
    let closed = PostgresOptions { port: Some(1), url: None, ..fine.clone() };
    refused(&closed, "127.0.0.1:1 cannot be reached").await;
    let unknown =
        PostgresOptions { host: Some("no-such-host.invalid".to_owned()), url: None, ..fine.clone() };
    refused(&unknown, "no-such-host.invalid:5432 cannot be reached").await;
    refused(&PostgresOptions { tls: Tls::On, ..fine.clone() }, "encryption").await;
    let file = PostgresOptions { tls: Tls::Of("/no/such/file".into()), ..fine.clone() };
    refused(&file, "/no/such/file").await;
    refused(&PostgresOptions { schema: "Not Plain".to_owned(), ..fine }, "no plain name").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_form_is_migrated_and_a_newer_one_left_alone() {
    let schema = Schema::new();
    drop(schema.database());
    let version = || async { schema.sql("SELECT version FROM form").await[0].get::<_, i32>(0) };
    let known = version().await;
    schema.sql("UPDATE form SET version = 99").await;
    assert!(matches!(refused(&schema.options(), "newer version").await, OpenError::Newer { found: 99, .. }));
    assert_eq!(version().await, 99);
    // As before the first migration: a form, and nothing else.
    for table in [
        "read_models",
        "checkpoints",
        "parked",
        "process_checkpoints",
        "outbox",
        "gateway_calls",
        "snapshots",
        "parked_streams",
    ] {
        schema.sql(&format!("DROP TABLE {table}")).await;
    }
    schema.sql("UPDATE form SET version = 0").await;
    drop(schema.database());
    assert_eq!(version().await, known);
    assert!(schema.sql("SELECT FROM outbox").await.is_empty());
    // As before the last one: what is stored goes on.
    schema.sql("ALTER TABLE checkpoints DROP COLUMN generation").await;
    schema.sql("INSERT INTO checkpoints VALUES ('visits', 0, gen_random_uuid(), 1, 7)").await;
    schema.sql("UPDATE form SET version = 2").await;
    let stored = PostgresRows::new(schema.database()).checkpoints().await.unwrap();
    assert_eq!((stored[0].position, stored[0].generation), (Position(7), 0));
    assert_eq!(version().await, known);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_ours_is_left_alone() {
    let schema = Schema::new();
    schema.sql(&format!("CREATE SCHEMA {}", schema.name)).await;
    schema.sql("CREATE TABLE cars (owner TEXT)").await;
    assert!(matches!(refused(&schema.options(), "not Octocity's").await, OpenError::Foreign { .. }));
    schema.sql("DROP TABLE cars").await;
    let database = schema.database();
    let (ours, another) = (LogId(Uuid::from_u128(1)), LogId(Uuid::from_u128(2)));
    for _ in 0..2 {
        database.bind(ours).await.unwrap();
    }
    let error = database.bind(another).await.unwrap_err();
    assert!(matches!(error, OpenError::OtherLog { found, .. } if found == ours), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_changes_nothing() {
    let schema = Schema::new();
    Database::look(&schema.options()).await.unwrap();
    let made = format!("SELECT FROM pg_namespace WHERE nspname = '{}'", schema.name);
    assert!(schema.sql(&made).await.is_empty());
}
