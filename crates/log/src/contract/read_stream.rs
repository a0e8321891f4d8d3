//! Cases of reading one stream.

use super::{Storage, batch, client_id, entry, fill, must_append, stream};
use crate::port::Append;

pub async fn reads_a_stream_forwards_and_back(storage: &dyn Storage) {
    let log = storage.open();
    fill(&*log, stream(2), 100, 3).await;
    fill(&*log, stream(1), 1, 10).await;
    let forwards = [(0, 3, vec![0, 1, 2]), (7, 10, vec![7, 8, 9]), (10, 5, vec![]), (0, 0, vec![])];
    for (from, limit, expected) in forwards {
        let read = log.read_stream(stream(1), from, limit).await.unwrap();
        assert_eq!(read.iter().map(|event| event.revision).collect::<Vec<_>>(), expected);
    }
    let backwards =
        [(10, 3, vec![9, 8, 7]), (u64::MAX, 1, vec![9]), (2, 10, vec![1, 0]), (0, 5, vec![]), (5, 0, vec![])];
    for (before, limit, expected) in backwards {
        let read = log.read_stream_back(stream(1), before, limit).await.unwrap();
        assert_eq!(read.iter().map(|event| event.revision).collect::<Vec<_>>(), expected);
    }
}

/// Far from the end of a stream with refusals in between, by who has read nothing of it yet.
pub async fn reads_back_from_far_before_the_end(storage: &dyn Storage) {
    let log = storage.open();
    for revision in 0..60 {
        must_append(&*log, batch(stream(1), revision, client_id(2 * revision), &["filled"])).await;
        if revision % 3 == 0 {
            let entries = vec![entry(client_id(2 * revision + 1), revision + 1, 0)];
            let refused = Append { stream: stream(1), expected: revision + 1, events: Vec::new(), entries };
            must_append(&*log, refused).await;
        }
    }
    drop(log);
    let cases =
        [(1, 1, vec![0]), (7, 2, vec![6, 5]), (30, 1, vec![29]), (60, 1, vec![59]), (99, 1, vec![59])];
    for (before, limit, expected) in cases {
        let log = storage.open();
        let read = log.read_stream_back(stream(1), before, limit).await.unwrap();
        assert_eq!(read.iter().map(|event| event.revision).collect::<Vec<_>>(), expected);
    }
}
