//! What a facility earned, hour by hour.

use octocity_domain::payments::PaymentEvent;
use octocity_domain::{Category, Currency, Event, FacilityId};

use crate::row::row;
use crate::view::{EventRecord, Unappliable, View};

row! {
    /// Captured and refunded in one hour, by when it happened.
    pub struct RevenueHourRow in "revenue_hours", indexes &[];
    key {
        facility: FacilityId,
        /// Hours since 1970-01-01T00:00Z.
        hour: i64,
        currency: Currency,
    }
    captured_minor: i64,
    refunded_minor: i64,
    captures: u64,
    refunds: u64,
}

/// Folds captures and refunds.
pub struct RevenueHours;

impl View for RevenueHours {
    type Row = RevenueHourRow;
    const CATEGORIES: &'static [Category] = &[Category::Payment];

    fn keys(record: &EventRecord, keys: &mut Vec<(FacilityId, i64, Currency)>) {
        if let Event::Payment(
            PaymentEvent::PaymentCaptured { amount, .. } | PaymentEvent::PaymentRefunded { amount, .. },
        ) = record.event
        {
            let hour = record.happened_at().seconds().div_euclid(3600);
            keys.push((record.facility(), hour, amount.currency));
        }
    }

    fn apply(
        row: &mut Option<RevenueHourRow>,
        key: &(FacilityId, i64, Currency),
        record: &EventRecord,
    ) -> Result<(), Unappliable> {
        let row = row.get_or_insert(RevenueHourRow {
            facility: key.0,
            hour: key.1,
            currency: key.2,
            captured_minor: 0,
            refunded_minor: 0,
            captures: 0,
            refunds: 0,
        });
        match record.event {
            Event::Payment(PaymentEvent::PaymentCaptured { amount, .. }) => {
                row.captured_minor += amount.amount_minor;
                row.captures += 1;
            }
            Event::Payment(PaymentEvent::PaymentRefunded { amount, .. }) => {
                row.refunded_minor += amount.amount_minor;
                row.refunds += 1;
            }
            _ => {}
        }
        Ok(())
    }
}
