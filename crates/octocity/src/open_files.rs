//! How many files and sockets this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For the databases' files, their readers, and the rest of the process.
const OWN_FILES: u64 = 256;

/// How many connections fit, at most `wanted`.
pub fn room_for(wanted: u32) -> u32 {
    let files = raise_limit(u64::from(wanted) + OWN_FILES);
    let connections = wanted.min(fitting(files));
    if connections < wanted {
        tracing::warn!(
            wanted,
            connections,
            "fewer connections are taken: the limit of open files is too low"
        );
    }
    connections
}

/// The limit of open files, raised to `needed` as far as the hard limit lets it: shells and service managers start
/// processes with a soft limit of about a thousand.
fn raise_limit(needed: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let soft = limit.current.unwrap_or(u64::MAX);
    let raised = needed.min(limit.maximum.unwrap_or(u64::MAX));
    if soft >= raised {
        return soft;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), ..limit }) {
        Ok(()) => raised,
        Err(_) => soft,
    }
}

/// Half of the files where they are few, so that some connections fit in any case.
fn fitting(files: u64) -> u32 {
    u32::try_from(files.saturating_sub(OWN_FILES).max(files / 2)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_the_databases_and_are_never_none() {
        assert_eq!(fitting(10_256), 10_000);
        assert_eq!(fitting(300), 150);
        assert_eq!(fitting(u64::MAX), u32::MAX);
        assert_eq!(room_for(16), 16);
    }

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one_and_no_further() {
        let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        let raised = raise_limit(u64::MAX);
        assert!(raised == hard || getrlimit(Resource::Nofile).current == Some(raised));
        assert_eq!(room_for(u32::MAX), fitting(raised));
    }
}
