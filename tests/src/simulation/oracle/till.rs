//! One payment and one session, added up again.

use std::collections::{BTreeMap, BTreeSet};

use octocity_domain::payments::{Allocation, GatewayCall, Payable, PaymentEvent};
use octocity_domain::sessions::SessionEvent;
use octocity_domain::{Currency, PaymentId, VisitId};

#[derive(Default)]
pub struct Till {
    allocations: Vec<Allocation>,
    pub requested: i64,
    pub authorized: i64,
    pub captured: i64,
    pub refunded: i64,
    pub voided: i64,
    calls: BTreeMap<u32, GatewayCall>,
    /// Planned, and without an outcome.
    open: BTreeSet<u32>,
    token: String,
    pub currency: Option<Currency>,
}

impl Till {
    /// Whether the gateway, which answers this token, has not been heard yet.
    pub fn is_open(&self) -> bool {
        !self.open.is_empty() && self.token != "sim-timeout"
    }

    pub fn take(&mut self, event: &PaymentEvent) -> Result<(), String> {
        match event {
            PaymentEvent::PaymentRequested { amount, allocations, token, .. } => {
                self.token = token.as_str().to_owned();
                self.currency = Some(amount.currency);
                self.requested = amount.amount_minor;
                self.allocations.clone_from(allocations);
                let sum: i64 = allocations.iter().map(|part| part.amount_minor).sum();
                if sum != self.requested {
                    return Err(format!("10: allocations of {sum} for a payment of {}", self.requested));
                }
            }
            PaymentEvent::GatewayCallPlanned { call, .. } => {
                self.open.insert(call.number);
                if self.calls.insert(call.number, *call).is_some() {
                    return Err("10: a gateway call is planned twice under one number".to_owned());
                }
            }
            PaymentEvent::PaymentAuthorized { call, .. } => self.authorized = self.done(*call)?,
            PaymentEvent::PaymentCaptured { call, amount, .. } => {
                self.done(*call)?;
                self.captured += amount.amount_minor;
            }
            PaymentEvent::PaymentRefunded { call, amount, .. } => {
                self.done(*call)?;
                self.refunded += amount.amount_minor;
            }
            PaymentEvent::PaymentVoided { call, .. } => self.voided = self.done(*call)?,
            PaymentEvent::GatewayCallRefused { call, .. } => {
                self.done(*call)?;
            }
            PaymentEvent::GatewayCallUnresolved { call, .. } if self.open.contains(call) => {}
            PaymentEvent::GatewayCallUnresolved { .. } => {
                return Err("10: a gateway call is unresolved that has an outcome, or no intent".to_owned());
            }
        }
        let (refunded, captured, authorized) = (self.refunded, self.captured, self.authorized);
        match 0 <= refunded && refunded <= captured && captured <= authorized && authorized <= self.requested
        {
            true => Ok(()),
            false => Err(format!("10: refunded {refunded}, captured {captured}, authorised {authorized}")),
        }
    }

    /// What a call is about. An outcome needs an intent event, and there is one of each.
    fn done(&mut self, call: u32) -> Result<i64, String> {
        let planned = self.calls.get(&call).filter(|_| self.open.remove(&call));
        Ok(planned.ok_or("10: a gateway call has two outcomes, or no intent")?.amount.amount_minor)
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
    pub merged_into: Option<VisitId>,
    /// What it has of merged visits' credits.
    pub taken: BTreeMap<VisitId, i64>,
}

impl Account {
    /// All that is paid for its stay.
    pub fn paid(&self) -> i64 {
        self.credits.values().sum::<i64>() + self.taken.values().sum::<i64>()
    }

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
            SessionEvent::StayMerged { into } => self.merged_into = Some(*into),
            SessionEvent::StayTakenOver { visit, credits, .. } => {
                self.taken.insert(*visit, credits.iter().map(|credit| credit.amount.amount_minor).sum());
            }
            SessionEvent::SessionOpened { .. }
            | SessionEvent::StayEnded { .. }
            | SessionEvent::StayRetimed { .. }
            | SessionEvent::ChargeAdjusted { .. } => {}
        }
        Ok(())
    }
}
