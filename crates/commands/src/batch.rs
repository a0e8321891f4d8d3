//! One batch of a stream: answers repeats from the ledger, decides the rest, and appends them together.

use std::borrow::Cow;
use std::collections::HashMap;

use octocity_domain::{CommandId, Context, Decider, Decision, Fact, Moment, Timestamp};
use octocity_log::{
    Append, AppendError, EventMeta, LedgerEntry, LogError, NewEvent, Position, StreamId, current_version,
    encode,
};

use crate::actor::{Answer, Cached, Queued, Unanswered, decoded};
use crate::ledger::check_id;
use crate::streams::Environment;
use crate::submission::{CommandError, Outcome, Reply};

/// Events read back for repeats, by revision. One that cannot be decoded faults the replies that need it, no other.
type ReadBack<E> = HashMap<u64, Result<Fact<E>, LogError>>;

/// Repeats whose events lie this near to each other are read back together.
const NEAR: u64 = 64;

/// Why a batch was not appended.
pub(crate) enum Setback {
    /// Another owner appended first: load again and decide again.
    Overtaken,
    /// One of its commands makes more than the log takes at once: nothing of it is stored.
    TooLarge,
    Fault(LogError),
}

impl From<LogError> for Setback {
    fn from(error: LogError) -> Self {
        Self::Fault(error)
    }
}

/// What came of one command of the batch.
enum Verdict<D: Decider> {
    Decided {
        outcome: Outcome<D::Event, D::Refusal>,
        entry: usize,
    },
    /// The id stands in the ledger.
    Stored(LedgerEntry),
    /// The id came earlier in this batch, at this place.
    Same(usize),
    None(Unanswered),
}

pub(crate) struct Draft<D: Decider> {
    append: Append,
    verdicts: Vec<Verdict<D>>,
}

impl<D: Decider> Draft<D> {
    /// Decides each command on the state that the ones before it left.
    pub async fn decide(
        stream: StreamId,
        environment: &Environment,
        cached: &mut Cached<D>,
        commands: &[Box<Queued<D>>],
    ) -> Result<Self, Setback> {
        let known = known_entries(stream, environment, cached, commands).await?;
        let (now, retention_seconds) = (environment.clock.now(), environment.options.retention_seconds);
        let append =
            Append { stream, expected: cached.next_revision, events: Vec::new(), entries: Vec::new() };
        let mut draft = Self { append, verdicts: Vec::with_capacity(commands.len()) };
        let mut earlier: HashMap<CommandId, usize> = HashMap::with_capacity(commands.len());
        for (place, queued) in commands.iter().enumerate() {
            let id = queued.submission.command_id;
            let reused = || Verdict::None(CommandError::IdReused.into());
            let verdict = if let Some(entry) = known.get(&id) {
                if entry.body_hash == queued.body_hash { Verdict::Stored(entry.clone()) } else { reused() }
            } else if let Some(first) = earlier.get(&id) {
                let same = commands[*first].body_hash == queued.body_hash;
                if same { Verdict::Same(*first) } else { reused() }
            } else if let Err(error) = check_id(id, now, retention_seconds) {
                Verdict::None(error.into())
            } else if !D::facts_fit(&cached.state, &queued.submission.command, &queued.facts) {
                Verdict::None(Unanswered::FactsStale)
            } else {
                earlier.insert(id, place);
                draft.decide_one(cached, queued, now)?
            };
            draft.verdicts.push(verdict);
        }
        Ok(draft)
    }

    fn decide_one(
        &mut self,
        cached: &mut Cached<D>,
        queued: &Queued<D>,
        now: Timestamp,
    ) -> Result<Verdict<D>, LogError> {
        let submission = &queued.submission;
        let context = Context { command_id: submission.command_id, now };
        let (facts, refusal) = match D::decide(&cached.state, &submission.command, &queued.facts, context) {
            Decision::Accepted(facts) => (facts, None),
            Decision::Refused { refusal, events } => (events, Some(refusal)),
        };
        for fact in &facts {
            D::evolve(
                &mut cached.state,
                &fact.event,
                Moment { happened_at: fact.happened_at, decided_at: now },
            );
            self.append.events.push(new_event(queued, fact, now)?);
        }
        let stored = refusal.as_ref().map(serde_json::to_vec).transpose().map_err(unwritable)?;
        self.append.entries.push(LedgerEntry {
            command_id: submission.command_id,
            body_hash: queued.body_hash,
            first_revision: cached.next_revision,
            events: facts.len() as u32,
            refusal: stored,
            decided_at: now,
            position: Position::default(),
        });
        cached.next_revision += facts.len() as u64;
        let outcome = refusal.map_or(Outcome::Accepted(facts), Outcome::Refused);
        Ok(Verdict::Decided { outcome, entry: self.append.entries.len() - 1 })
    }

    /// Stores the batch; the answers are given only when it is durable.
    pub async fn append(
        self,
        environment: &Environment,
        cached: &mut Cached<D>,
    ) -> Result<Vec<Result<Answer<D>, Unanswered>>, Setback> {
        let stored = self.read_back(environment).await?;
        let entries: Vec<(CommandId, u64)> =
            self.append.entries.iter().map(|entry| (entry.command_id, entry.first_revision)).collect();
        let mut positions = Vec::new();
        if !entries.is_empty() {
            let appended = match environment.log.append(self.append).await {
                Ok(appended) => appended,
                Err(AppendError::WrongRevision { .. } | AppendError::CommandKnown(_)) => {
                    return Err(Setback::Overtaken);
                }
                Err(AppendError::TooLarge) => return Err(Setback::TooLarge),
                Err(AppendError::Log(error)) => return Err(Setback::Fault(error)),
            };
            positions = appended.positions;
            for (id, _) in &entries {
                cached.window.insert(*id);
            }
        }
        let mut answers: Vec<Result<Answer<D>, Unanswered>> = Vec::with_capacity(self.verdicts.len());
        for verdict in self.verdicts {
            let answer = match verdict {
                Verdict::Decided { outcome, entry } => {
                    let position = positions.get(entry).copied().unwrap_or_default();
                    let reply = Reply { outcome, position, repeated: false };
                    Ok(Answer { reply, first_revision: entries[entry].1 })
                }
                Verdict::Stored(entry) => stored_answer(&entry, &stored),
                Verdict::Same(first) => match answers.get(first) {
                    Some(Ok(answer)) => Ok(Answer {
                        reply: Reply { repeated: true, ..answer.reply.clone() },
                        first_revision: answer.first_revision,
                    }),
                    _ => Err(CommandError::Busy.into()),
                },
                Verdict::None(why) => Err(why),
            };
            answers.push(answer);
        }
        Ok(answers)
    }

    /// The events of the accepted commands that are repeated here, by revision; near ones in one read.
    async fn read_back(&self, environment: &Environment) -> Result<ReadBack<D::Event>, LogError> {
        let mut ranges: Vec<(u64, u64)> = self.verdicts.iter().filter_map(range_to_read).collect();
        ranges.sort_unstable();
        let mut read = HashMap::new();
        let mut ranges = ranges.into_iter().peekable();
        while let Some((from, mut end)) = ranges.next() {
            while let Some((_, next_end)) = ranges.next_if(|(next, _)| *next <= end + NEAR) {
                end = end.max(next_end);
            }
            let limit = (end - from) as usize;
            for event in environment.log.read_stream(self.append.stream, from, limit).await? {
                let fact = decoded::<D>(&event).map(|decoded| Fact::new(decoded, event.meta.happened_at));
                if let Err(error) = &fact {
                    tracing::error!(stream = %event.stream, revision = event.revision, %error, "a repeat's reply cannot be read back");
                }
                read.insert(event.revision, fact);
            }
        }
        Ok(read)
    }
}

fn range_to_read<D: Decider>(verdict: &Verdict<D>) -> Option<(u64, u64)> {
    match verdict {
        Verdict::Stored(entry) if entry.refusal.is_none() && entry.events > 0 => {
            Some((entry.first_revision, entry.first_revision + u64::from(entry.events)))
        }
        _ => None,
    }
}

fn stored_answer<D: Decider>(
    entry: &LedgerEntry,
    stored: &ReadBack<D::Event>,
) -> Result<Answer<D>, Unanswered> {
    let damaged = || LogError::Damaged("a ledger entry names what the stream does not have".to_owned());
    let outcome = match &entry.refusal {
        Some(refusal) => Outcome::Refused(serde_json::from_slice(refusal).map_err(|_| damaged())?),
        None => {
            let revisions = entry.first_revision..entry.first_revision + u64::from(entry.events);
            let fact = |revision| stored.get(&revision).cloned().unwrap_or_else(|| Err(damaged()));
            Outcome::Accepted(revisions.map(fact).collect::<Result<_, _>>()?)
        }
    };
    let reply = Reply { outcome, position: entry.position, repeated: true };
    Ok(Answer { reply, first_revision: entry.first_revision })
}

/// The ledger entries of those ids that may have been answered before.
async fn known_entries<D: Decider>(
    stream: StreamId,
    environment: &Environment,
    cached: &Cached<D>,
    commands: &[Box<Queued<D>>],
) -> Result<HashMap<CommandId, LedgerEntry>, LogError> {
    let ids = commands.iter().map(|queued| queued.submission.command_id);
    let asked: Vec<CommandId> = ids.filter(|id| cached.window.may_know(*id)).collect();
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    let entries = environment.log.ledger_entries(stream, &asked).await?;
    Ok(asked.into_iter().zip(entries).filter_map(|(id, entry)| Some((id, entry?))).collect())
}

fn new_event<D: Decider>(
    queued: &Queued<D>,
    fact: &Fact<D::Event>,
    now: Timestamp,
) -> Result<NewEvent, LogError> {
    let submission = &queued.submission;
    let (event_type, data) = encode(&fact.event).map_err(unwritable)?;
    let own = submission.command_id.uuid();
    Ok(NewEvent {
        version: current_version(D::CATEGORY, &event_type),
        event_type: Cow::Owned(event_type),
        data,
        meta: EventMeta {
            actor: submission.actor.clone(),
            command_id: submission.command_id,
            causation_id: submission.causation_id.unwrap_or(own),
            correlation_id: submission.correlation_id.unwrap_or(own),
            key: queued.key,
            decided_at: now,
            happened_at: fact.happened_at,
            origin: submission.origin,
        },
    })
}

fn unwritable(error: serde_json::Error) -> LogError {
    LogError::Damaged(format!("a decided event or refusal cannot be written as JSON: {error}"))
}
