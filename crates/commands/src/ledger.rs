//! Same id, same reply: which ids are valid, what a body's hash is, and the newest ids of a stream in memory.

use std::collections::BTreeSet;

use octocity_domain::{CommandId, Timestamp};
use octocity_log::LedgerWindow;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::submission::CommandError;

/// How far ahead of our clock a client's may be.
pub(crate) const FUTURE_SECONDS: i64 = 300;

/// Whether an id that the ledger does not know may be decided. A known one is answered whatever the clock says now:
/// it may have been stepped since. Ids that clients make (UUIDv7) are of the retention; derived ones (UUIDv8) of any
/// time.
pub(crate) fn check_id(id: CommandId, now: Timestamp, retention_seconds: i64) -> Result<(), CommandError> {
    match (id.uuid().get_version_num(), id.minted_at()) {
        (8, _) => Ok(()),
        (_, Some(minted)) if now.seconds_since(minted) > retention_seconds => Err(CommandError::IdExpired),
        (_, Some(minted)) if minted.seconds_since(now) > FUTURE_SECONDS => Err(CommandError::IdFromFuture),
        (_, Some(_)) => Ok(()),
        (_, None) => Err(CommandError::IdInvalid),
    }
}

/// What the ledger compares when an id comes again: of the command only, not of who sent it.
pub(crate) fn body_hash<C: Serialize>(command: &C) -> Result<[u8; 16], serde_json::Error> {
    let digest = Sha256::digest(serde_json::to_vec(command)?);
    let mut hash = [0_u8; 16];
    hash.copy_from_slice(&digest[..16]);
    Ok(hash)
}

/// The newest ids of one stream. Ids rise with time, so that nearly every new one is above the floor, and is
/// known to be new without asking the store.
#[derive(Debug, Default)]
pub(crate) struct Window {
    ids: BTreeSet<CommandId>,
    /// Below it, only the store knows. None: all ids of the stream are here.
    floor: Option<CommandId>,
    limit: usize,
}

impl Window {
    pub fn new(loaded: LedgerWindow, limit: usize) -> Self {
        Self { ids: loaded.ids.into_iter().collect(), floor: loaded.floor, limit }
    }

    /// Whether the store must be asked about this id.
    pub fn may_know(&self, id: CommandId) -> bool {
        self.floor.is_some_and(|floor| id < floor) || self.ids.contains(&id)
    }

    pub fn insert(&mut self, id: CommandId) {
        if self.floor.is_some_and(|floor| id < floor) {
            return;
        }
        self.ids.insert(id);
        if self.ids.len() > self.limit {
            self.ids.pop_first();
            self.floor = self.ids.first().copied();
        }
    }
}
