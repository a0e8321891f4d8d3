//! What the process logs, to standard error.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub fn to_stderr(level: LevelFilter) {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // A line that cannot be written (a closed pipe, a full disk) is lost; it must not end the thread that wrote it.
        .log_internal_errors(false);
    tracing_subscriber::registry().with(lines).with(told(level)).init();
}

/// Ours as it is asked for. Of others what they warn of; all of it only to whoever looks for a fault.
fn told(level: LevelFilter) -> Targets {
    if level >= LevelFilter::DEBUG {
        return Targets::new().with_default(level);
    }
    let ours = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("octocity", level);
    // PostgreSQL's pool tells every fault that it hands over besides; it is told once, where it is handled.
    ours.with_target("deadpool", LevelFilter::OFF)
}

/// What a panic says may hold a plate or a token: where it was is logged, and is enough to find it.
pub fn of_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a fault of ours: the code panicked here; please report the place");
    }));
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn what_is_not_ours_is_told_where_it_warns_and_faults_that_are_handed_over_once() {
        let info = told(LevelFilter::INFO);
        assert!(info.would_enable("octocity_adapters::postgres", &Level::INFO));
        assert!(info.would_enable("hyper", &Level::WARN) && !info.would_enable("hyper", &Level::INFO));
        assert!(!info.would_enable("deadpool.postgres", &Level::WARN));
        assert!(!told(LevelFilter::ERROR).would_enable("hyper", &Level::WARN));
        assert!(told(LevelFilter::DEBUG).would_enable("deadpool.postgres", &Level::DEBUG));
    }
}
