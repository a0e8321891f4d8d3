//! How the executor carries out an effect, above all a gateway call: intent, call, outcome as a command.

use std::time::Duration;

use octocity_domain::PaymentId;
use octocity_domain::payments::{GatewayOutcome, PaymentCommand};
use octocity_domain::process::{Effect, Planned};

use crate::effects::submission;
use crate::executor::Executor;
use crate::gateway::{GatewayRequest, IdempotencyKey};
use crate::submission::CommandError;

/// How long a gateway may take before its answer counts as unknown.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

impl Executor {
    pub(crate) async fn carry_out_one(&self, planned: &Planned) -> Result<(), CommandError> {
        match planned.effect {
            Effect::CallGateway { payment, call, again } => {
                self.call_gateway(planned, payment, call, again).await
            }
            _ => self.handler().run(planned).await,
        }
    }

    /// The outcome is recorded under the effect's id. If another outcome was recorded under it before (the reply
    /// to that was lost), that one stands, and what is still unknown is asked about by a later effect.
    async fn call_gateway(
        &self,
        planned: &Planned,
        payment: PaymentId,
        call: u32,
        again: bool,
    ) -> Result<(), CommandError> {
        let state = self.handler().payment_state(payment).await?;
        let (Some(open), Some(token)) = (state.open_call(), state.token()) else { return Ok(()) };
        if open.number != call {
            return Ok(());
        }
        let key = IdempotencyKey { payment, call };
        let request = GatewayRequest {
            key,
            call: open,
            token: token.clone(),
            reference: state.reference().map(str::to_owned),
        };
        let answer = tokio::time::timeout(ANSWER_WAIT, self.ask(request, again)).await;
        let outcome = answer.unwrap_or_else(|_| GatewayOutcome::Unknown {
            reason: "the gateway did not answer in time".to_owned(),
        });
        let command = PaymentCommand::RecordGatewayOutcome { call, outcome };
        match self.handler().payment(payment, submission(planned, planned.id, command)).await {
            Ok(_) | Err(CommandError::IdReused) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn ask(&self, request: GatewayRequest, again: bool) -> GatewayOutcome {
        let known = if again { self.gateway.find(request.key).await } else { None };
        match known {
            Some(outcome) => outcome,
            None => self.gateway.call(request).await,
        }
    }
}
