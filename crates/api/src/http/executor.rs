//! What the transports need of the schema: they know neither its types nor its data.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute};
use async_graphql::{ObjectType, Request, Response, Schema, SubscriptionType};
use async_trait::async_trait;
use futures_util::stream::BoxStream;

/// A schema whose types are forgotten.
#[async_trait]
pub trait Executor: Send + Sync + 'static {
    async fn execute(&self, request: Request) -> Response;
    fn stream(&self, request: Request) -> BoxStream<'static, Response>;
}

#[async_trait]
impl<Q, M, S> Executor for Schema<Q, M, S>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    async fn execute(&self, request: Request) -> Response {
        Schema::execute(self, request).await
    }
    fn stream(&self, request: Request) -> BoxStream<'static, Response> {
        self.execute_stream(request)
    }
}

/// Whether execution began. If not, the response has no `data` at all (GraphQL specification, section 7.1), and
/// its HTTP status says so. One is put into each request's data.
#[derive(Clone, Default)]
pub struct Begun(Arc<AtomicBool>);

impl Begun {
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Sets [`Begun`] when a request passed validation. Every schema that is served needs it.
pub struct MarkBegun;

impl ExtensionFactory for MarkBegun {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for MarkBegun {
    async fn execute(
        &self,
        context: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        if let Some(begun) = context.data_opt::<Begun>() {
            begun.0.store(true, Ordering::Relaxed);
        }
        next.run(context, operation_name).await
    }
}
