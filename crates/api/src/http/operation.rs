//! Which operation of a document a request runs, and that a subscription has one root field.

use std::collections::HashSet;

use async_graphql::parser::types::{
    ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
};

use async_graphql::{Name, ServerError, Value as Literal, Variables};
use serde_json::{Map, Value};

use crate::faults::{Code, coded};

/// The subscriptions each of whose messages is the whole state of the one thing that this argument names, so that a newer
/// message stands for those before it.
pub type States = &'static [(&'static str, &'static str)];

/// The operation that the request names, or the only one.
pub fn chosen<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Result<&'a OperationDefinition, Box<ServerError>> {
    let mut chosen = document
        .operations
        .iter()
        .filter(|(known, _)| name.is_none_or(|name| known.is_some_and(|k| k == name)));
    match (chosen.next(), chosen.next()) {
        (Some((_, operation)), None) => Ok(&operation.node),
        (None, _) => Err(coded(Code::GraphqlValidationFailed, "The document has no operation of this name.")),
        _ => Err(coded(
            Code::GraphqlValidationFailed,
            "The document has several operations; say which in 'operationName'.",
        )),
    }
}

/// GraphQL specification, section 6.1.2 (Coercing Variable Values): a variable that needs a value has one. The executor would take
/// null for a list without items or for what was left out.
pub fn check_variables(
    operation: &OperationDefinition,
    given: Option<&Map<String, Value>>,
) -> Result<(), Box<ServerError>> {
    for defined in &operation.variable_definitions {
        let (name, of_type) = (defined.node.name.node.as_str(), &defined.node.var_type.node);
        let value = given.and_then(|given| given.get(name));
        let is_absent = match value {
            None => defined.node.default_value.is_none(),
            Some(value) => value.is_null(),
        };
        if of_type.nullable || !is_absent {
            continue;
        }
        let sentence =
            format!("Variable '{name}' of type {of_type} has no value; give it one in 'variables'.");
        let mut error = coded(Code::GraphqlValidationFailed, sentence);
        error.locations.push(defined.pos);
        return Err(error);
    }
    Ok(())
}

/// What the document gives those that have no value: the executor does not look there for `@skip` and `@include`.
pub fn fill_defaults(operation: &OperationDefinition, variables: &mut Variables) {
    for defined in &operation.variable_definitions {
        if let Some(default) = &defined.node.default_value {
            let name = defined.node.name.node.clone();
            variables.entry(name).or_insert_with(|| default.node.clone());
        }
    }
}

/// GraphQL specification, section 5.2.3.1 (Single Root Field), which the executor does not check.
pub fn check_subscriptions(document: &ExecutableDocument) -> Result<(), Box<ServerError>> {
    let operations = document.operations.iter().map(|(_, operation)| &operation.node);
    for operation in operations.filter(|operation| operation.ty == OperationType::Subscription) {
        let mut roots = Roots { document, fields: HashSet::new(), seen: HashSet::new() };
        roots.collect(&operation.selection_set.node);
        if roots.fields.len() > 1 || roots.fields.iter().any(|(_, name)| name.starts_with("__")) {
            let sentence = "A subscription selects exactly one field, and no introspection; subscribe to each by itself.";
            return Err(coded(Code::GraphqlValidationFailed, sentence));
        }
        let mut items = operation.selection_set.node.items.iter();
        if !items.any(|item| matches!(item.node, Selection::Field(_))) {
            let sentence =
                "The field of a subscription stands in no fragment; select it in the operation itself.";
            return Err(coded(Code::GraphqlValidationFailed, sentence));
        }
    }
    Ok(())
}

/// Whether it is a subscription to one of these, and to one thing: one whose field stands in a fragment is not looked at.
pub fn tells_one_state(
    operation: &OperationDefinition,
    variables: Option<&Map<String, Value>>,
    states: States,
) -> bool {
    let [root] = &operation.selection_set.node.items[..] else { return false };
    let (Selection::Field(field), OperationType::Subscription) = (&root.node, operation.ty) else {
        return false;
    };
    let field = &field.node;
    let Some((_, argument)) = states.iter().find(|(name, _)| *name == field.name.node.as_str()) else {
        return false;
    };
    let given = |name: Name| -> Result<Literal, ()> {
        let given = variables.and_then(|all| all.get(name.as_str())).ok_or(())?;
        Literal::from_json(given.clone()).map_err(|_| ())
    };
    match field.get_argument(argument).and_then(|value| value.node.clone().into_const_with(given).ok()) {
        Some(Literal::List(things)) => things.len() == 1,
        Some(Literal::String(_)) => true,
        _ => false,
    }
}

struct Roots<'a> {
    document: &'a ExecutableDocument,
    /// By the key under which it is answered, and its name.
    fields: HashSet<(&'a str, &'a str)>,
    /// The fragments that were looked at.
    seen: HashSet<&'a str>,
}

impl<'a> Roots<'a> {
    fn collect(&mut self, set: &'a SelectionSet) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let (key, name) = (field.node.response_key(), &field.node.name);
                    self.fields.insert((key.node.as_str(), name.node.as_str()));
                }
                Selection::InlineFragment(inline) => self.collect(&inline.node.selection_set.node),
                Selection::FragmentSpread(spread) => self.collect_fragment(&spread.node.fragment_name.node),
            }
        }
    }

    fn collect_fragment(&mut self, name: &'a str) {
        if self.seen.insert(name)
            && let Some(fragment) = self.document.fragments.get(name)
        {
            self.collect(&fragment.node.selection_set.node);
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    #[test]
    fn a_subscription_has_one_root_field_also_through_fragments() {
        let rest = "fragment F on S { ...G } fragment G on S { b } fragment H on S { a ...H }";
        for (selected, passes) in [
            ("a", true),
            ("a a", true),
            ("a ... on S { a }", true),
            ("...H a", true),
            // The executor would take them for an empty stream.
            ("...H", false),
            ("... on S { a }", false),
            ("a b", false),
            ("a x: a", false),
            ("a ... on S { b }", false),
            ("a ...F", false),
            ("__typename", false),
        ] {
            let document = parse_query(format!("subscription {{ {selected} }} {rest}")).unwrap();
            assert_eq!(check_subscriptions(&document).is_ok(), passes, "{selected}");
        }
        let several = parse_query("query Q { a b } subscription S { a b }").unwrap();
        assert!(check_subscriptions(&several).is_err());
    }

    #[test]
    fn a_variable_that_needs_a_value_has_one() {
        for (defined, variables, error) in [
            ("$a: Int!", r#"{"a": 1}"#, None),
            ("$a: Int! = 1", "{}", None),
            ("$a: [Int!]", r#"{"a": null}"#, None),
            ("$a: [Int!]", "{}", None),
            ("$a: [Int]!", r#"{"a": [null]}"#, None),
            ("$a: Int!", "{}", Some("Variable 'a' of type Int! has no value; give it one in 'variables'.")),
            (
                "$a: [Int!]!",
                r#"{"a": null}"#,
                Some("Variable 'a' of type [Int!]! has no value; give it one in 'variables'."),
            ),
            (
                "$a: Int! = 1",
                r#"{"a": null}"#,
                Some("Variable 'a' of type Int! has no value; give it one in 'variables'."),
            ),
        ] {
            let document = parse_query(format!("query ({defined}) {{ a }}")).unwrap();
            let variables = serde_json::from_str::<Map<String, Value>>(variables).unwrap();
            let checked = check_variables(chosen(&document, None).unwrap(), Some(&variables));
            assert_eq!(checked.err().map(|error| error.message).as_deref(), error, "{defined} {variables:?}");
        }
    }

    #[test]
    fn one_thing_is_one_by_its_argument() {
        for (query, variables, one) in [
            ("subscription { of(ids: [\"1\"]) { a } }", "{}", true),
            ("subscription { of(ids: \"1\") { a } }", "{}", true),
            ("subscription { x: of(ids: [\"1\", \"2\"]) { a } }", "{}", false),
            ("subscription { of(ids: []) { a } }", "{}", false),
            ("subscription ($i: [ID!]!) { of(ids: $i) { a } }", r#"{"i": ["1"]}"#, true),
            ("subscription ($i: [ID!]!) { of(ids: $i) { a } }", r#"{"i": "1"}"#, true),
            ("subscription ($i: [ID!]!) { of(ids: $i) { a } }", r#"{"i": ["1", "2"]}"#, false),
            ("subscription ($i: [ID!] = [\"1\"]) { of(ids: $i) { a } }", "{}", false),
            ("subscription { each(ids: [\"1\"]) { a } }", "{}", false),
            ("query { of(ids: [\"1\"]) { a } }", "{}", false),
        ] {
            let document = parse_query(query).unwrap();
            let variables = serde_json::from_str::<Map<String, Value>>(variables).unwrap();
            let tells = tells_one_state(chosen(&document, None).unwrap(), Some(&variables), &[("of", "ids")]);
            assert_eq!(tells, one, "{query}");
        }
    }
}
