//! One row per payment.

use octocity_domain::payments::{Allocation, GatewayCall, PaymentEvent, PaymentStatus};
use octocity_domain::{Category, Currency, Event, FacilityId, PaymentId, Timestamp};

use crate::row::{Json, row, word_fields};
use crate::view::{EventRecord, Unappliable, View};

word_fields!(PaymentStatus);

row! {
    /// One payment. refunded <= captured <= authorised.
    pub struct PaymentRow in "payments", indexes &[
        &["payment"],
        &["facility", "requested_at"],
        &["facility", "status", "requested_at"],
        &["facility", "unresolved_since"],
        &["unresolved_since"],
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
    /// The open call was made, and since then its outcome is not known: the gateway is asked again.
    unresolved_since: Option<Timestamp>,
    /// Why the gateway declined the latest call that it declined.
    last_refusal: Option<String>,
}

/// Folds the lives of payments.
pub struct Payments;

impl View for Payments {
    type Row = PaymentRow;
    const CATEGORIES: &'static [Category] = &[Category::Payment];

    fn keys(record: &EventRecord, keys: &mut Vec<(FacilityId, PaymentId)>) {
        keys.push((record.facility(), PaymentId(record.stream.id)));
    }

    /// Its stream is the payment's own.
    fn begins(record: &EventRecord, _: &(FacilityId, PaymentId)) -> bool {
        record.revision == 0
    }

    fn apply(
        row: &mut Option<PaymentRow>,
        key: &(FacilityId, PaymentId),
        record: &EventRecord,
    ) -> Result<(), Unappliable> {
        let Event::Payment(event) = record.event else { return Ok(()) };
        if let PaymentEvent::PaymentRequested { amount, allocations, priced_at, .. } = event {
            *row = Some(PaymentRow {
                facility: key.0,
                payment: key.1,
                status: PaymentStatus::Requested,
                currency: amount.currency,
                amount_minor: amount.amount_minor,
                allocations: Json(allocations.clone()),
                authorized_minor: 0,
                captured_minor: 0,
                refunded_minor: 0,
                requested_at: record.happened_at(),
                priced_at: *priced_at,
                authorized_at: None,
                captured_at: None,
                open_call: None,
                unresolved_since: None,
                last_refusal: None,
            });
            return Ok(());
        }
        let row = row.as_mut().ok_or(Unappliable("the payment was never requested"))?;
        row.change(event, record.happened_at());
        Ok(())
    }
}

impl PaymentRow {
    fn change(&mut self, event: &PaymentEvent, at: Timestamp) {
        let call = self.open_call.take();
        let unresolved_since = self.unresolved_since.take();
        match event {
            PaymentEvent::PaymentRequested { .. } => {}
            PaymentEvent::GatewayCallPlanned { call, .. } => self.open_call = Some(Json(*call)),
            PaymentEvent::PaymentAuthorized { .. } => {
                self.status = PaymentStatus::Authorized;
                self.authorized_minor = call.map_or(self.amount_minor, |call| call.amount.amount_minor);
                self.authorized_at = Some(at);
            }
            PaymentEvent::PaymentCaptured { amount, .. } => {
                self.status = PaymentStatus::Captured;
                self.captured_minor += amount.amount_minor;
                self.captured_at = self.captured_at.or(Some(at));
            }
            PaymentEvent::PaymentRefunded { amount, .. } => {
                self.refunded_minor += amount.amount_minor;
                self.status = match self.refunded_minor < self.captured_minor {
                    true => PaymentStatus::PartlyRefunded,
                    false => PaymentStatus::Refunded,
                };
            }
            PaymentEvent::PaymentVoided { .. } => self.status = PaymentStatus::Voided,
            PaymentEvent::GatewayCallRefused { reason, .. } => {
                // A refused capture or refund leaves the payment as it was.
                if self.status == PaymentStatus::Requested {
                    self.status = PaymentStatus::Declined;
                }
                self.last_refusal = Some(reason.clone());
            }
            PaymentEvent::GatewayCallUnresolved { .. } => {
                self.open_call = call;
                self.unresolved_since = unresolved_since.or(Some(at));
            }
        }
    }
}
