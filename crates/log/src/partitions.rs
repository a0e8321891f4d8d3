//! The log cut into partitions by key, for those who share the work on it. Which partition a key belongs to is computed
//! over a fixed count, so that no key ever moves.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use octocity_domain::FacilityId;
use tokio::sync::{Mutex, watch};

use crate::envelope::RecordedEvent;
use crate::port::{EventLog, LogError, Page};
use crate::position::{LogId, Position};
use crate::tail::{Tail, WholeLog};

/// FNV-1a of 64 bits (draft-eastlake-fnv), its halves folded together. Fixed for ever: topics rest on it.
pub fn partition_of(key: FacilityId, partitions: i32) -> i32 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = key.uuid().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, fold);
    let folded = (hash >> 32) ^ (hash & 0xffff_ffff);
    (folded % u64::from(partitions.max(1).unsigned_abs())) as i32
}

/// The log as the tails of so many partitions; as it is where there is only one.
pub fn partitions_of(log: &Arc<dyn EventLog>, partitions: i32) -> BTreeMap<i32, Arc<dyn Tail>> {
    if partitions <= 1 {
        return BTreeMap::from([(0, Arc::new(WholeLog(Arc::clone(log))) as Arc<dyn Tail>)]);
    }
    let cut = Arc::new(Cut { log: Arc::clone(log), partitions, last: Mutex::new(None) });
    let tail = |number| (number, Arc::new(LogPartition { cut: Arc::clone(&cut), number }) as Arc<dyn Tail>);
    (0..partitions).map(tail).collect()
}

struct Cut {
    log: Arc<dyn EventLog>,
    partitions: i32,
    /// Those who are at one place read the log once.
    last: Mutex<Option<CutPage>>,
}

/// A page of the log; what a partition has taken of it is gone.
struct CutPage {
    after: Position,
    limit: usize,
    next: Position,
    parts: Vec<Option<Vec<RecordedEvent>>>,
}

impl CutPage {
    fn take(&mut self, after: Position, limit: usize, number: usize) -> Option<Page> {
        let is_it = self.after == after && self.limit == limit && self.next > after;
        let events = self.parts.get_mut(number).filter(|_| is_it)?.take()?;
        Some(Page { events, next: self.next })
    }
}

impl Cut {
    async fn read(&self, number: usize, after: Position, limit: usize) -> Result<Page, LogError> {
        let mut last = self.last.lock().await;
        if let Some(page) = last.as_mut().and_then(|last| last.take(after, limit, number)) {
            return Ok(page);
        }
        let Page { events, next } = self.log.read_all(after, limit, &[], &[]).await?;
        let mut parts = vec![Some(Vec::new()); self.partitions.unsigned_abs() as usize];
        for event in events {
            let part = partition_of(event.meta.key, self.partitions).unsigned_abs() as usize;
            parts[part].get_or_insert_default().push(event);
        }
        let events = parts.get_mut(number).and_then(Option::take).unwrap_or_default();
        *last = Some(CutPage { after, limit, next, parts });
        Ok(Page { events, next })
    }
}

struct LogPartition {
    cut: Arc<Cut>,
    number: i32,
}

#[async_trait]
impl Tail for LogPartition {
    fn id(&self) -> LogId {
        self.cut.log.id()
    }
    fn epoch(&self) -> u32 {
        self.cut.log.epoch()
    }
    fn head(&self) -> watch::Receiver<Position> {
        self.cut.log.head()
    }
    async fn read_after(&self, after: Position, limit: usize) -> Result<Page, LogError> {
        self.cut.read(self.number.unsigned_abs() as usize, after, limit).await
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn key(number: u128) -> FacilityId {
        FacilityId(Uuid::from_u128(number))
    }

    #[test]
    fn a_key_stays_where_it_is_for_ever() {
        let known =
            [0, 1, 0x018b_cfe5_6864_8abc_9def_0000_0000_0001].map(|number| partition_of(key(number), 12));
        assert_eq!(known, [0, 11, 7]);
    }

    #[test]
    fn keys_are_spread_evenly() {
        let mut counts = [0_u32; 12];
        for number in 0..12_000 {
            counts[partition_of(key(number << 16), 12) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
    }
}
