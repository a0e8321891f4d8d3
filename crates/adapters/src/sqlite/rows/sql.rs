//! The statements, from a table's or a question's description.

use std::fmt::Write as _;

use octocity_projections::{Direction, Filter, Kind, Select, StoreError, Table, Value};

/// What makes a table with its indexes. Kept beside it: where it differs from what this version would write, the
/// table is made anew.
pub fn create(table: &Table) -> String {
    let mut sql = format!("CREATE TABLE {} (", table.name);
    for column in table.columns {
        let kind = match column.kind {
            Kind::Int => "INTEGER",
            Kind::Id => "BLOB",
            Kind::Text => "TEXT",
        };
        let null = if column.nullable { "" } else { " NOT NULL" };
        // Writing to a String cannot fail, here and below.
        let _ = write!(sql, "{} {kind}{null}, ", column.name);
    }
    let _ = write!(sql, "PRIMARY KEY ({})) STRICT, WITHOUT ROWID;", key_columns(table));
    for (number, index) in table.indexes.iter().enumerate() {
        let _ = write!(sql, "CREATE INDEX {0}_{number} ON {0} ({1});", table.name, index.join(", "));
    }
    sql
}

pub fn upsert(table: &Table) -> String {
    let places = vec!["?"; table.columns.len()].join(", ");
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({places}) ON CONFLICT ({}) DO ",
        table.name,
        columns(table),
        key_columns(table)
    );
    let changed = &table.columns[table.key_columns..];
    if changed.is_empty() {
        return sql + "NOTHING";
    }
    let changed = changed.iter().map(|column| format!("{0} = excluded.{0}", column.name));
    sql + "UPDATE SET " + &changed.collect::<Vec<_>>().join(", ")
}

pub fn delete(table: &Table) -> String {
    format!("DELETE FROM {} WHERE {}", table.name, key_is(table))
}

pub fn load(table: &Table) -> String {
    format!("SELECT {} FROM {} WHERE {}", columns(table), table.name, key_is(table))
}

fn columns(table: &Table) -> String {
    table.columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
}

fn key_columns(table: &Table) -> String {
    table.key().iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
}

fn key_is(table: &Table) -> String {
    table.key().iter().map(|column| format!("{} = ?", column.name)).collect::<Vec<_>>().join(" AND ")
}

/// A statement with the values of its places.
#[derive(Default)]
pub struct Statement {
    pub sql: String,
    pub values: Vec<Value>,
}

impl Statement {
    fn push(&mut self, sql: &str, value: &Value) {
        self.sql.push_str(sql);
        self.values.push(value.clone());
    }
}

/// The rows; one more than asked for, which says whether there are more.
pub fn select(select: &Select) -> Result<Statement, StoreError> {
    let mut statement = Statement::default();
    let _ = write!(statement.sql, "SELECT {} FROM {}", columns(select.table), select.table.name);
    filters(&mut statement, select)?;
    let order = select.order_columns()?;
    if let Some(after) = select.cursor_values(select.after.as_deref())? {
        beyond(&mut statement, select.table, &order, after, false);
    }
    if let Some(before) = select.cursor_values(select.before.as_deref())? {
        beyond(&mut statement, select.table, &order, before, true);
    }
    let order = order.iter().map(|(index, direction)| {
        let descending = (*direction == Direction::Descending) != select.from_end;
        format!("{} {}", select.table.columns[*index].name, if descending { "DESC" } else { "ASC" })
    });
    let _ = write!(statement.sql, " ORDER BY {}", order.collect::<Vec<_>>().join(", "));
    if select.limit < usize::MAX {
        let limit = i64::try_from(select.limit).unwrap_or(i64::MAX).saturating_add(1);
        statement.push(" LIMIT ?", &Value::Int(limit));
    }
    Ok(statement)
}

/// How many rows hold the filters, wherever the page begins.
pub fn count(select: &Select) -> Result<Statement, StoreError> {
    let mut statement =
        Statement { sql: format!("SELECT count(*) FROM {}", select.table.name), values: vec![] };
    filters(&mut statement, select)?;
    Ok(statement)
}

fn filters(statement: &mut Statement, select: &Select) -> Result<(), StoreError> {
    statement.sql.push_str(" WHERE 1");
    for filter in &select.filters {
        let name = select.table.columns[select.index(filter.column())?].name;
        let _ = write!(statement.sql, " AND {name}");
        match filter {
            Filter::Eq(_, value) => statement.push(" = ?", value),
            Filter::From(_, value) => statement.push(" >= ?", value),
            Filter::Below(_, value) => statement.push(" < ?", value),
            Filter::IsNull(_) => statement.sql.push_str(" IS NULL"),
            Filter::NotNull(_) => statement.sql.push_str(" IS NOT NULL"),
            Filter::In(_, values) => {
                let places = vec!["?"; values.len()].join(", ");
                let _ = write!(statement.sql, " IN ({places})");
                statement.values.extend(values.iter().cloned());
            }
            Filter::StartsWith(_, start) => {
                let value = Value::Text(start.clone());
                // The first condition finds the place in an index, the second one is exact.
                statement.push(" >= ?", &value);
                let _ = write!(statement.sql, " AND substr({name}, 1, length(?))");
                statement.push(" = ?", &value);
                statement.values.push(value);
            }
        }
    }
    Ok(())
}

/// The rows that come after a cursor in the order (before it, if `reverse`). Nulls come first in SQLite, as in
/// [`Value`].
fn beyond(
    statement: &mut Statement,
    table: &Table,
    order: &[(usize, Direction)],
    cursor: &[Value],
    reverse: bool,
) {
    let column = |place: usize| {
        let (index, direction) = order[place];
        (table.columns[index].name, (direction == Direction::Ascending) != reverse)
    };
    if let (Some(first), Some((index, _))) = (cursor.first(), order.first())
        && *first != Value::Null
        && !table.columns[*index].nullable
    {
        // Implied by what follows, but only this finds the place in an index.
        let (name, rising) = column(0);
        let _ = write!(statement.sql, " AND {name}");
        statement.push(if rising { " >= ?" } else { " <= ?" }, first);
    }
    statement.sql.push_str(" AND (0");
    for (last, value) in cursor.iter().enumerate() {
        statement.sql.push_str(" OR (1");
        for (place, equal) in cursor[..last].iter().enumerate() {
            let _ = write!(statement.sql, " AND {}", column(place).0);
            statement.push(" IS ?", equal);
        }
        let (name, rising) = column(last);
        match (rising, value) {
            (true, Value::Null) => {
                let _ = write!(statement.sql, " AND {name} IS NOT NULL");
            }
            (true, value) => {
                let _ = write!(statement.sql, " AND {name}");
                statement.push(" > ?", value);
            }
            (false, Value::Null) => statement.sql.push_str(" AND 0"),
            (false, value) => {
                let _ = write!(statement.sql, " AND ({name} IS NULL OR {name}");
                statement.push(" < ?)", value);
            }
        }
        statement.sql.push(')');
    }
    statement.sql.push(')');
}
