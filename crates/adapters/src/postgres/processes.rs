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

#[derive(Clone)]
pub struct PostgresProcessStore {
    database: Database,
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

async fn write_step(transaction: &Transaction<'_>, step: &Step, effects: &[String]) -> Result<(), Fault> {
    let place = "INSERT INTO process_checkpoints (process, log, epoch, position) VALUES ($1, $2, $3, $4)
        ON CONFLICT (process) DO UPDATE
        SET log = excluded.log, epoch = excluded.epoch, position = excluded.position";
    let place = transaction.prepare_cached(place).await?;
    for Checkpoint { process, log, epoch, position } in &step.checkpoints {
        let (epoch, position) = (i64::from(*epoch), position.0.cast_signed());
        transaction.execute(&place, &[process, &log.0, &epoch, &position]).await?;
    }
    let mut effects = effects.iter();
    for run in step.changes.chunk_by(|one, other| is_plan(one) && is_plan(other)) {
        if let [OutboxChange::Cancel { process, subject }] = run {
            let cancel = "DELETE FROM outbox WHERE process = $1 AND subject = $2";
            let cancel = transaction.prepare_cached(cancel).await?;
            transaction.execute(&cancel, &[process, subject]).await?;
        } else {
            let plans = run.iter().filter_map(|change| match change {
                OutboxChange::Plan(planned) => Some(planned),
                OutboxChange::Cancel { .. } => None,
            });
            plan(transaction, &plans.collect::<Vec<_>>(), &mut effects).await?;
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
async fn plan(
    transaction: &Transaction<'_>,
    plans: &[&Planned],
    effects: &mut impl Iterator<Item = &String>,
) -> Result<(), Fault> {
    let insert = "INSERT INTO outbox (id, process, subject, facility, due, correlation, effect)
        SELECT id, process, subject, facility, due, correlation, effect
        FROM unnest($1::UUID[], $2::TEXT[], $3::UUID[], $4::UUID[], $5::BIGINT[], $6::UUID[], $7::TEXT[])
            WITH ORDINALITY AS p (id, process, subject, facility, due, correlation, effect, number)
        ORDER BY number ON CONFLICT (id) DO NOTHING";
    let insert = transaction.prepare_cached(insert).await?;
    let ids = plans.iter().map(|plan| plan.id.uuid()).collect::<Vec<_>>();
    let processes = plans.iter().map(|plan| &*plan.process).collect::<Vec<_>>();
    let subjects = plans.iter().map(|plan| plan.subject).collect::<Vec<_>>();
    let facilities = plans.iter().map(|plan| plan.facility.uuid()).collect::<Vec<_>>();
    let due = plans.iter().map(|plan| plan.due.millis()).collect::<Vec<_>>();
    let correlations = plans.iter().map(|plan| plan.correlation).collect::<Vec<_>>();
    let effects = effects.take(plans.len()).collect::<Vec<_>>();
    transaction
        .execute(&insert, &[&ids, &processes, &subjects, &facilities, &due, &correlations, &effects])
        .await?;
    Ok(())
}

#[async_trait]
impl ProcessStore for PostgresProcessStore {
    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, ProcessStoreError> {
        let known = self.database.read(|| async {
            let client = self.database.client().await?;
            let rows =
                client.query("SELECT process, log, epoch, position FROM process_checkpoints", &[]).await?;
            let checkpoint = |row: &Row| Checkpoint {
                process: row.get(0),
                log: LogId(row.get(1)),
                epoch: row.get::<_, i64>(2).unsigned_abs() as u32,
                position: Position(row.get::<_, i64>(3).cast_unsigned()),
            };
            Ok(rows.iter().map(checkpoint).collect())
        });
        Ok(known.await?)
    }

    async fn parked(&self) -> Result<Vec<ParkedStream>, ProcessStoreError> {
        let rows = self.database.read(|| async {
            let client = self.database.client().await?;
            let select = "SELECT process, stream, revision, event_type, error FROM parked_streams
                ORDER BY process, stream";
            Ok(client.query(select, &[]).await?)
        });
        let parked = |row: &Row| {
            Ok(ParkedStream {
                process: row.get(0),
                stream: row.get::<_, &str>(1).parse().map_err(ProcessStoreError)?,
                revision: row.get::<_, i64>(2).cast_unsigned(),
                event_type: row.get(3),
                error: row.get(4),
            })
        };
        rows.await?.iter().map(parked).collect()
    }

    async fn commit(&self, step: Step) -> Result<(), ProcessStoreError> {
        let effects = step.changes.iter().filter_map(|change| match change {
            OutboxChange::Plan(planned) => Some(serde_json::to_string(&planned.effect)),
            OutboxChange::Cancel { .. } => None,
        });
        let effects = effects.collect::<Result<Vec<_>, _>>();
        let effects = effects.map_err(|error| ProcessStoreError(error.to_string()))?;
        let written = self.database.once(async {
            let mut client = self.database.client().await?;
            let transaction = client.transaction().await?;
            write_step(&transaction, &step, &effects).await?;
            Ok(transaction.commit().await?)
        });
        Ok(written.await?)
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
            let rows = client.query("SELECT key, call FROM gateway_calls", &[]).await?;
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
