//! Specs as sentences: `given::<Session>([opened()]).at(noon()).when(command).then([event])`.
//!
//! A `then` folds what was decided into the state and gives the spec back, so that a story goes on:
//! `.then([granted]).at(later).when(next).then_nothing()`.

use crate::decider::{Context, Decider, Decision, Moment, Refusal};
use crate::ids::CommandId;
use crate::time::Timestamp;

/// 2026-03-02T08:00:00Z: the time of a spec that names none.
pub const SPEC_TIME: Timestamp = Timestamp::from_seconds(1_772_438_400);

/// What has happened before the command.
pub struct Spec<D: Decider> {
    state: D::State,
    facts: D::Facts,
    now: Timestamp,
    asked: u64,
}

/// What the command came to.
pub struct Decided<D: Decider> {
    spec: Spec<D>,
    decision: Decision<D::Event, D::Refusal>,
}

/// A stream with these events, all of which happened at [`SPEC_TIME`].
pub fn given<D: Decider>(events: impl IntoIterator<Item = D::Event>) -> Spec<D>
where
    D::Facts: Default,
{
    given_with::<D>(D::Facts::default(), events)
}

/// [`given`] for an aggregate whose facts have no default.
pub fn given_with<D: Decider>(facts: D::Facts, events: impl IntoIterator<Item = D::Event>) -> Spec<D> {
    let spec = Spec { state: D::State::default(), facts, now: SPEC_TIME, asked: 0 };
    spec.and_given_at(SPEC_TIME, events)
}

impl<D: Decider> Spec<D> {
    /// More events, which happened at `happened_at` and were decided then.
    pub fn and_given_at(
        mut self,
        happened_at: Timestamp,
        events: impl IntoIterator<Item = D::Event>,
    ) -> Self {
        for event in events {
            D::evolve(&mut self.state, &event, Moment { happened_at, decided_at: happened_at });
        }
        self
    }

    /// What the command is told of other streams.
    pub fn with_facts(mut self, facts: D::Facts) -> Self {
        self.facts = facts;
        self
    }

    /// When the next commands are decided.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// The id that the next command has: what it brings into being is minted from it.
    pub fn next_id(&self) -> CommandId {
        CommandId::from_source(self.now, "spec", &self.asked.to_string())
    }

    pub const fn state(&self) -> &D::State {
        &self.state
    }

    pub fn when(mut self, command: D::Command) -> Decided<D> {
        let context = Context { command_id: self.next_id(), now: self.now };
        self.asked += 1;
        let decision = D::decide(&self.state, &command, &self.facts, context);
        Decided { spec: self, decision }
    }
}

impl<D: Decider> Decided<D> {
    pub const fn decision(&self) -> &Decision<D::Event, D::Refusal> {
        &self.decision
    }

    /// Accepted, with exactly these events, whenever they happened.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = D::Event>) -> Spec<D> {
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(self.accepted_events(), expected, "the events decided (left) are not those of the spec");
        self.spec_after()
    }

    /// Accepted, and `holds` is true of the events.
    #[track_caller]
    pub fn then_events_that(self, holds: impl FnOnce(&[D::Event]) -> bool) -> Spec<D> {
        let events = self.accepted_events();
        assert!(holds(&events), "the spec does not hold of {events:#?}");
        self.spec_after()
    }

    /// Accepted, and all of it had been so before.
    #[track_caller]
    pub fn then_nothing(self) -> Spec<D> {
        self.then([])
    }

    /// Refused with this code, and nothing is stored of it.
    #[track_caller]
    pub fn then_refused(self, code: &str) -> Spec<D> {
        self.then_refused_with(code, [])
    }

    /// Refused with this code, and these events tell of it.
    #[track_caller]
    pub fn then_refused_with(self, code: &str, expected: impl IntoIterator<Item = D::Event>) -> Spec<D> {
        let Decision::Refused { refusal, events } = &self.decision else {
            panic!("expected the refusal {code}, but it was accepted: {:#?}", self.decision.events());
        };
        assert_eq!(refusal.code(), code, "refused, but with another code (left): {}", refusal.message());
        let events: Vec<_> = events.iter().map(|fact| fact.event.clone()).collect();
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(events, expected, "the events of the refusal (left) are not those of the spec");
        self.spec_after()
    }

    #[track_caller]
    fn accepted_events(&self) -> Vec<D::Event> {
        match &self.decision {
            Decision::Accepted(facts) => facts.iter().map(|fact| fact.event.clone()).collect(),
            Decision::Refused { refusal, .. } => {
                panic!(
                    "expected it to be accepted, but it was refused: {} {}",
                    refusal.code(),
                    refusal.message()
                )
            }
        }
    }

    fn spec_after(mut self) -> Spec<D> {
        crate::decider::fold::<D>(&mut self.spec.state, self.decision.events(), self.spec.now);
        self.spec
    }
}
