//! The protocol's messages.

use async_graphql::ServerError;
use serde_json::{Map, Value};

use super::close::Close;
use crate::http::request::{Parameters, from_object};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromClient {
    ConnectionInit { authorization: Option<String> },
    Ping { payload: Option<Value> },
    Pong,
    Subscribe { id: String, parameters: Parameters },
    Complete { id: String },
}

impl FromClient {
    /// Errors: close with 4400.
    pub fn parse(text: &str) -> Result<Self, Close> {
        const NO_MESSAGE: Close = Close::BadMessage("Invalid message received");
        let Ok(Value::Object(mut message)) = serde_json::from_str(text) else { return Err(NO_MESSAGE) };
        let Some(Value::String(kind)) = message.remove("type") else { return Err(NO_MESSAGE) };
        match kind.as_str() {
            "connection_init" => {
                Ok(Self::ConnectionInit { authorization: authorization(payload(&mut message)?)? })
            }
            "ping" => Ok(Self::Ping { payload: payload(&mut message)?.map(Value::Object) }),
            "pong" => payload(&mut message).map(|_| Self::Pong),
            "complete" => Ok(Self::Complete { id: id(&mut message)? }),
            "subscribe" => {
                let id = id(&mut message)?;
                let payload =
                    payload(&mut message)?.ok_or(Close::BadMessage("A subscribe needs a payload"))?;
                let parameters =
                    from_object(payload).map_err(|_| Close::BadMessage("Invalid subscribe payload"))?;
                Ok(Self::Subscribe { id, parameters })
            }
            _ => Err(Close::BadMessage("Invalid message type")),
        }
    }
}

fn payload(message: &mut Map<String, Value>) -> Result<Option<Map<String, Value>>, Close> {
    match message.remove("payload") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(payload)) => Ok(Some(payload)),
        Some(_) => Err(Close::BadMessage("The payload is no object")),
    }
}

fn id(message: &mut Map<String, Value>) -> Result<String, Close> {
    match message.remove("id") {
        Some(Value::String(id)) if !id.is_empty() => Ok(id),
        _ => Err(Close::BadMessage("The message needs an id")),
    }
}

fn authorization(payload: Option<Map<String, Value>>) -> Result<Option<String>, Close> {
    let mut payload = payload.unwrap_or_default();
    match payload.remove("authorization").or_else(|| payload.remove("Authorization")) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(value)) => Ok(Some(value)),
        Some(_) => Err(Close::BadMessage("The authorization is no string")),
    }
}

pub const CONNECTION_ACK: &str = r#"{"type":"connection_ack"}"#;

pub fn pong(payload: Option<Value>) -> String {
    match payload {
        Some(payload) => serde_json::json!({ "type": "pong", "payload": payload }).to_string(),
        None => r#"{"type":"pong"}"#.to_owned(),
    }
}

/// `body`: an execution result's JSON.
pub fn next(id: &str, body: &str) -> String {
    format!(r#"{{"id":{},"type":"next","payload":{body}}}"#, Value::from(id))
}

pub fn error(id: &str, errors: &[ServerError]) -> String {
    serde_json::json!({ "id": id, "type": "error", "payload": errors }).to_string()
}

pub fn complete(id: &str) -> String {
    serde_json::json!({ "id": id, "type": "complete" }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_of_the_protocol_are_understood() {
        let init = FromClient::parse(r#"{"type":"connection_init","payload":{"Authorization":"Bearer x"}}"#);
        assert_eq!(init, Ok(FromClient::ConnectionInit { authorization: Some("Bearer x".to_owned()) }));
        let subscribe =
            FromClient::parse(r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":null}}"#);
        assert!(matches!(subscribe, Ok(FromClient::Subscribe { id, .. }) if id == "1"));
        assert_eq!(FromClient::parse(r#"{"type":"pong","payload":{}}"#), Ok(FromClient::Pong));
    }

    #[test]
    fn anything_else_closes_with_4400() {
        for text in [
            "",
            "[]",
            "{",
            r#"{"type":1}"#,
            r#"{"type":"next","id":"1"}"#,
            r#"{"type":"ping","payload":1}"#,
            r#"{"type":"connection_init","payload":"x"}"#,
            r#"{"type":"connection_init","payload":{"authorization":{}}}"#,
            r#"{"type":"subscribe","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#,
            r#"{"type":"complete"}"#,
        ] {
            assert_eq!(FromClient::parse(text).map_err(|close| close.code()), Err(4400), "{text}");
        }
    }
}
