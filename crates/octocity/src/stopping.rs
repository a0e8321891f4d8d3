//! Being told to stop: Ctrl-C or SIGTERM.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::failure::Failure;

/// Listens from the moment it is made: a signal that comes while the server still starts is not lost, and does not
/// cut it off.
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    received: bool,
}

impl StopSignals {
    pub fn listen() -> Result<Self, Failure> {
        let of = |kind| {
            let failed = |error| Failure::fault(format!("Signals cannot be received: {error}."));
            signal(kind).map_err(failed)
        };
        Ok(Self {
            interrupt: of(SignalKind::interrupt())?,
            terminate: of(SignalKind::terminate())?,
            received: false,
        })
    }

    /// One is enough: whoever asks later is told of it too.
    pub async fn received(&mut self) {
        if !self.received {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
            }
            self.received = true;
        }
    }

    /// Waits until it is received while the start waits: a start that does not is not cut off.
    pub async fn received_while(&mut self, mut waits: watch::Receiver<Option<Failure>>) {
        self.received().await;
        if waits.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
