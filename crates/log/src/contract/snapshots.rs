//! What every snapshot store must do.

use octocity_domain::Category;

use super::stream;
use crate::envelope::StreamId;
use crate::port::{Snapshot, SnapshotStore};

pub async fn keeps_the_last_snapshot_of_a_stream(store: &dyn SnapshotStore) {
    let snapshot = |next_revision, state: &[u8]| Snapshot { next_revision, version: 3, state: state.into() };
    assert_eq!(store.load(stream(1)).await.unwrap(), None);
    store.save(stream(1), snapshot(5, b"{\"inside\":4}")).await.unwrap();
    store.save(stream(1), snapshot(9, b"{\"inside\":2}")).await.unwrap();
    store.save(stream(2), snapshot(1, b"")).await.unwrap();
    assert_eq!(store.load(stream(1)).await.unwrap(), Some(snapshot(9, b"{\"inside\":2}")));
    assert_eq!(store.load(stream(2)).await.unwrap(), Some(snapshot(1, b"")));
    let session = StreamId::new(Category::Session, stream(1).id);
    assert_eq!(store.load(session).await.unwrap(), None, "another category's stream");
}
