//! A GraphQL response as HTTP: its body, its media type and its status.

use async_graphql::{Response as GraphqlResponse, ServerError};
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use octocity_domain::card_numbers::holds_card_number;
use serde::Serialize;

use super::accept::Media;
use super::executor::Answer;
use crate::faults::{Code, coded};

/// `data` is left out where execution never began.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a async_graphql::Value>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
}

/// How the executor says that a document's complexity is above the limit; it has no code for it.
const TOO_COMPLEX: &str = "Query is too complex.";

/// The response's JSON.
pub fn body(response: &mut GraphqlResponse, begun: bool) -> String {
    for error in &mut response.errors {
        // Resolvers name their codes: what has none was found by the executor itself, in a field's arguments if it
        // has a path, and in the document if not.
        if error.message == TOO_COMPLEX {
            Code::QueryTooComplex.mark(error);
            error.message =
                "The query asks for too much at once; ask for smaller pages, fewer fields, or figures of a shorter interval.".to_owned();
        }
        // The executor quotes what it cannot read.
        if holds_card_number(&error.message) {
            Code::PaymentCardNumber.mark(error);
            error.message =
                "The request holds what looks like a payment card's number; leave it out.".to_owned();
        } else if let Some(sentence) = of_scalar(&error.message) {
            error.message = sentence;
        }
        let code = if error.path.is_empty() { Code::GraphqlValidationFailed } else { Code::BadUserInput };
        code.mark(error);
    }
    let shown = Shown { data: begun.then_some(&response.data), errors: &response.errors };
    // A tree of strings, numbers and lists always serialises; a fault must still answer with JSON.
    serde_json::to_string(&shown)
        .unwrap_or_else(|_| r#"{"errors":[{"message":"Internal error."}]}"#.to_owned())
}

/// What a scalar said of its value, without the executor's words round it:
/// `Failed to parse "Currency": … (occurred while parsing "MoneyInput")`.
fn of_scalar(message: &str) -> Option<String> {
    let (scalar, said) = message.strip_prefix("Failed to parse \"")?.split_once("\": ")?;
    let said = said.split(" (occurred while parsing").next()?.trim_end_matches('.');
    Some(format!("{scalar}: {said}."))
}

pub fn graphql(Answer { mut response, begun }: Answer, media: Media) -> Response {
    let status = match (begun, media) {
        (false, Media::GraphqlResponse) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    http(status, media, body(&mut response, begun))
}

/// A request error: nothing was executed.
pub fn request_error(error: ServerError, media: Media) -> Response {
    graphql(Answer { response: GraphqlResponse::from_errors(vec![error]), begun: false }, media)
}

/// What is wrong with the HTTP request itself, with its status whatever the media type.
pub fn http_error(status: StatusCode, code: Code, sentence: impl Into<String>, media: Media) -> Response {
    let mut response = GraphqlResponse::from_errors(vec![*coded(code, sentence)]);
    let media = if media == Media::EventStream { Media::Json } else { media };
    http(status, media, body(&mut response, false))
}

fn http(status: StatusCode, media: Media, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media.content_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    response
}
