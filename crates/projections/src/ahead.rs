//! Reading the log on while what was read is folded: a page is read while those before it are decoded, and the one before them is
//! folded.

use std::collections::BTreeMap;
use std::sync::Arc;

use octocity_log::{Page, Position, Tail};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use crate::projector::Decoded;

/// Readers by their partition and the position that their next page comes behind: as many at most as there are places where
/// views stand.
pub(crate) type Ahead = BTreeMap<(i32, Position), Reader>;

/// A page of the log, each event decoded once for all views.
pub(crate) struct Read {
    pub events: Vec<Decoded>,
    pub next: Position,
}

impl Read {
    pub fn of(page: Page) -> Self {
        Self { events: page.events.into_iter().map(Decoded::of).collect(), next: page.next }
    }
}

/// So many are decoded by a task.
const SHARE: usize = 1_024;
/// So many pages of a reader wait at most.
const PAGES_THAT_WAIT: usize = 4;

/// Reads on until it comes to a page that is not full: it may be longer by the time that it is needed.
pub(crate) struct Reader {
    pages: mpsc::Receiver<Decoding>,
    /// One task, which is let go of with this.
    _reading: JoinSet<()>,
}

impl Reader {
    pub fn behind(mut after: Position, tail: Arc<dyn Tail>, limit: usize) -> Self {
        let ((sender, pages), mut reading) = (mpsc::channel(PAGES_THAT_WAIT), JoinSet::new());
        reading.spawn(async move {
            // What cannot be read now is read when it is needed, and a fault that lasts is told then.
            while after < *tail.head().borrow()
                && let Ok(room) = sender.reserve().await
                && let Ok(page) = tail.read_after(after, limit).await
                && page.events.len() >= limit
            {
                after = page.next;
                room.send(Decoding::of(page));
            }
        });
        Self { pages, _reading: reading }
    }

    /// None: there is no full page behind the last one, or it could not be read.
    pub async fn page(&mut self) -> Option<Read> {
        let decoding = self.pages.recv().await?;
        let mut events = Vec::with_capacity(decoding.events);
        for share in decoding.shares {
            events.extend(share.await.ok()?);
        }
        Some(Read { events, next: decoding.next })
    }
}

/// A page that is decoded on all cores that have nothing else to do.
struct Decoding {
    events: usize,
    shares: Vec<JoinHandle<Vec<Decoded>>>,
    next: Position,
}

impl Decoding {
    fn of(page: Page) -> Self {
        let (mut events, mut shares) = (page.events.into_iter(), Vec::new());
        let count = events.len();
        while events.len() > 0 {
            let share = events.by_ref().take(SHARE).collect::<Vec<_>>();
            shares.push(tokio::spawn(async { share.into_iter().map(Decoded::of).collect() }));
        }
        Self { events: count, shares, next: page.next }
    }
}
