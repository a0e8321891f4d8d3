//! Business refusals, as every mutation's payload shows them.

use async_graphql::{ID, SimpleObject};
use octocity_domain::decider::Refusal as DomainRefusal;
use octocity_domain::tariffs::Quote;
use serde_json::Value;

use super::scalars::DateTime;
use super::sessions::QuoteObject;

/// Why a command was refused by a rule. The same command id gives the same refusal again; to try anew, make a new id.
#[derive(Clone, Debug, SimpleObject)]
pub struct Refusal {
    /// Stable, for programs, such as `POOL_FULL`; docs/refusals.md has each with what to do.
    pub code: String,
    /// One sentence for people that says what to do.
    pub message: String,
    /// The visit it is about, if any.
    pub visit_id: Option<ID>,
    /// The reservation it is about, if any.
    pub reservation_id: Option<ID>,
    /// The lane it is about, if any.
    pub lane: Option<ID>,
    /// The pool it is about, if any.
    pub pool: Option<ID>,
    /// For `PAYMENT_REQUIRED`: what is owed, line by line.
    pub quote: Option<QuoteObject>,
    /// For `RESERVATION_TOO_EARLY`: from when on the reservation admits.
    pub from: Option<DateTime>,
}

impl Refusal {
    /// The fields are those of the stored refusal, which names them alike in every context.
    pub fn new<R: DomainRefusal>(refusal: &R) -> Self {
        let stored = serde_json::to_value(refusal).unwrap_or_default();
        let text = |field: &str| stored.get(field).and_then(Value::as_str).map(|text| ID(text.to_owned()));
        let quote = stored.get("quote").and_then(|quote| serde_json::from_value::<Quote>(quote.clone()).ok());
        let from = stored.get("from").and_then(|from| serde_json::from_value(from.clone()).ok());
        Self {
            code: refusal.code().to_owned(),
            message: refusal.message(),
            visit_id: text("visit"),
            reservation_id: text("reservation"),
            lane: text("lane"),
            pool: text("pool"),
            quote: quote.map(QuoteObject::from),
            from: from.map(DateTime),
        }
    }
}

#[cfg(test)]
mod tests {
    use octocity_domain::LaneId;
    use octocity_domain::parking::ParkingRefusal;

    use super::Refusal;

    #[test]
    fn a_refusal_names_what_it_is_about() {
        let refused = ParkingRefusal::LaneShut { lane: LaneId::try_new("in-1").unwrap() };
        let shown = Refusal::new(&refused);
        assert_eq!(
            (shown.code.as_str(), shown.lane.as_deref().map(String::as_str)),
            ("LANE_SHUT", Some("in-1"))
        );
        assert!(shown.message.contains("in-1"));
    }
}
