//! Where each view stands, and what is folded into those that stand at one place.

use std::collections::BTreeMap;

use octocity_log::{LogId, Position};

use crate::projector::{Decoded, Folded, Projector};
use crate::store::{Batch, Checkpoint, Move, RowStore, StoreError};

/// One view with its checkpoint in each partition.
pub(crate) struct Track {
    pub projector: Box<dyn Projector>,
    pub checkpoints: BTreeMap<i32, Position>,
    /// Of its checkpoints, as they were taken up.
    pub generations: BTreeMap<i32, u32>,
}

impl Track {
    pub fn stands_at(&self, partition: i32, at: Position) -> bool {
        self.checkpoints.get(&partition) == Some(&at)
    }

    /// In the partition that is furthest behind.
    pub fn position(&self) -> Position {
        self.checkpoints.values().copied().min().unwrap_or_default()
    }

    fn to_the_end_of(&self, part: &Part, log: LogId, epoch: u32) -> Move {
        let generation = self.generations.get(&part.partition).copied().unwrap_or_default();
        let (view, partition) = (self.projector.table().name.to_owned(), part.partition);
        let to = Checkpoint { view, partition, log, epoch, position: part.next, generation };
        Move { after: part.after, generation, to }
    }
}

/// What is next in a partition.
pub(crate) struct Part {
    pub partition: i32,
    pub after: Position,
    pub next: Position,
    pub events: Vec<Decoded>,
}

/// Folds each part into the views that are where it begins. They stand there until it is stored.
pub(crate) async fn fold(
    tracks: &mut [Track],
    parts: &[Part],
    store: &dyn RowStore,
    (log, epoch): (LogId, u32),
) -> Result<Batch, StoreError> {
    let mut batch = Batch::default();
    for track in tracks {
        let parts = parts.iter().filter(|part| track.stands_at(part.partition, part.after));
        let parts = parts.collect::<Vec<_>>();
        let events = parts.iter().flat_map(|part| &part.events).collect::<Vec<_>>();
        track.projector.prepare(store, &events).await?;
        let Folded { writes, parked } = track.projector.fold(&events);
        batch.moves.extend(parts.iter().map(|part| track.to_the_end_of(part, log, epoch)));
        if !writes.upserts.is_empty() || !writes.deletes.is_empty() {
            batch.writes.push(writes);
        }
        batch.parked.extend(parked);
    }
    Ok(batch)
}
