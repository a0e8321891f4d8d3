//! One row per payment.

use octocity_domain::payments::{Allocation, GatewayCall};
use octocity_domain::{Currency, FacilityId, PaymentId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::row::{Json, row, word_fields};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentStatus {
    /// Nothing is authorised (yet): see `last_refusal` and `open_call`.
    Requested,
    Authorized,
    /// All of what is captured was captured, some or none of it refunded.
    Captured,
    /// All of what was captured is refunded.
    Refunded,
    Voided,
}
word_fields!(PaymentStatus);

row! {
    /// One payment. refunded <= captured <= authorised.
    pub struct PaymentRow in "payments", indexes &[
        &["payment"],
        &["facility", "requested_at"],
        &["facility", "status", "requested_at"],
    ];
    key {
        facility: FacilityId,
        payment: PaymentId,
    }
    status: PaymentStatus,
    currency: Currency,
    amount_minor: i64,
    allocations: Json<Vec<Allocation>>,
    authorized_minor: i64,
    captured_minor: i64,
    refunded_minor: i64,
    requested_at: Timestamp,
    /// Of the quote that is paid.
    priced_at: Timestamp,
    authorized_at: Option<Timestamp>,
    captured_at: Option<Timestamp>,
    /// The gateway call whose outcome is not recorded yet.
    open_call: Option<Json<GatewayCall>>,
    /// The open call was made, and its outcome is not known: the gateway is asked again.
    unresolved: bool,
    /// Why the gateway declined the latest call that it declined.
    last_refusal: Option<String>,
}
