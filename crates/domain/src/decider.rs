//! The shape of every aggregate: fold events into a state, decide a command on it.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ids::CommandId;
use crate::time::Timestamp;

/// What a decision may know besides the state, the command and its facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    pub command_id: CommandId,
    /// When the command is decided: the one clock's reading, never read in here.
    pub now: Timestamp,
}

/// When an event happened in the world (as judged), and when it was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub happened_at: Timestamp,
    pub decided_at: Timestamp,
}

/// A decided event with the time it happened. The log keeps that time in the event's metadata, not in its data.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact<E> {
    pub event: E,
    pub happened_at: Timestamp,
}

impl<E> Fact<E> {
    pub const fn new(event: E, happened_at: Timestamp) -> Self {
        Self { event, happened_at }
    }
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision<E, R> {
    Accepted(Vec<Fact<E>>),
    /// A business refusal. What a person needs to know of it later (a car turned away) is in `events`.
    Refused {
        refusal: R,
        events: Vec<Fact<E>>,
    },
}

impl<E, R> Decision<E, R> {
    pub fn accepted_one(event: E, happened_at: Timestamp) -> Self {
        Self::Accepted(vec![Fact::new(event, happened_at)])
    }
    pub const fn nothing() -> Self {
        Self::Accepted(Vec::new())
    }
    pub const fn refused(refusal: R) -> Self {
        Self::Refused { refusal, events: Vec::new() }
    }
    pub fn events(&self) -> &[Fact<E>] {
        match self {
            Self::Accepted(events) | Self::Refused { events, .. } => events,
        }
    }
}

impl<E, R> From<Result<Vec<Fact<E>>, R>> for Decision<E, R> {
    fn from(decided: Result<Vec<Fact<E>>, R>) -> Self {
        match decided {
            Ok(events) => Self::Accepted(events),
            Err(refusal) => Self::refused(refusal),
        }
    }
}

/// A business refusal: a stable code for programs and one clear sentence that says what to do for people.
pub trait Refusal: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Stable for ever, in SCREAMING_SNAKE_CASE; documented in docs/refusals.md.
    fn code(&self) -> &'static str;
    fn message(&self) -> String;
}

/// Names every variant's code once: the match is exhaustive, so no refusal is without one, and `ALL_CODES` lists
/// what docs/refusals.md explains.
macro_rules! refusal_codes {
    ($refusal:ident { $($variant:ident => $code:literal),+ $(,)? }) => {
        impl $refusal {
            /// Every code there is, as documented in docs/refusals.md.
            pub const ALL_CODES: &'static [&'static str] = &[$($code),+];

            const fn stable_code(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $code),+
                }
            }
        }
    };
}
pub(crate) use refusal_codes;

/// One aggregate. `evolve` cannot fail; `decide` is pure.
pub trait Decider: 'static {
    /// The category of its streams: the stream is `<category>-<id>`.
    const CATEGORY: crate::Category;
    /// Raised whenever State's serialised form or `evolve`'s meaning changes: older snapshots are then ignored.
    const SNAPSHOT_VERSION: u32;
    type State: Clone + Debug + Default + Serialize + DeserializeOwned + Send + Sync + 'static;
    type Event: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// Its serialised form is what the ledger compares when an id comes again: it holds only what the sender said.
    type Command: Clone + Debug + Serialize + Send + Sync + 'static;
    /// What was read from other streams at the log's head for this command.
    type Facts: Clone + Debug + Send + Sync + 'static;
    type Refusal: Refusal;

    fn evolve(state: &mut Self::State, event: &Self::Event, moment: Moment);

    /// Whether the facts speak of what this state would decide on. If not (the state moved on after they were
    /// read), nothing is decided, and they are read again.
    fn facts_fit(_state: &Self::State, _command: &Self::Command, _facts: &Self::Facts) -> bool {
        true
    }

    fn decide(
        state: &Self::State,
        command: &Self::Command,
        facts: &Self::Facts,
        context: Context,
    ) -> Decision<Self::Event, Self::Refusal>;
}

/// Folds facts into a state, as the log would give them back.
pub fn fold<D: Decider>(state: &mut D::State, facts: &[Fact<D::Event>], decided_at: Timestamp) {
    for fact in facts {
        D::evolve(state, &fact.event, Moment { happened_at: fact.happened_at, decided_at });
    }
}
