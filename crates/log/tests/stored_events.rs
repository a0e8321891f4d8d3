//! What was stored once is read for ever, and the schema of it is written down.
//!
//! `fixtures/events/<category>/<Type>.v<version>.json` holds examples of each event's data, at least one of every
//! variant of its open enums. They are only ever added to. `schema/events` is generated: after a change run
//! this test with `REGENERATE=1`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use octocity_domain::facilities::FacilityEvent;
use octocity_domain::operations::SkipsEvent;
use octocity_domain::parking::ParkingEvent;
use octocity_domain::payments::PaymentEvent;
use octocity_domain::reservations::ReservationsEvent;
use octocity_domain::sessions::SessionEvent;
use octocity_domain::{Category, Event};
use octocity_log::{current_version, decode, encode};
use serde_json::{Map, Value, json};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/events")
}

fn schemas() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/events")
}

fn schema_of(category: Category) -> Value {
    let schema = match category {
        Category::Facility => schemars::schema_for!(FacilityEvent),
        Category::Parking => schemars::schema_for!(ParkingEvent),
        Category::Reservations => schemars::schema_for!(ReservationsEvent),
        Category::Session => schemars::schema_for!(SessionEvent),
        Category::Payment => schemars::schema_for!(PaymentEvent),
        Category::Skips => schemars::schema_for!(SkipsEvent),
    };
    schema.to_value()
}

/// The schema of the data of each event type of a category.
fn types_of(category: Category) -> BTreeMap<String, Value> {
    let whole = schema_of(category);
    let variants = whole["oneOf"].as_array().expect("an event enum is one of its variants");
    let types = variants.iter().map(|variant| {
        let (name, data) = variant["properties"].as_object().unwrap().iter().next().unwrap();
        let mut data = data.clone();
        if let Some(description) = variant.get("description") {
            data["description"] = description.clone();
        }
        let mut used = BTreeMap::new();
        collect_definitions(&data, &whole["$defs"], &mut used);
        data["$schema"] = whole["$schema"].clone();
        data["title"] = json!(format!("{}.{name}", category.as_str()));
        if !used.is_empty() {
            data["$defs"] = json!(used);
        }
        (name.clone(), data)
    });
    types.collect()
}

fn collect_definitions(schema: &Value, all: &Value, used: &mut BTreeMap<String, Value>) {
    match schema {
        Value::Object(fields) => {
            if let Some(name) = fields.get("$ref").and_then(Value::as_str) {
                let name = name.trim_start_matches("#/$defs/");
                if !used.contains_key(name) {
                    used.insert(name.to_owned(), all[name].clone());
                    collect_definitions(&all[name], all, used);
                }
            }
            fields.values().for_each(|inner| collect_definitions(inner, all, used));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect_definitions(inner, all, used)),
        _ => {}
    }
}

fn encoded(event: &Event) -> (String, Value) {
    let (event_type, data) = match event {
        Event::Facility(event) => encode(event),
        Event::Parking(event) => encode(event),
        Event::Reservations(event) => encode(event),
        Event::Session(event) => encode(event),
        Event::Payment(event) => encode(event),
        Event::Skips(event) => encode(event),
    }
    .unwrap();
    (event_type, serde_json::from_slice(&data).unwrap())
}

/// Type, version and examples of each file of a category.
fn examples_of(category: Category) -> Vec<(String, u16, Vec<Value>)> {
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().trim_end_matches(".json").to_owned();
        let (event_type, version) = name.rsplit_once(".v").expect("named <Type>.v<version>.json");
        let examples = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        (event_type.to_owned(), version.parse().unwrap(), examples)
    };
    fs::read_dir(fixtures().join(category.as_str())).unwrap().map(read).collect()
}

#[test]
fn every_stored_event_decodes_and_keeps_its_meaning() {
    let mut count = 0;
    for category in Category::ALL {
        for (event_type, version, examples) in examples_of(category) {
            for example in examples {
                let data = serde_json::to_vec(&example).unwrap();
                let event = decode(category, &event_type, version, &data).unwrap();
                let (written_type, written) = encoded(&event);
                assert_eq!(written_type, event_type);
                if version == current_version(category, &event_type) {
                    assert_eq!(written, example, "{category:?} {event_type}");
                }
                count += 1;
            }
        }
    }
    assert!(count > 80, "only {count} examples were found");
}

#[test]
fn every_version_of_every_event_type_has_examples() {
    for category in Category::ALL {
        let found: BTreeSet<_> = examples_of(category)
            .into_iter()
            .filter(|(_, _, examples)| !examples.is_empty())
            .map(|(event_type, version, _)| (event_type, version))
            .collect();
        let versions = |name: &String| 1..=current_version(category, name);
        let expected = types_of(category).into_keys();
        let expected = expected.flat_map(|name| versions(&name).map(move |version| (name.clone(), version)));
        assert_eq!(found, expected.collect::<BTreeSet<_>>(), "{category:?}");
    }
}

#[test]
fn every_variant_of_every_open_enum_has_an_example() {
    for category in Category::ALL {
        let mut used = BTreeSet::new();
        for (_, _, examples) in examples_of(category) {
            examples.iter().for_each(|example| collect_texts(example, &mut used));
        }
        let mut named = BTreeSet::new();
        types_of(category).values().for_each(|schema| collect_variants(schema, &mut named));
        let missing: Vec<_> = named.difference(&used).collect();
        assert!(missing.is_empty(), "{category:?} has no example with {missing:?}");
    }
}

fn collect_texts(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(texts.insert(text.clone())),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| collect_texts(field, texts)),
        _ => {}
    }
}

fn collect_variants(schema: &Value, variants: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            collect_named(fields, variants);
            fields.values().for_each(|inner| collect_variants(inner, variants));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect_variants(inner, variants)),
        _ => {}
    }
}

fn collect_named(fields: &Map<String, Value>, variants: &mut BTreeSet<String>) {
    if let Some(Value::String(only)) = fields.get("const") {
        variants.insert(only.clone());
    }
    if let Some(Value::Array(values)) = fields.get("enum") {
        variants.extend(values.iter().filter_map(Value::as_str).map(str::to_owned));
    }
}

#[test]
fn the_schemas_written_down_are_those_of_the_code() {
    let mut generated = BTreeMap::new();
    for category in Category::ALL {
        for (name, schema) in types_of(category) {
            let version = current_version(category, &name);
            let file = format!("{}.{name}.v{version}.json", category.as_str());
            generated.insert(file, serde_json::to_string_pretty(&schema).unwrap() + "\n");
        }
    }
    if std::env::var_os("REGENERATE").is_some() {
        fs::create_dir_all(schemas()).unwrap();
        for (file, text) in &generated {
            fs::write(schemas().join(file), text).unwrap();
        }
    }
    for (file, text) in &generated {
        let written = fs::read_to_string(schemas().join(file)).unwrap_or_default();
        assert_eq!(
            &written, text,
            "schema/events/{file} is not of this code; run the test with REGENERATE=1"
        );
    }
    let known: BTreeSet<_> = generated.into_keys().collect();
    for entry in fs::read_dir(schemas()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let of_old_version = known.iter().any(|file| {
            let base = |file: &str| file.rsplit_once(".v").unwrap().0.to_owned();
            base(file) == base(&name)
        });
        assert!(of_old_version, "schema/events/{name} is of no event");
    }
}
