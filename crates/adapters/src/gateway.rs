//! A payment gateway that moves no money, for demonstrations and tests; and what stands where there is none.
//!
//! The token says how it behaves: `sim-ok` (and any other) does what is asked; `sim-decline` refuses;
//! `sim-timeout` answers nothing and does nothing; `sim-lost-reply` does it, but its answer is lost, and asking
//! for the key finds it done; `sim-slow` takes two seconds.
//!
//! With a book it remembers what it did over a restart, before it answers. Without one a key of an earlier run is
//! unknown, and a call under it is carried out as if for the first time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use octocity_commands::gateway::{GatewayRequest, IdempotencyKey, PaymentGateway};
use octocity_commands::process_store::ProcessStoreError;
use octocity_domain::payments::{GatewayOutcome, GatewayVerb};
use octocity_domain::{Currency, Money};
use octocity_log::json_fault;
use serde::{Deserialize, Serialize};

const SLOW: Duration = Duration::from_secs(2);

/// What the gateway did under one key. Storage format.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Call {
    verb: GatewayVerb,
    amount: Money,
    outcome: GatewayOutcome,
}

/// Where it writes down what it did, before it answers.
#[async_trait]
pub trait GatewayBook: Send + Sync + 'static {
    /// Every key with its call.
    async fn calls(&self) -> Result<Vec<(String, String)>, ProcessStoreError>;
    /// Durable when it returns.
    async fn keep(&self, key: String, call: String) -> Result<(), ProcessStoreError>;
}

/// What the gateway holds that money moved, of one currency, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub authorized_minor: i64,
    pub captured_minor: i64,
    pub refunded_minor: i64,
    pub voided_minor: i64,
}

/// Where no gateway is configured: no payment begins, and one that began before waits for the gateway it began at.
pub struct NoGateway;

#[async_trait]
impl PaymentGateway for NoGateway {
    async fn call(&self, _: GatewayRequest) -> GatewayOutcome {
        GatewayOutcome::Unknown { reason: "no gateway is configured".to_owned() }
    }

    async fn find(&self, _: IdempotencyKey) -> Option<GatewayOutcome> {
        None
    }
}

/// Cloned freely; all clones are one gateway.
#[derive(Clone, Default)]
pub struct SimulatedGateway {
    calls: Arc<Mutex<BTreeMap<String, Call>>>,
    book: Option<Arc<dyn GatewayBook>>,
}

impl SimulatedGateway {
    /// Forgets everything at a restart.
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// Remembers in the book, beside what processes remember.
    pub async fn open(book: Arc<dyn GatewayBook>) -> Result<Self, ProcessStoreError> {
        let unreadable = |error| ProcessStoreError(json_fault(&error));
        let kept = book.calls().await?.into_iter();
        let calls: Result<BTreeMap<String, Call>, ProcessStoreError> =
            kept.map(|(key, call)| Ok((key, serde_json::from_str(&call).map_err(unreadable)?))).collect();
        Ok(Self { calls: Arc::new(Mutex::new(calls?)), book: Some(book) })
    }

    /// What it moved in each currency: what the log says must equal it.
    pub fn totals(&self) -> BTreeMap<Currency, Totals> {
        let mut totals: BTreeMap<Currency, Totals> = BTreeMap::new();
        for call in self.lock().values() {
            if !matches!(call.outcome, GatewayOutcome::Done { .. }) {
                continue;
            }
            let of = totals.entry(call.amount.currency).or_default();
            let moved = match call.verb {
                GatewayVerb::Authorize => &mut of.authorized_minor,
                GatewayVerb::Capture => &mut of.captured_minor,
                GatewayVerb::Refund => &mut of.refunded_minor,
                GatewayVerb::Void => &mut of.voided_minor,
            };
            *moved += call.amount.amount_minor;
        }
        totals
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries the call out, once for its key, and remembers it before it is answered.
    async fn carry_out(&self, request: &GatewayRequest, outcome: GatewayOutcome) -> GatewayOutcome {
        let key = request.key.to_string();
        let call = Call { verb: request.call.verb, amount: request.call.amount, outcome };
        let call = self.lock().entry(key.clone()).or_insert(call).clone();
        let Some(book) = &self.book else { return call.outcome };
        let kept = match serde_json::to_string(&call) {
            Ok(text) => book.keep(key, text).await,
            Err(error) => Err(ProcessStoreError(error.to_string())),
        };
        match kept {
            Ok(()) => call.outcome,
            Err(error) => {
                tracing::error!(%error, "the simulated gateway could not remember a call");
                unknown("the gateway could not write its ledger")
            }
        }
    }
}

#[async_trait]
impl PaymentGateway for SimulatedGateway {
    async fn call(&self, request: GatewayRequest) -> GatewayOutcome {
        let done = GatewayOutcome::Done { reference: format!("sim-{}", request.key) };
        match request.token.as_str() {
            "sim-decline" => {
                let declined = GatewayOutcome::Declined { reason: "the card was declined".to_owned() };
                self.carry_out(&request, declined).await
            }
            "sim-timeout" => unknown("the gateway did not answer"),
            "sim-lost-reply" => {
                self.carry_out(&request, done).await;
                unknown("the answer was lost")
            }
            "sim-slow" => {
                tokio::time::sleep(SLOW).await;
                self.carry_out(&request, done).await
            }
            _ => self.carry_out(&request, done).await,
        }
    }

    async fn find(&self, key: IdempotencyKey) -> Option<GatewayOutcome> {
        self.lock().get(&key.to_string()).map(|call| call.outcome.clone())
    }
}

fn unknown(reason: &str) -> GatewayOutcome {
    GatewayOutcome::Unknown { reason: reason.to_owned() }
}
