//! Being told to stop: Ctrl-C or SIGTERM.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// Listens from the moment it is made: a signal that comes while the server still starts is not lost, and does not
/// cut it off.
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    pub fn listen() -> Result<Self, Failure> {
        let of = |kind| {
            let failed = |error| Failure::fault(format!("Signals cannot be received: {error}."));
            signal(kind).map_err(failed)
        };
        Ok(Self { interrupt: of(SignalKind::interrupt())?, terminate: of(SignalKind::terminate())? })
    }

    pub async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
