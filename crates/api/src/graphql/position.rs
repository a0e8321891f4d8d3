//! Positions as clients carry them, the wait for one, and rows that stand still.

use std::time::Duration;

use async_graphql::{Context, Error, Result, SelectionField};
use octocity_log::position::ParsedToken;
use octocity_log::{Position, StreamId, Token};
use octocity_projections::facilities::FacilityRow;
use octocity_projections::parking::{
    AreaMovesRow, OccupancyHourRow, OccupancyRow, SpotOutOfServiceRow, VisitRow,
};
use octocity_projections::payments::VisitPaymentRow;
use octocity_projections::reservations::ReservationRow;
use octocity_projections::sessions::SessionRow;
use octocity_projections::{Row, Table};

use super::Api;
use crate::faults::{Code, bad_input, failed, field_error};
use crate::http::transport::AfterHeader;

impl Api {
    /// The token of a position of this log.
    pub fn token(&self, position: Position) -> String {
        Token { log: self.log.id(), epoch: self.log.epoch(), position }.to_string()
    }

    /// The position to go on behind. Who comes with one of an earlier epoch misses nothing; only if it is far from that
    /// epoch's end some things are told again.
    pub fn parse_token(&self, token: &str) -> Result<Position> {
        let ParsedToken { epoch, position, .. } = self.parse(token)?;
        Ok(if epoch < self.log.epoch() { self.log.resumed(epoch, position) } else { position })
    }

    /// The position to wait for. What an earlier epoch held is there once all that was brought over is.
    fn parse_awaited(&self, token: &str) -> Result<Position> {
        let parsed = self.parse(token)?;
        Ok(if parsed.epoch < self.log.epoch() { self.log.inherited() } else { parsed.position })
    }

    /// What a client sent back, of this log.
    fn parse(&self, token: &str) -> Result<ParsedToken> {
        let parsed: ParsedToken = token.parse().map_err(|_| {
            bad_input("This is no position of this system; send one back exactly as it was given.")
        })?;
        if !parsed.is_of(self.log.id()) || parsed.epoch > self.log.epoch() {
            let sentence =
                "This position is of another log; leave it out and take a new one from the answer.";
            return Err(field_error(Code::PositionForeign, sentence));
        }
        Ok(parsed)
    }

    /// Waits, at most as long as the limits say, until these read models have reached `position`.
    async fn reached(&self, tables: &[&'static Table], position: Position) -> Result<()> {
        let at_most = Duration::from_secs(self.limits.wait_seconds);
        match self.models.wait_for(tables, position, at_most).await {
            true => Ok(()),
            false => Err(not_reached("read models")),
        }
    }
}

/// What the counts of a facility now are read from.
pub const OCCUPANCY: [&Table; 4] =
    [FacilityRow::TABLE, OccupancyRow::TABLE, AreaMovesRow::TABLE, SpotOutOfServiceRow::TABLE];

/// What every query does first: waits until the read models that its answer is from have reached the position of its
/// argument and of the request's header, if any. `tables`: what the field itself reads; what is asked within it is
/// waited for as well. Returns the later position.
pub async fn wait(context: &Context<'_>, after: Option<&str>, tables: &[&'static Table]) -> Result<Position> {
    let api = Api::of(context);
    let header = context.data_opt::<AfterHeader>().map(|header| header.0.as_str());
    let mut latest = Position::default();
    for token in after.into_iter().chain(header) {
        latest = latest.max(api.parse_awaited(token)?);
    }
    if latest > Position::default() {
        let mut tables = tables.to_vec();
        add_within(context.field(), &mut tables);
        api.reached(&tables, latest).await?;
    }
    Ok(latest)
}

/// Adds what the fields within this one read.
fn add_within(field: SelectionField<'_>, tables: &mut Vec<&'static Table>) {
    for within in field.selection_set() {
        match within.name() {
            "facility" => tables.push(FacilityRow::TABLE),
            "visit" | "visits" => tables.push(VisitRow::TABLE),
            "session" => tables.push(SessionRow::TABLE),
            "reservation" => tables.push(ReservationRow::TABLE),
            "history" => tables.push(VisitPaymentRow::TABLE),
            "occupancy" => {
                tables.extend(OCCUPANCY);
                tables.push(OccupancyHourRow::TABLE);
            }
            _ => {}
        }
        add_within(within, tables);
    }
}

/// Whether a row stands still, because an event of its own or of these streams could not be applied.
pub async fn stands_still<R: Row>(context: &Context<'_>, key: &R::Key, streams: &[StreamId]) -> Result<bool> {
    let parked = Api::of(context).models.standing_still::<R>(key, streams).await;
    Ok(parked.map_err(|fault| failed("reading the parked keys", &fault))?.is_some())
}

/// What is said where something did not get to a position in time.
pub fn not_reached(who: &str) -> Error {
    field_error(
        Code::PositionNotReached,
        format!("The {who} did not reach this position in time; ask again in a moment."),
    )
}
