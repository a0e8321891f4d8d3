//! Which payments were asked for a visit, whatever became of them.

use octocity_domain::payments::{Allocation, Payable, PaymentEvent};
use octocity_domain::{Category, Event, FacilityId, PaymentId, VisitId};

use crate::row::row;
use crate::view::{EventRecord, Unappliable, View};

row! {
    /// What of a payment is for a visit.
    pub struct VisitPaymentRow in "visit_payments", indexes &[];
    key {
        facility: FacilityId,
        visit: VisitId,
        payment: PaymentId,
    }
    amount_minor: i64,
}

/// Folds what payments are requested for.
pub struct VisitPayments;

impl View for VisitPayments {
    type Row = VisitPaymentRow;
    const CATEGORIES: &'static [Category] = &[Category::Payment];

    fn keys(record: &EventRecord, keys: &mut Vec<(FacilityId, VisitId, PaymentId)>) {
        let payment = PaymentId::new(record.stream.id);
        let visits = allocations(record).iter().filter_map(|allocation| visit_of(&allocation.payable));
        keys.extend(visits.map(|visit| (record.facility(), visit, payment)));
    }

    fn apply(
        row: &mut Option<VisitPaymentRow>,
        key: &(FacilityId, VisitId, PaymentId),
        record: &EventRecord,
    ) -> Result<(), Unappliable> {
        let (facility, visit, payment) = *key;
        let own = allocations(record).iter().find(|allocation| visit_of(&allocation.payable) == Some(visit));
        let amount_minor = own.map_or(0, |allocation| allocation.amount_minor);
        *row = Some(VisitPaymentRow { facility, visit, payment, amount_minor });
        Ok(())
    }
}

fn allocations<'a>(record: &EventRecord<'a>) -> &'a [Allocation] {
    match record.event {
        Event::Payment(PaymentEvent::PaymentRequested { allocations, .. }) => allocations,
        _ => &[],
    }
}

const fn visit_of(payable: &Payable) -> Option<VisitId> {
    match payable {
        Payable::Session { visit } => Some(*visit),
        Payable::Reservation { .. } => None,
    }
}
