//! The statements of the row stores that speak SQL, from a table's or a question's description.

use std::fmt::Write as _;

use octocity_projections::{Column, Direction, Filter, Kind, Select, StoreError, Table, Value};

/// Where the databases part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
}

impl Dialect {
    pub const fn kind(self, kind: Kind) -> &'static str {
        match (self, kind) {
            (Self::Sqlite, Kind::Int) => "INTEGER",
            (Self::Sqlite, Kind::Id) => "BLOB",
            (Self::Sqlite, Kind::Text) => "TEXT",
            #[cfg(feature = "postgres")]
            (Self::Postgres, Kind::Int) => "BIGINT",
            #[cfg(feature = "postgres")]
            (Self::Postgres, Kind::Id) => "UUID",
            // Texts sort by their bytes in every store, whatever the database's language is.
            #[cfg(feature = "postgres")]
            (Self::Postgres, Kind::Text) => "TEXT COLLATE \"C\"",
        }
    }

    /// The type of an array whose elements are values of this kind.
    #[cfg(feature = "postgres")]
    pub fn array(kind: Kind) -> String {
        let kind = Self::Postgres.kind(kind);
        // Without the order of texts, which is a column's.
        format!("{}[]", kind.split(' ').next().unwrap_or(kind))
    }

    const fn table_options(self) -> &'static str {
        match self {
            Self::Sqlite => " STRICT, WITHOUT ROWID",
            #[cfg(feature = "postgres")]
            Self::Postgres => "",
        }
    }

    /// The place of the statement's `number`th value, from 1.
    #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "SQLite's have no numbers"))]
    fn place(self, number: usize) -> String {
        match self {
            Self::Sqlite => "?".to_owned(),
            #[cfg(feature = "postgres")]
            Self::Postgres => format!("${number}"),
        }
    }

    /// A column in an order or an index: nulls come first, as in [`Value`]. Said only where there can be nulls:
    /// PostgreSQL takes an index only for an order in the same words.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(unused_variables, reason = "in SQLite they come first anyway")
    )]
    const fn nulls(self, column: &Column, descending: bool) -> &'static str {
        match self {
            Self::Sqlite => "",
            #[cfg(feature = "postgres")]
            Self::Postgres => match (column.nullable, descending) {
                (false, _) => "",
                (true, false) => " NULLS FIRST",
                (true, true) => " NULLS LAST",
            },
        }
    }
}

/// What makes a table with its indexes. Kept beside it: where it differs from what this version would write, the
/// table is made anew.
pub fn create(dialect: Dialect, table: &Table) -> String {
    let mut sql = format!("CREATE TABLE {} (", table.name);
    for column in table.columns {
        let kind = dialect.kind(column.kind);
        let null = if column.nullable { "" } else { " NOT NULL" };
        // Writing to a String cannot fail, here and below.
        let _ = write!(sql, "{} {kind}{null}, ", quoted(column.name));
    }
    let _ = write!(sql, "PRIMARY KEY ({})){};", key_columns(table), dialect.table_options());
    for (number, index) in table.indexes.iter().enumerate() {
        let column = |name: &str| table.columns.iter().find(|column| column.name == name);
        let ordered = index.iter().map(|name| {
            format!("{}{}", quoted(name), column(name).map_or("", |column| dialect.nulls(column, false)))
        });
        let ordered = ordered.collect::<Vec<_>>().join(", ");
        let _ = write!(sql, "CREATE INDEX {0}_{number} ON {0} ({ordered})", table.name);
        let known = index.iter().filter(|name| column(name).is_some_and(|column| column.nullable));
        let known = known.map(|name| format!("{} IS NOT NULL", quoted(name))).collect::<Vec<_>>();
        if !known.is_empty() {
            let _ = write!(sql, " WHERE {}", known.join(" AND "));
        }
        sql.push(';');
    }
    sql
}

/// `rows`: where they come from, all columns in the table's order.
pub fn upsert(table: &Table, rows: &str) -> String {
    let sql = format!(
        "INSERT INTO {} ({}) {rows} ON CONFLICT ({}) DO ",
        table.name,
        columns(table),
        key_columns(table)
    );
    let changed = &table.columns[table.key_columns..];
    if changed.is_empty() {
        return sql + "NOTHING";
    }
    let changed = changed.iter().map(|column| format!("{0} = excluded.{0}", quoted(column.name)));
    sql + "UPDATE SET " + &changed.collect::<Vec<_>>().join(", ")
}

/// Some columns are called like a word of SQL.
pub fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

pub fn columns(table: &Table) -> String {
    table.columns.iter().map(|column| quoted(column.name)).collect::<Vec<_>>().join(", ")
}

fn key_columns(table: &Table) -> String {
    table.key().iter().map(|column| quoted(column.name)).collect::<Vec<_>>().join(", ")
}

/// A statement with the values of its places.
pub struct Statement {
    dialect: Dialect,
    pub sql: String,
    pub values: Vec<Value>,
}

impl Statement {
    const fn new(dialect: Dialect, sql: String) -> Self {
        Self { dialect, sql, values: Vec::new() }
    }

    /// Appends it, with the value's place for its one `?`.
    fn push(&mut self, sql: &str, value: &Value) {
        self.values.push(value.clone());
        self.sql.push_str(&sql.replacen('?', &self.dialect.place(self.values.len()), 1));
    }

    fn condition(&mut self, name: &str, sql: &str, value: &Value) {
        let _ = write!(self.sql, " AND {name}");
        self.push(sql, value);
    }
}

/// The rows; one more than asked for, which says whether there are more.
pub fn select(dialect: Dialect, select: &Select) -> Result<Statement, StoreError> {
    let mut statement = Statement::new(dialect, String::new());
    rows(&mut statement, select)?;
    Ok(statement)
}

/// The rows, each with its view's position and, if asked for, how many rows hold the filters: one statement, which sees
/// one moment. Where there are no rows these two come with nulls before them. A view of which a partition has no
/// checkpoint is at the log's beginning.
#[cfg(feature = "postgres")]
pub fn page(select: &Select, partitions: i32) -> Result<Statement, StoreError> {
    let mut statement = Statement::new(Dialect::Postgres, "SELECT page.*, place.* FROM (SELECT (".to_owned());
    statement
        .push("SELECT CASE count(*) WHEN ? THEN min(position) ELSE 0 END", &Value::Int(partitions.into()));
    statement.push(" FROM checkpoints WHERE view = ?), (", &Value::Text(select.table.name.to_owned()));
    match select.count {
        true => counted(&mut statement, select)?,
        false => statement.sql.push_str("SELECT NULL::BIGINT"),
    }
    statement.sql.push_str(")) AS place (of_view, of_all) LEFT JOIN (");
    rows(&mut statement, select)?;
    let order = order(Dialect::Postgres, select)?;
    let _ = write!(statement.sql, ") AS page ON TRUE ORDER BY {order}");
    Ok(statement)
}

/// What many questions may ask in one statement: the rows of some key, all of it or its beginning.
#[cfg(feature = "postgres")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Alike {
    table: &'static Table,
    /// Of the table, by their places: those that each question has one value for.
    columns: Vec<usize>,
    from_end: bool,
    only_one: bool,
}

#[cfg(feature = "postgres")]
impl Alike {
    /// With the values of this question. None: it is asked alone.
    pub fn of(select: &Select) -> Result<Option<(Self, Vec<Value>)>, StoreError> {
        let is_plain =
            select.order.is_empty() && select.after.is_none() && select.before.is_none() && !select.count;
        if !is_plain || select.filters.is_empty() || !matches!(select.limit, 1 | usize::MAX) {
            return Ok(None);
        }
        let (mut columns, mut values) = (Vec::new(), Vec::new());
        for filter in &select.filters {
            let value = match filter {
                Filter::Eq(_, value) => value,
                Filter::In(_, one) if one.len() == 1 => &one[0],
                _ => return Ok(None),
            };
            columns.push(select.index(filter.column())?);
            values.push(value.clone());
        }
        let (table, from_end, only_one) = (select.table, select.from_end, select.limit == 1);
        Ok(Some((Self { table, columns, from_end, only_one }, values)))
    }

    /// The columns that the questions have values for.
    pub fn given(&self) -> Vec<Column> {
        self.columns.iter().map(|column| self.table.columns[*column]).collect()
    }

    /// Its places take an array each: the values of all questions for one of the [columns](Self::given). A row is that of
    /// [`page`], with the number of its question behind it. `select`: one of the questions.
    pub fn sql(&self, select: &Select, partitions: i32) -> Result<String, StoreError> {
        let columns = self.given();
        let mut sql = format!(
            "SELECT page.*, place.*, asked.asked_no FROM (SELECT (SELECT CASE count(*) WHEN {partitions} THEN min(position) \
             ELSE 0 END FROM checkpoints WHERE view = '{}'), NULL::BIGINT) AS place (of_view, of_all), unnest(",
            self.table.name
        );
        for (number, column) in columns.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            // In a query of its own the array's length is none that could be planned for, anew each time.
            let _ = write!(sql, "{comma}(SELECT ${}::{})", number + 1, Dialect::array(column.kind));
        }
        let asked =
            (1..=columns.len()).map(|number| format!("asked_{number}")).collect::<Vec<_>>().join(", ");
        let _ = write!(
            sql,
            ") WITH ORDINALITY AS asked ({asked}, asked_no) LEFT JOIN LATERAL (SELECT {} FROM {} WHERE TRUE",
            self::columns(self.table),
            self.table.name
        );
        for (number, column) in columns.iter().enumerate() {
            let _ = write!(sql, " AND {} = asked.asked_{}", quoted(column.name), number + 1);
        }
        let order = order(Dialect::Postgres, select)?;
        let _ = write!(sql, " ORDER BY {order}");
        if self.only_one {
            // One more than asked for, as on every page.
            sql.push_str(" LIMIT 2");
        }
        let _ = write!(sql, ") AS page ON TRUE ORDER BY asked_no, {order}");
        Ok(sql)
    }
}

fn rows(statement: &mut Statement, select: &Select) -> Result<(), StoreError> {
    let _ = write!(statement.sql, "SELECT {} FROM {}", columns(select.table), select.table.name);
    filters(statement, select)?;
    let columns = select.order_columns()?;
    if let Some(after) = select.cursor_values(select.after.as_deref())? {
        beyond(statement, select.table, &columns, after, false);
    }
    if let Some(before) = select.cursor_values(select.before.as_deref())? {
        beyond(statement, select.table, &columns, before, true);
    }
    let _ = write!(statement.sql, " ORDER BY {}", order(statement.dialect, select)?);
    if select.limit < usize::MAX {
        let limit = i64::try_from(select.limit).unwrap_or(i64::MAX).saturating_add(1);
        statement.push(" LIMIT ?", &Value::Int(limit));
    }
    Ok(())
}

fn order(dialect: Dialect, select: &Select) -> Result<String, StoreError> {
    let columns = select.order_columns()?;
    let columns = columns.iter().map(|(index, direction)| {
        let descending = (*direction == Direction::Descending) != select.from_end;
        let column = &select.table.columns[*index];
        let way = if descending { "DESC" } else { "ASC" };
        format!("{} {way}{}", quoted(column.name), dialect.nulls(column, descending))
    });
    Ok(columns.collect::<Vec<_>>().join(", "))
}

/// How many rows hold the filters, wherever the page begins.
pub fn count(dialect: Dialect, select: &Select) -> Result<Statement, StoreError> {
    let mut statement = Statement::new(dialect, String::new());
    counted(&mut statement, select)?;
    Ok(statement)
}

fn counted(statement: &mut Statement, select: &Select) -> Result<(), StoreError> {
    let _ = write!(statement.sql, "SELECT count(*) FROM {}", select.table.name);
    filters(statement, select)
}

fn filters(statement: &mut Statement, select: &Select) -> Result<(), StoreError> {
    statement.sql.push_str(" WHERE TRUE");
    for filter in &select.filters {
        let name = &quoted(select.table.columns[select.index(filter.column())?].name);
        match filter {
            Filter::Eq(_, value) => statement.condition(name, " = ?", value),
            Filter::From(_, value) => statement.condition(name, " >= ?", value),
            Filter::Below(_, value) => statement.condition(name, " < ?", value),
            Filter::IsNull(_) => _ = write!(statement.sql, " AND {name} IS NULL"),
            Filter::NotNull(_) => _ = write!(statement.sql, " AND {name} IS NOT NULL"),
            Filter::In(_, values) => one_of(statement, name, values),
            Filter::StartsWith(_, start) => {
                let value = Value::Text(start.clone());
                // The first condition finds the place in an index, the second one is exact.
                statement.condition(name, " >= ?", &value);
                let _ = write!(statement.sql, " AND substr({name}, 1");
                statement.push(", length(CAST(? AS TEXT)))", &value);
                statement.push(" = ?", &value);
            }
        }
    }
    Ok(())
}

/// As many places as the next power of two, the last value in those that are left: lists of every length share
/// a few statements, which stay prepared.
fn one_of(statement: &mut Statement, name: &str, values: &[Value]) {
    let Some(last) = values.last() else {
        statement.sql.push_str(" AND FALSE");
        return;
    };
    let _ = write!(statement.sql, " AND {name} IN (");
    for place in 0..values.len().next_power_of_two() {
        statement.push(if place == 0 { "?" } else { ", ?" }, values.get(place).unwrap_or(last));
    }
    statement.sql.push(')');
}

/// The rows that come after a cursor in the order (before it, if `reverse`). Nulls come first, as in [`Value`].
fn beyond(
    statement: &mut Statement,
    table: &Table,
    order: &[(usize, Direction)],
    cursor: &[Value],
    reverse: bool,
) {
    let column = |place: usize| {
        let (index, direction) = order[place];
        (quoted(table.columns[index].name), (direction == Direction::Ascending) != reverse)
    };
    if let (Some(first), Some((index, _))) = (cursor.first(), order.first())
        && *first != Value::Null
        && !table.columns[*index].nullable
    {
        // Implied by what follows, but only this finds the place in an index.
        let (name, rising) = column(0);
        statement.condition(&name, if rising { " >= ?" } else { " <= ?" }, first);
    }
    statement.sql.push_str(" AND (FALSE");
    for (last, value) in cursor.iter().enumerate() {
        statement.sql.push_str(" OR (TRUE");
        for (place, equal) in cursor[..last].iter().enumerate() {
            match equal {
                Value::Null => _ = write!(statement.sql, " AND {} IS NULL", column(place).0),
                equal => statement.condition(&column(place).0, " = ?", equal),
            }
        }
        let (name, rising) = column(last);
        match (rising, value) {
            (true, Value::Null) => _ = write!(statement.sql, " AND {name} IS NOT NULL"),
            (true, value) => statement.condition(&name, " > ?", value),
            (false, Value::Null) => statement.sql.push_str(" AND FALSE"),
            (false, value) => {
                let _ = write!(statement.sql, " AND ({name} IS NULL OR {name}");
                statement.push(" < ?)", value);
            }
        }
        statement.sql.push(')');
    }
    statement.sql.push(')');
}
