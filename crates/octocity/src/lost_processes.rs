//! Process state that is missing beside a log of which it must once have been: a start at the log's end would forget,
//! without a word, every deadline, hold and payment step that was planned.

use octocity_domain::process::PROCESSES;
use octocity_log::{EventLog, LogError, Origin, Position};

use crate::failure::Failure;
use crate::node::Node;

/// Events in memory at a time.
const PAGE: usize = 4096;

/// Fails where process state was lost; none is made.
pub async fn check(node: &Node) -> Result<(), Failure> {
    match !have_begun(node).await? && has_reactions(node).await? {
        true => Err(Failure::data(node.processes.lost(node.is_shared))),
        false => Ok(()),
    }
}

pub async fn have_begun(node: &Node) -> Result<bool, Failure> {
    if !node.processes.exist() {
        return Ok(false);
    }
    let (store, _) = node.processes.open()?;
    let known = store.checkpoints().await.map_err(|error| node.processes.failed(error))?;
    Ok(!known.is_empty())
}

pub async fn has_reactions(node: &Node) -> Result<bool, Failure> {
    let failed = |error: LogError| match node.is_shared {
        // A server that does not answer may do so later; a file is what it is.
        true => Failure::fault(format!("{error}.")),
        false => Failure::data(format!("{error}.")),
    };
    tells_of_traffic(&*node.events()).await.map_err(failed)
}

/// Whether the log tells of live traffic that processes react to. What an import does, with the pools that it opens, is
/// none: processes that are told of it begin at its end.
async fn tells_of_traffic(log: &dyn EventLog) -> Result<bool, LogError> {
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
