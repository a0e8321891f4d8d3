//! What one request may ask for. Everything here is checked before anything is executed.
//!
//! - **token**: a lexical unit of a GraphQL document (the specification's section 2.1.6).
//! - **nesting**: how deep brackets stand in one another; bounds the parser's stack.
//! - **expansion**: how many fields a document selects once its fragments are put in place.

mod documents;
mod expansion;
mod scan;

use async_graphql::ServerError;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::ExecutableDocument;

use crate::faults::{Code, coded};
pub use documents::Documents;

/// The bounds of one request and of one connection; every field has a stated default.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections of this process, WebSockets among them; further ones wait.
    pub connections: u32,
    /// How long a connection may be without a whole request header: while one comes, and between two requests.
    pub header_seconds: u64,
    /// How long a request's body may take.
    pub body_seconds: u64,
    /// A larger body or message is refused.
    pub body_bytes: usize,
    pub document_tokens: usize,
    pub document_nesting: usize,
    /// Fields after fragments are expanded, aliases counted one by one.
    pub document_fields: usize,
    /// Levels of fields, introspection excepted.
    pub depth: usize,
    /// Fields times the sizes of the pages they stand in.
    pub complexity: usize,
    /// Running operations of one WebSocket.
    pub operations_per_socket: usize,
    /// Open WebSockets and event streams of this process.
    pub streams: usize,
    /// How long a WebSocket may stay without `connection_init`.
    pub init_timeout_seconds: u64,
    /// How long a query with `after:` waits for its projections.
    pub wait_seconds: u64,
    /// How long a payment's mutation waits for the gateway's answer.
    pub settle_seconds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            header_seconds: 10,
            body_seconds: 30,
            body_bytes: 1 << 20,
            document_tokens: 5_000,
            document_nesting: 48,
            document_fields: 1_500,
            depth: 24,
            complexity: 50_000,
            operations_per_socket: 64,
            streams: 4_096,
            init_timeout_seconds: 10,
            wait_seconds: 2,
            settle_seconds: 5,
        }
    }
}

/// The document, if it keeps the limits.
fn parse(query: &str, limits: &Limits) -> Result<ExecutableDocument, Box<ServerError>> {
    let extent = scan::extent(query);
    if extent.tokens > limits.document_tokens {
        let sentence = format!("The document has more than {} tokens; split it.", limits.document_tokens);
        return Err(coded(Code::QueryTooLarge, sentence));
    }
    if extent.nesting > limits.document_nesting {
        let sentence = format!("The document nests deeper than {} levels.", limits.document_nesting);
        return Err(coded(Code::QueryTooDeep, sentence));
    }
    let document = parse_query(query).map_err(|error| {
        let mut error = Box::new(ServerError::from(error));
        Code::GraphqlParseFailed.mark(&mut error);
        error
    })?;
    expansion::check(&document, limits)?;
    Ok(document)
}
