//! A gateway that answers what it is told to, and counts what it did under each key.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use octocity_commands::{GatewayRequest, IdempotencyKey, PaymentGateway};
use octocity_domain::payments::GatewayOutcome;

/// How the next call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    Declined,
    /// Nothing is done, nothing is answered.
    Timeout,
    /// It is done, but the answer is lost.
    LostReply,
    /// A fault of the gateway's adapter, which says what it should not.
    Panic,
}

#[derive(Clone, Default)]
pub struct ScriptedGateway {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    script: VecDeque<Answer>,
    done: BTreeMap<IdempotencyKey, GatewayOutcome>,
    calls: usize,
}

impl ScriptedGateway {
    pub fn answering(script: impl IntoIterator<Item = Answer>) -> Self {
        let gateway = Self::default();
        gateway.inner.lock().unwrap().script.extend(script);
        gateway
    }
    pub fn calls(&self) -> usize {
        self.inner.lock().unwrap().calls
    }
    pub fn done(&self) -> usize {
        self.inner.lock().unwrap().done.len()
    }
}

fn unknown() -> GatewayOutcome {
    GatewayOutcome::Unknown { reason: "no answer".into() }
}

#[async_trait]
impl PaymentGateway for ScriptedGateway {
    async fn call(&self, request: GatewayRequest) -> GatewayOutcome {
        let mut inner = self.inner.lock().unwrap();
        inner.calls += 1;
        let answer = inner.script.pop_front().unwrap_or(Answer::Done);
        let outcome = match answer {
            Answer::Timeout => return unknown(),
            Answer::Panic => {
                drop(inner);
                panic!("no such token: {}", request.token.as_str());
            }
            Answer::Declined => GatewayOutcome::Declined { reason: "declined".into() },
            Answer::Done | Answer::LostReply => GatewayOutcome::Done { reference: request.key.to_string() },
        };
        let kept = inner.done.entry(request.key).or_insert(outcome).clone();
        if answer == Answer::LostReply { unknown() } else { kept }
    }

    async fn find(&self, key: IdempotencyKey) -> Option<GatewayOutcome> {
        self.inner.lock().unwrap().done.get(&key).cloned()
    }
}
