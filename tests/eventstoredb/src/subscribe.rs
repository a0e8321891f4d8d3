//! Subscriptions: first what is there, then "caught up", then what comes.

use crate::Node;
use crate::faults::{Cut, unavailable};
use crate::messages::streams::read_resp::{
    CaughtUp, Checkpoint, Content, Position, SubscriptionConfirmation,
};
use crate::read::{PAGE, Responses, content};
use crate::selection::Selection;
use crate::store::Place;

impl Node {
    /// From the event at this place in `$all` on: those of the stream, if one is named, that are selected. A filtered
    /// one is told a checkpoint after every `interval` events that were looked at.
    pub fn subscribe(
        &self,
        stream: Option<String>,
        from: usize,
        selection: Selection,
        interval: u32,
    ) -> Responses {
        let node = self.clone();
        let mut cuts = self.faults.subscribed();
        Box::pin(async_stream::try_stream! {
            let subscription_id = uuid::Uuid::from_u128(node.faults.subscriptions() as u128).to_string();
            yield content(Content::Confirmation(SubscriptionConfirmation { subscription_id }));
            let mut committed = node.store.committed();
            let (mut next, mut looked_at, mut caught_up) = (from, 0, false);
            loop {
                let end = *committed.borrow_and_update();
                while next < end {
                    for (place, wanted) in node.looked_at(stream.as_deref(), &selection, next, end) {
                        node.faults.speak().await;
                        next += 1;
                        looked_at += 1;
                        if wanted {
                            yield node.event(place)?;
                        }
                        if looked_at >= interval {
                            looked_at = 0;
                            yield checkpoint(place.position);
                        }
                    }
                }
                if !caught_up {
                    caught_up = true;
                    yield node.caught_up(next);
                }
                let goes_on = tokio::select! {
                    changed = committed.changed() => changed.map(|()| true).map_err(|_| unavailable()),
                    _ = cuts.changed() => match *cuts.borrow_and_update() {
                        Some(Cut::Unavailable) => Err(unavailable()),
                        Some(Cut::Clean) | None => Ok(false),
                    },
                };
                if !goes_on? {
                    break;
                }
            }
        })
    }

    fn looked_at(
        &self,
        stream: Option<&str>,
        selection: &Selection,
        from: usize,
        end: usize,
    ) -> Vec<(Place, bool)> {
        let index = self.store.index();
        let number = stream.map(|name| index.stream(name));
        let places = &index.places[from..end.min(from + PAGE)];
        let of_stream = |place: &Place| number.is_none_or(|number| number == Some(place.stream));
        places.iter().map(|place| (*place, of_stream(place) && selection.takes(&index, place))).collect()
    }

    /// `next` is where the subscription goes on.
    fn caught_up(&self, next: usize) -> crate::messages::streams::ReadResp {
        let index = self.store.index();
        let last = next.checked_sub(1).and_then(|last| index.places.get(last));
        let position =
            |place: &Place| Position { commit_position: place.position, prepare_position: place.position };
        let now = prost_types::Timestamp::default();
        let position = last.map(position);
        content(Content::CaughtUp(CaughtUp { timestamp: Some(now), stream_revision: None, position }))
    }
}

fn checkpoint(position: u64) -> crate::messages::streams::ReadResp {
    let (commit_position, prepare_position) = (position, position);
    content(Content::Checkpoint(Checkpoint { commit_position, prepare_position, timestamp: None }))
}
