//! Which log it is: what the last record of the stream `octocity-log` says.

use eventstore::{Error, EventData, StreamState};
use octocity_log::{LogError, LogId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::connection::OpenError;
use super::record;
use super::streams::{Start, Streams};
use crate::clock::new_command_id;

/// The type of the record that opens a log. This is the storage format.
const OPENED: &str = "LogOpened";
/// The form of everything that stands in the log's streams. A change raises it.
const FORM: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub id: LogId,
    pub epoch: u32,
}

/// This is the storage format.
#[derive(Serialize, Deserialize)]
struct LogOpened {
    form: u32,
    id: Uuid,
    epoch: u32,
}

/// What every later form says too.
#[derive(Deserialize)]
struct Form {
    form: u32,
}

impl Streams {
    fn identity_name(&self) -> String {
        format!("{}octocity-log", self.connection.options.namespace)
    }

    /// None: there is no log yet.
    pub async fn identity(&self) -> Result<Option<Identity>, OpenError> {
        let name = self.identity_name();
        let last = self.records(&name, Start::End, 1).await;
        let last = last.map_err(|error| self.connection.open_error(error))?.pop();
        last.map(|last| self.read_identity(name, &last)).transpose()
    }

    fn read_identity(&self, stream: String, last: &eventstore::RecordedEvent) -> Result<Identity, OpenError> {
        let hosts = self.connection.hosts();
        match last.as_json::<Form>() {
            Ok(Form { form }) if form > FORM => {
                return Err(OpenError::Newer { hosts, found: form, known: FORM });
            }
            Ok(_) if last.event_type == OPENED => {}
            _ => return Err(OpenError::Foreign { hosts, stream }),
        }
        if record::position(last).is_err() {
            return Err(OpenError::Old { hosts });
        }
        let foreign = |_| OpenError::Foreign { hosts, stream };
        let opened: LogOpened = last.as_json().map_err(foreign)?;
        Ok(Identity { id: LogId(opened.id), epoch: opened.epoch })
    }

    /// Which log it is; a new one where there is none. Of several who make one at once, one succeeds.
    pub async fn opened(&self) -> Result<Identity, OpenError> {
        loop {
            if let Some(identity) = self.identity().await? {
                return Ok(identity);
            }
            let made = self.make().await;
            made.map_err(|error| self.connection.open_error(error))?;
        }
    }

    async fn make(&self) -> Result<(), LogError> {
        let (name, opened) =
            (&*self.identity_name(), LogOpened { form: FORM, id: new_command_id().uuid(), epoch: 1 });
        let unwritable = |_| LogError::Damaged(format!("{name} cannot be written"));
        let event = &EventData::json(OPENED, &opened).map_err(unwritable)?.id(opened.id);
        let options = &self.connection.to_append().stream_state(StreamState::NoStream);
        let append = |client: eventstore::Client| async move {
            match client.append_to_stream(name, options, event.clone()).await {
                Err(Error::WrongExpectedVersion { .. }) => Ok(()),
                written => written.map(drop),
            }
        };
        self.connection.call(append).await
    }
}
