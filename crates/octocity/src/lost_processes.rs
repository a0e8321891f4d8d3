//! Process state that is missing beside a log of which it must once have been: a start at the log's end would forget,
//! without a word, every deadline, hold and payment step that was planned.

use octocity_commands::ProcessStore;
use octocity_domain::process::PROCESSES;
use octocity_log::{EventLog, LogError, Origin, Position};

use crate::failure::Failure;
use crate::node::Node;

/// Events in memory at a time.
const PAGE: usize = 4096;

/// Fails where process state was lost.
pub async fn check(node: &Node, store: &dyn ProcessStore) -> Result<(), Failure> {
    let known = store.checkpoints().await.map_err(|error| Failure::data(format!("{error}.")))?;
    let lost = known.is_empty()
        && has_reactions(&*node.events()).await.map_err(|error| Failure::data(error.to_string()))?;
    if lost { Err(Failure::data(node.processes.lost())) } else { Ok(()) }
}

/// Whether the log tells of live traffic that processes react to. What an import does, with the pools that it opens, is
/// none: processes that are told of it begin at its end.
pub async fn has_reactions(log: &dyn EventLog) -> Result<bool, LogError> {
    let of_traffic = PROCESSES.iter().filter(|process| !process.of_imported);
    let types: Vec<&str> = of_traffic.flat_map(|process| process.events).copied().collect();
    let mut after = Position::default();
    loop {
        let page = log.read_all(after, PAGE, &[], &types).await?;
        if page.events.iter().any(|event| event.meta.origin == Origin::Live) {
            return Ok(true);
        }
        if page.next <= after {
            return Ok(false);
        }
        after = page.next;
    }
}
