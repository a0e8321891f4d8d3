//! What processes remember: their checkpoints and the outbox, and what the simulated gateway was asked to do. Unlike
//! the read models it cannot be built again, so a commit is on the server's disk when it returns.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use deadpool_postgres::Transaction;
use octocity_commands::process_store::{
    Checkpoint, OutboxChange, ParkedStream, ProcessStore, ProcessStoreError, Step,
};
use octocity_domain::process::Planned;
use octocity_domain::{CommandId, FacilityId, Timestamp};
use octocity_log::{LogId, Position};
use tokio_postgres::Row;
use uuid::Uuid;

use super::database::Database;
use super::fault::Fault;
use super::lease::Lease;
use crate::gateway::GatewayBook;
use crate::process_state::StoredEffect;

pub const CHECKPOINTS: &str = "SELECT process, log, epoch, position FROM process_checkpoints";
pub const PARKED: &str =
    "SELECT process, stream, revision, event_type, error FROM parked_streams ORDER BY process, stream";
pub const GATEWAY_CALLS: &str = "SELECT key, call FROM gateway_calls";

#[derive(Clone)]
pub struct PostgresProcessStore {
    pub(super) database: Database,
    /// Rows of the outbox that cannot be read, and were logged.
    unreadable: Arc<Mutex<BTreeSet<i64>>>,
}

impl PostgresProcessStore {
    pub fn new(database: Database) -> Self {
        Self { database, unreadable: Arc::default() }
    }

    /// The right to carry effects out, which one process at a time has. None: another has it.
    pub async fn lease(&self) -> Result<Option<Lease>, ProcessStoreError> {
        Ok(self.database.once(self.database.lease("processes")).await?)
    }

    fn unreadable(&self) -> Vec<i64> {
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// The effect, unless it cannot be read.
    fn planned(&self, row: &Row) -> Option<Planned> {
        let effect = serde_json::from_str(row.get::<_, &str>(6));
        let Ok(effect) = effect else {
            let planned: i64 = row.get(7);
            // Not what it says: that may be personal.
            tracing::error!(planned, "a planned effect cannot be read, and is left undone");
            self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).insert(planned);
            return None;
        };
        Some(Planned {
            id: CommandId::new(row.get(0)),
            process: row.get::<_, String>(1).into(),
            subject: row.get(2),
            facility: FacilityId::new(row.get(3)),
            due: Timestamp::from_millis(row.get(4)),
            correlation: row.get(5),
            effect,
        })
    }
}

/// Others wait until the transaction ends.
async fn is_as_left(transaction: &Transaction<'_>, from: &[Checkpoint]) -> Result<bool, Fault> {
    let processes: Vec<&str> = from.iter().map(|checkpoint| checkpoint.process.as_str()).collect();
    let hold = "SELECT process, log, epoch, position FROM process_checkpoints WHERE process = ANY ($1)
        ORDER BY process FOR UPDATE";
    let hold = transaction.prepare_cached(hold).await?;
    let held: Vec<Checkpoint> =
        transaction.query(&hold, &[&processes]).await?.iter().map(checkpoint_of).collect();
    Ok(from.iter().all(|checkpoint| held.contains(checkpoint)))
}

/// `plans`: the planned effects among the changes.
pub async fn write_step(
    transaction: &Transaction<'_>,
    step: &Step,
    mut plans: &[StoredEffect],
) -> Result<(), Fault> {
    let place = "INSERT INTO process_checkpoints (process, log, epoch, position) VALUES ($1, $2, $3, $4)
        ON CONFLICT (process) DO UPDATE
        SET log = excluded.log, epoch = excluded.epoch, position = excluded.position";
    let place = transaction.prepare_cached(place).await?;
    for Checkpoint { process, log, epoch, position } in &step.checkpoints {
        let (epoch, position) = (i64::from(*epoch), position.0.cast_signed());
        transaction.execute(&place, &[process, &log.0, &epoch, &position]).await?;
    }
    for run in step.changes.chunk_by(|one, other| is_plan(one) && is_plan(other)) {
        if let [OutboxChange::Cancel { process, subject }] = run {
            let cancel = "DELETE FROM outbox WHERE process = $1 AND subject = $2";
            let cancel = transaction.prepare_cached(cancel).await?;
            transaction.execute(&cancel, &[process, subject]).await?;
        } else {
            let (some, rest) = plans.split_at(run.len());
            plan(transaction, some).await?;
            plans = rest;
        }
    }
    park(transaction, step).await
}

async fn park(transaction: &Transaction<'_>, step: &Step) -> Result<(), Fault> {
    for ParkedStream { process, stream, .. } in &step.taken_up {
        let delete = "DELETE FROM parked_streams WHERE process = $1 AND stream = $2";
        transaction.execute(delete, &[process, &stream.to_string()]).await?;
    }
    for ParkedStream { process, stream, revision, event_type, error } in &step.parked {
        let insert = "INSERT INTO parked_streams (process, stream, revision, event_type, error)
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (process, stream) DO UPDATE
            SET revision = excluded.revision, event_type = excluded.event_type, error = excluded.error";
        let revision = revision.cast_signed();
        transaction.execute(insert, &[process, &stream.to_string(), &revision, event_type, error]).await?;
    }
    Ok(())
}

const fn is_plan(change: &OutboxChange) -> bool {
    matches!(change, OutboxChange::Plan(_))
}

/// Many in one statement; their numbers rise in the order they are given.
pub async fn plan(transaction: &Transaction<'_>, plans: &[StoredEffect]) -> Result<(), Fault> {
    let insert = "INSERT INTO outbox (id, process, subject, facility, due, correlation, effect)
        SELECT id, process, subject, facility, due, correlation, effect
        FROM unnest($1::UUID[], $2::TEXT[], $3::UUID[], $4::UUID[], $5::BIGINT[], $6::UUID[], $7::TEXT[])
            WITH ORDINALITY AS p (id, process, subject, facility, due, correlation, effect, number)
        ORDER BY number ON CONFLICT (id) DO NOTHING";
    let insert = transaction.prepare_cached(insert).await?;
    let ids = plans.iter().map(|plan| plan.id).collect::<Vec<_>>();
    let processes = plans.iter().map(|plan| &*plan.process).collect::<Vec<_>>();
    let subjects = plans.iter().map(|plan| plan.subject).collect::<Vec<_>>();
    let facilities = plans.iter().map(|plan| plan.facility).collect::<Vec<_>>();
    let due = plans.iter().map(|plan| plan.due.millis()).collect::<Vec<_>>();
    let correlations = plans.iter().map(|plan| plan.correlation).collect::<Vec<_>>();
    let effects = plans.iter().map(|plan| &*plan.effect).collect::<Vec<_>>();
    transaction
        .execute(&insert, &[&ids, &processes, &subjects, &facilities, &due, &correlations, &effects])
        .await?;
    Ok(())
}

pub fn checkpoint_of(row: &Row) -> Checkpoint {
    Checkpoint {
        process: row.get(0),
        log: LogId(row.get(1)),
        epoch: row.get::<_, i64>(2).unsigned_abs() as u32,
        position: Position(row.get::<_, i64>(3).cast_unsigned()),
    }
}

pub fn parked_of(row: &Row) -> Result<ParkedStream, Fault> {
    Ok(ParkedStream {
        process: row.get(0),
        stream: row.get::<_, &str>(1).parse().map_err(|reason: String| Fault::unreadable(reason))?,
        revision: row.get::<_, i64>(2).cast_unsigned(),
        event_type: row.get(3),
        error: row.get(4),
    })
}

#[async_trait]
impl ProcessStore for PostgresProcessStore {
    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, ProcessStoreError> {
        let known = self.database.read(|| async {
            let client = self.database.client().await?;
            let rows = client.query(CHECKPOINTS, &[]).await?;
            Ok(rows.iter().map(checkpoint_of).collect())
        });
        Ok(known.await?)
    }

    async fn parked(&self) -> Result<Vec<ParkedStream>, ProcessStoreError> {
        let parked = self.database.read(|| async {
            let client = self.database.client().await?;
            client.query(PARKED, &[]).await?.iter().map(parked_of).collect()
        });
        Ok(parked.await?)
    }

    async fn commit(&self, step: Step) -> Result<(), ProcessStoreError> {
        let plans = step.changes.iter().filter_map(|change| match change {
            OutboxChange::Plan(planned) => Some(StoredEffect::try_new(planned)),
            OutboxChange::Cancel { .. } => None,
        });
        let plans = plans.collect::<Result<Vec<_>, _>>();
        let plans = plans.map_err(|error| ProcessStoreError(error.to_string()))?;
        let written = self.database.once(async {
            let mut client = self.database.client().await?;
            let transaction = client.transaction().await?;
            if !is_as_left(&transaction, &step.from).await? {
                return Ok(false);
            }
            write_step(&transaction, &step, &plans).await?;
            transaction.commit().await?;
            Ok(true)
        });
        if written.await? { Ok(()) } else { Err(ProcessStoreError::not_as_left()) }
    }

    async fn due(
        &self,
        now: Timestamp,
        limit: usize,
        waiting: &[Uuid],
    ) -> Result<Vec<Planned>, ProcessStoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let due = self.database.read(|| async {
            let client = self.database.client().await?;
            let select =
                "SELECT id, process, subject, facility, due, correlation, effect, planned FROM outbox
                WHERE due <= $1 AND subject <> ALL ($3) AND planned <> ALL ($4) ORDER BY planned LIMIT $2";
            let select = client.prepare_cached(select).await?;
            let rows = client.query(&select, &[&now.millis(), &limit, &waiting, &self.unreadable()]).await?;
            Ok(rows.iter().filter_map(|row| self.planned(row)).collect())
        });
        Ok(due.await?)
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, ProcessStoreError> {
        let next = self.database.read(|| async {
            let client = self.database.client().await?;
            let select = "SELECT due FROM outbox WHERE due > $1 ORDER BY due LIMIT 1";
            let select = client.prepare_cached(select).await?;
            let row = client.query_opt(&select, &[&now.millis()]).await?;
            Ok(row.map(|row| Timestamp::from_millis(row.get(0))))
        });
        Ok(next.await?)
    }

    async fn done(&self, ids: &[CommandId]) -> Result<(), ProcessStoreError> {
        let ids = ids.iter().map(|id| id.uuid()).collect::<Vec<_>>();
        // Forgetting twice is forgetting once.
        let done = self.database.read(|| async {
            let client = self.database.client().await?;
            let forget = client.prepare_cached("DELETE FROM outbox WHERE id = ANY ($1)").await?;
            client.execute(&forget, &[&ids]).await?;
            Ok(())
        });
        Ok(done.await?)
    }
}

#[async_trait]
impl GatewayBook for PostgresProcessStore {
    async fn calls(&self) -> Result<Vec<(String, String)>, ProcessStoreError> {
        let calls = self.database.read(|| async {
            let client = self.database.client().await?;
            let rows = client.query(GATEWAY_CALLS, &[]).await?;
            Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
        });
        Ok(calls.await?)
    }

    async fn keep(&self, key: String, call: String) -> Result<(), ProcessStoreError> {
        let kept = self.database.read(|| async {
            let client = self.database.client().await?;
            let insert = "INSERT INTO gateway_calls (key, call) VALUES ($1, $2)
                ON CONFLICT (key) DO UPDATE SET call = excluded.call";
            client.execute(insert, &[&key, &call]).await?;
            Ok(())
        });
        Ok(kept.await?)
    }
}
