//! Positions as clients carry them, and the wait for one.

use std::time::Duration;

use async_graphql::{Context, Error, Result};
use octocity_log::position::ParsedToken;
use octocity_log::{Position, Token};

use super::Api;
use crate::faults::{Code, bad_input, field_error};
use crate::http::transport::AfterHeader;

impl Api {
    /// The token of a position of this log.
    pub fn token(&self, position: Position) -> String {
        Token { log: self.log.id(), epoch: self.log.epoch(), position }.to_string()
    }

    /// The position a client sent back. One of an earlier epoch lies before everything of this one.
    pub fn parse_token(&self, token: &str) -> Result<Position> {
        let parsed: ParsedToken = token.parse().map_err(|_| {
            bad_input("This is no position of this system; send one back exactly as it was given.")
        })?;
        if !parsed.is_of(self.log.id()) || parsed.epoch > self.log.epoch() {
            let sentence =
                "This position is of another log; leave it out and take a new one from the answer.";
            return Err(field_error(Code::PositionForeign, sentence));
        }
        Ok(if parsed.epoch < self.log.epoch() { Position::default() } else { parsed.position })
    }

    /// Waits, at most as long as the limits say, until every read model has reached `position`.
    pub async fn reached(&self, position: Position) -> Result<()> {
        let mut progress = self.models.progress();
        let there = progress.wait_for(|views| views.values().all(|known| *known >= position));
        let at_most = Duration::from_secs(self.limits.wait_seconds);
        if matches!(tokio::time::timeout(at_most, there).await, Ok(Ok(_))) {
            return Ok(());
        }
        Err(not_reached("read models"))
    }
}

/// What every query does first: waits for the position of its argument and of the request's header, if any. Returns
/// the later of them.
pub async fn wait(context: &Context<'_>, after: Option<&str>) -> Result<Position> {
    let api = Api::of(context);
    let header = context.data_opt::<AfterHeader>().map(|header| header.0.as_str());
    let mut latest = Position::default();
    for token in after.into_iter().chain(header) {
        let position = api.parse_token(token)?;
        api.reached(position).await?;
        latest = latest.max(position);
    }
    Ok(latest)
}

/// What is said where something did not get to a position in time.
pub fn not_reached(who: &str) -> Error {
    field_error(
        Code::PositionNotReached,
        format!("The {who} did not reach this position in time; ask again in a moment."),
    )
}
