//! What one process at a time may hold: a lock of the server's that ends with the connection that holds it.

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object};

use super::database::Database;
use super::fault::Fault;

/// How often the holder looks whether its connection lives, and how long the answer may take.
const LOOK: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(5);

/// Held until it is dropped, or lost with its connection.
pub struct Lease(ClientWrapper);

impl Database {
    /// None: another process has it.
    pub(super) async fn lease(&self, of: &str) -> Result<Option<Lease>, Fault> {
        let client = self.client().await?;
        let ask = "SELECT pg_try_advisory_lock(hashtextextended(current_schema() || ' ' || $1, 0))";
        let is_ours: bool = client.query_one(ask, &[&of]).await?.get(0);
        // One that holds it leaves the pool, so that no other work ends it.
        Ok(is_ours.then(|| Lease(Object::take(client))))
    }
}

impl Lease {
    /// Waits until it can no longer be known to be held: then another may have it.
    pub async fn lost(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let answered = tokio::time::timeout(ANSWER, self.0.simple_query("SELECT 1")).await;
            if !matches!(answered, Ok(Ok(_))) {
                return;
            }
        }
    }
}
