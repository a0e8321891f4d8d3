//! What an imported garage leaves for an attendant to look at. Such passages are clean lines, so that they do not stand
//! in the report.

use octocity_domain::FacilityId;
use octocity_projections::parking::{UnmatchedExitRow, queries::visits_to_review};
use octocity_projections::{Query, RowStore};

use crate::failure::Failure;
use crate::node::rows_failed;
use crate::output::Output;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToReview {
    facility: FacilityId,
    pub visits: u64,
    /// Exits that no visit matched, as one for each instant.
    pub unmatched_exits: u64,
}

impl ToReview {
    /// All there are of the facility, whichever import they came with.
    pub async fn of(rows: &dyn RowStore, facility: FacilityId) -> Result<Self, Failure> {
        let visits = visits_to_review(rows, facility).await.map_err(rows_failed)?;
        let exits = Query::<UnmatchedExitRow>::new().eq("facility", &facility);
        let exits = exits.counted().first(1).run(rows).await.map_err(rows_failed)?;
        Ok(Self { facility, visits, unmatched_exits: exits.total.unwrap_or(0) })
    }

    pub fn say(self, output: Output) {
        if self.unmatched_exits > 0 {
            output.say(format!("  exits that no visit matched: {}", self.unmatched_exits));
        }
        if self.visits > 0 {
            output.say(format!("  visits to review: {}; octocity serve answers which and why:", self.visits));
            let facility = self.facility;
            output.say(format!(
                "    {{ toReview(facilityId: \"{facility}\") {{ nodes {{ id reviewReason }} }} }}"
            ));
        }
    }
}
