//! The probes while the start waits.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::StatusCode;
use octocity_api::{Limits, Probes, Readiness};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::metrics::Text;
use crate::output::resident_bytes;

/// How long connections to the probes may take to end.
const GOODBYE: Duration = Duration::from_secs(1);

pub struct Probing {
    closing: watch::Sender<bool>,
    web: JoinHandle<()>,
}

impl Probing {
    pub fn start(
        listener: &std::net::TcpListener,
        waits: watch::Receiver<Option<Failure>>,
    ) -> io::Result<Self> {
        let listener = TcpListener::from_std(listener.try_clone()?)?;
        let (closing, closed) = watch::channel(false);
        let waiting = Arc::new(Waiting(waits));
        let said = Arc::clone(&waiting);
        let elsewhere = move || async move { (StatusCode::SERVICE_UNAVAILABLE, said.sentence()) };
        let routes = octocity_api::probe_routes(waiting).fallback(elsewhere);
        let web = tokio::spawn(octocity_api::serve(listener, routes, Limits::default(), closed));
        Ok(Self { closing, web })
    }

    pub async fn end(mut self) {
        self.closing.send_replace(true);
        if tokio::time::timeout(GOODBYE, &mut self.web).await.is_err() {
            self.web.abort();
        }
    }
}

struct Waiting(watch::Receiver<Option<Failure>>);

impl Waiting {
    fn sentence(&self) -> String {
        match &*self.0.borrow() {
            Some(failure) => format!("The start waits: {failure}"),
            None => "The server starts; ask again soon.".to_owned(),
        }
    }
}

#[async_trait]
impl Probes for Waiting {
    fn readiness(&self) -> Readiness {
        Readiness::NotReady { sentence: self.sentence() }
    }

    fn held_keys(&self) -> u64 {
        0
    }

    async fn metrics(&self) -> String {
        let mut text = Text::default();
        text.gauge("octocity_resident_bytes", "Memory in use.", resident_bytes());
        text.into_string()
    }
}
