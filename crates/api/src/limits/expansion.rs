//! How many fields a document selects, and how deep, with each fragment counted once however often it is spread:
//! a chain of fragments that doubles at every link costs a line here, and seconds in a plain walk.

use std::collections::HashMap;

use async_graphql::ServerError;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

use super::Limits;
use crate::faults::{Code, coded};

/// Levels of fields a standard introspection query has; it is not held to the depth of data.
const INTROSPECTION: &str = "__";

#[derive(Clone, Copy, Default)]
struct Size {
    fields: usize,
    depth: usize,
}

/// What is known of a fragment: being measured (so a spread of itself is a cycle), or measured.
enum Measured {
    Open,
    Done(Size),
}

pub fn check(document: &ExecutableDocument, limits: &Limits) -> Result<(), Box<ServerError>> {
    let mut fragments = HashMap::new();
    let mut total = Size::default();
    for (_, operation) in document.operations.iter() {
        let size = measure(document, &operation.node.selection_set.node, &mut fragments)?;
        total.fields = total.fields.saturating_add(size.fields);
        total.depth = total.depth.max(size.depth);
    }
    if total.fields > limits.document_fields {
        let sentence = format!(
            "The document selects more than {} fields once its fragments are expanded; ask for less at a time.",
            limits.document_fields
        );
        return Err(coded(Code::QueryTooLarge, sentence));
    }
    if total.depth > limits.depth {
        return Err(coded(Code::QueryTooDeep, format!("Fields nest deeper than {} levels.", limits.depth)));
    }
    Ok(())
}

fn measure<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    fragments: &mut HashMap<&'a str, Measured>,
) -> Result<Size, Box<ServerError>> {
    let mut size = Size::default();
    for selection in &set.items {
        let inner = match &selection.node {
            Selection::Field(field) => {
                let below = measure(document, &field.node.selection_set.node, fragments)?;
                let counts = !field.node.name.node.starts_with(INTROSPECTION);
                Size {
                    fields: below.fields.saturating_add(1),
                    depth: if counts { below.depth + 1 } else { 0 },
                }
            }
            Selection::InlineFragment(inline) => {
                measure(document, &inline.node.selection_set.node, fragments)?
            }
            Selection::FragmentSpread(spread) => {
                measure_fragment(document, spread.node.fragment_name.node.as_str(), fragments)?
            }
        };
        size.fields = size.fields.saturating_add(inner.fields);
        size.depth = size.depth.max(inner.depth);
    }
    Ok(size)
}

fn measure_fragment<'a>(
    document: &'a ExecutableDocument,
    name: &'a str,
    fragments: &mut HashMap<&'a str, Measured>,
) -> Result<Size, Box<ServerError>> {
    match fragments.get(name) {
        Some(Measured::Done(size)) => return Ok(*size),
        Some(Measured::Open) => {
            return Err(coded(Code::GraphqlValidationFailed, format!("Fragment '{name}' spreads itself.")));
        }
        None => {}
    }
    // An unknown fragment is the validator's to report.
    let Some(fragment) = document.fragments.get(name) else { return Ok(Size::default()) };
    fragments.insert(name, Measured::Open);
    let size = measure(document, &fragment.node.selection_set.node, fragments)?;
    fragments.insert(name, Measured::Done(size));
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, parse};

    fn code(query: &str) -> Option<String> {
        let error = parse(query, &Limits::default()).err()?;
        let value = error.extensions.as_ref()?.get("code")?;
        value.clone().into_json().ok()?.as_str().map(str::to_owned)
    }

    #[test]
    fn fragments_that_double_are_refused_at_once() {
        let mut query = "query { ...F0 }".to_owned();
        for at in 0..30 {
            query += &format!(" fragment F{at} on Q {{ ...F{next} x: a ...F{next} }}", next = at + 1);
        }
        query += " fragment F30 on Q { a }";
        assert_eq!(code(&query).as_deref(), Some("QUERY_TOO_LARGE"));
    }

    #[test]
    fn a_fragment_that_spreads_itself_is_refused() {
        let query = "{ ...A } fragment A on Q { ...B } fragment B on Q { ...A }";
        assert_eq!(code(query).as_deref(), Some("GRAPHQL_VALIDATION_FAILED"));
    }

    #[test]
    fn a_thousand_aliases_twice_are_refused() {
        let aliases: String = (0..1_600).map(|at| format!("a{at}: a ")).collect();
        assert_eq!(code(&format!("{{ {aliases} }}")).as_deref(), Some("QUERY_TOO_LARGE"));
    }

    #[test]
    fn brackets_by_the_thousand_never_reach_the_parser() {
        let query = format!("{{ a(x: {}", "[".repeat(4_000));
        assert_eq!(code(&query).as_deref(), Some("QUERY_TOO_DEEP"));
    }

    #[test]
    fn an_ordinary_query_passes() {
        assert_eq!(code("query Q { a { b { c } } ...F } fragment F on Q { d }"), None);
    }
}
