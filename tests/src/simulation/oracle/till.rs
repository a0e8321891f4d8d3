//! One payment and one session, added up again.

use std::collections::BTreeMap;

use octocity_domain::payments::{Allocation, GatewayCall, Payable, PaymentEvent};
use octocity_domain::sessions::SessionEvent;
use octocity_domain::{PaymentId, VisitId};

#[derive(Default)]
pub struct Till {
    allocations: Vec<Allocation>,
    pub requested: i64,
    pub authorized: i64,
    pub captured: i64,
    pub refunded: i64,
    pub voided: bool,
    calls: BTreeMap<u32, GatewayCall>,
}

impl Till {
    pub fn take(&mut self, event: &PaymentEvent) -> Result<(), String> {
        match event {
            PaymentEvent::PaymentRequested { amount, allocations, .. } => {
                self.requested = amount.amount_minor;
                self.allocations.clone_from(allocations);
                let sum: i64 = allocations.iter().map(|part| part.amount_minor).sum();
                if sum != self.requested {
                    return Err(format!("10: allocations of {sum} for a payment of {}", self.requested));
                }
            }
            PaymentEvent::GatewayCallPlanned { call, .. } => {
                if self.calls.insert(call.number, *call).is_some() {
                    return Err("10: a gateway call is planned twice under one number".to_owned());
                }
            }
            PaymentEvent::PaymentAuthorized { call, .. } => self.authorized = self.amount_of(*call)?,
            PaymentEvent::PaymentCaptured { call, amount, .. } => {
                self.amount_of(*call)?;
                self.captured += amount.amount_minor;
            }
            PaymentEvent::PaymentRefunded { call, amount, .. } => {
                self.amount_of(*call)?;
                self.refunded += amount.amount_minor;
            }
            PaymentEvent::PaymentVoided { call, .. } => {
                self.amount_of(*call)?;
                self.voided = true;
            }
            PaymentEvent::GatewayCallRefused { call, .. }
            | PaymentEvent::GatewayCallUnresolved { call, .. } => {
                self.amount_of(*call)?;
            }
        }
        let (refunded, captured, authorized) = (self.refunded, self.captured, self.authorized);
        match 0 <= refunded && refunded <= captured && captured <= authorized && authorized <= self.requested
        {
            true => Ok(()),
            false => Err(format!("10: refunded {refunded}, captured {captured}, authorised {authorized}")),
        }
    }

    /// What a call is about. An outcome of a call that nobody planned has no intent event.
    fn amount_of(&self, call: u32) -> Result<i64, String> {
        let planned = self.calls.get(&call).ok_or("10: a gateway call has an outcome, but no intent")?;
        Ok(planned.amount.amount_minor)
    }

    /// What each session has of this payment, where all was captured or refunded.
    pub fn credits(&self) -> Vec<(VisitId, i64)> {
        let kept = self.captured - self.refunded;
        let sessions: Vec<_> = self
            .allocations
            .iter()
            .filter_map(|part| match part.payable {
                Payable::Session { visit } => Some((visit, part.amount_minor)),
                Payable::Reservation { .. } => None,
            })
            .collect();
        match sessions.as_slice() {
            // One payable gets whatever is kept; several get their part of a payment captured as a whole.
            [(visit, _)] if self.allocations.len() == 1 => vec![(*visit, kept)],
            several if self.refunded == 0 && self.captured == self.requested => several.to_vec(),
            several => several.iter().map(|(visit, _)| (*visit, 0)).collect(),
        }
    }
}

/// What one session was given.
#[derive(Default)]
pub struct Account {
    pub credits: BTreeMap<PaymentId, i64>,
}

impl Account {
    pub fn take(&mut self, event: &SessionEvent) -> Result<(), String> {
        match event {
            SessionEvent::CreditApplied { payment, amount, .. } => {
                *self.credits.entry(*payment).or_default() += amount.amount_minor;
            }
            SessionEvent::CreditReversed { payment, amount, .. } => {
                let credit = self.credits.entry(*payment).or_default();
                *credit -= amount.amount_minor;
                if *credit < 0 {
                    return Err("10: more is taken back from a session than the payment gave".to_owned());
                }
            }
            SessionEvent::SessionOpened { .. }
            | SessionEvent::StayEnded { .. }
            | SessionEvent::StayRetimed { .. }
            | SessionEvent::ChargeAdjusted { .. } => {}
        }
        Ok(())
    }
}
