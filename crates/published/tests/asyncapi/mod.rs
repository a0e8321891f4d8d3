//! The AsyncAPI 3.0 document of the public topic.

use std::collections::BTreeMap;

use octocity_published::{CloudEvent, HEADERS, schemas};
use serde_json::{Map, Value, json};

/// Rises with the contract, not with the program: a new type or field is a minor version.
const VERSION: &str = "1.0.0";
const DRAFT_7: &str = "application/schema+json;version=draft-07";

pub fn document(examples: &BTreeMap<&'static str, (CloudEvent, Value)>) -> Value {
    let messages: Map<_, _> = schemas()
        .into_iter()
        .map(|(event_type, schema)| {
            (event_type.to_owned(), message(event_type, &schema.to_value(), &examples[event_type]))
        })
        .collect();
    let references = |to: &str| -> Vec<(String, Value)> {
        let reference = |name: &String| json!({ "$ref": format!("#/{to}/{name}") });
        messages.keys().map(|name| (name.clone(), reference(name))).collect()
    };
    let in_channel: Map<_, _> = references("components/messages").into_iter().collect();
    let in_operation: Vec<_> =
        references("channels/events/messages").into_iter().map(|(_, value)| value).collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Octocity: what happens in a city's car parks",
            "version": VERSION,
            "description": "CloudEvents 1.0 in the binary mode of the Kafka protocol binding. Messages of one \
                facility have its id as their key, and come in order. Read with isolation level read_committed. \
                A message of the same ce_source and ce_id is the same event. No message holds personal data.",
            "license": { "name": "MIT" },
        },
        "defaultContentType": "application/json",
        "channels": { "events": {
            "address": "octocity.events",
            "description": "The topic's name is the one configured; this is the default.",
            "messages": in_channel,
            "bindings": { "kafka": { "topic": "octocity.events", "bindingVersion": "0.5.0" } },
        } },
        "operations": { "tell": {
            "action": "send",
            "channel": { "$ref": "#/channels/events" },
            "messages": in_operation,
        } },
        "components": { "messages": messages, "schemas": { "headers": headers() } },
    })
}

fn message(event_type: &str, schema: &Value, (event, data): &(CloudEvent, Value)) -> Value {
    let headers: Map<_, _> = HEADERS
        .into_iter()
        .zip(&event.headers)
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    json!({
        "name": event_type,
        "title": schema["title"],
        "summary": schema["description"],
        "contentType": "application/json",
        "headers": { "$ref": "#/components/schemas/headers" },
        "payload": {
            "schemaFormat": DRAFT_7,
            "schema": { "$ref": format!("./published/{event_type}.json") },
        },
        "bindings": { "kafka": {
            "key": { "type": "string", "format": "uuid", "description": "The facility." },
            "bindingVersion": "0.5.0",
        } },
        "examples": [{ "headers": headers, "payload": data }],
    })
}

fn headers() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "required": HEADERS,
        "properties": {
            "ce_specversion": { "const": "1.0" },
            "ce_id": text("<stream>@<revision>: the same for ever, also when it is published again."),
            "ce_source": { "type": "string", "format": "uri-reference", "description": "Which system, as configured." },
            "ce_type": text("Ends in the version of the type."),
            "ce_time": { "type": "string", "format": "date-time", "description": "When it happened, as judged." },
            "ce_subject": text("What it is about: visits/<id>, pools/<code>, ..."),
            "ce_origin": {
                "enum": ["live", "imported"],
                "description": "imported: history brought in from a record, which is no news.",
            },
            "content-type": { "const": "application/json" },
        },
    })
}
