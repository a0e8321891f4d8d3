//! The pages that are files of this build.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// GraphiQL, at pinned versions from a public CDN.
pub const GRAPHIQL: &str = include_str!("graphiql.html");

pub async fn html(page: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    (headers, page).into_response()
}
