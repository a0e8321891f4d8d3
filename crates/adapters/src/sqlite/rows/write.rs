//! Rows of one table, written. SQLite writes every index anew of which a statement sets a column, whether it changes or
//! not: of a row that is there, only those indexed columns are set that differ.

use octocity_projections::{Table, TableWrites, Value};
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, OptionalExtension, Transaction, params_from_iter};

use super::{Bound, key_is};
use crate::sql;

pub fn write_table(transaction: &Transaction<'_>, writes: &TableWrites) -> rusqlite::Result<()> {
    let table = writes.table;
    let places = vec!["?"; table.columns.len()].join(", ");
    let mut upsert = transaction.prepare_cached(&sql::upsert(table, &format!("VALUES ({places})")))?;
    let mut stored = Stored::of(transaction, table)?;
    for row in &writes.upserts {
        match stored.as_mut().map_or(Ok(None), |stored| stored.differing(row))? {
            // As it is stored.
            Some(columns) if columns.is_empty() => {}
            Some(columns) => {
                let key = &row[..table.key_columns];
                let values = columns.iter().map(|column| &row[*column]).chain(key);
                transaction.prepare_cached(&update(table, &columns))?.execute(bound(values))?;
            }
            None => _ = upsert.execute(bound(row))?,
        }
    }
    if writes.deletes.is_empty() {
        return Ok(());
    }
    let mut delete =
        transaction.prepare_cached(&format!("DELETE FROM {} WHERE {}", table.name, key_is(table)))?;
    for key in &writes.deletes {
        delete.execute(bound(key))?;
    }
    Ok(())
}

fn bound<'a>(values: impl IntoIterator<Item = &'a Value>) -> impl rusqlite::Params {
    params_from_iter(values.into_iter().map(Bound).collect::<Vec<_>>())
}

fn update(table: &Table, columns: &[usize]) -> String {
    let set = columns.iter().map(|column| format!("{} = ?", sql::quoted(table.columns[*column].name)));
    format!("UPDATE {} SET {} WHERE {}", table.name, set.collect::<Vec<_>>().join(", "), key_is(table))
}

/// Looks at the indexed columns of rows that are to be written.
struct Stored<'a> {
    table: &'static Table,
    /// Beyond the key, as columns of the table.
    indexed: Vec<usize>,
    others: Vec<usize>,
    select: CachedStatement<'a>,
}

impl<'a> Stored<'a> {
    /// None: no column beyond the key is indexed.
    fn of(transaction: &'a Transaction<'_>, table: &'static Table) -> rusqlite::Result<Option<Self>> {
        let is_indexed =
            |column: &usize| table.indexes.iter().any(|index| index.contains(&table.columns[*column].name));
        let (indexed, others): (Vec<_>, Vec<_>) =
            (table.key_columns..table.columns.len()).partition(is_indexed);
        if indexed.is_empty() {
            return Ok(None);
        }
        let names = indexed.iter().map(|column| sql::quoted(table.columns[*column].name));
        let names = names.collect::<Vec<_>>().join(", ");
        let select = transaction.prepare_cached(&format!(
            "SELECT {names} FROM {} WHERE {}",
            table.name,
            key_is(table)
        ))?;
        Ok(Some(Self { table, indexed, others, select }))
    }

    /// The columns to be set of a row that is there.
    fn differing(&mut self, row: &[Value]) -> rusqlite::Result<Option<Vec<usize>>> {
        let Self { table, indexed, others, select } = self;
        let key = bound(&row[..table.key_columns]);
        let compared = select.query_row(key, |stored| {
            let mut columns = others.clone();
            for (place, column) in indexed.iter().enumerate() {
                if !is_same(stored.get_ref(place)?, &row[*column]) {
                    columns.push(*column);
                }
            }
            Ok(columns)
        });
        compared.optional()
    }
}

fn is_same(stored: ValueRef<'_>, value: &Value) -> bool {
    match (stored, value) {
        (ValueRef::Null, Value::Null) => true,
        (ValueRef::Integer(stored), Value::Int(number)) => stored == *number,
        (ValueRef::Blob(stored), Value::Id(id)) => stored == id.as_bytes(),
        (ValueRef::Text(stored), Value::Text(text)) => stored == text.as_bytes(),
        _ => false,
    }
}
