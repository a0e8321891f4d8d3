//! The start of a server while a service that it needs boots still: that one is waited for, and meanwhile the probes say
//! which it is.

mod probing;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use octocity_log::Retry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::Config;
use crate::failure::Failure;
use probing::Probing;

/// For how long services are waited for, all together.
const PATIENCE: Duration = Duration::from_secs(120);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What is configured wrongly is refused at once; a service that does not answer is waited for.
pub struct Starting<'a> {
    config: &'a Config,
    /// When it began to wait first.
    begun: Option<Instant>,
    /// Why it waits, while it does.
    waits: watch::Sender<Option<Failure>>,
    listener: Option<std::net::TcpListener>,
    probing: Option<Probing>,
}

impl<'a> Starting<'a> {
    pub fn new(config: &'a Config) -> Self {
        let waits = watch::Sender::new(None);
        Self { config, begun: None, waits, listener: None, probing: None }
    }

    /// Does a step of the start; again while a service that it needs does not answer.
    pub async fn once_there<T>(
        &mut self,
        mut step: impl AsyncFnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut retry = Retry::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let failure = match step().await {
                Err(failure) if failure.service.is_some() => failure,
                done => {
                    if let Some(service) = self.waits.send_replace(None).and_then(|waited| waited.service) {
                        tracing::info!(service, "the service answers, and the start goes on");
                    }
                    return done;
                }
            };
            if self.begun.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
                return Err(Failure::fault(failure.message));
            }
            let before = self.waits.send_replace(Some(failure.clone()));
            if before.is_none_or(|before| before.service != failure.service) {
                tracing::warn!(%failure, at_most_seconds = PATIENCE.as_secs(), "the start waits for a service");
                self.probe().await?;
            }
            retry.begins();
            tokio::time::sleep(retry.pause().unwrap_or_default()).await;
        }
    }

    /// From now on the address is ours: the probes answer there while the start waits, and then whoever serves.
    pub async fn listen(&mut self) -> Result<SocketAddr, Failure> {
        let bound = async {
            let listener = match self.listener.take() {
                Some(listener) => listener,
                None => TcpListener::bind(self.config.listen).await?.into_std()?,
            };
            self.listener.insert(listener).local_addr()
        };
        bound.await.map_err(|error| not_listening(self.config, &error))
    }

    async fn probe(&mut self) -> Result<(), Failure> {
        self.listen().await?;
        if let (None, Some(listener)) = (&self.probing, &self.listener) {
            let probing = Probing::start(listener, self.waits.subscribe());
            self.probing = Some(probing.map_err(|error| not_listening(self.config, &error))?);
        }
        Ok(())
    }

    /// Hands the address over to who serves there from now on.
    pub async fn done(mut self) -> Result<TcpListener, Failure> {
        if let Some(probing) = self.probing.take() {
            probing.end().await;
        }
        self.listen().await?;
        let listener = self.listener.ok_or_else(|| std::io::ErrorKind::AddrNotAvailable.into());
        listener.and_then(TcpListener::from_std).map_err(|error| not_listening(self.config, &error))
    }

    /// Why it waits, while it does: only then may it be cut off.
    pub fn waits(&self) -> watch::Receiver<Option<Failure>> {
        self.waits.subscribe()
    }
}

pub fn not_listening(config: &Config, error: &std::io::Error) -> Failure {
    Failure::usage(format!(
        "{} cannot be listened on: {error}; stop what uses it or choose another address with --listen.",
        config.listen
    ))
}
