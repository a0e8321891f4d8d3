//! Whether the log's own contents are whole: no stream lacks an event, and every event can be read.

use octocity_log::{LogError, Position, decode};

use super::Findings;
use crate::failure::Failure;
use crate::output::progress;
use crate::stores::Log;

/// How many faults of a kind are told one by one; the rest is counted.
const TOLD: usize = 10;
/// Events in memory at a time.
const PAGE: usize = 4096;

pub async fn look_at_history(log: &Log, findings: &mut Findings) -> Result<(), Failure> {
    let faults = findings.problems();
    look_at_revisions(log, findings).await.map_err(|error| unreadable(log.name(), &error))?;
    let events = look_at_events(log, findings).await.map_err(|error| unreadable(log.name(), &error))?;
    if findings.problems() == faults {
        findings.well("history", format!("{events} events, all readable, no stream with a gap"));
    }
    Ok(())
}

pub(super) fn unreadable(log: &str, error: &LogError) -> Failure {
    Failure::data(format!("{log} cannot be read to its end ({error}); restore it from a backup."))
}

async fn look_at_revisions(log: &Log, findings: &mut Findings) -> Result<(), LogError> {
    for gap in log.gaps(TOLD).await? {
        let missing = gap.last_revision + 1 - gap.events;
        findings.wrong(
            format!("stream {}", gap.stream),
            format!(
                "{missing} of the events before its revision {} are missing; restore {} from a backup.",
                gap.last_revision,
                log.name()
            ),
        );
    }
    Ok(())
}

async fn look_at_events(log: &Log, findings: &mut Findings) -> Result<u64, LogError> {
    let (name, log) = (log.name(), log.events());
    let bar = progress(log.head().borrow().0, "positions");
    let (mut after, mut events, mut faulty) = (Position::default(), 0, 0);
    loop {
        let page = log.read_all(after, PAGE, &[], &[]).await?;
        if page.next <= after {
            break;
        }
        for event in &page.events {
            let Err(error) = decode(event.stream.category, &event.event_type, event.version, &event.data)
            else {
                continue;
            };
            faulty += 1;
            if faulty <= TOLD {
                findings.wrong(
                    format!("event {} of {}", event.revision, event.stream),
                    format!("{error}; upgrade Octocity if a newer version wrote it, else restore {name} from a backup."),
                );
            }
        }
        events += page.events.len() as u64;
        after = page.next;
        bar.set_position(after.0);
    }
    bar.finish_and_clear();
    if faulty > TOLD {
        findings.wrong(
            "history",
            format!("{faulty} of {events} events cannot be read; the first ones stand above."),
        );
    }
    Ok(events)
}
