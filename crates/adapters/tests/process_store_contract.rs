//! The contract of the process store, on SQLite.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use octocity_adapters::sqlite::SqliteProcessStore;
use octocity_commands::contract::ProcessStorage;
use octocity_commands::{ProcessStore, process_store_contract};
use tempfile::TempDir;

struct Folder(TempDir);

impl ProcessStorage for Folder {
    fn open(&self) -> Arc<dyn ProcessStore> {
        Arc::new(SqliteProcessStore::open(&self.0.path().join("processes.db")).unwrap())
    }
}

process_store_contract!(Folder(tempfile::tempdir().unwrap()));

#[tokio::test]
async fn an_effect_that_cannot_be_read_holds_up_no_other() {
    use octocity_commands::process_store::{OutboxChange, Step};
    use octocity_domain::process::{Effect, Planned};
    use octocity_domain::{CommandId, FacilityId, Timestamp, VisitId};
    use uuid::Uuid;

    let folder = Folder(tempfile::tempdir().unwrap());
    let at = Timestamp::from_seconds(1_772_438_400);
    let planned = |number: u128| Planned {
        id: CommandId::new(Uuid::from_u128(number)),
        process: "stays".into(),
        subject: Uuid::from_u128(number),
        facility: FacilityId::new(Uuid::from_u128(77)),
        due: at,
        correlation: Uuid::from_u128(99),
        effect: Effect::EndStay { visit: VisitId::new(Uuid::from_u128(number)), ended_at: at },
    };
    let store = folder.open();
    let changes = vec![OutboxChange::Plan(planned(1)), OutboxChange::Plan(planned(2))];
    store.commit(Step { changes, ..Step::default() }).await.unwrap();
    let file = rusqlite::Connection::open(folder.0.path().join("processes.db")).unwrap();
    file.execute("UPDATE outbox SET effect = '{}' WHERE planned = 1", []).unwrap();
    assert_eq!(store.due(at, 9, &[]).await.unwrap(), [planned(2)]);
    // Known by now, it takes no room either.
    assert_eq!(store.due(at, 1, &[]).await.unwrap(), [planned(2)]);
}
