//! A client as others write it: GraphQL by HTTP POST, and events by SSE.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use serde_json::{Value, json};

/// What came back on one request.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    /// The data of an answer without errors.
    #[track_caller]
    pub fn data(&self) -> &Value {
        assert!(self.body["errors"].is_null(), "errors: {}", self.body["errors"]);
        &self.body["data"]
    }

    /// The first error's code, if there is an error.
    pub fn code(&self) -> Option<&str> {
        self.body["errors"][0]["extensions"]["code"].as_str()
    }
}

#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    url: String,
}

impl Client {
    pub fn new(url: String) -> Self {
        Self::with_patience(url, Duration::from_secs(30))
    }

    /// So long may one request take, or one subscription.
    pub fn with_patience(url: String, patience: Duration) -> Self {
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(patience)).build();
        Self { agent: config.into(), url }
    }

    /// None where no answer came: whether it was done is not known.
    pub fn try_graphql(&self, query: &str, variables: Value) -> Option<Answer> {
        self.try_post(&json!({ "query": query, "variables": variables }).to_string(), "application/json")
    }

    #[track_caller]
    pub fn graphql(&self, query: &str, variables: Value) -> Answer {
        self.try_graphql(query, variables).expect("the server answers")
    }

    pub fn try_post(&self, body: &str, content_type: &str) -> Option<Answer> {
        let request = self
            .agent
            .post(&self.url)
            .header("content-type", content_type)
            .header("accept", "application/graphql-response+json, application/json;q=0.9");
        let mut response = request.send(body).ok()?;
        let text = response.body_mut().read_to_string().ok()?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Some(Answer { status: response.status().as_u16(), body })
    }

    /// Subscribes by SSE.
    #[track_caller]
    pub fn events(&self, query: &str, variables: Value) -> Events {
        let response = self
            .agent
            .post(&self.url)
            .header("content-type", "application/json")
            .header("accept", "text/event-stream")
            .send(json!({ "query": query, "variables": variables }).to_string())
            .expect("the server answers");
        assert_eq!(response.status().as_u16(), 200, "the subscription is refused");
        Events { lines: Box::new(BufReader::new(response.into_body().into_reader())) }
    }
}

/// The messages of one subscription.
pub struct Events {
    lines: Box<dyn BufRead>,
}

impl Iterator for Events {
    type Item = Value;

    /// The payload of the next `next` event; None after `complete` or the connection's end.
    fn next(&mut self) -> Option<Value> {
        let mut event = String::new();
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end();
            if let Some(name) = line.strip_prefix("event:") {
                event = name.trim().to_owned();
            }
            if event == "complete" {
                return None;
            }
            if let (Some(data), "next") = (line.strip_prefix("data:"), event.as_str()) {
                return serde_json::from_str(data.trim()).ok();
            }
        }
    }
}
