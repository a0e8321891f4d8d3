//! Keys of inputs that the schema does not know. The executor would first miss the required key that was misspelt;
//! here the misspelt one is named, with the key that was probably meant.

use std::sync::Arc;

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextParseQuery};
use async_graphql::parser::types::{
    BaseType, ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet, Type,
};
use async_graphql::registry::{MetaField, MetaType, MetaTypeName, Registry};
use async_graphql::{Pos, ServerError, ServerResult, Value, Variables};
use async_trait::async_trait;

use super::scalars::shown;
use crate::nearest::hint;

/// Checks the variables, and what stands in the fields' arguments.
pub struct KnownKeys;

impl ExtensionFactory for KnownKeys {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for KnownKeys {
    async fn parse_query(
        &self,
        context: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let document = next.run(context, query, variables).await?;
        let registry = &context.schema_env.registry;
        for (_, operation) in document.operations.iter() {
            in_variables(registry, &operation.node, variables)?;
            in_arguments(registry, root(registry, &operation.node), &operation.node.selection_set.node)?;
        }
        for fragment in document.fragments.values() {
            let of = registry.types.get(fragment.node.type_condition.node.on.node.as_str());
            in_arguments(registry, of, &fragment.node.selection_set.node)?;
        }
        Ok(document)
    }
}

fn in_variables(
    registry: &Registry,
    operation: &OperationDefinition,
    variables: &Variables,
) -> ServerResult<()> {
    for defined in &operation.variable_definitions {
        let (name, of_type) = (&defined.node.name.node, named(&defined.node.var_type.node));
        if let Some(unknown) = variables.get(name).and_then(|value| unknown(registry, of_type, value)) {
            return Err(unknown.error(name, defined.pos));
        }
    }
    Ok(())
}

fn root<'a>(registry: &'a Registry, operation: &OperationDefinition) -> Option<&'a MetaType> {
    let name = match operation.ty {
        OperationType::Query => Some(&registry.query_type),
        OperationType::Mutation => registry.mutation_type.as_ref(),
        OperationType::Subscription => registry.subscription_type.as_ref(),
    };
    registry.types.get(name?)
}

/// `of`: the type whose fields are selected; an unknown one is the validator's to report.
fn in_arguments(registry: &Registry, of: Option<&MetaType>, selected: &SelectionSet) -> ServerResult<()> {
    let Some(of) = of else { return Ok(()) };
    for selection in &selected.items {
        match &selection.node {
            Selection::Field(field) => {
                let Some(known) = of.field_by_name(&field.node.name.node) else { continue };
                in_field(registry, known, &field.node)?;
                let inner = registry.types.get(MetaTypeName::concrete_typename(&known.ty));
                in_arguments(registry, inner, &field.node.selection_set.node)?;
            }
            Selection::InlineFragment(inline) => {
                let condition = inline.node.type_condition.as_ref();
                let on = match condition {
                    Some(condition) => registry.types.get(condition.node.on.node.as_str()),
                    None => Some(of),
                };
                in_arguments(registry, on, &inline.node.selection_set.node)?;
            }
            // Looked at where it is defined: once, however often it is spread.
            Selection::FragmentSpread(_) => {}
        }
    }
    Ok(())
}

fn in_field(registry: &Registry, known: &MetaField, field: &Field) -> ServerResult<()> {
    for (name, value) in &field.arguments {
        let Some(argument) = known.args.get(name.node.as_str()) else { continue };
        // A variable in it is checked by its own type.
        let constant = value.node.clone().into_const_with(|_| Ok::<_, std::convert::Infallible>(Value::Null));
        let Ok(constant) = constant;
        if let Some(unknown) = unknown(registry, MetaTypeName::concrete_typename(&argument.ty), &constant) {
            return Err(unknown.error(&name.node, value.pos));
        }
    }
    Ok(())
}

fn named(of: &Type) -> &str {
    match &of.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => named(inner),
    }
}

/// A key that its object does not have.
struct Unknown {
    /// Where the object stands in its argument or variable, from the inside out.
    within: Vec<String>,
    /// What is wrong, and what may be right.
    sentence: String,
}

impl Unknown {
    fn within(mut self, place: impl ToString) -> Self {
        self.within.push(place.to_string());
        self
    }

    fn error(self, name: &str, at: Pos) -> ServerError {
        let mut path = vec![name.to_owned()];
        path.extend(self.within.into_iter().rev());
        ServerError::new(format!("{} {}", path.join("."), self.sentence), Some(at))
    }
}

fn unknown(registry: &Registry, of_type: &str, value: &Value) -> Option<Unknown> {
    match value {
        Value::List(values) => values.iter().enumerate().find_map(|(index, value)| {
            unknown(registry, of_type, value).map(|unknown| unknown.within(index))
        }),
        Value::Object(given) => {
            let Some(MetaType::InputObject { input_fields, .. }) = registry.types.get(of_type) else {
                return None;
            };
            given.iter().find_map(|(key, value)| match input_fields.get(key.as_str()) {
                Some(field) => unknown(registry, MetaTypeName::concrete_typename(&field.ty), value)
                    .map(|unknown| unknown.within(key)),
                None => {
                    let known: Vec<&str> = input_fields.keys().map(String::as_str).collect();
                    let sentence = format!("has no key '{}'; {}", shown(key), hint(key, &known));
                    Some(Unknown { within: Vec::new(), sentence })
                }
            })
        }
        _ => None,
    }
}
