//! Pages of rows as Relay connections. A cursor holds the values that the row is ordered by, so a page that is read
//! later goes on behind the same row, whatever came or went in between.

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, ObjectType, OutputType, Result};
use octocity_log::Position;
use octocity_projections::{Kind, Query, Row, Value};
use serde_json::Value as Json;

use super::Api;
use crate::faults::{bad_input, failed};

/// A larger page is refused.
pub const MAX_PAGE: usize = 500;
const DEFAULT_PAGE: usize = 50;
/// Keeps products of nested pages far from any integer's end.
const MAX_COST: usize = 1_000_000_000;

/// What was given as a cursor is none; the likeliest is a position.
const NO_CURSOR: &str = "'after' and 'before' take a cursor of this list, from its edges; a position is given as 'afterPosition'.";

/// The arguments of a connection (Relay's specification, "Arguments").
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub first: Option<i32>,
    pub after: Option<String>,
    pub last: Option<i32>,
    pub before: Option<String>,
}

/// What a page costs: its size times what is asked of each row.
pub fn page_cost(first: Option<i32>, last: Option<i32>, of_each: usize) -> usize {
    let size = first.or(last).map_or(DEFAULT_PAGE, |size| usize::try_from(size).unwrap_or(0));
    size.saturating_mul(of_each).saturating_add(1).min(MAX_COST)
}

/// What a field costs that reads more than a row.
pub fn heavy_cost(times: usize, of_each: usize) -> usize {
    times.saturating_mul(of_each).saturating_add(times).min(MAX_COST)
}

impl Page {
    /// How many rows, and whether from the end.
    pub fn size(&self) -> Result<(usize, bool)> {
        let (size, from_end) = match (self.first, self.last) {
            (Some(_), Some(_)) => return Err(bad_input("Give 'first' or 'last', not both.")),
            (Some(first), None) => (first, false),
            (None, Some(last)) => (last, true),
            (None, None) => return Ok((DEFAULT_PAGE, false)),
        };
        match usize::try_from(size) {
            Ok(size) if (1..=MAX_PAGE).contains(&size) => Ok((size, from_end)),
            _ => Err(bad_input(format!(
                "A page has 1 to {MAX_PAGE} rows; ask for the next ones after its end cursor."
            ))),
        }
    }
}

/// Rows that may be counted cheaply.
#[derive(async_graphql::SimpleObject)]
pub struct Total {
    /// How many there are in all, whatever the page.
    pub total_count: u64,
}

/// One page of a query's rows; each is shown by `node`, which is also told the position they are as of.
pub async fn connection<R: Row, N: OutputType + ObjectType>(
    context: &Context<'_>,
    query: Query<R>,
    page: Page,
    node: impl Fn(R, Position) -> N,
) -> Result<Connection<String, N>> {
    let (edges, has_previous, has_next, _) = read(context, query, page, node).await?;
    let mut connection = Connection::new(has_previous, has_next);
    connection.edges = edges;
    Ok(connection)
}

/// [`connection`] with the count of all rows.
pub async fn counted<R: Row, N: OutputType + ObjectType>(
    context: &Context<'_>,
    query: Query<R>,
    page: Page,
    node: impl Fn(R, Position) -> N,
) -> Result<Connection<String, N, Total>> {
    let (edges, has_previous, has_next, total) = read(context, query.counted(), page, node).await?;
    let mut connection =
        Connection::with_additional_fields(has_previous, has_next, Total { total_count: total.unwrap_or(0) });
    connection.edges = edges;
    Ok(connection)
}

type Read<N> = (Vec<Edge<String, N, async_graphql::connection::EmptyFields>>, bool, bool, Option<u64>);

async fn read<R: Row, N: OutputType + ObjectType>(
    context: &Context<'_>,
    query: Query<R>,
    page: Page,
    node: impl Fn(R, Position) -> N,
) -> Result<Read<N>> {
    let (size, from_end) = page.size()?;
    let kinds = query.order_kinds();
    let cursor = |text: &Option<String>| text.as_deref().map(|text| decode(text, &kinds)).transpose();
    let (after, before) = (cursor(&page.after)?, cursor(&page.before)?);
    let (goes_after, goes_before) = (after.is_some(), before.is_some());
    let asked = query.clone().after(after).before(before);
    let asked = if from_end { asked.last(size) } else { asked.first(size) };
    let found =
        asked.run(&*Api::of(context).models.store).await.map_err(|fault| failed("reading a page", &fault))?;
    let position = found.position;
    let edges = found.rows.into_iter().map(|row| {
        let cursor = encode(&query.cursor(&row));
        Edge::new(cursor, node(row, position))
    });
    // On the side that was not read towards, a cursor shows that there are rows beyond it.
    let (has_previous, has_next) =
        if from_end { (found.has_more, goes_before) } else { (goes_after, found.has_more) };
    Ok((edges.collect(), has_previous, has_next, found.total))
}

/// The values as JSON, in hexadecimal.
fn encode(values: &[Value]) -> String {
    let json: Vec<Json> = values
        .iter()
        .map(|value| match value {
            Value::Null => Json::Null,
            Value::Int(number) => Json::from(*number),
            Value::Id(id) => Json::from(id.to_string()),
            Value::Text(text) => Json::from(text.as_str()),
        })
        .collect();
    hex(Json::from(json).to_string().as_bytes())
}

fn decode(cursor: &str, kinds: &[Kind]) -> Result<Vec<Value>> {
    let values = unhex(cursor)
        .and_then(|bytes| serde_json::from_slice::<Vec<Json>>(&bytes).ok())
        .filter(|values| values.len() == kinds.len())
        .and_then(|values| values.iter().zip(kinds).map(|(value, kind)| of_kind(value, *kind)).collect());
    values.ok_or_else(|| bad_input(NO_CURSOR))
}

fn of_kind(value: &Json, kind: Kind) -> Option<Value> {
    match (value, kind) {
        (Json::Null, _) => Some(Value::Null),
        (Json::Number(number), Kind::Int) => number.as_i64().map(Value::Int),
        (Json::String(text), Kind::Id) => uuid::Uuid::parse_str(text).ok().map(Value::Id),
        (Json::String(text), Kind::Text) => Some(Value::Text(text.clone())),
        _ => None,
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    digits.len().is_multiple_of(2).then(|| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        let values =
            vec![Value::Int(-5), Value::Text("é\"".to_owned()), Value::Null, Value::Id(uuid::Uuid::nil())];
        let kinds = [Kind::Int, Kind::Text, Kind::Text, Kind::Id];
        assert_eq!(decode(&encode(&values), &kinds).unwrap(), values);
    }

    #[test]
    fn a_cursor_of_another_list_or_of_nothing_is_refused() {
        let other = encode(&[Value::Text("a".to_owned())]);
        for cursor in ["", "zz", "5", "é", "5b5d", other.as_str()] {
            assert!(decode(cursor, &[Kind::Int]).is_err(), "{cursor}");
        }
    }

    #[test]
    fn pages_are_bounded() {
        let page = |first, last| Page { first, last, ..Page::default() }.size();
        assert_eq!(page(None, None).unwrap(), (50, false));
        assert_eq!(page(None, Some(500)).unwrap(), (500, true));
        for bad in [(Some(0), None), (Some(-1), None), (Some(501), None), (Some(1), Some(1))] {
            assert!(page(bad.0, bad.1).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nested_pages_cost_their_product_and_never_overflow() {
        assert_eq!(page_cost(Some(10), None, page_cost(Some(20), None, 3)), 611);
        let deep = (0..20).fold(1, |cost, _| page_cost(Some(i32::MAX), None, cost));
        assert_eq!(deep, 1_000_000_000);
    }
}
