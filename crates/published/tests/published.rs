//! The contract is written down, complete, and free of personal data.
//!
//! `schema/published` and `schema/asyncapi.json` are generated from the types and from what they make of the stored
//! events' fixtures: after a change run this test with `REGENERATE=1`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod asyncapi;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use octocity_domain::{Category, CommandId, Event, FacilityId, Timestamp};
use octocity_log::{Actor, EventMeta, Origin, Position, RecordedEvent, StreamId, decode};
use octocity_published::{CloudEvent, HEADERS, Published, publish, schemas};
use serde_json::Value;
use uuid::Uuid;

const STREAM: Uuid = Uuid::from_u128(0x018b_cfe5_6864_8abc_9def_0000_0000_00e1);
const FACILITY: FacilityId = FacilityId(Uuid::from_u128(0x018b_cfe5_6864_8abc_9def_0000_0000_0001));

/// A stored event of the fixtures, as the log gives it.
struct Stored {
    example: Value,
    recorded: RecordedEvent,
    event: Event,
}

impl Stored {
    fn published(&self) -> Option<Published> {
        publish(&self.event, self.recorded.stream, &self.recorded.meta)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn stored() -> Vec<Stored> {
    let mut found = Vec::new();
    for category in Category::ALL {
        let folder = root().join("crates/log/fixtures/events").join(category.as_str());
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files {
            let name = file.file_stem().unwrap().to_str().unwrap();
            let (event_type, version) = name.rsplit_once(".v").unwrap();
            let examples: Vec<Value> = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            let version = version.parse().unwrap();
            found.extend(
                examples.into_iter().map(|example| as_stored(category, event_type, version, example)),
            );
        }
    }
    found
}

fn as_stored(category: Category, event_type: &str, version: u16, example: Value) -> Stored {
    let data = serde_json::to_vec(&example).unwrap();
    let event = decode(category, event_type, version, &data).unwrap();
    let at = Timestamp::from_seconds(1_700_000_000);
    let command_id = CommandId::from_source(at, "lane", "1");
    let meta = EventMeta {
        actor: Actor::new("lane-1"),
        command_id,
        causation_id: command_id.uuid(),
        correlation_id: command_id.uuid(),
        key: FACILITY,
        decided_at: at.plus_seconds(1),
        happened_at: at,
        origin: Origin::Live,
    };
    let stream = StreamId::new(category, STREAM);
    let event_type = Arc::from(event_type);
    let recorded =
        RecordedEvent { position: Position(7), stream, revision: 12, event_type, version, data, meta };
    Stored { example, recorded, event }
}

/// Of each published type the fullest example.
fn examples() -> BTreeMap<&'static str, (CloudEvent, Value)> {
    let mut examples = BTreeMap::new();
    for stored in stored() {
        let Some(published) = stored.published() else { continue };
        let message = CloudEvent::try_new(&published, &stored.recorded, "/octocity").unwrap();
        let data: Value = serde_json::from_slice(&message.data).unwrap();
        let known = examples.get(published.fact.event_type());
        let is_fuller = |(known, _): &(CloudEvent, Value)| known.data.len() < message.data.len();
        if known.is_none_or(is_fuller) {
            examples.insert(published.fact.event_type(), (message, data));
        }
    }
    examples
}

#[test]
fn every_published_type_is_made_of_some_stored_event_and_fits_its_schema() {
    let examples = examples();
    for (event_type, schema) in schemas() {
        let (_, data) = examples.get(event_type).unwrap_or_else(|| panic!("no event makes {event_type}"));
        let names = |names: &[Value]| {
            names.iter().map(|name| name.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
        };
        let schema = schema.to_value();
        let known: BTreeSet<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        let given: BTreeSet<_> = data.as_object().unwrap().keys().cloned().collect();
        assert!(given.is_subset(&known), "{event_type}: {given:?}");
        assert!(names(schema["required"].as_array().unwrap()).is_subset(&given), "{event_type}: {given:?}");
    }
    assert_eq!(examples.len(), schemas().len());
}

#[test]
fn nothing_personal_is_published() {
    let mut secrets_seen = 0;
    for stored in stored() {
        let Some(published) = stored.published() else { continue };
        let mut secrets = Vec::new();
        collect_secrets(&stored.example, false, &mut secrets);
        secrets_seen += secrets.len();
        let text = serde_json::to_string(&published.fact).unwrap() + &published.subject.to_string();
        for secret in secrets {
            assert!(!text.contains(&secret), "{} tells {secret:?}", published.fact.event_type());
        }
    }
    assert!(secrets_seen > 10, "only {secrets_seen} were looked for");
}

/// Every text below a field that holds what is personal, free text, or a gateway's.
fn collect_secrets(value: &Value, secret: bool, secrets: &mut Vec<String>) {
    const FIELDS: [&str; 6] = ["credentials", "old", "new", "reason", "token", "reference"];
    match value {
        // Ids of reservations stand in credentials too, and are no secret; two letters are found in any word.
        Value::String(text) if secret && text.len() > 2 && Uuid::parse_str(text).is_err() => {
            secrets.push(text.clone())
        }
        Value::Array(items) => items.iter().for_each(|item| collect_secrets(item, secret, secrets)),
        Value::Object(fields) => fields.iter().for_each(|(name, field)| {
            let tag = name == "kind";
            collect_secrets(field, !tag && (secret || FIELDS.contains(&name.as_str())), secrets);
        }),
        _ => {}
    }
}

#[test]
fn publishing_again_says_the_same_again() {
    let stored =
        stored().into_iter().find(|stored| &*stored.recorded.event_type == "VehicleEntered").unwrap();
    let message = |stored: &Stored| {
        CloudEvent::try_new(&stored.published().unwrap(), &stored.recorded, "/octocity").unwrap()
    };
    let first = message(&stored);
    // Another epoch of the log has other positions.
    let moved = RecordedEvent { position: Position(99), ..stored.recorded.clone() };
    assert_eq!(message(&Stored { recorded: moved, ..stored }), first);
    let headers: BTreeMap<_, _> = HEADERS.into_iter().zip(first.headers).collect();
    assert_eq!(headers["ce_id"], format!("parking-{STREAM}@12"));
    assert_eq!(headers["ce_type"], "octocity.parking.vehicle-entered.v1");
    assert_eq!(headers["ce_time"], "2023-11-14T22:13:20Z");
    assert_eq!(headers["ce_specversion"], "1.0");
    assert_eq!(headers["content-type"], "application/json");
}

#[test]
fn the_contract_written_down_is_that_of_the_code() {
    let mut generated = BTreeMap::new();
    for (event_type, schema) in schemas() {
        generated.insert(format!("published/{event_type}.json"), schema.to_value());
    }
    generated.insert("asyncapi.json".to_owned(), asyncapi::document(&examples()));
    let folder = root().join("schema");
    for (file, value) in &generated {
        let text = serde_json::to_string_pretty(value).unwrap() + "\n";
        if std::env::var_os("REGENERATE").is_some() {
            fs::create_dir_all(folder.join("published")).unwrap();
            fs::write(folder.join(file), &text).unwrap();
        }
        let written = fs::read_to_string(folder.join(file)).unwrap_or_default();
        assert_eq!(written, text, "schema/{file} is not of this code; run the test with REGENERATE=1");
    }
    for entry in fs::read_dir(folder.join("published")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            generated.contains_key(&format!("published/{name}")),
            "schema/published/{name} is of no type"
        );
    }
}
