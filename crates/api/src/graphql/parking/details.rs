//! What an answer about occupancy needs besides the pools' counts.

use std::sync::Arc;

use async_graphql::Context;
use octocity_domain::FacilityId;
use octocity_projections::facilities::FacilityRow;
use octocity_projections::parking::{AreaMovesRow, OccupancyRow, SpotOutOfServiceRow};
use octocity_projections::{Live, Subscription};

/// What is read besides the pools' counts, as few ask for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Details {
    pub areas: bool,
    pub spots: bool,
}

impl Details {
    pub const ALL: Self = Self { areas: true, spots: true };

    /// What is asked of the field that the context is of.
    pub fn asked(context: &Context<'_>) -> Self {
        let asked = context.look_ahead();
        let any = |fields: &[&str]| fields.iter().any(|field| asked.field(field).exists());
        Self { areas: any(&["areas", "levels", "notPlaced"]), spots: any(&["spotKinds"]) }
    }

    /// What changes when an answer with these details does.
    pub fn topics(self, live: &Arc<Live>, facility: FacilityId) -> Vec<Subscription> {
        let mut topics =
            vec![live.facility::<OccupancyRow>(facility), live.facility::<FacilityRow>(facility)];
        topics.extend(self.areas.then(|| live.facility::<AreaMovesRow>(facility)));
        topics.extend(self.spots.then(|| live.facility::<SpotOutOfServiceRow>(facility)));
        topics
    }

    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self { areas: self.areas || other.areas, spots: self.spots || other.spots }
    }
}
