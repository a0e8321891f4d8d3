//! What a session knows: folded from its stream, nothing else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::{SessionEvent, TakenCredit};
use crate::ids::{FacilityId, PaymentId, PoolId, VisitId};
use crate::money::Money;
use crate::tariffs::{Bill, Credit, Quote, Tariff};
use crate::time::{Timestamp, Zone};

/// What a payment gave to this session, less what its refunds took back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionCredit {
    pub payment: PaymentId,
    pub amount: Money,
    pub priced_at: Timestamp,
    /// The refunds that are reversed in it.
    pub(super) refunds: Vec<u32>,
}

/// A stay that costs money.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stay {
    pub visit: VisitId,
    pub facility: FacilityId,
    pub pool: PoolId,
    pub entered_at: Timestamp,
    /// Pinned when the session opened.
    pub tariff: Tariff,
    pub zone: Zone,
    /// The sum of all adjustments: negative is a rebate.
    pub adjusted_minor: i64,
}

/// What was paid for a stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Credits {
    own: Vec<SessionCredit>,
    /// By the merged visit, as of which event of its session.
    pub(super) taken: BTreeMap<VisitId, (u64, Vec<TakenCredit>)>,
}

impl Credits {
    /// All that counts towards the stay.
    pub fn all(&self) -> impl Iterator<Item = TakenCredit> {
        let own = self.own.iter().map(|credit| TakenCredit {
            payment: credit.payment,
            amount: credit.amount,
            priced_at: credit.priced_at,
        });
        own.chain(self.taken.values().flat_map(|(_, credits)| credits.iter().copied()))
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SessionState {
    /// A captured payment may be here before the process that opens the session.
    Unopened {
        credits: Credits,
    },
    Open {
        stay: Stay,
        credits: Credits,
    },
    /// What is owed now is a debt.
    Ended {
        stay: Stay,
        credits: Credits,
        ended_at: Timestamp,
    },
    /// Charged as part of another visit's stay.
    Merged {
        stay: Option<Stay>,
        credits: Credits,
        into: VisitId,
    },
}

impl Default for SessionState {
    fn default() -> Self {
        Self::Unopened { credits: Credits::default() }
    }
}

impl SessionState {
    /// None before it is opened.
    pub const fn stay(&self) -> Option<&Stay> {
        match self {
            Self::Unopened { .. } => None,
            Self::Open { stay, .. } | Self::Ended { stay, .. } => Some(stay),
            Self::Merged { stay, .. } => stay.as_ref(),
        }
    }
    /// The visit whose stay this is a part of.
    pub const fn merged_into(&self) -> Option<VisitId> {
        match self {
            Self::Merged { into, .. } => Some(*into),
            Self::Unopened { .. } | Self::Open { .. } | Self::Ended { .. } => None,
        }
    }
    /// Whether it was ever opened; it may have ended since.
    pub const fn is_opened(&self) -> bool {
        self.stay().is_some()
    }
    pub fn entered_at(&self) -> Option<Timestamp> {
        self.stay().map(|stay| stay.entered_at)
    }
    pub const fn ended_at(&self) -> Option<Timestamp> {
        match self {
            Self::Ended { ended_at, .. } => Some(*ended_at),
            Self::Unopened { .. } | Self::Open { .. } | Self::Merged { .. } => None,
        }
    }
    /// What its own payments gave, those taken back included (with an amount of 0).
    pub fn credits(&self) -> &[SessionCredit] {
        &self.all_credits().own
    }
    pub const fn all_credits(&self) -> &Credits {
        match self {
            Self::Unopened { credits }
            | Self::Open { credits, .. }
            | Self::Ended { credits, .. }
            | Self::Merged { credits, .. } => credits,
        }
    }
    /// What is owed at `now`, and why; None before it is opened, and where it is charged elsewhere.
    pub fn quote(&self, now: Timestamp) -> Option<Quote> {
        self.bill().map(|bill| bill.quote(now))
    }
    /// See [`Bill::leave_by`].
    pub fn leave_by(&self) -> Option<Timestamp> {
        self.bill().and_then(|bill| bill.leave_by())
    }
    /// What is still to pay at `now`; a debt, once the stay ended. None before it is opened.
    pub fn owed(&self, now: Timestamp) -> Option<Money> {
        self.quote(now).map(|quote| quote.owed)
    }
    /// The session as it is once this credit is applied.
    #[must_use]
    pub(super) fn with_credit(&self, payment: PaymentId, amount: Money, priced_at: Timestamp) -> Self {
        let mut credited = self.clone();
        if self.credit_of(payment).is_none() {
            credited.add_credit(payment, amount, priced_at);
        }
        credited
    }

    /// Only credits in the tariff's currency count: another one came before the session was opened, by mistake.
    pub(super) fn bill(&self) -> Option<Bill<'_>> {
        let stay = self.stay().filter(|_| self.merged_into().is_none())?;
        let own = |credit: &TakenCredit| credit.amount.currency == stay.tariff.currency;
        let counted = |credit: TakenCredit| Credit {
            amount_minor: credit.amount.amount_minor,
            priced_at: credit.priced_at,
        };
        Some(Bill {
            tariff: &stay.tariff,
            zone: &stay.zone,
            entered_at: stay.entered_at,
            ended_at: self.ended_at(),
            adjusted_minor: stay.adjusted_minor,
            credits: self.all_credits().all().filter(own).map(counted).collect(),
        })
    }

    pub(super) fn credit_of(&self, payment: PaymentId) -> Option<&SessionCredit> {
        self.credits().iter().find(|credit| credit.payment == payment)
    }

    const fn credits_mut(&mut self) -> &mut Credits {
        match self {
            Self::Unopened { credits }
            | Self::Open { credits, .. }
            | Self::Ended { credits, .. }
            | Self::Merged { credits, .. } => credits,
        }
    }

    const fn stay_mut(&mut self) -> Option<&mut Stay> {
        match self {
            Self::Unopened { .. } => None,
            Self::Open { stay, .. } | Self::Ended { stay, .. } => Some(stay),
            Self::Merged { stay, .. } => stay.as_mut(),
        }
    }

    fn add_credit(&mut self, payment: PaymentId, amount: Money, priced_at: Timestamp) {
        self.credits_mut().own.push(SessionCredit { payment, amount, priced_at, refunds: Vec::new() });
    }

    fn end_at(&mut self, end: Option<Timestamp>) {
        let Some(stay) = self.stay().cloned() else { return };
        let credits = std::mem::take(self.credits_mut());
        *self = match end {
            Some(ended_at) => Self::Ended { stay, credits, ended_at },
            None => Self::Open { stay, credits },
        };
    }
}

pub(super) fn evolve(state: &mut SessionState, event: &SessionEvent) {
    match event {
        SessionEvent::SessionOpened { visit, facility, pool, entered_at, tariff, zone } => {
            let stay = Stay {
                visit: *visit,
                facility: *facility,
                pool: *pool,
                entered_at: *entered_at,
                tariff: tariff.clone(),
                zone: zone.clone(),
                adjusted_minor: 0,
            };
            *state = SessionState::Open { stay, credits: std::mem::take(state.credits_mut()) };
        }
        SessionEvent::StayEnded { ended_at } => state.end_at(Some(*ended_at)),
        SessionEvent::StayRetimed { entered_at, ended_at } => {
            if let Some(stay) = state.stay_mut() {
                stay.entered_at = *entered_at;
            }
            state.end_at(*ended_at);
        }
        SessionEvent::ChargeAdjusted { amount, .. } => {
            if let Some(stay) = state.stay_mut() {
                stay.adjusted_minor = stay.adjusted_minor.saturating_add(amount.amount_minor);
            }
        }
        SessionEvent::CreditApplied { payment, amount, priced_at, .. } => {
            state.add_credit(*payment, *amount, *priced_at);
        }
        SessionEvent::CreditReversed { payment, amount, refund } => {
            let mut credits = state.credits_mut().own.iter_mut();
            if let Some(credit) = credits.find(|credit| credit.payment == *payment) {
                credit.amount.amount_minor = credit.amount.amount_minor.saturating_sub(amount.amount_minor);
                credit.refunds.push(*refund);
            }
        }
        SessionEvent::StayMerged { into } => {
            let stay = state.stay().cloned();
            let credits = std::mem::take(state.credits_mut());
            *state = SessionState::Merged { stay, credits, into: *into };
        }
        SessionEvent::StayTakenOver { visit, revision, entered_at, credits } => {
            if let Some(stay) = state.stay_mut() {
                stay.entered_at = stay.entered_at.min(*entered_at);
            }
            state.credits_mut().taken.insert(*visit, (*revision, credits.clone()));
        }
    }
}
