//! What a database says of itself that cannot be used, and how one is made.

use octocity_adapters::clickhouse::{ClickHouse, SinkOptions};
use octocity_projections::testing::{History, facility};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::server::Database;
use crate::tail;

async fn refused(database: &Database) -> String {
    match ClickHouse::open(&database.options).await {
        Ok(_) => panic!("it was opened"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_refused() {
    let mut database = Database::new();
    let wanted = "it has the form http://host:8123 (only http:// is taken";
    for url in ["city:8123", "https://city:8443", ""] {
        url.clone_into(&mut database.options.url);
        assert!(refused(&database).await.contains(wanted));
    }
    "http://octocity:sesame@city:8123".clone_into(&mut database.options.url);
    let said = refused(&database).await;
    assert!(said.contains("'password_file'") && !said.contains("sesame"), "{said}");
}

#[tokio::test]
async fn a_database_that_is_no_plain_name_is_refused() {
    let mut database = Database::new();
    let name = std::mem::replace(&mut database.options.database, "a`; DROP".to_owned());
    assert!(refused(&database).await.contains("is no plain name"));
    database.options.database = name;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_in_one_sentence() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let database = Database::at(&format!("http://{free}"));
    let said = refused(&database).await;
    assert!(said.starts_with(&format!("ClickHouse at http://{free} cannot be reached (")), "{said}");
    assert!(said.ends_with("start it, or correct 'url' under [clickhouse]."), "{said}");
}

/// As a server of version 24 answers; the engine without one knows no users.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_said_in_one_sentence_without_the_password() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let text = "Code: 516. DB::Exception: octocity: Authentication failed: password is incorrect, or there is no \
                    user with such name. (AUTHENTICATION_FAILED)\n";
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4_096]).await;
            let head = "HTTP/1.1 403 Forbidden\r\nX-ClickHouse-Exception-Code: 516\r\nConnection: close\r\n";
            let answer = format!("{head}Content-Length: {}\r\n\r\n{text}", text.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let database = Database::at(&format!("http://octocity:sesame@{address}"));
    let said = refused(&database).await;
    let wanted = format!(
        "ClickHouse at http://{address} does not let the user 'octocity' in; correct 'user' and 'password' under \
         [clickhouse]."
    );
    assert_eq!(said, wanted);
}

#[tokio::test]
async fn a_newer_form_is_refused_and_one_that_was_begun_is_finished() {
    let database = Database::new();
    database.open().await;
    // Stopped in the middle of making the tables.
    database.sql("TRUNCATE TABLE form").await;
    database.sql("DROP TABLE checkpoints").await;
    database.open().await;
    assert_eq!(database.number("SELECT count() FROM checkpoints").await, 0);
    assert_eq!(database.number("SELECT toUInt64(max(version)) FROM form").await, 1);
    database.sql("INSERT INTO form VALUES (2)").await;
    let said = refused(&database).await;
    let wanted = "was written by a newer version of Octocity (its form is 2, this one knows 1); upgrade Octocity or \
                  name another database under [clickhouse].";
    assert!(said.ends_with(wanted), "{said}");
}

#[tokio::test]
async fn facts_of_another_log_are_refused() {
    let database = Database::new();
    let mut history = History::default();
    history.register(facility(1)).await;
    let ours = tail(&history);
    let mut sink = database.sink(&*ours, SinkOptions::default()).await.unwrap();
    sink.catch_up(&*ours).await.unwrap();
    let other = tail(&History::default());
    let opened = database.sink(&*other, SinkOptions::default()).await;
    let said = opened.err().unwrap().to_string();
    assert!(said.contains("belongs to another log") || said.contains("put back to an older state"), "{said}");
    database.sql("INSERT INTO checkpoints VALUES ('00000000-0000-4000-8000-000000000001', 1, 7)").await;
    let opened = database.sink(&*ours, SinkOptions::default()).await;
    assert!(opened.err().unwrap().to_string().contains("belongs to another log"));
}
