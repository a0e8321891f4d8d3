//! Live, green and blue rows, each in a file of its own. No server runs meanwhile: a switch copies rows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use octocity_projections::blue_green::{
    Beside, BlueGreen, Generations, Holds, Snapshot, StillSnapshot, Switched, may_switch, next_generation,
};
use octocity_projections::{Checkpoint, RowStore, StoreError, Table};
use rusqlite::{Connection, params};

use super::super::blocking::blocking;
use super::{FORM, SqliteRows, definition, fault, reform_table, stored_checkpoints, unavailable};
use crate::sql::{self, Dialect::Sqlite};
use crate::sqlite::file::{self, OpenError, begin_to_write, open_disposable, open_existing, open_to_read};

/// What stands beside the live file.
const GREEN_FILE: &str = "readmodels.green.db";
const BLUE_FILE: &str = "readmodels.blue.db";
/// What was live, while blue rows become so.
const PASSING_FILE: &str = "readmodels.passing.db";

/// The files of one data folder, which this process holds alone.
pub struct SqliteBlueGreen {
    live: Arc<dyn RowStore>,
    path: PathBuf,
}

impl SqliteBlueGreen {
    /// `path`: the file of the live rows.
    pub fn new(live: Arc<dyn RowStore>, path: PathBuf) -> Self {
        Self { live, path }
    }

    fn beside(&self, which: Beside) -> PathBuf {
        self.path.with_file_name(match which {
            Beside::Green => GREEN_FILE,
            Beside::Blue => BLUE_FILE,
        })
    }
}

#[async_trait]
impl BlueGreen for SqliteBlueGreen {
    fn live(&self) -> Arc<dyn RowStore> {
        Arc::clone(&self.live)
    }

    async fn open(&self, which: Beside) -> Result<Arc<dyn RowStore>, StoreError> {
        Ok(Arc::new(SqliteRows::open(&self.beside(which)).map_err(|error| unavailable(&error))?))
    }

    async fn holds(&self, which: Beside, table: &'static Table) -> Result<Holds, StoreError> {
        let path = self.beside(which);
        if !path.exists() {
            return Ok(Holds::Nothing);
        }
        let known = match open_to_read(&path, &FORM) {
            Err(OpenError::Unmade { .. }) => return Ok(Holds::Nothing),
            Err(error) if error.in_content().is_some() => return Ok(Holds::OtherForm),
            opened => definition(&opened.map_err(|error| unavailable(&error))?, table),
        };
        Ok(match known.map_err(|error| fault(&error))? {
            None => Holds::Nothing,
            Some(known) if known == sql::create(Sqlite, table) => Holds::Rows,
            Some(_) => Holds::OtherForm,
        })
    }

    async fn snapshot(&self, table: &'static Table) -> Result<Box<dyn Snapshot>, StoreError> {
        Ok(Box::new(StillSnapshot::of(self.live(), table).await?))
    }

    async fn switch(
        &self,
        table: &'static Table,
        with: Beside,
        expected: &Generations,
    ) -> Result<Switched, StoreError> {
        let (live, next, expected) = (self.path.clone(), self.beside(with), expected.clone());
        let work = move || switch(table, &live, &next, with, &expected);
        blocking(work).await.map_err(|error| unavailable(&error))?
    }

    async fn forget_green(&self, _: &'static Table) -> Result<(), StoreError> {
        file::remove(&self.beside(Beside::Green)).map_err(|error| unavailable(&error))
    }
}

/// The live file changes in one transaction of its own. What becomes blue is copied before, or, on the way back, after;
/// who is stopped in between has lost nothing that the log does not have.
fn switch(
    table: &'static Table,
    live: &Path,
    next: &Path,
    with: Beside,
    expected: &Generations,
) -> Result<Switched, StoreError> {
    let (stands, comes) = (checkpoints(live, table)?, checkpoints(next, table)?);
    let may = may_switch(&stands, &comes, expected);
    if may != Switched::Done {
        return Ok(may);
    }
    let kept = live.with_file_name(match with {
        Beside::Green => BLUE_FILE,
        Beside::Blue => PASSING_FILE,
    });
    let unusable = |error: OpenError| unavailable(&error);
    // What stands in these files is of no use any more.
    let disposable = |path: &Path| open_disposable(path, &FORM, |_| Ok(())).map_err(unusable);
    let generation = next_generation(&stands);
    copy(disposable(&kept)?, live, table, generation)?;
    copy(open_existing(live, &FORM).map_err(unusable)?, next, table, generation)?;
    if with == Beside::Blue {
        copy(disposable(next)?, &kept, table, generation)?;
        file::remove(&kept).map_err(unusable)?;
    }
    Ok(Switched::Done)
}

fn checkpoints(path: &Path, table: &Table) -> Result<Vec<Checkpoint>, StoreError> {
    let connection = open_to_read(path, &FORM).map_err(|error| unavailable(&error))?;
    let known = stored_checkpoints(&connection).map_err(|error| fault(&error))?;
    Ok(known.into_iter().filter(|known| known.view == table.name).collect())
}

/// Puts the view as another file has it, in whatever form, in place of what this one has, in one transaction.
fn copy(mut to: Connection, from: &Path, table: &'static Table, generation: u32) -> Result<(), StoreError> {
    let source = open_to_read(from, &FORM).map_err(|error| unavailable(&error))?;
    let mut copy = || {
        // Before names could be taken for those of the other file.
        let making = begin_to_write(&mut to)?;
        let form = definition(&source, table)?.unwrap_or_else(|| sql::create(Sqlite, table));
        reform_table(&making, table, &form)?;
        making.commit()?;
        to.execute("ATTACH ? AS source", [from.to_string_lossy()])?;
        let copying = begin_to_write(&mut to)?;
        let name = table.name;
        copying.execute(&format!("DELETE FROM main.{name}"), [])?;
        copying.execute(&format!("INSERT INTO main.{name} SELECT * FROM source.{name}"), [])?;
        for entries in ["checkpoints", "parked"] {
            copying.execute(&format!("DELETE FROM main.{entries} WHERE view = ?"), [name])?;
            let insert = format!("INSERT INTO main.{entries} SELECT * FROM source.{entries} WHERE view = ?");
            copying.execute(&insert, [name])?;
        }
        let raise = "UPDATE main.checkpoints SET generation = ? WHERE view = ?";
        copying.execute(raise, params![generation, name])?;
        copying.commit()
    };
    copy().map_err(|error| fault(&error))
}

#[cfg(test)]
mod tests {
    use octocity_projections::{MemoryRows, Row as _, parking::VisitRow};

    use super::*;

    /// As a writer leaves it that is killed before the file is in WAL mode.
    #[tokio::test]
    async fn a_file_that_was_not_made_to_its_end_holds_nothing_and_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let stores = SqliteBlueGreen::new(Arc::new(MemoryRows::new()), folder.path().join("readmodels.db"));
        let (begun, path) = (folder.path().join("begun"), stores.beside(Beside::Green));
        let writer = Connection::open(&begun).unwrap();
        let more_than_its_cache = "CREATE TABLE t (x); DROP TABLE t; PRAGMA cache_size = 1;
            BEGIN; CREATE TABLE t (x); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
            INSERT INTO t SELECT randomblob(4000) FROM n";
        writer.execute_batch(more_than_its_cache).unwrap();
        let put = || {
            for beside in ["", "-journal"] {
                let of = |path: &Path| format!("{}{beside}", path.display());
                std::fs::copy(of(&begun), of(&path)).unwrap();
            }
        };
        put();
        assert!(matches!(open_to_read(&path, &FORM), Err(OpenError::Unmade { .. })));
        assert_eq!(stores.holds(Beside::Green, VisitRow::TABLE).await.unwrap(), Holds::Nothing);
        stores.forget_green(VisitRow::TABLE).await.unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2, "the one that was begun, and its journal");
        put();
        stores.open(Beside::Green).await.unwrap();
        open_to_read(&path, &FORM).unwrap();
    }
}
