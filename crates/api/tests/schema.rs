//! The schema as clients know it changes only on purpose.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

#[test]
fn the_schema_file_is_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/schema.graphql");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, octocity_api::sdl()).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == octocity_api::sdl(),
        "schema/schema.graphql is not the schema; if the change is meant, run \
         `UPDATE_SCHEMA=1 cargo test -p octocity-api --test schema` and look at the difference"
    );
}

#[test]
fn what_tells_states_is_subscribed_to_by_its_argument() {
    let sdl = octocity_api::sdl();
    let (_, subscriptions) = sdl.split_once("type Subscription {").unwrap();
    let subscriptions = subscriptions.split_once("\n}").unwrap().0;
    for (field, argument) in octocity_api::graphql::STATES {
        let (_, arguments) = subscriptions.split_once(&format!("\t{field}(")).unwrap();
        assert!(arguments.split("\n\t)").next().unwrap().contains(&format!("{argument}: ")), "{field}");
    }
}

/// Descriptions are the documentation: nothing of ours stands without one.
#[test]
fn everything_is_described() {
    let sdl = octocity_api::sdl();
    let lines: Vec<&str> = sdl.lines().collect();
    let named = ["type ", "enum ", "input ", "scalar ", "union ", "interface "];
    let declares = |line: &str| {
        let is_type = named.iter().any(|kind| line.starts_with(kind)) && !line.contains("Connection");
        let is_field = line.strip_prefix('\t').is_some_and(|field| {
            field.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && field.contains([':', '('])
        });
        let is_root =
            ["\tquery: Query", "\tmutation: Mutation", "\tsubscription: Subscription"].contains(&line);
        is_type || (is_field && !is_root)
    };
    let (mut bare, mut in_text) = (Vec::new(), false);
    for (at, line) in lines.iter().enumerate() {
        let quotes = line.matches("\"\"\"").count();
        if !in_text
            && quotes == 0
            && declares(line)
            && !lines[..at].last().is_some_and(|before| before.ends_with("\"\"\""))
        {
            bare.push(*line);
        }
        in_text ^= quotes % 2 == 1;
    }
    assert!(bare.is_empty(), "without description:\n{}", bare.join("\n"));
}
