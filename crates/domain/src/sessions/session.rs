//! One session's stream: `session-<visit>`.

use serde::{Deserialize, Serialize};

use crate::decider::{Context, Decider, Decision, Fact, Moment, Refusal, refusal_codes};
use crate::event::Category;
use crate::ids::{Code, FacilityId, PaymentId, PoolId, VisitId};
use crate::money::{Currency, Money};
use crate::tariffs::{Bill, Credit, Quote, Tariff};
use crate::time::{Timestamp, Zone};

/// The highest amount of one credit or adjustment.
const AMOUNT_MAX_MINOR: i64 = 1_000_000_000;
const TEXT_MAX_CHARS: usize = 500;

/// Storage format: names and fields stay as they are for ever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SessionEvent {
    SessionOpened {
        visit: VisitId,
        facility: FacilityId,
        pool: PoolId,
        entered_at: Timestamp,
        tariff: Tariff,
        zone: Zone,
    },
    StayEnded {
        ended_at: Timestamp,
    },
    /// The entry or the end was judged anew.
    StayRetimed {
        entered_at: Timestamp,
        ended_at: Option<Timestamp>,
    },
    /// An attendant's change of what is owed: negative is a rebate.
    ChargeAdjusted {
        amount: Money,
        reason: String,
    },
    /// `priced_at`, `leave_by`: of the quote that was paid.
    CreditApplied {
        payment: PaymentId,
        amount: Money,
        priced_at: Timestamp,
        /// None where the credits did not cover what was owed then, or the session was not opened yet.
        leave_by: Option<Timestamp>,
        /// The tariff that priced it; None where the session was not opened yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tariff: Option<Code>,
    },
    /// A refund took `amount` of that payment's credit back.
    CreditReversed {
        payment: PaymentId,
        amount: Money,
        /// Which refund of that payment: its gateway call's number.
        refund: u32,
    },
}

/// What a payment gave to this session, less what its refunds took back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionCredit {
    pub payment: PaymentId,
    pub amount: Money,
    pub priced_at: Timestamp,
    /// The refunds that are reversed in it.
    refunds: Vec<u32>,
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SessionState {
    /// A captured payment may be here before the process that opens the session.
    Unopened {
        credits: Vec<SessionCredit>,
    },
    Open {
        stay: Stay,
        credits: Vec<SessionCredit>,
    },
    /// What is owed now is a debt.
    Ended {
        stay: Stay,
        credits: Vec<SessionCredit>,
        ended_at: Timestamp,
    },
}

impl Default for SessionState {
    fn default() -> Self {
        Self::Unopened { credits: Vec::new() }
    }
}

impl SessionState {
    /// None before it is opened.
    pub const fn stay(&self) -> Option<&Stay> {
        match self {
            Self::Unopened { .. } => None,
            Self::Open { stay, .. } | Self::Ended { stay, .. } => Some(stay),
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
            Self::Unopened { .. } | Self::Open { .. } => None,
        }
    }
    /// All of them, those taken back included (with an amount of 0).
    pub fn credits(&self) -> &[SessionCredit] {
        match self {
            Self::Unopened { credits } | Self::Open { credits, .. } | Self::Ended { credits, .. } => credits,
        }
    }
    /// What is owed at `now`, and why; None before it is opened.
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
    /// The session as it will be when a captured payment that no process has credited yet is: a gate waits for none.
    #[must_use]
    pub fn with_credit(&self, payment: PaymentId, amount: Money, priced_at: Timestamp) -> Self {
        let mut credited = self.clone();
        if self.credit_of(payment).is_none() {
            credited.add_credit(payment, amount, priced_at);
        }
        credited
    }

    /// Only credits in the tariff's currency count: another one came before the session was opened, by mistake.
    fn bill(&self) -> Option<Bill<'_>> {
        let stay = self.stay()?;
        let own = |credit: &&SessionCredit| credit.amount.currency == stay.tariff.currency;
        let counted = |credit: &SessionCredit| Credit {
            amount_minor: credit.amount.amount_minor,
            priced_at: credit.priced_at,
        };
        Some(Bill {
            tariff: &stay.tariff,
            zone: &stay.zone,
            entered_at: stay.entered_at,
            ended_at: self.ended_at(),
            adjusted_minor: stay.adjusted_minor,
            credits: self.credits().iter().filter(own).map(counted).collect(),
        })
    }

    fn credit_of(&self, payment: PaymentId) -> Option<&SessionCredit> {
        self.credits().iter().find(|credit| credit.payment == payment)
    }

    const fn credits_mut(&mut self) -> &mut Vec<SessionCredit> {
        match self {
            Self::Unopened { credits } | Self::Open { credits, .. } | Self::Ended { credits, .. } => credits,
        }
    }

    const fn stay_mut(&mut self) -> Option<&mut Stay> {
        match self {
            Self::Unopened { .. } => None,
            Self::Open { stay, .. } | Self::Ended { stay, .. } => Some(stay),
        }
    }

    fn add_credit(&mut self, payment: PaymentId, amount: Money, priced_at: Timestamp) {
        self.credits_mut().push(SessionCredit { payment, amount, priced_at, refunds: Vec::new() });
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

fn evolve(state: &mut SessionState, event: &SessionEvent) {
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
            let mut credits = state.credits_mut().iter_mut();
            if let Some(credit) = credits.find(|credit| credit.payment == *payment) {
                credit.amount.amount_minor = credit.amount.amount_minor.saturating_sub(amount.amount_minor);
                credit.refunds.push(*refund);
            }
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub enum SessionCommand {
    OpenSession {
        visit: VisitId,
        facility: FacilityId,
        pool: PoolId,
        entered_at: Timestamp,
        tariff: Tariff,
        zone: Zone,
    },
    EndStay {
        ended_at: Timestamp,
    },
    RetimeStay {
        entered_at: Timestamp,
        ended_at: Option<Timestamp>,
    },
    AdjustCharge {
        amount: Money,
        reason: String,
    },
    ApplyCredit {
        payment: PaymentId,
        amount: Money,
        priced_at: Timestamp,
    },
    /// `refund`: the gateway call's number of that payment's refund, so that each reverses once.
    ReverseCredit {
        payment: PaymentId,
        amount: Money,
        refund: u32,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code")]
pub enum SessionRefusal {
    SessionUnknown,
    CurrencyWrong { expected: Currency, given: Currency },
    AmountInvalid,
    ReasonMissing,
    TextTooLong,
    StayEndsBeforeEntry,
    CreditUnknown,
    CreditExceeded { remaining: Money },
}

refusal_codes!(SessionRefusal {
    SessionUnknown => "SESSION_UNKNOWN",
    CurrencyWrong => "CURRENCY_WRONG",
    AmountInvalid => "AMOUNT_INVALID",
    ReasonMissing => "REASON_MISSING",
    TextTooLong => "TEXT_TOO_LONG",
    StayEndsBeforeEntry => "STAY_ENDS_BEFORE_ENTRY",
    CreditUnknown => "CREDIT_UNKNOWN",
    CreditExceeded => "CREDIT_EXCEEDED",
});

impl Refusal for SessionRefusal {
    fn code(&self) -> &'static str {
        self.stable_code()
    }
    fn message(&self) -> String {
        match self {
            Self::SessionUnknown => {
                "No session is open for this visit; check the visit's id, or whether its pool costs money."
                    .into()
            }
            Self::CurrencyWrong { expected, given } => {
                format!(
                    "This session is charged in {expected}, not in {given}; give the amount in {expected}."
                )
            }
            Self::AmountInvalid => {
                "An amount lies between 1 and 1000000000 minor units (a rebate is its negative); correct it."
                    .into()
            }
            Self::ReasonMissing => "A reason is needed; say in a few words why.".into(),
            Self::TextTooLong => "A text has at most 500 characters; shorten it.".into(),
            Self::StayEndsBeforeEntry => {
                "A stay cannot end before its entry; correct one of the two times.".into()
            }
            Self::CreditUnknown => {
                "That payment gave no credit to this session; check the payment's id.".into()
            }
            Self::CreditExceeded { remaining } => {
                format!("Only {remaining} of that payment's credit is left; reverse no more than that.")
            }
        }
    }
}

pub struct Session;

type Outcome = Result<Option<Fact<SessionEvent>>, SessionRefusal>;

impl Decider for Session {
    const CATEGORY: Category = Category::Session;
    const SNAPSHOT_VERSION: u32 = 1;
    type State = SessionState;
    type Event = SessionEvent;
    type Command = SessionCommand;
    type Facts = ();
    type Refusal = SessionRefusal;

    fn evolve(state: &mut SessionState, event: &SessionEvent, _: Moment) {
        evolve(state, event);
    }

    fn decide(
        state: &SessionState,
        command: &SessionCommand,
        (): &(),
        context: Context,
    ) -> Decision<SessionEvent, SessionRefusal> {
        let now = context.now;
        let decided = match command {
            SessionCommand::OpenSession { .. } => Ok(open(state, command)),
            SessionCommand::EndStay { ended_at } => end_stay(state, *ended_at),
            SessionCommand::RetimeStay { entered_at, ended_at } => {
                retime_stay(state, *entered_at, *ended_at, now)
            }
            SessionCommand::AdjustCharge { amount, reason } => adjust_charge(state, *amount, reason, now),
            SessionCommand::ApplyCredit { payment, amount, priced_at } => {
                apply_credit(state, *payment, *amount, *priced_at, now)
            }
            SessionCommand::ReverseCredit { payment, amount, refund } => {
                reverse_credit(state, *payment, *amount, *refund, now)
            }
        };
        match decided {
            Ok(fact) => Decision::Accepted(fact.into_iter().collect()),
            Err(refusal) => Decision::refused(refusal),
        }
    }
}

/// Opens once: whoever asks again finds it done.
fn open(state: &SessionState, command: &SessionCommand) -> Option<Fact<SessionEvent>> {
    let SessionCommand::OpenSession { visit, facility, pool, entered_at, tariff, zone } = command else {
        return None;
    };
    state.stay().is_none().then(|| {
        let event = SessionEvent::SessionOpened {
            visit: *visit,
            facility: *facility,
            pool: *pool,
            entered_at: *entered_at,
            tariff: tariff.clone(),
            zone: zone.clone(),
        };
        Fact::new(event, *entered_at)
    })
}

/// The first end counts (the exit requested, then passed); later ones are no news, and a correction is a retiming.
/// An end before the entry is a fact too (clocks differ between lanes): it costs nothing.
fn end_stay(state: &SessionState, ended_at: Timestamp) -> Outcome {
    match state {
        SessionState::Unopened { .. } => Err(SessionRefusal::SessionUnknown),
        SessionState::Ended { .. } => Ok(None),
        SessionState::Open { .. } => Ok(Some(Fact::new(SessionEvent::StayEnded { ended_at }, ended_at))),
    }
}

fn retime_stay(
    state: &SessionState,
    entered_at: Timestamp,
    ended_at: Option<Timestamp>,
    now: Timestamp,
) -> Outcome {
    let stay = state.stay().ok_or(SessionRefusal::SessionUnknown)?;
    if ended_at.is_some_and(|ended_at| ended_at < entered_at) {
        return Err(SessionRefusal::StayEndsBeforeEntry);
    }
    let changes = (stay.entered_at, state.ended_at()) != (entered_at, ended_at);
    Ok(changes.then(|| Fact::new(SessionEvent::StayRetimed { entered_at, ended_at }, now)))
}

fn adjust_charge(state: &SessionState, amount: Money, reason: &str, now: Timestamp) -> Outcome {
    let stay = state.stay().ok_or(SessionRefusal::SessionUnknown)?;
    check_currency(Some(stay), amount)?;
    check_amount(amount.amount_minor.saturating_abs())?;
    if reason.trim().is_empty() {
        return Err(SessionRefusal::ReasonMissing);
    }
    if reason.chars().count() > TEXT_MAX_CHARS {
        return Err(SessionRefusal::TextTooLong);
    }
    let event = SessionEvent::ChargeAdjusted { amount, reason: reason.to_owned() };
    Ok(Some(Fact::new(event, now)))
}

/// Takes any credit: too much, too late, before the opening. One payment credits a session once.
fn apply_credit(
    state: &SessionState,
    payment: PaymentId,
    amount: Money,
    priced_at: Timestamp,
    now: Timestamp,
) -> Outcome {
    check_currency(state.stay(), amount)?;
    check_amount(amount.amount_minor)?;
    if state.credit_of(payment).is_some() {
        return Ok(None);
    }
    // No quote is from the future: a grace that starts there would last too long.
    let priced_at = priced_at.min(now);
    let leave_by =
        state.with_credit(payment, amount, priced_at).bill().and_then(|bill| bill.leave_by_of(priced_at));
    let tariff = state.stay().map(|stay| stay.tariff.id);
    let event = SessionEvent::CreditApplied { payment, amount, priced_at, leave_by, tariff };
    Ok(Some(Fact::new(event, now)))
}

fn reverse_credit(
    state: &SessionState,
    payment: PaymentId,
    amount: Money,
    refund: u32,
    now: Timestamp,
) -> Outcome {
    let credit = state.credit_of(payment).ok_or(SessionRefusal::CreditUnknown)?;
    if credit.refunds.contains(&refund) {
        return Ok(None);
    }
    if amount.currency != credit.amount.currency {
        let expected = credit.amount.currency;
        return Err(SessionRefusal::CurrencyWrong { expected, given: amount.currency });
    }
    check_amount(amount.amount_minor)?;
    if amount.amount_minor > credit.amount.amount_minor {
        return Err(SessionRefusal::CreditExceeded { remaining: credit.amount });
    }
    Ok(Some(Fact::new(SessionEvent::CreditReversed { payment, amount, refund }, now)))
}

const fn check_amount(amount_minor: i64) -> Result<(), SessionRefusal> {
    match amount_minor {
        1..=AMOUNT_MAX_MINOR => Ok(()),
        _ => Err(SessionRefusal::AmountInvalid),
    }
}

fn check_currency(stay: Option<&Stay>, amount: Money) -> Result<(), SessionRefusal> {
    match stay.map(|stay| stay.tariff.currency) {
        Some(expected) if expected != amount.currency => {
            Err(SessionRefusal::CurrencyWrong { expected, given: amount.currency })
        }
        _ => Ok(()),
    }
}
