//! Finding facilities.

use async_graphql::connection::Connection;
use async_graphql::{Context, ID, InputObject, Object, Result};
use octocity_domain::{FacilityId, OperatorId};
use octocity_projections::facilities::FacilityRow;
use octocity_projections::{Filter, Query, Row};

use super::super::loaders::{Of, load};
use super::super::position::wait;
use super::super::relay::{Page, Total, counted, page_cost};
use super::super::scalars::{code_id, text, uuid_id};
use super::types::FacilityObject;

/// Which facilities; every field that is given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct FacilityFilter {
    /// Of this operator.
    operator: Option<ID>,
    /// Whose name begins with this (capitals matter).
    name_starts_with: Option<String>,
    /// These ids: at most 500.
    ids: Option<Vec<ID>>,
}

impl FacilityFilter {
    fn query(self) -> Result<Query<FacilityRow>> {
        let mut query = Query::new().ascending("name");
        if let Some(operator) = self.operator {
            query = query.eq("operator", &code_id::<OperatorId>("operator", &operator)?);
        }
        if let Some(name) = self.name_starts_with {
            query = query.filter(Filter::StartsWith("name", text("nameStartsWith", name, 200)?));
        }
        if let Some(ids) = self.ids {
            let ids = super::super::inputs::at_most("ids", ids, 500)?;
            let ids: Vec<FacilityId> = ids.iter().map(|id| uuid_id("ids", id)).collect::<Result<_>>()?;
            query = query.is_in("facility", &ids);
        }
        Ok(query)
    }
}

#[derive(Default)]
pub struct FacilitiesQuery;

#[Object]
impl FacilitiesQuery {
    /// One facility; null where no facility has this id.
    async fn facility(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The facility's id.")] id: ID,
        #[graphql(desc = "Wait for this position.")] after: Option<String>,
    ) -> Result<Option<FacilityObject>> {
        let facility: FacilityId = uuid_id("id", &id)?;
        wait(context, after.as_deref(), &[FacilityRow::TABLE]).await?;
        load(context, Of::<FacilityObject, _>::new(facility)).await
    }

    /// Facilities by name.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    #[allow(clippy::too_many_arguments)]
    async fn facilities(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which of them; left out: all.")] filter: Option<FacilityFilter>,
        #[graphql(desc = "The first so many: 1 to 500; 50 if neither is given.")] first: Option<i32>,
        #[graphql(desc = "Those after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many: 1 to 500.")] last: Option<i32>,
        #[graphql(desc = "Those before this cursor.")] before: Option<String>,
        #[graphql(desc = "Wait for this position.")] after_position: Option<String>,
    ) -> Result<Connection<String, FacilityObject, Total>> {
        let query = filter.unwrap_or_default().query()?;
        wait(context, after_position.as_deref(), &[FacilityRow::TABLE]).await?;
        counted(context, query, Page { first, after, last, before }, |row, _| row.into()).await
    }
}
