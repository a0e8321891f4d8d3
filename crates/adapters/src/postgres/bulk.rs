//! Many rows in one statement: each column's values as one array, which the server puts side by side again (UNNEST).
//! One statement a table stays prepared, however many rows come.

use std::error::Error;

use octocity_projections::{Column, Kind, Table, Value};
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

use crate::sql::{self, Dialect};

pub type Parameter<'a> = Box<dyn ToSql + Sync + Send + 'a>;

pub fn upsert(table: &Table) -> String {
    sql::upsert(table, &format!("SELECT * FROM {}", unnest(table.columns)))
}

pub fn delete(table: &Table) -> String {
    format!("DELETE FROM {} t USING {}", table.name, keys(table))
}

pub fn load(table: &Table) -> String {
    let columns =
        table.columns.iter().map(|column| format!("t.{}", sql::quoted(column.name))).collect::<Vec<_>>();
    format!("SELECT {} FROM {} t, {}", columns.join(", "), table.name, keys(table))
}

/// The keys that are given, each beside its row.
fn keys(table: &Table) -> String {
    let names = table.key().iter().map(|column| sql::quoted(column.name)).collect::<Vec<_>>();
    let same = names.iter().map(|name| format!("t.{name} = k.{name}")).collect::<Vec<_>>();
    format!("{} AS k ({}) WHERE {}", unnest(table.key()), names.join(", "), same.join(" AND "))
}

fn unnest(columns: &[Column]) -> String {
    let columns = columns.iter().enumerate();
    let places = columns.map(|(number, column)| format!("${}::{}", number + 1, Dialect::array(column.kind)));
    format!("unnest({})", places.collect::<Vec<_>>().join(", "))
}

/// The rows' values, column by column.
pub fn arrays<'a>(columns: &[Column], rows: &'a [Vec<Value>]) -> Vec<Parameter<'a>> {
    let array = |(index, column): (usize, &Column)| -> Parameter<'a> {
        let values = rows.iter().map(move |row| &row[index]);
        match column.kind {
            Kind::Int => Box::new(values.map(int).collect::<Vec<_>>()),
            Kind::Id => Box::new(values.map(id).collect::<Vec<_>>()),
            Kind::Text => Box::new(values.map(text).collect::<Vec<_>>()),
        }
    };
    columns.iter().enumerate().map(array).collect()
}

/// One value; a null is one of whatever kind is asked for.
#[derive(Debug)]
pub struct Bound<'a>(pub &'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(number) => number.to_sql_checked(kind, out),
            Value::Id(id) => id.to_sql_checked(kind, out),
            Value::Text(text) => text.to_sql_checked(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

pub fn borrowed<'a>(parameters: &'a [Parameter<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    parameters.iter().map(|parameter| &**parameter as &(dyn ToSql + Sync)).collect()
}

fn int(value: &Value) -> Option<i64> {
    if let Value::Int(number) = value { Some(*number) } else { None }
}

fn id(value: &Value) -> Option<Uuid> {
    if let Value::Id(id) = value { Some(*id) } else { None }
}

fn text(value: &Value) -> Option<&str> {
    if let Value::Text(text) = value { Some(text) } else { None }
}
