//! Money that moved. What is asked of a gateway, and its references and tokens, are ours.

use octocity_domain::payments::PaymentEvent;
use octocity_domain::{FacilityId, PaymentId};
use serde::Serialize;

use crate::{Amount, Published, Subject};

/// The money was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PaymentCaptured {
    pub facility: FacilityId,
    pub payment: PaymentId,
    pub amount: Amount,
}

/// Money was given back, all or a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PaymentRefunded {
    pub facility: FacilityId,
    pub payment: PaymentId,
    pub amount: Amount,
}

pub(crate) fn publish(event: &PaymentEvent, facility: FacilityId, payment: PaymentId) -> Option<Published> {
    let subject = Subject::Payment(payment);
    match event {
        PaymentEvent::PaymentCaptured { amount, .. } => {
            let amount = (*amount).into();
            Some(Published::of(subject, PaymentCaptured { facility, payment, amount }))
        }
        PaymentEvent::PaymentRefunded { amount, .. } => {
            let amount = (*amount).into();
            Some(Published::of(subject, PaymentRefunded { facility, payment, amount }))
        }
        PaymentEvent::PaymentRequested { .. }
        | PaymentEvent::GatewayCallPlanned { .. }
        | PaymentEvent::PaymentAuthorized { .. }
        | PaymentEvent::PaymentVoided { .. }
        | PaymentEvent::GatewayCallRefused { .. }
        | PaymentEvent::GatewayCallUnresolved { .. } => None,
    }
}
