//! The events that are skipped, of the whole log.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Category;
use crate::decider::{Context, Decider, Decision, Moment, Refusal, refusal_codes};

/// The one stream of all skips, and the key that its events carry: they belong to no facility.
pub const SKIPS: Uuid = Uuid::from_u128(0x0c70_c170_0000_8000_8000_736b_6970_7300);

const REASON_MAX_CHARS: usize = 500;

/// What happened. This is the storage format: fields are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SkipsEvent {
    /// The event at this revision of the stream is not applied to the view.
    EventSkipped {
        view: String,
        category: Category,
        /// The id of the stream, of which the category is the other half.
        stream: Uuid,
        revision: u64,
        reason: String,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkipsState {
    skipped: BTreeSet<(String, Category, Uuid, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum SkipsCommand {
    SkipEvent { view: String, category: Category, stream: Uuid, revision: u64, reason: String },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SkipsRefusal {
    EventAlreadySkipped,
    ReasonMissing,
    ReasonTooLong,
}

refusal_codes!(SkipsRefusal {
    EventAlreadySkipped => "EVENT_ALREADY_SKIPPED",
    ReasonMissing => "REASON_MISSING",
    ReasonTooLong => "TEXT_TOO_LONG",
});

impl Refusal for SkipsRefusal {
    fn code(&self) -> &'static str {
        self.stable_code()
    }
    fn message(&self) -> String {
        match self {
            Self::EventAlreadySkipped => {
                "This event is skipped already; retry the key, which takes up what comes after it.".into()
            }
            Self::ReasonMissing => "A reason is needed; say in a few words why.".into(),
            Self::ReasonTooLong => {
                format!("A reason has at most {REASON_MAX_CHARS} characters; shorten it.")
            }
        }
    }
}

pub struct Skips;

impl Decider for Skips {
    const CATEGORY: Category = Category::Skips;
    const SNAPSHOT_VERSION: u32 = 1;
    type State = SkipsState;
    type Event = SkipsEvent;
    type Command = SkipsCommand;
    type Facts = ();
    type Refusal = SkipsRefusal;

    fn evolve(state: &mut SkipsState, event: &SkipsEvent, _: Moment) {
        match event {
            SkipsEvent::EventSkipped { view, category, stream, revision, .. } => {
                state.skipped.insert((view.clone(), *category, *stream, *revision));
            }
        }
    }

    fn decide(
        state: &SkipsState,
        command: &SkipsCommand,
        (): &(),
        context: Context,
    ) -> Decision<SkipsEvent, SkipsRefusal> {
        match skip_event(state, command) {
            Ok(event) => Decision::accepted_one(event, context.now),
            Err(refusal) => Decision::refused(refusal),
        }
    }
}

fn skip_event(state: &SkipsState, command: &SkipsCommand) -> Result<SkipsEvent, SkipsRefusal> {
    let SkipsCommand::SkipEvent { view, category, stream, revision, reason } = command.clone();
    if state.skipped.contains(&(view.clone(), category, stream, revision)) {
        return Err(SkipsRefusal::EventAlreadySkipped);
    }
    if reason.trim().is_empty() {
        return Err(SkipsRefusal::ReasonMissing);
    }
    if reason.chars().count() > REASON_MAX_CHARS {
        return Err(SkipsRefusal::ReasonTooLong);
    }
    Ok(SkipsEvent::EventSkipped { view, category, stream, revision, reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::given;

    fn skip(view: &str, revision: u64, reason: &str) -> SkipsCommand {
        let (view, reason) = (view.to_owned(), reason.to_owned());
        SkipsCommand::SkipEvent {
            view,
            category: Category::Parking,
            stream: Uuid::from_u128(7),
            revision,
            reason,
        }
    }

    fn skipped(view: &str, revision: u64, reason: &str) -> SkipsEvent {
        let (view, reason) = (view.to_owned(), reason.to_owned());
        SkipsEvent::EventSkipped {
            view,
            category: Category::Parking,
            stream: Uuid::from_u128(7),
            revision,
            reason,
        }
    }

    #[test]
    fn an_event_is_skipped_for_one_view() {
        given::<Skips>([]).when(skip("visits", 5, "a device sent it twice")).then([skipped(
            "visits",
            5,
            "a device sent it twice",
        )]);
    }

    #[test]
    fn an_event_is_skipped_once() {
        given::<Skips>([skipped("visits", 5, "twice")])
            .when(skip("visits", 5, "again"))
            .then_refused("EVENT_ALREADY_SKIPPED");
        for (view, revision) in [("visits", 6), ("occupancy", 5)] {
            given::<Skips>([skipped("visits", 5, "twice")])
                .when(skip(view, revision, "another"))
                .then([skipped(view, revision, "another")]);
        }
    }

    #[test]
    fn a_skip_says_why() {
        given::<Skips>([]).when(skip("visits", 5, " ")).then_refused("REASON_MISSING");
        let long = "y".repeat(REASON_MAX_CHARS + 1);
        given::<Skips>([]).when(skip("visits", 5, &long)).then_refused("TEXT_TOO_LONG");
    }
}
