//! What operators of the system watch and mend: how far the read models are, and the keys that stand still.

use async_graphql::{Context, Error, InputObject, Object, Result, SimpleObject};
use octocity_domain::operations::{SkipsCommand, SkipsEvent};
use octocity_log::{LogError, StreamId};
use octocity_projections::{MendError, Mended, Parked, Table, ViewStanding, skips, views};

use super::Api;
use super::scalars::{DateTime, MAX_TEXT, UuidText, text};
use super::submit::{Done, command_id, payload, submission};
use crate::faults::{Code, bad_input, failed, field_error};

/// How far one read model is.
#[derive(Clone, Debug, SimpleObject)]
pub struct ProjectionStatus {
    /// The read model's table.
    name: String,
    /// Up to where its rows say what the log says.
    position: String,
    /// It has reached the log's head.
    caught_up: bool,
    /// When the oldest event was decided that it has not folded; null where it has reached the log's head.
    oldest_unprocessed: Option<DateTime>,
    /// For how many seconds that event is in the log; 0 where there is none.
    lag_seconds: i64,
}

/// A key of a read model that stands still, because one of its events could not be applied. The others go on.
#[derive(Clone, Debug, SimpleObject)]
pub struct ParkedKey {
    /// The read model's table.
    projection: String,
    /// The key; the stream's name where its event could not even be read, and the whole stream stands still.
    key: String,
    /// The stream that has the event.
    stream: String,
    /// The event's place in the stream.
    revision: u64,
    /// The event's type.
    event: String,
    /// Why it could not be applied. It names nobody: no plate, no card, no free text.
    error: String,
}

impl From<Parked> for ParkedKey {
    fn from(parked: Parked) -> Self {
        let Parked { view, key, stream, revision, event_type, error } = parked;
        Self { projection: view, key, stream, revision, event: event_type, error }
    }
}

/// How far the system is.
#[derive(Clone, Debug, SimpleObject)]
pub struct Status {
    /// The log's head: pass it as `after` to see all that is stored now.
    position: String,
    /// The server's time.
    now: DateTime,
    /// Its version.
    version: &'static str,
    /// How far the read models are, by name.
    projections: Vec<ProjectionStatus>,
    /// What stands still.
    parked: Vec<ParkedKey>,
    /// How many keys are held on their way to this server, because an earlier event of theirs is missing on Kafka.
    held_keys: u64,
}

/// The keys of a read model that are to go on.
#[derive(InputObject)]
pub struct RetryParkedKeysInput {
    /// The read model's table.
    pub projection: String,
    /// The key; left out: all keys of the read model that stand still.
    pub key: Option<String>,
}

/// What a retry came to.
#[derive(Clone, Debug, SimpleObject)]
pub struct RetryParkedKeysPayload {
    /// The keys that go on; their rows are what a rebuild gives.
    mended: Vec<ParkedKey>,
    /// The keys that stand still again, and where.
    parked: Vec<ParkedKey>,
}

/// An event that a read model is to pass over, for ever.
#[derive(InputObject)]
pub struct SkipParkedEventInput {
    /// A UUIDv7, made for this command.
    pub command_id: UuidText,
    /// The read model's table.
    pub projection: String,
    /// The stream that has the event, as `status.parked` names it.
    pub stream: String,
    /// The event's place in the stream.
    pub revision: u64,
    /// Why: 1 to 500 characters.
    pub reason: String,
}

payload! {
    /// What became of an event that is to be skipped.
    SkipParkedEventPayload {
        /// The keys that go on, or went on before where this is a repeated command.
        mended: Vec<ParkedKey>,
        /// The keys that stand still again, at a later event.
        parked: Vec<ParkedKey>,
    }
}

#[derive(Default)]
pub struct OperationsQuery;

#[Object]
impl OperationsQuery {
    /// How far the log and the read models are, and what stands still.
    async fn status(&self, context: &Context<'_>) -> Result<Status> {
        let api = Api::of(context);
        let parked = api.models.store.parked(&[]).await;
        let parked = parked.map_err(|fault| failed("reading the parked keys", &fault))?;
        let projections = projections(api).await;
        Ok(Status {
            position: api.token(*api.log.head().borrow()),
            now: api.clock.now().into(),
            version: env!("CARGO_PKG_VERSION"),
            projections: projections.map_err(|fault| failed("reading how far the log is", &fault))?,
            parked: parked.into_iter().map(ParkedKey::from).collect(),
            held_keys: api.probes.held_keys(),
        })
    }
}

async fn projections(api: &Api) -> Result<Vec<ProjectionStatus>, LogError> {
    let standings = api.models.standings(&*api.log).await?;
    let status = |ViewStanding { view, position, oldest_unprocessed }| ProjectionStatus {
        name: view.to_owned(),
        position: api.token(position),
        caught_up: oldest_unprocessed.is_none(),
        oldest_unprocessed: oldest_unprocessed.map(DateTime),
        lag_seconds: oldest_unprocessed.map_or(0, |at| api.clock.now().seconds_since(at).max(0)),
    };
    Ok(standings.into_iter().map(status).collect())
}

#[derive(Default)]
pub struct OperationsMutation;

#[Object]
impl OperationsMutation {
    /// Folds keys that stand still again, from the log's beginning: after an upgrade that can apply their events, or
    /// after a skip that broke off. It stores nothing in the log, and may be repeated: it takes no `commandId`.
    async fn retry_parked_keys(
        &self,
        context: &Context<'_>,
        input: RetryParkedKeysInput,
    ) -> Result<RetryParkedKeysPayload> {
        let table = table(&input.projection)?;
        let is_asked = |parked: &Parked| input.key.as_ref().is_none_or(|key| parked.key == *key);
        let (mended, parked) = mend(Api::of(context), table, is_asked).await?;
        Ok(RetryParkedKeysPayload { mended, parked })
    }

    /// Lets a read model pass over an event at which one of its keys stands still, in every rebuild and for ever; then
    /// the key goes on. Last of all means: an upgrade that can apply the event loses nothing.
    async fn skip_parked_event(
        &self,
        context: &Context<'_>,
        input: SkipParkedEventInput,
    ) -> Result<SkipParkedEventPayload> {
        let (api, table) = (Api::of(context), table(&input.projection)?);
        let SkipParkedEventInput { command_id: id, projection: view, stream, revision, reason } = input;
        let reason = text("reason", reason, MAX_TEXT)?;
        let named =
            stream.parse::<StreamId>().map_err(|sentence| bad_input(format!("stream: {sentence}.")))?;
        let stands_there =
            |parked: &Parked| (parked.stream.as_str(), parked.revision) == (stream.as_str(), revision);
        check_parked(api, table, (named, revision), stands_there).await?;
        let (category, stream) = (named.category, named.id);
        let command = SkipsCommand::SkipEvent { view, category, stream, revision, reason };
        let reply = api.handler.skip(submission(context, command_id(id)?, command)).await;
        let Done { position, repeated, refusal, .. } = Done::<SkipsEvent>::of(context, reply)?;
        let (mended, parked) = match refusal {
            None => mend(api, table, stands_there).await?,
            Some(_) => (Vec::new(), Vec::new()),
        };
        Ok(SkipParkedEventPayload { mended, parked, position, repeated, refusal })
    }
}

/// Only what stands in a key's way may be skipped. What is skipped already the command itself says.
async fn check_parked(
    api: &Api,
    table: &'static Table,
    event: (StreamId, u64),
    stands_there: impl Fn(&Parked) -> bool,
) -> Result<()> {
    let parked = api.models.parked(table).await;
    if parked.map_err(|fault| failed("reading the parked keys", &fault))?.iter().any(stands_there) {
        return Ok(());
    }
    let skipped = skips::read(&*api.log).await.map_err(|fault| failed("reading what is skipped", &fault))?;
    match skipped.get(table.name).is_some_and(|skipped| skipped.contains(&event)) {
        true => Ok(()),
        false => Err(bad_input(format!(
            "No key of '{}' stands still at this event; take stream and revision from 'status.parked'.",
            table.name
        ))),
    }
}

fn table(projection: &str) -> Result<&'static Table> {
    let unknown = || bad_input("No read model has this name; 'status.projections' has those there are.");
    views::table(projection).ok_or_else(unknown)
}

async fn mend(
    api: &Api,
    table: &'static Table,
    is_asked: impl Fn(&Parked) -> bool,
) -> Result<(Vec<ParkedKey>, Vec<ParkedKey>)> {
    let Mended { mended, standing } =
        api.models.mend(&*api.log, table, is_asked).await.map_err(|error| not_mended(&error))?;
    let shown = |list: Vec<Parked>| list.into_iter().map(ParkedKey::from).collect();
    Ok((shown(mended), shown(standing)))
}

fn not_mended(error: &MendError) -> Error {
    match error {
        MendError::Busy(_) | MendError::LogBehind(_) => {
            field_error(Code::ProjectionBusy, format!("{error}."))
        }
        MendError::NotOfThisLog(_) | MendError::Store(_) => failed("mending keys that stand still", error),
    }
}
