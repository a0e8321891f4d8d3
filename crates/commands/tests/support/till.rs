//! A till before a scripted gateway: what is paid, and what came of it.

use std::sync::Arc;

use octocity_commands::{CommandError, Executor, MemoryProcessStore, Reply, Submission};
use octocity_domain::payments::{
    Allocation, Payable, PaymentCommand, PaymentEvent, PaymentRefusal, PaymentStatus, Token,
};
use octocity_domain::{Currency, Money, PaymentId, VisitId};

use super::gateway::{Answer, ScriptedGateway};
use super::{World, accepted, id_at};

/// A world in which one visit has been inside for an hour and a half, and owes 400.
pub struct Till {
    pub world: World,
    pub store: MemoryProcessStore,
    pub gateway: ScriptedGateway,
    pub executor: Arc<Executor>,
    pub visit: VisitId,
    pub payment: PaymentId,
}

impl Till {
    pub async fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let world = World::new().await;
        let (store, gateway) = (MemoryProcessStore::default(), ScriptedGateway::answering(answers));
        let executor =
            Executor::new(world.handler.clone(), Arc::new(store.clone()), Arc::new(gateway.clone()));
        executor.run_until_idle().await.unwrap();
        let visit = world.enter("B-1").await;
        world.clock.pass_seconds(90 * 60);
        let payment = id_at(world.clock_now()).payment();
        Self { world, store, gateway, executor, visit, payment }
    }

    /// All in memory is gone; the log, the store and the gateway stand.
    pub fn restart(&mut self) {
        self.world.handler = self.world.another_handler();
        let (store, gateway) = (Arc::new(self.store.clone()), Arc::new(self.gateway.clone()));
        self.executor = Executor::new(self.world.handler.clone(), store, gateway);
    }

    pub async fn run(&self) {
        self.executor.run_until_idle().await.unwrap();
    }

    pub fn authorize(&self) -> PaymentCommand {
        let (payable, amount_minor) = (Payable::Session { visit: self.visit }, 400);
        PaymentCommand::AuthorizePayment {
            facility: self.world.facility,
            amount: euro(amount_minor),
            allocations: vec![Allocation { payable, amount_minor }],
            token: Token::new("tok"),
            priced_at: Some(self.world.clock_now()),
        }
    }

    pub async fn pay(&self, command: PaymentCommand) -> Vec<PaymentEvent> {
        accepted(self.send(self.world.submit(command)).await)
    }

    pub async fn send(
        &self,
        submission: Submission<PaymentCommand>,
    ) -> Result<Reply<PaymentEvent, PaymentRefusal>, CommandError> {
        self.world.handler.payment(self.payment, submission).await
    }

    pub async fn captured(&self) {
        self.pay(self.authorize()).await;
        self.run().await;
        self.pay(PaymentCommand::CapturePayment { amount: None }).await;
    }

    pub async fn owed(&self) -> i64 {
        let quote = self.world.handler.quote(self.world.facility, self.visit).await.unwrap();
        quote.expect("a visit that costs money").owed.amount_minor
    }

    pub async fn status(&self) -> Option<PaymentStatus> {
        self.world.handler.payment_state(self.payment).await.unwrap().status()
    }
}

pub fn euro(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::try_new("EUR").unwrap())
}
