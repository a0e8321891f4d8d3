//! A GraphQL request out of an HTTP one (GraphQL over HTTP, sections "GET" and "POST").

use async_graphql::parser::types::OperationType;
use async_graphql::{ServerError, Variables};
use axum::http::{HeaderMap, StatusCode, header};
use octocity_log::Actor;
use serde_json::{Map, Value};

use super::executor::Asked;
use super::operation::{self, States};
use super::shared::Question;
use super::transport::AfterHeader;
use crate::limits::Documents;

/// The parameters of a well-formed request, its document not yet read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    pub query: String,
    pub operation_name: Option<String>,
    pub variables: Option<Map<String, Value>>,
    pub extensions: Option<Map<String, Value>>,
}

/// The HTTP request is no GraphQL request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    pub status: StatusCode,
    pub sentence: String,
}

impl Malformed {
    pub fn bad(sentence: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, sentence: sentence.into() }
    }
    fn unsupported(sentence: &str) -> Self {
        Self { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence: sentence.to_owned() }
    }
}

/// Whether a body of these headers can be read: JSON in UTF-8, not compressed.
pub fn check_content(headers: &HeaderMap) -> Result<(), Malformed> {
    const JSON: &str = "Send the request as 'Content-Type: application/json', in UTF-8.";
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Malformed::unsupported("Send the body uncompressed, without Content-Encoding."));
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mut parts = content_type.ok_or_else(|| Malformed::unsupported(JSON))?.split(';').map(str::trim);
    if !parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        return Err(Malformed::unsupported(JSON));
    }
    for parameter in parts {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        let charset = value.trim().trim_matches('"');
        if name.trim().eq_ignore_ascii_case("charset") && !charset.eq_ignore_ascii_case("utf-8") {
            return Err(Malformed::unsupported(JSON));
        }
    }
    Ok(())
}

/// The parameters of a POST's body.
pub fn from_body(body: &[u8]) -> Result<Parameters, Malformed> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| Malformed::bad(format!("The body is not JSON in UTF-8: {error}.")))?;
    match value {
        Value::Object(fields) => from_object(fields),
        Value::Array(_) => Err(Malformed::bad("Batches are not served; send each request for itself.")),
        _ => Err(Malformed::bad("The body is no JSON object with a 'query'.")),
    }
}

/// The parameters of a GET's query string.
pub fn from_query_string(query_string: &str) -> Result<Parameters, Malformed> {
    let mut fields = Map::new();
    for pair in query_string.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode_component(value)?;
        match decode_component(name)?.as_str() {
            name @ ("query" | "operationName") => {
                fields.insert(name.to_owned(), Value::String(value));
            }
            name @ ("variables" | "extensions") => {
                let json = serde_json::from_str(&value)
                    .map_err(|error| Malformed::bad(format!("Parameter '{name}' is not JSON: {error}.")))?;
                fields.insert(name.to_owned(), json);
            }
            _ => {}
        }
    }
    from_object(fields)
}

/// The parameters of a JSON object, as in a body or in a message of a WebSocket.
pub fn from_object(mut fields: Map<String, Value>) -> Result<Parameters, Malformed> {
    let query = match fields.remove("query") {
        Some(Value::String(query)) => query,
        None | Some(Value::Null) => return Err(Malformed::bad("Parameter 'query' is missing.")),
        Some(_) => return Err(Malformed::bad("Parameter 'query' is no string.")),
    };
    let operation_name = match fields.remove("operationName") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name).filter(|name| !name.is_empty()),
        Some(_) => return Err(Malformed::bad("Parameter 'operationName' is neither string nor null.")),
    };
    Ok(Parameters {
        query,
        operation_name,
        variables: object(&mut fields, "variables")?,
        extensions: object(&mut fields, "extensions")?,
    })
}

fn object(fields: &mut Map<String, Value>, name: &str) -> Result<Option<Map<String, Value>>, Malformed> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(Malformed::bad(format!("Parameter '{name}' is neither an object nor null."))),
    }
}

/// Form decoding: `+` is a blank, `%XX` a byte, the whole UTF-8.
fn decode_component(text: &str) -> Result<String, Malformed> {
    let malformed = || Malformed::bad("The query string is not percent-encoded UTF-8.");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || {
                    let digit = char::from(*rest.next()?).to_digit(16)?;
                    u8::try_from(digit).ok()
                };
                let (high, low) = (digit().ok_or_else(malformed)?, digit().ok_or_else(malformed)?);
                high << 4 | low
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).map_err(|_| malformed())
}

/// What a request asks, and how.
pub struct Prepared {
    pub asked: Asked,
    pub operation: OperationType,
    /// Of a subscription each of whose messages is the whole state of one thing.
    pub question: Option<Question>,
}

impl Parameters {
    pub fn prepare(
        self,
        documents: &Documents,
        states: States,
        actor: Actor,
        after: Option<AfterHeader>,
    ) -> Result<Prepared, Box<ServerError>> {
        let document = documents.parsed(&self.query)?;
        let chosen = operation::chosen(&document, self.operation_name.as_deref())?;
        operation::check_subscriptions(&document)?;
        operation::check_variables(chosen, self.variables.as_ref())?;
        let operation = chosen.ty;
        let tells_one_state = operation::tells_one_state(chosen, self.variables.as_ref(), states);
        let mut variables = Variables::from_json(Value::Object(self.variables.unwrap_or_default()));
        operation::fill_defaults(chosen, &mut variables);
        let operation_name = self.operation_name;
        let asked = Asked { document, operation_name, variables, actor, after };
        let question = tells_one_state.then(|| Question::of(self.query, &asked)).flatten();
        Ok(Prepared { asked, operation, question })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn a_query_string_is_decoded() {
        let got = from_query_string("query=%7B+a%28x%3A%22%C3%A9%22%29+%7D&variables=%7B%22n%22%3A1%7D&x=y");
        let got = got.unwrap();
        assert_eq!(got.query, "{ a(x:\"é\") }");
        assert_eq!(got.variables.unwrap()["n"], 1);
    }

    #[test]
    fn broken_escapes_are_refused() {
        for bad in ["query=%", "query=%4", "query=%zz", "query=%ff", "variables={", "query={a}&variables=1"] {
            assert_eq!(from_query_string(bad).unwrap_err().status, StatusCode::BAD_REQUEST, "{bad}");
        }
    }

    #[test]
    fn only_json_in_utf8_is_read() {
        let headers = |pairs: &[(header::HeaderName, &'static str)]| {
            pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect::<HeaderMap>()
        };
        let kind = |value| headers(&[(header::CONTENT_TYPE, value)]);
        assert!(check_content(&kind("application/json")).is_ok());
        assert!(check_content(&kind("Application/JSON ; charset=\"UTF-8\"; x=y")).is_ok());
        for bad in ["text/plain", "application/json; charset=latin1", "application/jsonp", ""] {
            assert!(check_content(&kind(bad)).is_err(), "{bad}");
        }
        let zipped =
            headers(&[(header::CONTENT_TYPE, "application/json"), (header::CONTENT_ENCODING, "gzip")]);
        assert_eq!(check_content(&zipped).unwrap_err().status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert!(check_content(&HeaderMap::new()).is_err());
    }

    #[test]
    fn the_operation_is_the_named_one() {
        let ask = |name: Option<&str>| Parameters {
            query: "query A { a } mutation B { b }".to_owned(),
            operation_name: name.map(str::to_owned),
            ..Parameters::default()
        };
        let of = |name| {
            let documents = Documents::new(Limits::default());
            ask(name).prepare(&documents, &[], Actor::new("test"), None).map(|prepared| prepared.operation)
        };
        assert_eq!(of(Some("B")).unwrap(), OperationType::Mutation);
        assert!(of(None).is_err());
        assert!(of(Some("C")).is_err());
    }
}
