//! What a call costs.

use std::time::{Duration, Instant};

use octocity_log::EventLog;
use octocity_log::contract::{batch, client_id, must_append, stream};

use crate::storage::Served;

const CALLS: u64 = 50;

fn fastest(name: &str, mut took: Vec<Duration>) -> Duration {
    took.sort();
    println!("{name}: {:?} at best, {:?} in the middle", took[0], took[took.len() / 2]);
    took[0]
}

/// Where the second of two small writes waits until the first is acknowledged, every call takes 40 ms more.
#[tokio::test(flavor = "multi_thread")]
async fn no_call_waits_until_what_it_sent_is_acknowledged() {
    let served = Served::double();
    let log = served.log();
    let (mut appends, mut reads) = (Vec::new(), Vec::new());
    for revision in 0..CALLS {
        let begun = Instant::now();
        must_append(&*log, batch(stream(1), revision, client_id(revision), &["a"])).await;
        appends.push(begun.elapsed());
        let begun = Instant::now();
        assert_eq!(log.read_stream(stream(1), 0, 1).await.unwrap().len(), 1);
        reads.push(begun.elapsed());
    }
    assert!(fastest("append", appends) < Duration::from_millis(20));
    assert!(fastest("read", reads) < Duration::from_millis(20));
}
