//! Events to bytes and back. The data is the event's fields as JSON; its type stands beside it.

use std::borrow::Cow;

use octocity_domain::{Category, Event};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category as Fault;
use thiserror::Error;

use crate::upcast::{STEPS, upcast};

#[derive(Debug, Error)]
pub enum DecodeError {
    #[error("event {category}/{event_type} v{version} cannot be read by this version: {reason}")]
    Unreadable { category: &'static str, event_type: String, version: u16, reason: String },
}

/// An event's type name and data. Aggregates' enums serialise as `{"Type":{fields}}`; the log keeps the type in
/// a place of its own, so the wrapping is cut off here and put back by [`decode`].
pub fn encode<E: Serialize>(event: &E) -> Result<(String, Vec<u8>), serde_json::Error> {
    let bytes = serde_json::to_vec(event)?;
    let cut = || serde::ser::Error::custom("an event must be an enum variant with named fields");
    let end = bytes.iter().skip(2).position(|byte| *byte == b'"').ok_or_else(cut)? + 2;
    if !bytes.starts_with(b"{\"") || bytes.get(end + 1) != Some(&b':') || bytes.last() != Some(&b'}') {
        return Err(cut());
    }
    let event_type = String::from_utf8_lossy(&bytes[2..end]).into_owned();
    Ok((event_type, bytes[end + 2..bytes.len() - 1].to_vec()))
}

/// The typed event of one category.
pub fn decode_as<E: DeserializeOwned>(event_type: &str, data: &[u8]) -> Result<E, serde_json::Error> {
    let mut wrapped = Vec::with_capacity(data.len() + event_type.len() + 5);
    wrapped.extend_from_slice(b"{\"");
    wrapped.extend_from_slice(event_type.as_bytes());
    wrapped.extend_from_slice(b"\":");
    wrapped.extend_from_slice(data);
    wrapped.push(b'}');
    serde_json::from_slice(&wrapped)
}

/// The event of an aggregate whose category is known, upcast to today's form.
pub fn decode_for<D: octocity_domain::Decider>(
    event_type: &str,
    version: u16,
    data: &[u8],
) -> Result<D::Event, DecodeError> {
    let lifted = lift(D::CATEGORY, event_type, version, data)?;
    decode_as(event_type, &lifted)
        .map_err(|error| unreadable(D::CATEGORY, event_type, version, json_fault(&error)))
}

/// The event that a stream of this category stored, upcast to today's form.
pub fn decode(category: Category, event_type: &str, version: u16, data: &[u8]) -> Result<Event, DecodeError> {
    let data = &*lift(category, event_type, version, data)?;
    let decoded = match category {
        Category::Facility => decode_as(event_type, data).map(Event::Facility),
        Category::Parking => decode_as(event_type, data).map(Event::Parking),
        Category::Reservations => decode_as(event_type, data).map(Event::Reservations),
        Category::Session => decode_as(event_type, data).map(Event::Session),
        Category::Payment => decode_as(event_type, data).map(Event::Payment),
        Category::Skips => decode_as(event_type, data).map(Event::Skips),
    };
    decoded.map_err(|error| unreadable(category, event_type, version, json_fault(&error)))
}

/// What is wrong with stored JSON, and where. Serde's own sentence quotes what it found, and that can be a plate or a
/// token; this one names no value, so that it may stand in logs.
pub fn json_fault(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        Fault::Io => "it could not be read or written",
        Fault::Syntax => "it is no JSON",
        Fault::Data => "a field is missing or of another type",
        Fault::Eof => "it ends too early",
    };
    format!("{kind} (line {}, column {})", error.line(), error.column())
}

fn lift<'a>(
    category: Category,
    event_type: &str,
    version: u16,
    data: &'a [u8],
) -> Result<Cow<'a, [u8]>, DecodeError> {
    upcast(STEPS, category, event_type, version, data)
        .map_err(|reason| unreadable(category, event_type, version, reason))
}

fn unreadable(category: Category, event_type: &str, version: u16, reason: String) -> DecodeError {
    let (category, event_type) = (category.as_str(), event_type.to_owned());
    DecodeError::Unreadable { category, event_type, version, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unreadable_is_not_repeated() {
        let plate = br#"{"credentials":"B-XY 1234"}"#;
        for (event_type, data) in [
            ("VehicleEntered", &plate[..]),
            ("VehicleEntered", br#"{"lane":"B-XY 1234"#),
            ("VehicleEntered", b"B-XY 1234"),
            ("CapacityChanged", br#"{"pool":"B-XY 1234 ","places":"B-XY 1234"}"#),
        ] {
            let told = decode(Category::Parking, event_type, 1, data).unwrap_err().to_string();
            assert!(told.contains("line 1, column ") && !told.contains("1234"), "{told}");
        }
    }

    #[test]
    fn the_kind_of_a_fault_is_told() {
        let told = |text: &str| json_fault(&serde_json::from_str::<u8>(text).unwrap_err());
        assert_eq!(told("\"B-XY 1\""), "a field is missing or of another type (line 1, column 8)");
        assert_eq!(told("B-XY 1"), "it is no JSON (line 1, column 1)");
        assert_eq!(told(""), "it ends too early (line 1, column 0)");
    }
}
