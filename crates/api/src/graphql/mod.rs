//! # The schema
//!
//! One folder or file per context: the same names as in the domain and in the projections. Its descriptions are the
//! documentation that clients read.
//!
//! - **refusal**: a business answer, in the payload of a mutation; see [`refusal`].
//! - **error**: a request that cannot be served or a fault of ours; see [`crate::faults`].
//! - **position**: an opaque token of a place in the log; see [`position`].
//! - **state subscription**: each message is the whole state; what changes faster than it is read is merged.
//! - **event subscription**: each event once, in order, pulled from the log as fast as it is read.

pub mod analytics;
mod credentials;
pub mod facilities;
mod follow;
mod inputs;
mod keys;
mod loaders;
pub mod operations;
pub mod operator;
pub mod parking;
pub mod payments;
mod position;
mod refusal;
mod relay;
pub mod reservations;
mod scalars;
pub mod sessions;
mod submit;

use std::sync::Arc;
use std::time::Duration;

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, MergedObject, MergedSubscription, SDLExportOptions, Schema, SchemaBuilder};
use octocity_commands::{Clock, Handler};
use octocity_log::EventLog;
use octocity_projections::ReadModels;

use crate::http::Probes;
use crate::http::executor::{Beside, HEAVY, Schemas};
use crate::limits::Limits;

/// What resolvers work with.
pub struct Api {
    pub handler: Arc<Handler>,
    pub log: Arc<dyn EventLog>,
    pub models: ReadModels,
    pub clock: Arc<dyn Clock>,
    pub limits: Limits,
    pub probes: Arc<dyn Probes>,
}

impl Api {
    /// Every request has it: [`schemas`] puts it there.
    fn of<'a>(context: &Context<'a>) -> &'a Arc<Self> {
        context.data_unchecked::<Arc<Self>>()
    }
}

/// What can be read. Every field that takes `after` (connections: `afterPosition`) waits, for a moment, until the read
/// models that its answer is from have reached that position; the header `x-octocity-after` does the same for all of a request.
#[derive(MergedObject, Default)]
pub struct Query(
    facilities::FacilitiesQuery,
    parking::ParkingQuery,
    sessions::SessionsQuery,
    reservations::ReservationsQuery,
    payments::PaymentsQuery,
    operator::OperatorQuery,
    operations::OperationsQuery,
    analytics::AnalyticsQuery,
);

/// What can be done. Every mutation that stores something takes a `commandId`: a UUIDv7 that the client makes for each new command (most
/// languages' UUID libraries have `uuidv7()`), and repeats only to repeat that very command: the same id gives the same
/// reply, so a lost reply is asked for again under it. A business refusal stands in the payload's `refusal`; errors are
/// for requests that cannot be served.
#[derive(MergedObject, Default)]
pub struct Mutation(
    facilities::FacilitiesMutation,
    parking::GatesMutation,
    parking::AttendantMutation,
    sessions::SessionsMutation,
    reservations::ReservationsMutation,
    payments::PaymentsMutation,
    operations::OperationsMutation,
);

/// What can be followed, over graphql-transport-ws or as server-sent events. Every message has a `position`: after a
/// break, pass the last one as `after` to go on from there.
#[derive(MergedSubscription, Default)]
pub struct Subscription(
    parking::ParkingSubscription,
    parking::EventsSubscription,
    reservations::ReservationsSubscription,
);

/// The subscriptions that tell the whole state of the one thing that this argument names.
pub const STATES: &[(&str, &str)] = &[("occupancy", "facilities"), ("visit", "id"), ("reservation", "id")];

pub type OctocitySchema = Schema<Query, Mutation, Subscription>;

type Builder = SchemaBuilder<Query, Mutation, Subscription>;

fn builder() -> Builder {
    Schema::build(Query::default(), Mutation::default(), Subscription::default())
}

pub fn schemas(api: Api) -> Schemas<OctocitySchema> {
    let limits = api.limits;
    let api = Arc::new(api);
    let of = |builder: Builder, complexity: usize| {
        // Nobody waits for others that might ask: what was asked for when the read begins is read together.
        let loaders =
            DataLoader::new(loaders::Rows::new(&api), tokio::spawn).max_batch_size(500).delay(Duration::ZERO);
        builder
            .limit_depth(limits.depth)
            .limit_complexity(complexity)
            .limit_recursive_depth(limits.document_nesting)
            .limit_directives(16)
            .data(loaders)
            .data(Arc::clone(&api))
            .finish()
    };
    let light = of(builder(), limits.complexity.min(HEAVY - 1));
    let any = of(builder().extension(Beside::default()).extension(keys::KnownKeys), limits.complexity);
    Schemas::new(light, any)
}

/// The schema as text, its types in the order of their names.
pub fn sdl() -> String {
    builder().finish().sdl_with_options(SDLExportOptions::new().include_specified_by())
}
