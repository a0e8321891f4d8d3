//! Questions that find their rows by an index, however many others the car park has; and what is left of a closed file.

use octocity_projections::Direction::{self, Ascending, Descending};
use octocity_projections::Filter::{Below, Eq, From, NotNull};
use octocity_projections::{Filter, Row as _, parking::VisitRow, payments::PaymentRow, sessions::SessionRow};

use super::*;

#[test]
fn questions_find_their_rows_by_an_index() {
    // Never bound: the plan does not depend on it.
    let some = || Value::Null;
    let facility = || Eq("facility", some());
    let latest = ("started_at", Descending);
    let visits = |filter, order, by| (VisitRow::TABLE, vec![facility(), filter], order, by);
    for (table, filters, order, by) in [
        visits(Eq("plate_key", some()), latest, "(facility=? AND plate_key=?)"),
        visits(Eq("ticket_key", some()), latest, "(facility=? AND ticket_key=?)"),
        visits(Eq("status", some()), latest, "(facility=? AND status=?)"),
        visits(Eq("needs_review", some()), latest, "(facility=? AND needs_review=?)"),
        visits(From("ended_at", some()), ("ended_at", Ascending), "(facility=? AND ended_at>?)"),
        visits(Below("started_at", some()), latest, "(facility=? AND started_at<?)"),
        (VisitRow::TABLE, vec![Eq("visit", some())], ("facility", Ascending), "(visit=?)"),
        (
            SessionRow::TABLE,
            vec![facility(), From("ended_at", some())],
            ("ended_at", Ascending),
            "(facility=? AND ended_at>?)",
        ),
        (
            PaymentRow::TABLE,
            vec![facility(), NotNull("unresolved_since")],
            ("unresolved_since", Ascending),
            "INDEX payments_3 (facility=?",
        ),
        (
            PaymentRow::TABLE,
            vec![NotNull("unresolved_since")],
            ("unresolved_since", Ascending),
            "INDEX payments_4",
        ),
    ] {
        let plan = plan(table, filters, order);
        assert!(plan.contains(by), "{}: {by} is not in: {plan}", table.name);
    }
}

#[tokio::test]
async fn a_file_that_is_closed_has_no_write_ahead_log_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.db");
    let rows = SqliteRows::open(&path).unwrap();
    rows.ensure(&[VisitRow::TABLE]).await.unwrap();
    rows.select(Select { limit: 1, ..Select::new(VisitRow::TABLE) }).await.unwrap();
    let left = || std::fs::read_dir(folder.path()).unwrap().count();
    assert!(left() > 1);
    drop(rows);
    assert_eq!(left(), 1);
}

/// How SQLite finds the rows, in its words.
fn plan(table: &'static Table, filters: Vec<Filter>, order: (&'static str, Direction)) -> String {
    let select = Select { filters, order: vec![order], limit: 10, ..Select::new(table) };
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(&sql::create(Sqlite, table)).unwrap();
    let asked = format!("EXPLAIN QUERY PLAN {}", sql::select(Sqlite, &select).unwrap().sql);
    let mut asked = connection.prepare(&asked).unwrap();
    let steps = asked.raw_query().mapped(|row| row.get::<_, String>(3)).collect::<Result<Vec<_>, _>>();
    steps.unwrap().join("; ")
}
