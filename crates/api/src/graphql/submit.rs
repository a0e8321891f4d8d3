//! From a mutation to the handler and back: who sends it, under which id, and the parts that every payload has.

use async_graphql::{Context, Result};
use octocity_commands::{CommandError, Outcome, Reply, Submission};
use octocity_domain::decider::Refusal as DomainRefusal;
use octocity_domain::{CommandId, Fact};
use octocity_log::Actor;

use super::Api;
use super::refusal::Refusal;
use super::scalars::UuidText;
use crate::faults::command_error;

/// A client's command id. Only UUIDv7: the other kinds are made by the system itself and never expire.
pub fn command_id(id: UuidText) -> Result<CommandId> {
    match id.0.get_version_num() {
        7 => Ok(CommandId(id.0)),
        _ => Err(command_error(&CommandError::IdInvalid)),
    }
}

pub fn submission<C>(context: &Context<'_>, id: CommandId, command: C) -> Submission<C> {
    let actor = context.data_opt::<Actor>().cloned().unwrap_or_else(|| Actor::new("open"));
    Submission::new(id, actor, command)
}

/// A reply with what every payload shows of it.
pub struct Done<E> {
    pub position: String,
    pub repeated: bool,
    pub refusal: Option<Refusal>,
    /// None of a refused command.
    pub events: Vec<Fact<E>>,
}

impl<E> Done<E> {
    pub fn of<R: DomainRefusal>(
        context: &Context<'_>,
        reply: Result<Reply<E, R>, CommandError>,
    ) -> Result<Self> {
        let reply = reply.map_err(|error| command_error(&error))?;
        let (events, refusal) = match reply.outcome {
            Outcome::Accepted(events) => (events, None),
            Outcome::Refused(refusal) => (Vec::new(), Some(Refusal::new(&refusal))),
        };
        let position = Api::of(context).token(reply.position);
        Ok(Self { position, repeated: reply.repeated, refusal, events })
    }

    /// What the first event that has it says.
    pub fn find<T>(&self, of: impl Fn(&E) -> Option<T>) -> Option<T> {
        self.events.iter().find_map(|fact| of(&fact.event))
    }
}

/// Declares a mutation's payload: its own fields and those of every payload.
macro_rules! payload {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(async_graphql::SimpleObject)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
            /// Where the reply stands in the log: pass it as `after` to a query that must see what this did.
            pub position: String,
            /// This id had been answered before, and this is that answer.
            pub repeated: bool,
            /// Why a rule refused it; null when it was accepted.
            pub refusal: Option<crate::graphql::refusal::Refusal>,
        }
    };
}
pub(crate) use payload;
