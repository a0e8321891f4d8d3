//! Which log it is: what the last record of the stream `octocity-log` says.

use octocity_log::{LogError, LogId, Position};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::connection::OpenError;
use super::record;
use super::streams::{Start, Streams};
use super::wire::{Expected, Proposed, Record};
use crate::clock::new_command_id;

/// The type of the record that opens a log. This is the storage format.
const OPENED: &str = "LogOpened";
/// The type of a record that says how far a migration came. This is the storage format.
pub const MIGRATING: &str = "LogMigrating";
/// The form of everything that stands in the log's streams. A change raises it.
const FORM: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub id: LogId,
    pub epoch: u32,
    /// What was brought over from the epoch before, if anything.
    pub migrated: Option<Migrated>,
}

/// What a new epoch began with. This is the storage format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migrated {
    /// The end of the epoch before, by its own positions.
    pub from: u64,
    /// Where that is here.
    pub to: u64,
    pub events: u64,
    pub commands: u64,
    pub hash: String,
}

/// What the store says of itself.
pub enum Standing {
    Empty,
    Open(Identity),
    Migrating { id: LogId, epoch: u32 },
}

/// This is the storage format.
#[derive(Serialize, Deserialize)]
struct LogOpened {
    form: u32,
    id: Uuid,
    epoch: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    migrated: Option<Migrated>,
}

/// This is the storage format.
#[derive(Serialize, Deserialize)]
pub struct LogMigrating {
    form: u32,
    id: Uuid,
    epoch: u32,
    /// Up to where the old log is here, by its positions and by those of here. None: nothing is yet.
    pub reached: Option<(u64, u64)>,
}

impl LogMigrating {
    pub fn new(id: LogId, epoch: u32, reached: Option<(Position, Position)>) -> Self {
        Self { form: FORM, id: id.0, epoch, reached: reached.map(|(old, new)| (old.0, new.0)) }
    }
}

/// What every later form says too.
#[derive(Deserialize)]
struct Form {
    form: u32,
}

impl Streams {
    pub fn identity_name(&self) -> String {
        format!("{}octocity-log", self.connection.options.namespace)
    }

    pub async fn standing(&self) -> Result<Standing, OpenError> {
        let last = self.records(&self.identity_name(), Start::End, 1).await;
        match last.map_err(|error| self.connection.open_error(error))?.pop() {
            Some(last) => self.read_standing(&last),
            None => Ok(Standing::Empty),
        }
    }

    fn read_standing(&self, last: &Record) -> Result<Standing, OpenError> {
        let hosts = self.connection.hosts();
        match record::data::<Form>(last) {
            Ok(Form { form }) if form > FORM => {
                return Err(OpenError::Newer { hosts, found: form, known: FORM });
            }
            Ok(_) if record::position(last).is_err() => return Err(OpenError::Old { hosts }),
            _ => {}
        }
        match last.event_type() {
            OPENED => {
                let LogOpened { id, epoch, migrated, .. } = self.read_identity(last)?;
                Ok(Standing::Open(Identity { id: LogId(id), epoch, migrated }))
            }
            MIGRATING => {
                let LogMigrating { id, epoch, .. } = self.read_identity(last)?;
                Ok(Standing::Migrating { id: LogId(id), epoch })
            }
            _ => Err(self.foreign()),
        }
    }

    pub fn read_identity<T: DeserializeOwned>(&self, record: &Record) -> Result<T, OpenError> {
        record::data(record).map_err(|_| self.foreign())
    }

    fn foreign(&self) -> OpenError {
        OpenError::Foreign { hosts: self.connection.hosts(), stream: self.identity_name() }
    }

    /// Which log it is; a new one where there is none. Of several who make one at once, one succeeds.
    pub async fn opened(&self) -> Result<Identity, OpenError> {
        loop {
            match self.standing().await? {
                Standing::Open(identity) => return Ok(identity),
                Standing::Migrating { .. } => {
                    return Err(OpenError::Unfinished { hosts: self.connection.hosts() });
                }
                Standing::Empty => {}
            }
            let identity = Identity { id: LogId(new_command_id().uuid()), epoch: 1, migrated: None };
            let made = self.open_as(identity, 0).await;
            made.map_err(|error| self.connection.open_error(error))?;
        }
    }

    /// Opens the log behind so many records that say which it is to be; false where another was faster.
    pub async fn open_as(&self, identity: Identity, records: u64) -> Result<bool, LogError> {
        let Identity { id, epoch, migrated } = identity;
        self.note_identity(OPENED, &LogOpened { form: FORM, id: id.0, epoch, migrated }, records).await
    }

    pub async fn note_identity(
        &self,
        event_type: &str,
        record: &impl Serialize,
        records: u64,
    ) -> Result<bool, LogError> {
        let name = &*self.identity_name();
        let unwritable = |_| LogError::Damaged(format!("{name} cannot be written"));
        let data = serde_json::to_vec(record).map_err(unwritable)?;
        let record = Proposed::new(new_command_id().uuid(), event_type, Vec::new(), data);
        let noted = self.connection.append(name, Expected::Records(records), &[record]).await?;
        Ok(noted.is_some())
    }
}
