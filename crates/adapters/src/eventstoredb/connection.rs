//! The client of EventStoreDB, made anew where it gave up, and what is asked again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eventstore::{
    AppendToStreamOptions, Client, ClientSettings, Credentials, Error, ReadAllOptions, ReadStreamOptions,
};
use octocity_log::LogError;
use thiserror::Error;

use super::EventStoreOptions;

/// Why a log cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error(
        "The connection string of EventStoreDB cannot be read; it has the form \
         esdb://USER:PASSWORD@HOST:2113?tls=true, with several hosts between commas."
    )]
    Settings,
    #[error(
        "EventStoreDB is to be trusted unseen (tlsVerifyCert=false); name its certificate by tlsCaFile instead."
    )]
    Unverified,
    #[error("{0} cannot be read as a certificate or key; check the paths in the connection string.")]
    Certificate(String),
    #[error(
        "EventStoreDB at {hosts} cannot be reached ({reason}); check that it runs and that the connection \
         string names it."
    )]
    Unreachable { hosts: String, reason: String },
    #[error("EventStoreDB at {hosts} refuses the user; check user and password.")]
    Refused { hosts: String },
    #[error("EventStoreDB at {hosts} is older than 22.10, and does not tell positions; upgrade it.")]
    Old { hosts: String },
    #[error(
        "The log in EventStoreDB at {hosts} was written by a newer version of Octocity (its form is {found}, this \
         one knows {known}); upgrade Octocity or name another namespace."
    )]
    Newer { hosts: String, found: u32, known: u32 },
    #[error(
        "A migration into EventStoreDB at {hosts} is not finished; finish it by octocity migrate --to eventstoredb."
    )]
    Unfinished { hosts: String },
    #[error(
        "EventStoreDB at {hosts} holds a stream {stream} that is not Octocity's; name another namespace."
    )]
    Foreign { hosts: String, stream: String },
}

/// Why a call has no answer.
enum Fault {
    /// Asked again, it may have one; `lost`: not from this client, which has given up.
    Transient {
        reason: String,
        lost: bool,
    },
    Final(LogError),
}

/// What stands for the refusal of a user, where nothing but the error's text is left.
const REFUSED: &str = "EventStoreDB refuses the user; check user and password";

pub struct Connection {
    pub settings: ClientSettings,
    pub options: EventStoreOptions,
    /// With a number that rises with each one made.
    client: Mutex<(u64, Client)>,
}

impl Connection {
    pub fn new(settings: ClientSettings, options: EventStoreOptions) -> Result<Self, OpenError> {
        let client =
            Client::new(settings.clone()).map_err(|error| OpenError::Certificate(error.to_string()))?;
        Ok(Self { settings, options, client: Mutex::new((0, client)) })
    }

    pub fn to_append(&self) -> AppendToStreamOptions {
        let options = AppendToStreamOptions::default().requires_leader(true).deadline(self.options.deadline);
        match self.credentials() {
            Some(credentials) => options.authenticated(credentials),
            None => options,
        }
    }

    pub fn to_read(&self) -> ReadStreamOptions {
        let options = ReadStreamOptions::default().requires_leader(true).deadline(self.options.deadline);
        match self.credentials() {
            Some(credentials) => options.authenticated(credentials),
            None => options,
        }
    }

    pub fn to_read_all(&self) -> ReadAllOptions {
        let options = ReadAllOptions::default().requires_leader(true).deadline(self.options.deadline);
        match self.credentials() {
            Some(credentials) => options.authenticated(credentials),
            None => options,
        }
    }

    /// The client takes a user out of the connection string only, and there not every password can stand.
    fn credentials(&self) -> Option<Credentials> {
        let user = self.options.user.as_ref()?;
        Some(Credentials::new(user.name.clone(), user.password.clone()))
    }

    pub fn hosts(&self) -> String {
        let hosts = self.settings.hosts().iter().map(|host| format!("{}:{}", host.host, host.port));
        hosts.collect::<Vec<_>>().join(",")
    }

    /// The fault of the first call, as whoever configures it is told.
    pub fn open_error(&self, error: LogError) -> OpenError {
        let (hosts, reason) = (self.hosts(), error.to_string());
        match error {
            LogError::Unavailable(reason) if reason == REFUSED => OpenError::Refused { hosts },
            LogError::Unavailable(reason) => OpenError::Unreachable { hosts, reason },
            _ => OpenError::Unreachable { hosts, reason },
        }
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Client)> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Once it cannot reach a node, the client answers nothing any more; another one begins with the hosts again.
    fn renew(&self, seen: u64) {
        match Client::new(self.settings.clone()) {
            Ok(client) => {
                let mut current = self.lock();
                if current.0 == seen {
                    *current = (seen + 1, client);
                }
            }
            Err(error) => tracing::warn!(%error, "no new client of EventStoreDB could be made"),
        }
    }

    /// What the call answers, asked again with growing pauses while the fault is a passing one.
    pub async fn call<T, F>(&self, call: impl Fn(Client) -> F) -> Result<T, LogError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut pause = self.options.first_pause;
        let mut attempt = 1;
        loop {
            let (number, client) = self.lock().clone();
            // The client itself waits for ever where a connection is silent.
            let answer =
                tokio::time::timeout(self.options.deadline + Duration::from_secs(1), call(client)).await;
            let fault = match answer.unwrap_or(Err(Error::DeadlineExceeded)) {
                Ok(answer) => return Ok(answer),
                Err(error) => self.fault(&error),
            };
            let (reason, lost) = match fault {
                Fault::Final(error) => return Err(error),
                Fault::Transient { reason, .. } if attempt >= self.options.attempts => {
                    return Err(LogError::Unavailable(reason));
                }
                Fault::Transient { reason, lost } => (reason, lost),
            };
            tracing::warn!(reason, attempt, "EventStoreDB did not answer and is asked again");
            if lost {
                self.renew(number);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.options.longest_pause);
            attempt += 1;
        }
    }

    fn fault(&self, error: &Error) -> Fault {
        let transient = |lost| Fault::Transient { reason: reason(error), lost };
        match error {
            Error::ConnectionClosed | Error::GrpcConnectionError(_) => transient(true),
            // The client stays with the node that it chose once, whatever becomes of it.
            Error::ServerError(_) | Error::DeadlineExceeded => transient(self.settings.hosts().len() > 1),
            // It goes to the leader by itself.
            Error::NotLeaderException(_) => transient(false),
            Error::Grpc { code, .. } if is_passing(*code) => transient(false),
            Error::AccessDenied => Fault::Final(LogError::Unavailable(REFUSED.to_owned())),
            Error::ResourceDeleted => {
                Fault::Final(LogError::Damaged("one of its streams was deleted in EventStoreDB".to_owned()))
            }
            other => Fault::Final(LogError::Unavailable(reason(other))),
        }
    }
}

/// The server's own words, without what the client writes around them.
fn reason(error: &Error) -> String {
    match error {
        Error::ConnectionClosed | Error::GrpcConnectionError(_) => "no connection".to_owned(),
        Error::DeadlineExceeded => "no answer in time".to_owned(),
        Error::Grpc { message, .. } => message.clone(),
        Error::ServerError(status) => {
            let said = status.split_once("message: \"").and_then(|(_, rest)| rest.split_once('"'));
            said.map_or_else(|| status.clone(), |(said, _)| said.to_owned())
        }
        other => other.to_string(),
    }
}

fn is_passing(code: tonic::Code) -> bool {
    matches!(code, tonic::Code::Aborted | tonic::Code::Cancelled | tonic::Code::ResourceExhausted)
}
