//! What goes over Kafka, where the configuration has a table `[kafka]`: the relay that publishes the log, projectors that
//! share it, and what a node that serves hears of it.

#[cfg(feature = "distributed")]
mod live;
#[cfg(feature = "distributed")]
mod options;
#[cfg(feature = "distributed")]
mod projecting;
#[cfg(feature = "distributed")]
mod relaying;

#[cfg(feature = "distributed")]
pub use {
    live::Live, options::look, options::options, options::published, projecting::Projecting,
    projecting::ReaderVitals, relaying::RelayVitals, relaying::Relaying,
};

#[cfg(not(feature = "distributed"))]
mod absent;
#[cfg(not(feature = "distributed"))]
pub use absent::{Live, Projecting, ReaderVitals, RelayVitals, Relaying, look, published};

/// What to do about a broker that is away at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerAway {
    /// Nothing that is to run can do without it: say so, and who starts waits for it.
    Refuse,
    /// Gates do not wait for Kafka.
    TryAgain,
}
