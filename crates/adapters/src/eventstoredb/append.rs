//! Appending: one batch of a stream is one append of EventStoreDB, under its expected revision.
//!
//! A fault that leaves open whether the batch was stored is answered by the same batch, same ids, same revision:
//! EventStoreDB says "done" to it if it stands where it should, whether it was stored then or now.

use std::collections::BTreeSet;

use octocity_domain::CommandId;
use octocity_log::{Append, AppendError, Appended, LogError, Position, StreamId};

use super::encode::{Encoded, encode};
use super::head::Head;
use super::record;
use super::streams::Streams;
use super::tail::Tail;
use super::wire::Expected;

/// What EventStoreDB takes in one append (its `MaxAppendSize`), less what the protocol adds.
pub const LARGEST_APPEND: usize = 1024 * 1024 - 1024;
/// How often a batch gives way to others' commands without events, which leave what it was decided on as it is.
const ATTEMPTS: usize = 5;

impl Streams {
    pub async fn append(&self, head: &Head, batch: Append) -> Result<Appended, AppendError> {
        batch.check()?;
        no_id_twice(&batch)?;
        let remembered = self.remembered(batch.stream);
        let mut held = remembered.tail.lock().await;
        // While it is under way, and after a fault or where this call is given up, nothing is known.
        let mut tail = match held.take() {
            Some(tail) if tail.next.revision == batch.expected => tail,
            known => self.refresh(batch.stream, known).await?,
        };
        let result = self.append_all(head, &mut tail, batch).await;
        if !matches!(result, Err(AppendError::Log(_))) {
            match result {
                Ok(_) => remembered.ends(tail.next),
                Err(_) => remembered.remember(tail.next),
            }
            *held = Some(tail);
        }
        result
    }

    /// What is larger than EventStoreDB takes goes in two halves. Each command is whole; if the second half fails,
    /// the ledger answers for the commands of the first.
    async fn append_all(&self, head: &Head, tail: &mut Tail, batch: Append) -> Result<Appended, AppendError> {
        let mut rest = vec![batch];
        let mut appended = Appended { positions: Vec::new(), next_revision: 0 };
        while let Some(batch) = rest.pop() {
            let Some(done) = self.append_one(head, tail, &batch).await? else {
                let nothing_is_stored = appended.positions.is_empty();
                if batch.entries.len() < 2 || (nothing_is_stored && has_too_large(&batch, tail)?) {
                    return Err(AppendError::TooLarge);
                }
                let (first, second) = halves(batch);
                rest.extend([second, first]);
                continue;
            };
            appended.positions.extend(done.positions);
            appended.next_revision = done.next_revision;
        }
        Ok(appended)
    }

    /// None: it is too large.
    async fn append_one(
        &self,
        head: &Head,
        tail: &mut Tail,
        batch: &Append,
    ) -> Result<Option<Appended>, AppendError> {
        for _ in 0..ATTEMPTS {
            let actual = tail.next.revision;
            if actual != batch.expected {
                return Err(AppendError::WrongRevision { actual });
            }
            let ids = batch.entries.iter().map(|entry| entry.command_id);
            if let Some((known, _)) = self.lookup(batch.stream, tail, ids).await?.first_key_value() {
                return Err(AppendError::CommandKnown(*known));
            }
            let at = tail.position.max(head.get());
            let encoded = encode(batch, tail.ceiling, at)?;
            if encoded.bytes > LARGEST_APPEND {
                return Ok(None);
            }
            self.note_late(batch.stream, tail.late(&encoded)).await?;
            let stored = self.send(batch.stream, tail.next.record, &encoded).await?;
            let Some(position) = stored else {
                *tail = self.refresh(batch.stream, Some(std::mem::take(tail))).await?;
                continue;
            };
            let position = if batch.events.is_empty() { at } else { position };
            head.raise(position);
            let next_revision = batch.expected + batch.events.len() as u64;
            tail.appended(&encoded, &batch.entries, next_revision, position);
            let positions = vec![position; batch.entries.len()];
            return Ok(Some(Appended { positions, next_revision }));
        }
        Err(LogError::Unavailable("others recorded refusals in this stream all the time".to_owned()).into())
    }

    /// The position of its last record. None: something else stands there.
    pub async fn send(
        &self,
        stream: StreamId,
        record: u64,
        encoded: &Encoded,
    ) -> Result<Option<Position>, LogError> {
        let name = &*self.name(stream);
        let sent = self.connection.append(name, Expected::Records(record), &encoded.records).await?;
        match sent {
            // To a repeated batch it may name no position.
            Some(0) => {
                let last = record + encoded.records.len() as u64 - 1;
                let last = self.record(name, last).await?;
                last.map(|last| record::position(&last)).transpose()
            }
            stored => Ok(stored.map(Position)),
        }
    }
}

fn no_id_twice(batch: &Append) -> Result<(), AppendError> {
    let mut seen: BTreeSet<CommandId> = BTreeSet::new();
    match batch.entries.iter().find(|entry| !seen.insert(entry.command_id)) {
        Some(twice) => Err(AppendError::CommandKnown(twice.command_id)),
        None => Ok(()),
    }
}

/// Whether one of its commands alone is more than is taken: then nothing of the batch is stored, and the others are decided
/// as if they had come alone.
fn has_too_large(batch: &Append, tail: &Tail) -> Result<bool, LogError> {
    let mut events = batch.events.iter();
    for entry in &batch.entries {
        let alone = Append {
            stream: batch.stream,
            expected: entry.first_revision,
            events: events.by_ref().take(entry.events as usize).cloned().collect(),
            entries: vec![entry.clone()],
        };
        if encode(&alone, tail.ceiling, tail.position)?.bytes > LARGEST_APPEND {
            return Ok(true);
        }
    }
    Ok(false)
}

fn halves(mut batch: Append) -> (Append, Append) {
    let entries = batch.entries.split_off(batch.entries.len() / 2);
    let count: usize = batch.entries.iter().map(|entry| entry.events as usize).sum();
    let events = batch.events.split_off(count);
    let second = Append { stream: batch.stream, expected: batch.expected + count as u64, events, entries };
    (batch, second)
}
