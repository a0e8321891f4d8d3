//! The pool, and reads that outlast a short fault.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Client, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use octocity_log::LogId;
use tokio::time::{sleep, timeout};

use super::connection::{Place, PostgresOptions, client_config, tls};
use super::fault::{Fault, OpenError};
use super::form;
use crate::clock::shortened;
use crate::outage::Outage;

/// How long a caller waits for a connection that others use.
const WAIT: Duration = Duration::from_secs(30);
/// How long making one may take, all hosts together.
const MAKE: Duration = Duration::from_secs(15);
/// How often it is asked whether the server is there, and how long the answer may take.
const LOOK: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(5);
/// How long a read may take, however often it is tried: neither a connection that is lost without a word nor a server that stands
/// still ever answers.
const READ: Duration = Duration::from_secs(60);
/// The pauses before a read is tried again: two to three seconds in all, as long as a restart takes.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1_600),
];

/// Octocity's schema on a server. Cheap to clone: all clones are one pool.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    place: Arc<Place>,
    /// Begins with a transient fault, ends with the next answer, and is logged then.
    outage: Outage,
}

impl Database {
    /// Connects, and makes or migrates the tables. Nothing is tried twice: what is wrong now is told now.
    pub async fn open(options: &PostgresOptions) -> Result<Self, OpenError> {
        let database = Self::connect(options)?;
        let client = database.client().await.map_err(|fault| OpenError::of(&database.place, &fault))?;
        form::prepare(client, &database.place, &form::MIGRATIONS).await?;
        Ok(database)
    }

    /// Which database this is, if it could be opened, and whether its tables are there as they are to be; nothing is
    /// changed.
    pub async fn look(options: &PostgresOptions) -> Result<(String, bool), OpenError> {
        let database = Self::connect(options)?;
        let client = database.client().await.map_err(|fault| OpenError::of(&database.place, &fault))?;
        let name = database.name();
        Ok(match form::look(client, &database.place, &form::MIGRATIONS).await? {
            (found, known) if found == known => (name, true),
            (0, _) => (format!("{name}, no tables yet; the first command makes them"), false),
            (found, _) => {
                (format!("{name}, tables of version {found}; the next command brings them up"), false)
            }
        })
    }

    fn connect(options: &PostgresOptions) -> Result<Self, OpenError> {
        let (config, place) = client_config(options)?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let tls = tls(options, &config)?;
        let pool = Pool::builder(Manager::from_config(config, tls, recycling))
            .max_size(options.pool_size)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(MAKE))
            .build();
        let unusable = |reason: String| OpenError::Unusable { place: Arc::clone(&place), reason };
        let pool = pool.map_err(|error| unusable(error.to_string()))?;
        Ok(Self { pool, place, outage: Outage::default() })
    }

    /// Says that what is stored here is of this log, or learns that it is of another one.
    pub async fn bind(&self, log: LogId) -> Result<(), OpenError> {
        let bound = async { form::bind(&self.client().await?, log).await };
        match bound.await.map_err(|fault| OpenError::of(&self.place, &fault))? {
            found if found == log => Ok(()),
            found => Err(OpenError::OtherLog { place: Arc::clone(&self.place), found, own: log }),
        }
    }

    /// Where it is, for people: `host:port/database (schema name)`.
    pub fn name(&self) -> String {
        let Place { hosts, database, schema, .. } = &*self.place;
        format!("{hosts}/{database} (schema {schema})")
    }

    pub(super) async fn client(&self) -> Result<Client, Fault> {
        Ok(self.pool.get().await?)
    }

    pub(super) fn open_error(&self, fault: &Fault) -> OpenError {
        OpenError::of(&self.place, fault)
    }

    /// Prepared statements name tables by what they were.
    pub(super) fn forget_statements(&self) {
        self.pool.manager().statement_caches.clear();
    }

    /// Does it once. After a transient fault nobody gets one of the old connections: they may lead to a server that
    /// is no longer the one to write to.
    pub(super) async fn once<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let done = work.await;
        match &done {
            Err(fault) if fault.is_transient() => {
                self.pool.retain(|_, _| false);
                self.fails(fault);
            }
            Ok(_) if self.outage.is_over() => {
                tracing::info!(server = self.place.hosts, "PostgreSQL answers again");
            }
            _ => {}
        }
        done
    }

    fn fails(&self, fault: &Fault) {
        if self.outage.begins() {
            tracing::warn!(server = self.place.hosts, %fault, "PostgreSQL does not answer; it is tried again");
        }
    }

    pub fn outage(&self) -> Outage {
        self.outage.clone()
    }

    /// Asks for ever whether the server is there: whoever has nothing to read or write would not notice.
    pub async fn watch(&self) {
        loop {
            sleep(LOOK).await;
            let ask = async { Ok(self.client().await?.simple_query("SELECT 1").await?) };
            if timeout(ANSWER, self.once(ask)).await.is_err() {
                self.fails(&Fault::unreachable("no answer in time"));
            }
        }
    }

    /// Does what may be done any number of times, until it is done or the fault outlasts [`PAUSES`].
    pub(super) async fn read<T, F>(&self, work: impl Fn() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        self.read_within(READ, READ, work).await
    }

    /// The same; each time it may take as long as `each`, and all of it as long as `in_all`.
    pub(super) async fn read_within<T, F>(
        &self,
        each: Duration,
        in_all: Duration,
        work: impl Fn() -> F,
    ) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let late = || Fault::unreachable("no answer in time");
        let work = || async { timeout(each, work()).await.map_err(|_| late())? };
        let tried = async {
            for pause in PAUSES {
                match self.once(work()).await {
                    Err(fault) if fault.is_transient() => sleep(shortened(pause)).await,
                    done => return done,
                }
            }
            self.once(work()).await
        };
        match timeout(in_all, tried).await {
            Ok(done) => done,
            // A fault like any other, so that nobody gets the connection that does not answer.
            Err(_) => self.once(async { Err(late()) }).await,
        }
    }
}
