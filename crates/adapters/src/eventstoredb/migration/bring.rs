//! Bringing one piece into its stream, whether a part of it is there or not.

use std::borrow::Cow;

use octocity_log::{Append, LogError, NewEvent, Position, RecordedEvent};

use super::MigrationError;
use super::lanes::Piece;
use crate::eventstoredb::append::LARGEST_APPEND;
use crate::eventstoredb::encode::encode;
use crate::eventstoredb::streams::Streams;
use crate::eventstoredb::tail::Tail;

impl Streams {
    /// Where its stream ends then.
    pub async fn bring(&self, piece: Piece) -> Result<Position, MigrationError> {
        let remembered = self.remembered(piece.stream);
        let mut held = remembered.tail.lock().await;
        let mut tail = match held.take() {
            Some(tail) => tail,
            // Where an earlier run was here already, the append says so.
            None if piece.begins() => Tail::default(),
            None => self.refresh(piece.stream, None).await?,
        };
        let mut rest = vec![piece];
        while let Some(piece) = rest.pop() {
            if let Some((first, second)) = self.bring_one(&mut tail, piece).await? {
                rest.extend([second, first]);
            }
        }
        let position = tail.position;
        *held = Some(tail);
        Ok(position)
    }

    /// Its halves where it is too large.
    async fn bring_one(
        &self,
        tail: &mut Tail,
        mut piece: Piece,
    ) -> Result<Option<(Piece, Piece)>, MigrationError> {
        let stream = piece.stream;
        for _ in 0..2 {
            self.drop_known(tail, &mut piece).await?;
            if piece.events.is_empty() && piece.entries.is_empty() {
                return Ok(None);
            }
            let expected = tail.next.revision;
            if piece.events.first().is_some_and(|event| event.revision != expected) {
                break;
            }
            let events = piece.events.iter().map(as_new).collect();
            let batch = Append { stream, expected, events, entries: piece.entries.clone() };
            let encoded = encode(&batch, tail.ceiling, tail.position)?;
            if encoded.bytes > LARGEST_APPEND {
                let too_large = || MigrationError::TooLarge { stream: self.name(stream) };
                return Ok(Some(piece.halves().ok_or_else(too_large)?));
            }
            self.note_late(stream, tail.late(&encoded)).await?;
            if let Some(last) = self.send(stream, tail.next.record, &encoded).await? {
                let position = if batch.events.is_empty() { tail.position } else { last };
                tail.appended(&encoded, &batch.entries, expected + batch.events.len() as u64, position);
                return Ok(None);
            }
            *tail = self.refresh(stream, None).await?;
        }
        Err(MigrationError::Rival { stream: self.name(stream) })
    }

    /// Leaves out what an earlier run brought.
    async fn drop_known(&self, tail: &Tail, piece: &mut Piece) -> Result<(), LogError> {
        piece.events.retain(|event| event.revision >= tail.next.revision);
        let ids = piece.entries.iter().map(|entry| entry.command_id);
        let known = self.lookup(piece.stream, tail, ids).await?;
        piece.entries.retain(|entry| !known.contains_key(&entry.command_id));
        Ok(())
    }
}

fn as_new(event: &RecordedEvent) -> NewEvent {
    NewEvent {
        event_type: Cow::Owned(event.event_type.to_string()),
        version: event.version,
        data: event.data.clone(),
        meta: event.meta.clone(),
    }
}
