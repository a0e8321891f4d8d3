//! Cases of reading the whole log.

use octocity_domain::Category;

use super::{NOON, Storage, batch, client_id, entry, event, fill, must_append, stream};
use crate::envelope::StreamId;
use crate::port::Append;
use crate::position::Position;

pub async fn reads_all_in_order_in_pages(storage: &dyn Storage) {
    let log = storage.open();
    for revision in 0..10 {
        must_append(&*log, batch(stream(1), revision * 2, client_id(revision), &["a", "b"])).await;
        must_append(&*log, batch(stream(2), revision, client_id(revision), &["c"])).await;
    }
    let (mut next, mut seen) = (Position::default(), Vec::new());
    loop {
        let page = log.read_all(next, 7, &[], &[]).await.unwrap();
        if page.events.is_empty() {
            assert_eq!(page.next, next, "nothing new: stay");
            break;
        }
        assert!(page.events.len() <= 7);
        assert!(page.next >= page.events.last().unwrap().position);
        next = page.next;
        seen.extend(page.events);
    }
    assert_eq!(seen.len(), 30);
    assert!(seen.windows(2).all(|pair| pair[0].position < pair[1].position));
    assert_eq!(next, *log.head().borrow());
}

/// Rare events among many: found, in order, and `next` passes the tail that the filter leaves out.
pub async fn passes_over_what_a_filter_leaves_out(storage: &dyn Storage) {
    let log = storage.open();
    let session = StreamId::new(Category::Session, stream(1).id);
    let rare = |revision: u64, id: u64| Append {
        stream: session,
        expected: revision,
        events: vec![event(client_id(id), "Opened", "rare"), event(client_id(id), "Noted", "rare")],
        entries: vec![entry(client_id(id), revision, 2)],
    };
    let many = vec!["filler"; 1500];
    must_append(&*log, batch(stream(1), 0, client_id(1), &many)).await;
    must_append(&*log, rare(0, 2)).await;
    must_append(&*log, batch(stream(1), 1500, client_id(3), &many)).await;
    must_append(&*log, rare(2, 4)).await;
    must_append(&*log, batch(stream(1), 3000, client_id(5), &many)).await;
    let head = *log.head().borrow();
    let filters: [(&[Category], &[&str], usize); 5] = [
        (&[Category::Session], &[], 4),
        (&[Category::Session], &["Opened"], 2),
        (&[], &["Opened"], 2),
        (&[Category::Payment], &[], 0),
        (&[Category::Session, Category::Parking], &["Noted"], 4502),
    ];
    for (categories, types, count) in filters {
        let page = log.read_all(Position::default(), 10_000, categories, types).await.unwrap();
        assert_eq!(page.events.len(), count, "{categories:?} {types:?}");
        assert_eq!(page.next, head, "{categories:?} {types:?}");
        assert!(page.events.windows(2).all(|pair| pair[0].position < pair[1].position));
        let (mut next, mut singly) = (Position::default(), Vec::new());
        while count < 10 && singly.len() < count {
            let page = log.read_all(next, 1, categories, types).await.unwrap();
            next = page.next;
            singly.extend(page.events);
        }
        assert!(count >= 10 || singly == page.events);
    }
}

pub async fn reads_on_from_any_position(storage: &dyn Storage) {
    let log = storage.open();
    fill(&*log, stream(1), 1, 5).await;
    let all = log.read_all(Position::default(), 100, &[], &[]).await.unwrap().events;
    for (index, event) in all.iter().enumerate() {
        let rest = log.read_all(event.position, 100, &[], &[]).await.unwrap().events;
        assert_eq!(rest, all[index + 1..]);
    }
    let beyond = Position(log.head().borrow().0 + 1000);
    let page = log.read_all(beyond, 100, &[], &[]).await.unwrap();
    assert!(page.events.is_empty() && page.next == beyond, "a position beyond the head is kept");
    let nothing = log.read_all(Position::default(), 0, &[], &[]).await.unwrap();
    assert!(nothing.events.is_empty() && nothing.next == Position::default());
}

/// Also where positions leave gaps: how far apart two of them are says nothing.
pub async fn says_since_when_a_reader_is_behind(storage: &dyn Storage) {
    let log = storage.open();
    assert_eq!(log.decided_after(Position::default()).await.unwrap(), None);
    let mut positions = Vec::new();
    for minute in 0..3 {
        let mut minutely = batch(stream(1), minute, client_id(minute), &["a"]);
        minutely.events[0].meta.decided_at = NOON.plus_seconds(60 * minute.cast_signed());
        positions.extend(must_append(&*log, minutely).await.positions);
    }
    // At positions that the log told only: some stores know no others.
    for (at, minute) in [(Position::default(), 0), (positions[0], 1), (positions[1], 2)] {
        assert_eq!(log.decided_after(at).await.unwrap(), Some(NOON.plus_seconds(60 * minute)));
    }
    assert_eq!(log.decided_after(positions[2]).await.unwrap(), None);
}
