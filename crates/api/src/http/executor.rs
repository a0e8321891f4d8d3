//! What the transports need of the schema: they know neither its types nor its data.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute, NextValidation};
use async_graphql::{ObjectType, Request, Response, Schema, ServerError, SubscriptionType, ValidationResult};
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

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

/// Of this complexity on a request is heavy; one below it computes for some milliseconds at most.
const HEAVY: usize = 2_000;

/// Begins the execution of what passed validation: sets [`Begun`], and runs a heavy request beside the runtime's
/// workers, so that whoever stands at a gate waits for no analyst. Every schema that is served needs it.
pub struct Begin {
    /// Half of the processors may work at heavy requests; further ones wait.
    heavy: Arc<Semaphore>,
}

impl Default for Begin {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { heavy: Arc::new(Semaphore::new(processors.div_ceil(2))) }
    }
}

impl ExtensionFactory for Begin {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Beginning { heavy: Arc::clone(&self.heavy), complexity: AtomicUsize::new(0) })
    }
}

/// That of one request.
struct Beginning {
    heavy: Arc<Semaphore>,
    complexity: AtomicUsize,
}

#[async_trait]
impl Extension for Beginning {
    async fn validation(
        &self,
        context: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let result = next.run(context).await?;
        self.complexity.store(result.complexity, Ordering::Relaxed);
        Ok(result)
    }

    async fn execute(
        &self,
        context: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        if let Some(begun) = context.data_opt::<Begun>() {
            begun.0.store(true, Ordering::Relaxed);
        }
        // A runtime of one thread has nobody to leave its other tasks to.
        let one_thread = Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread;
        if one_thread || self.complexity.load(Ordering::Relaxed) < HEAVY {
            return next.run(context, operation_name).await;
        }
        let _permit = self.heavy.acquire().await;
        let mut work = pin!(next.run(context, operation_name));
        poll_fn(|task| tokio::task::block_in_place(|| work.as_mut().poll(task))).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use async_graphql::{EmptyMutation, EmptySubscription, Object};

    use super::*;

    struct Query {
        until: Mutex<Receiver<()>>,
    }

    #[Object]
    impl Query {
        /// Holds its thread until somebody else has run.
        #[graphql(complexity = "HEAVY")]
        async fn compute(&self) -> bool {
            self.until.lock().unwrap().recv_timeout(Duration::from_secs(20)).is_ok()
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_heavy_request_holds_no_worker() {
        let (done, until) = channel();
        let query = Query { until: Mutex::new(until) };
        let schema = Schema::build(query, EmptyMutation, EmptySubscription).extension(Begin::default());
        let schema = schema.finish();
        let heavy = tokio::spawn(async move { schema.execute("{ compute }").await });
        let light = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            done.send(())
        });
        assert_eq!(heavy.await.unwrap().data.into_json().unwrap()["compute"], true);
        light.await.unwrap().unwrap();
    }
}
