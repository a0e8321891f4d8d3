//! PostgreSQL under the contracts of its three ports, and under what befalls a server.
//!
//! On the server that `OCTOCITY_TEST_POSTGRES` names (an address with user, password and database), or else on one of
//! its own, which ends with this process. Every test has a schema to itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod blue_green;
#[path = "../../../../xtask/src/services/cluster.rs"]
mod cluster;
mod cut;
mod faults;
mod opening;
mod own;
#[path = "../../../../xtask/src/services/ports.rs"]
#[allow(dead_code, reason = "not each test needs one port, or several")]
mod ports;
mod server;

use std::sync::Arc;

use octocity_adapters::postgres::{PostgresProcessStore, PostgresRows, PostgresSnapshots};
use octocity_adapters::sqlite::SqliteRows;
use octocity_commands::ProcessStore;
use octocity_log::SnapshotStore;
use octocity_projections::testing::{Garage, hashes, play};
use octocity_projections::{MemoryRows, RowStore};

use server::{Schema, moves};

mod rows {
    use super::*;

    impl octocity_projections::contract::Storage for Schema {
        fn open(&self) -> Arc<dyn RowStore> {
            Arc::new(PostgresRows::new(self.database()))
        }
    }

    octocity_projections::row_store_contract!(Schema::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_share_partitions() {
    let open = |schema: &Schema, number| -> Arc<dyn RowStore> {
        Arc::new(PostgresRows::of_partitions(schema.database(), number))
    };
    let (one, other) = (Schema::new(), Schema::new());
    octocity_projections::contract::keeps_a_checkpoint_for_each_partition(&|number| open(&one, number)).await;
    octocity_projections::contract::goes_on_with_another_number_of_partitions(&|number| open(&other, number))
        .await;
}

mod processes {
    use super::*;

    impl octocity_commands::contract::ProcessStorage for Schema {
        fn open(&self) -> Arc<dyn ProcessStore> {
            Arc::new(PostgresProcessStore::new(self.database()))
        }
    }

    octocity_commands::process_store_contract!(Schema::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_last_snapshot_of_a_stream() {
    let schema = Schema::new();
    octocity_log::contract::keeps_the_last_snapshot_of_a_stream(&PostgresSnapshots::new(schema.database()))
        .await;
    let again = PostgresSnapshots::new(schema.database());
    let stream = octocity_log::StreamId::new(octocity_domain::Category::Parking, uuid::Uuid::from_u128(1));
    assert!(again.load(stream).await.unwrap().is_some_and(|kept| kept.next_revision == 9), "after a restart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rows_are_those_of_the_other_stores() {
    let history = play(&mut [Garage::new(1), Garage::new(2)], &moves()).await;
    let wanted = hashes(&history.read(Arc::new(MemoryRows::new()), 4_096).await).await;
    assert!(wanted.iter().any(|table| table.table == "visits" && table.rows > 50), "{wanted:?}");
    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteRows::open(&folder.path().join("rows.db")).unwrap();
    assert_eq!(hashes(&history.read(Arc::new(sqlite), 4_096).await).await, wanted);
    for batch_events in [23, 4_096] {
        let schema = Schema::new();
        let models = history.read(Arc::new(PostgresRows::new(schema.database())), batch_events).await;
        assert_eq!(hashes(&models).await, wanted);
        // Taken up again and rebuilt, over a connection of its own.
        let mut engine = history.engine(Arc::new(PostgresRows::new(schema.database())), 50).await;
        let head = engine.catch_up(|_| panic!("nothing is left to fold")).await.unwrap();
        assert_eq!(engine.rebuild(&[], |_| {}).await.unwrap(), head);
        assert_eq!(hashes(&engine.models()).await, wanted);
    }
}
