//! One session's stream: `session-<visit>`.

use serde::{Deserialize, Serialize};

use super::event::{SessionEvent, TakenCredit};
use super::state::{SessionState, Stay, evolve};
use crate::decider::{Context, Decider, Decision, Fact, Moment, Refusal, refusal_codes};
use crate::event::Category;
use crate::ids::{FacilityId, PaymentId, PoolId, VisitId};
use crate::money::{Currency, Money};
use crate::tariffs::Tariff;
use crate::time::{Timestamp, Zone};

/// The highest amount of one credit or adjustment.
const AMOUNT_MAX_MINOR: i64 = 1_000_000_000;
const TEXT_MAX_CHARS: usize = 500;

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
    /// What is None stays as it is.
    RetimeStay {
        entered_at: Option<Timestamp>,
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
    MergeStay {
        into: VisitId,
    },
    /// What a merged visit's session says by now.
    TakeOverStay {
        visit: VisitId,
        revision: u64,
        entered_at: Timestamp,
        credits: Vec<TakenCredit>,
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
    TimeInFuture,
    CreditUnknown,
    CreditExceeded { remaining: Money },
    StayMerged { into: VisitId },
}

refusal_codes!(SessionRefusal {
    SessionUnknown => "SESSION_UNKNOWN",
    CurrencyWrong => "CURRENCY_WRONG",
    AmountInvalid => "AMOUNT_INVALID",
    ReasonMissing => "REASON_MISSING",
    TextTooLong => "TEXT_TOO_LONG",
    StayEndsBeforeEntry => "STAY_ENDS_BEFORE_ENTRY",
    TimeInFuture => "TIME_IN_FUTURE",
    CreditUnknown => "CREDIT_UNKNOWN",
    CreditExceeded => "CREDIT_EXCEEDED",
    StayMerged => "STAY_MERGED",
});

impl Refusal for SessionRefusal {
    fn code(&self) -> &'static str {
        self.stable_code()
    }
    fn message(&self) -> String {
        match self {
            Self::SessionUnknown => {
                "No session is open for this visit; check its id, and whether its pool had a tariff when it entered."
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
            Self::TimeInFuture => "A time from the future; correct it.".into(),
            Self::CreditUnknown => {
                "That payment gave no credit to this session; check the payment's id.".into()
            }
            Self::CreditExceeded { remaining } => {
                format!("Only {remaining} of that payment's credit is left; reverse no more than that.")
            }
            Self::StayMerged { into } => {
                format!("This visit was merged into visit {into}, and is charged there; change that one.")
            }
        }
    }
}

pub struct Session;

type Outcome = Result<Option<Fact<SessionEvent>>, SessionRefusal>;

impl Decider for Session {
    const CATEGORY: Category = Category::Session;
    const SNAPSHOT_VERSION: u32 = 2;
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
            SessionCommand::MergeStay { into } => Ok(merge_stay(state, *into, now)),
            SessionCommand::TakeOverStay { visit, revision, entered_at, credits } => {
                Ok(take_over_stay(state, *visit, *revision, *entered_at, credits, now))
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
    if state.merged_into().is_some() {
        return None;
    }
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
        SessionState::Ended { .. } | SessionState::Merged { .. } => Ok(None),
        SessionState::Open { .. } => Ok(Some(Fact::new(SessionEvent::StayEnded { ended_at }, ended_at))),
    }
}

fn retime_stay(
    state: &SessionState,
    entered_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    now: Timestamp,
) -> Outcome {
    let stay = charged(state)?;
    let (entered_at, ended_at) = (entered_at.unwrap_or(stay.entered_at), ended_at.or(state.ended_at()));
    if entered_at > now || ended_at.is_some_and(|ended_at| ended_at > now) {
        return Err(SessionRefusal::TimeInFuture);
    }
    if ended_at.is_some_and(|ended_at| ended_at < entered_at) {
        return Err(SessionRefusal::StayEndsBeforeEntry);
    }
    let changes = (stay.entered_at, state.ended_at()) != (entered_at, ended_at);
    Ok(changes.then(|| Fact::new(SessionEvent::StayRetimed { entered_at, ended_at }, now)))
}

fn adjust_charge(state: &SessionState, amount: Money, reason: &str, now: Timestamp) -> Outcome {
    let stay = charged(state)?;
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

/// Merged once. One that was never opened, and that nobody has paid for, is of no use to the other.
fn merge_stay(state: &SessionState, into: VisitId, now: Timestamp) -> Option<Fact<SessionEvent>> {
    let nothing = state.stay().is_none() && state.all_credits().all().next().is_none();
    let known = nothing || state.merged_into().is_some();
    (!known).then(|| Fact::new(SessionEvent::StayMerged { into }, now))
}

/// Takes what it has not taken yet, also after its end and where this session is merged itself.
fn take_over_stay(
    state: &SessionState,
    visit: VisitId,
    revision: u64,
    entered_at: Timestamp,
    credits: &[TakenCredit],
    now: Timestamp,
) -> Option<Fact<SessionEvent>> {
    let known = state.all_credits().taken.get(&visit).is_some_and(|(known, _)| *known >= revision);
    let nothing = state.stay().is_none() && credits.is_empty();
    (!known && !nothing).then(|| {
        let credits = credits.to_vec();
        Fact::new(SessionEvent::StayTakenOver { visit, revision, entered_at, credits }, now)
    })
}

/// The stay, where it is charged here.
fn charged(state: &SessionState) -> Result<&Stay, SessionRefusal> {
    match state.merged_into() {
        Some(into) => Err(SessionRefusal::StayMerged { into }),
        None => state.stay().ok_or(SessionRefusal::SessionUnknown),
    }
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
