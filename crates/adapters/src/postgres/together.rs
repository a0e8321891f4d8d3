//! Questions alike that are asked at the same time: one statement answers all that waited while the ones before were
//! under way. Who asks alone waits for nobody.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use octocity_projections::{Select, Selected, StoreError, Value};
use tokio::sync::oneshot;

use super::bulk::{arrays, borrowed};
use super::database::Database;
use super::fault::Fault;
use super::rows::selected;
use crate::sql::Alike;

/// How many statements of one form are under way at most: a second one, should the first take long.
const UNDER_WAY: usize = 2;
/// How many questions one statement answers at most.
const AT_ONCE: usize = 64;
/// How long a statement may take. Others wait for it: one that a lost connection never answers must not hold them up.
const ANSWER: Duration = Duration::from_secs(10);

pub struct Together {
    database: Database,
    partitions: i32,
    /// There are few: they differ by table, filtered columns, and whether one row is asked for or all.
    lines: Mutex<HashMap<Alike, Line>>,
}

struct Line {
    sql: Arc<str>,
    asked: Vec<Asked>,
    under_way: usize,
}

struct Asked {
    values: Vec<Value>,
    answer: oneshot::Sender<Result<Selected, Fault>>,
}

impl Together {
    /// Of rows that so many partitions write.
    pub fn new(database: Database, partitions: i32) -> Arc<Self> {
        Arc::new(Self { database, partitions, lines: Mutex::default() })
    }

    pub async fn ask(
        self: &Arc<Self>,
        select: Select,
        alike: Alike,
        values: Vec<Value>,
    ) -> Result<Selected, StoreError> {
        let table = select.table;
        let (answer, answered) = oneshot::channel();
        let next = {
            let mut lines = self.lines();
            let line = match lines.entry(alike.clone()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let sql = alike.sql(&select, self.partitions)?.into();
                    new.insert(Line { sql, asked: Vec::new(), under_way: 0 })
                }
            };
            line.asked.push(Asked { values, answer });
            (line.under_way < UNDER_WAY).then(|| {
                line.under_way += 1;
                Arc::clone(&line.sql)
            })
        };
        if let Some(sql) = next {
            // On its own: whoever asked may go away, and others wait for the same statement.
            let turn = Turn { of: Arc::clone(self), select, alike, sql, is_over: false };
            tokio::spawn(async move { turn.answer_all().await });
        }
        let answered = answered.await;
        let answer = answered.unwrap_or_else(|_| Err(Fault::unreachable("the question was not answered")));
        answer.map_err(|fault| fault.about(table))
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<Alike, Line>> {
        // Whole between any two statements that could panic.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One statement of a form at a time, until nobody waits for one.
struct Turn {
    of: Arc<Together>,
    select: Select,
    alike: Alike,
    sql: Arc<str>,
    is_over: bool,
}

impl Turn {
    async fn answer_all(mut self) {
        while let Some(asked) = self.next() {
            let (values, waiting): (Vec<_>, Vec<_>) =
                asked.into_iter().map(|Asked { values, answer }| (values, answer)).unzip();
            let read = || async {
                let late = |_| Fault::unreachable("a question was not answered in time");
                tokio::time::timeout(ANSWER, self.read(&values)).await.map_err(late)?
            };
            match self.of.database.read(read).await {
                // Who went away meanwhile asks no more.
                Ok(answers) => {
                    waiting.into_iter().zip(answers).for_each(|(who, answer)| drop(who.send(Ok(answer))));
                }
                Err(fault) => waiting.into_iter().for_each(|who| drop(who.send(Err(fault.clone())))),
            }
        }
    }

    async fn read(&self, asked: &[Vec<Value>]) -> Result<Vec<Selected>, Fault> {
        let Self { select, alike, sql, .. } = self;
        let client = self.of.database.client().await?;
        let values = arrays(&alike.given(), asked);
        let statement = client.prepare_cached(sql).await?;
        let rows = client.query(&statement, &borrowed(&values)).await?;
        let number = select.table.columns.len() + 2;
        let answers = rows.chunk_by(|one, next| one.get::<_, i64>(number) == next.get::<_, i64>(number));
        answers.map(|rows| selected(rows, select)).collect()
    }

    /// None: nobody waits, and the turn is over from this moment on.
    fn next(&mut self) -> Option<Vec<Asked>> {
        let mut lines = self.of.lines();
        let line = lines.get_mut(&self.alike)?;
        line.asked.retain(|asked| !asked.answer.is_closed());
        if line.asked.is_empty() {
            line.under_way -= 1;
            self.is_over = true;
            return None;
        }
        let count = line.asked.len().min(AT_ONCE);
        Some(line.asked.drain(..count).collect())
    }
}

impl Drop for Turn {
    /// Where it broke off, nobody is left waiting.
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        if let Some(line) = self.of.lines().get_mut(&self.alike) {
            line.under_way -= 1;
            line.asked.clear();
        }
    }
}
