//! Snapshots: a cache that may be deleted at any time. A commit does not wait for the disk, and nobody waits for a
//! server that is away: what it cannot say is folded from the log.

use std::time::Duration;

use async_trait::async_trait;
use octocity_log::{LogError, Snapshot, SnapshotStore, StreamId};

use super::database::Database;
use super::fault::Fault;

/// A stream can be read from the log in that time; a car may stand at the gate.
const PATIENCE: Duration = Duration::from_millis(250);

pub struct PostgresSnapshots(Database);

impl PostgresSnapshots {
    pub const fn new(database: Database) -> Self {
        Self(database)
    }

    /// None where the server is away, which the database logs once, or slow, which is no fault: others go on with
    /// their connections.
    async fn soon<T>(
        &self,
        work: impl Future<Output = Result<Option<T>, Fault>>,
    ) -> Result<Option<T>, LogError> {
        match tokio::time::timeout(PATIENCE, self.0.once(work)).await {
            Err(_) => Ok(None),
            Ok(Err(fault)) if fault.is_transient() => Ok(None),
            Ok(done) => Ok(done?),
        }
    }
}

#[async_trait]
impl SnapshotStore for PostgresSnapshots {
    async fn load(&self, stream: StreamId) -> Result<Option<Snapshot>, LogError> {
        let snapshot = self.soon(async {
            let client = self.0.client().await?;
            let find = "SELECT next_revision, version, state FROM snapshots WHERE id = $1 AND category = $2";
            let find = client.prepare_cached(find).await?;
            let row = client.query_opt(&find, &[&stream.id, &stream.category.as_str()]).await?;
            Ok(row.map(|row| Snapshot {
                next_revision: row.get::<_, i64>(0).unsigned_abs(),
                version: row.get::<_, i64>(1).unsigned_abs() as u32,
                state: row.get(2),
            }))
        });
        snapshot.await
    }

    async fn save(&self, stream: StreamId, snapshot: Snapshot) -> Result<(), LogError> {
        let saved = self.soon(async {
            let mut client = self.0.client().await?;
            let save = "INSERT INTO snapshots (id, category, next_revision, version, state)
                VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id, category) DO UPDATE
                SET next_revision = excluded.next_revision, version = excluded.version, state = excluded.state";
            let Snapshot { next_revision, version, state } = &snapshot;
            let (revision, version) = (next_revision.cast_signed(), i64::from(*version));
            let transaction = client.transaction().await?;
            transaction.batch_execute("SET LOCAL synchronous_commit = off").await?;
            let save = transaction.prepare_cached(save).await?;
            transaction
                .execute(&save, &[&stream.id, &stream.category.as_str(), &revision, &version, state])
                .await?;
            transaction.commit().await?;
            Ok(Some(()))
        });
        saved.await.map(drop)
    }
}
