//! Which log it is.

use eventstore::{AppendToStreamOptions, Error, EventData, StreamState};
use octocity_log::{LogError, LogId};
use serde::{Deserialize, Serialize};

use super::streams::{Start, Streams};
use crate::clock::new_command_id;

/// This is the storage format: the last record of its stream says what holds.
#[derive(Serialize, Deserialize)]
struct LogOpened {
    id: uuid::Uuid,
    epoch: u32,
}

impl Streams {
    /// The log's id and epoch; minted where the store has none. Of several who try, one succeeds.
    pub async fn identity(&self) -> Result<(LogId, u32), LogError> {
        let name = &*format!("{}octocity-log", self.connection.options.namespace);
        let damaged = || LogError::Damaged(format!("{name} does not say which log it is"));
        if let Some(opened) = self.records(name, Start::End, 1).await?.pop() {
            let opened: LogOpened = opened.as_json().map_err(|_| damaged())?;
            return Ok((LogId(opened.id), opened.epoch));
        }
        let opened = LogOpened { id: new_command_id().uuid(), epoch: 1 };
        let event = &EventData::json("LogOpened", &opened).map_err(|_| damaged())?.id(opened.id);
        let options =
            AppendToStreamOptions::default().stream_state(StreamState::NoStream).requires_leader(true);
        let options = &options.deadline(self.connection.options.deadline);
        let minted = self.connection.call(|client| async move {
            match client.append_to_stream(name, options, event.clone()).await {
                Err(Error::WrongExpectedVersion { .. }) => Ok(false),
                written => written.map(|_| true),
            }
        });
        match minted.await? {
            true => Ok((LogId(opened.id), opened.epoch)),
            false => Box::pin(self.identity()).await,
        }
    }
}
