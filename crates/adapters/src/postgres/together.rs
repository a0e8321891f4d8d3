//! Questions alike that are asked at the same time: one statement answers all that waited while the ones before were
//! under way. Who asks alone waits for nobody.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use octocity_projections::{Select, Selected, StoreError, Value};
use tokio::sync::oneshot;

use super::bulk::{arrays, borrowed};
use super::database::Database;
use super::fault::Fault;
use super::rows::selected;
use crate::sql::Alike;

/// How long a statement of a form is under way before who comes meanwhile gets a second one. At once would be two small statements
/// where one does for all: the servers of both then have more to do for each question. The wait for a connection counts.
const SLOW: Duration = Duration::from_millis(25);
/// One, and a second while the first is slow.
const TURNS: usize = 2;
/// How many questions one statement answers at most.
const AT_ONCE: usize = 64;
/// How long a statement may take. Others wait for it: one that a lost connection never answers must not hold them up, and is asked
/// again over another one.
const ANSWER: Duration = Duration::from_secs(5);
/// How long that may take in all, where the server is there and does not answer.
const AT_LAST: Duration = Duration::from_secs(10);

pub struct Together {
    database: Database,
    partitions: i32,
    /// There are few: they differ by table, filtered columns, and whether one row is asked for or all.
    lines: Mutex<HashMap<Alike, Line>>,
}

struct Line {
    sql: Arc<str>,
    asked: Vec<Asked>,
    /// How many are under way, of one statement at a time each.
    turns: usize,
    /// Of how many of them the statement is slow.
    slow: usize,
}

impl Line {
    /// The statement for a turn that begins now, if somebody waits for whom no other one will come soon.
    fn begin_turn(&mut self) -> Option<Arc<str>> {
        if self.asked.is_empty() || self.turns > self.slow || self.turns >= TURNS {
            return None;
        }
        self.turns += 1;
        Some(Arc::clone(&self.sql))
    }

    /// Who is served next in a turn. None: nobody waits, or another turn, which is not slow, goes on; this one is over.
    fn next(&mut self, was_slow: bool) -> Option<Vec<Asked>> {
        self.slow -= usize::from(was_slow);
        self.asked.retain(|asked| !asked.answer.is_closed());
        if self.asked.is_empty() || (was_slow && self.turns - 1 > self.slow) {
            self.turns -= 1;
            return None;
        }
        let count = self.asked.len().min(AT_ONCE);
        Some(self.asked.drain(..count).collect())
    }
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
                    new.insert(Line { sql, asked: Vec::new(), turns: 0, slow: 0 })
                }
            };
            line.asked.push(Asked { values, answer });
            line.begin_turn()
        };
        if let Some(sql) = next {
            Turn::begin(self, select, alike, sql);
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

/// One statement of a form at a time, until nobody waits for one, or another turn has begun because one was slow.
struct Turn {
    of: Arc<Together>,
    select: Select,
    alike: Alike,
    sql: Arc<str>,
    is_slow: bool,
    is_over: bool,
}

impl Turn {
    /// On its own: whoever asked may go away, and others wait for the same statement.
    fn begin(of: &Arc<Together>, select: Select, alike: Alike, sql: Arc<str>) {
        let turn = Self { of: Arc::clone(of), select, alike, sql, is_slow: false, is_over: false };
        tokio::spawn(async move { turn.answer_all().await });
    }

    async fn answer_all(mut self) {
        while let Some(asked) = self.next() {
            let (values, waiting): (Vec<_>, Vec<_>) =
                asked.into_iter().map(|Asked { values, answer }| (values, answer)).unzip();
            match self.answered(&values).await {
                // Who went away meanwhile asks no more.
                Ok(answers) => {
                    waiting.into_iter().zip(answers).for_each(|(who, answer)| drop(who.send(Ok(answer))));
                }
                Err(fault) => waiting.into_iter().for_each(|who| drop(who.send(Err(fault.clone())))),
            }
        }
    }

    /// Should it take long, another turn serves who comes meanwhile.
    async fn answered(&mut self, asked: &[Vec<Value>]) -> Result<Vec<Selected>, Fault> {
        let Self { of, select, alike, sql, is_slow, .. } = self;
        let read = || read(&of.database, select, alike, sql, asked);
        let mut answered = pin!(of.database.read_within(ANSWER, AT_LAST, read));
        if let Ok(answered) = tokio::time::timeout(SLOW, &mut answered).await {
            return answered;
        }
        *is_slow = true;
        let another = of.lines().get_mut(alike).and_then(|line| {
            line.slow += 1;
            line.begin_turn()
        });
        if let Some(sql) = another {
            Self::begin(of, select.clone(), alike.clone(), sql);
        }
        answered.await
    }

    fn next(&mut self) -> Option<Vec<Asked>> {
        let mut lines = self.of.lines();
        let next = lines.get_mut(&self.alike)?.next(std::mem::take(&mut self.is_slow));
        self.is_over = next.is_none();
        next
    }
}

impl Drop for Turn {
    /// Where it broke off, nobody is left waiting.
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        if let Some(line) = self.of.lines().get_mut(&self.alike) {
            line.turns -= 1;
            line.slow -= usize::from(self.is_slow);
            line.asked.clear();
        }
    }
}

async fn read(
    database: &Database,
    select: &Select,
    alike: &Alike,
    sql: &str,
    asked: &[Vec<Value>],
) -> Result<Vec<Selected>, Fault> {
    let client = database.client().await?;
    let values = arrays(&alike.given(), asked);
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, &borrowed(&values)).await?;
    let number = select.table.columns.len() + 2;
    let answers = rows.chunk_by(|one, next| one.get::<_, i64>(number) == next.get::<_, i64>(number));
    answers.map(|rows| selected(rows, select)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever asks is told what becomes of it only by the turns.
    fn ask(line: &mut Line) -> oneshot::Receiver<Result<Selected, Fault>> {
        let (answer, answered) = oneshot::channel();
        line.asked.push(Asked { values: Vec::new(), answer });
        answered
    }

    #[test]
    fn nobody_waits_behind_a_slow_statement_while_another_turn_can_serve() {
        let mut line = Line { sql: "".into(), asked: Vec::new(), turns: 0, slow: 0 };
        let mut waiting = vec![ask(&mut line)];
        assert!(line.begin_turn().is_some());
        assert_eq!(line.next(false).unwrap().len(), 1);
        waiting.push(ask(&mut line));
        assert!(line.begin_turn().is_none(), "the first is not slow");
        line.slow += 1;
        assert!(line.begin_turn().is_some());
        assert_eq!(line.next(false).unwrap().len(), 1);
        line.slow += 1;
        waiting.push(ask(&mut line));
        assert!(line.begin_turn().is_none(), "two are enough");
        // The first comes back, and the other one is still slow.
        assert_eq!(line.next(true).unwrap().len(), 1);
        waiting.push(ask(&mut line));
        assert!(line.next(true).is_none(), "the first one goes on, and is not slow");
        assert_eq!(line.next(false).unwrap().len(), 1);
        assert!(line.next(false).is_none());
        assert_eq!((line.turns, line.slow), (0, 0));
    }
}
