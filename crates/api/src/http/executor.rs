//! What the transports need of the schema: they know neither its types nor its data.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute, NextValidation};
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{
    ObjectType, Request, Response, Schema, ServerError, SubscriptionType, ValidationResult, Value, Variables,
};
use async_trait::async_trait;
use futures_util::stream::{BoxStream, StreamExt};
use octocity_log::Actor;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

use super::transport::AfterHeader;

/// A request whose document was parsed and keeps the limits.
#[derive(Clone, Debug)]
pub struct Asked {
    pub document: Arc<ExecutableDocument>,
    pub operation_name: Option<String>,
    pub variables: Variables,
    pub actor: Actor,
    pub after: Option<AfterHeader>,
}

impl Asked {
    /// Whether a variable has no value, a default counted as one. async-graphql leaves an argument that holds such a variable
    /// unchecked (its rule `ArgumentsOfCorrectType`), whatever else stands in it.
    fn lacks_a_variable(&self) -> bool {
        let mut operations = self.document.operations.iter();
        operations.any(|(_, operation)| {
            let defined = operation.node.variable_definitions.iter();
            let mut names = defined.map(|variable| &variable.node.name.node);
            names.any(|name| !self.variables.contains_key(name))
        })
    }

    /// As a schema takes it, which keeps it.
    fn request(&self) -> Request {
        // Nobody looks at the text of a document that is parsed.
        let mut request = Request::new("").variables(self.variables.clone()).data(self.actor.clone());
        request.operation_name.clone_from(&self.operation_name);
        request.set_parsed_query(ExecutableDocument::clone(&self.document));
        match &self.after {
            Some(after) => request.data(after.clone()),
            None => request,
        }
    }
}

pub struct Answer {
    pub response: Response,
    /// Whether execution began. If not, the response has no `data` at all (GraphQL specification, section 7.1), and
    /// its HTTP status says so.
    pub begun: bool,
}

/// Whether it says anything else than what is wrong.
fn answers(response: &Response) -> bool {
    response.data != Value::Null || response.errors.is_empty()
}

/// async-graphql gives each error of a field, of its arguments as of its resolver, the field's path; what is wrong with the
/// document or its variables has none. (A command that were put to both schemas nevertheless would be answered from the ledger.)
fn has_begun(response: &Response) -> bool {
    answers(response) || response.errors.iter().any(|error| !error.path.is_empty())
}

/// A schema whose types are forgotten.
#[async_trait]
pub trait Executor: Send + Sync + 'static {
    async fn execute(&self, asked: Asked) -> Answer;
    fn stream(&self, asked: Asked) -> BoxStream<'static, Answer>;
}

/// From this complexity on a request is heavy; one below it computes for some milliseconds at most.
pub const HEAVY: usize = 2_000;

/// One schema twice. Extensions cost each field and each item of a list an allocation and more, so whatever is light and
/// faultless is answered without them. What is not is looked at twice, within the same limits.
pub struct Schemas<S> {
    /// Takes no request that is [`HEAVY`].
    light: S,
    /// Takes all of them, and says best what is wrong with one.
    any: S,
}

impl<S> Schemas<S> {
    pub const fn new(light: S, any: S) -> Self {
        Self { light, any }
    }

    fn first(&self, asked: &Asked) -> &S {
        if asked.lacks_a_variable() { &self.any } else { &self.light }
    }
}

#[async_trait]
impl<Q, M, S> Executor for Schemas<Schema<Q, M, S>>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    async fn execute(&self, asked: Asked) -> Answer {
        let mut response = self.first(&asked).execute(asked.request()).await;
        if !has_begun(&response) {
            response = self.any.execute(asked.request()).await;
        }
        Answer { begun: has_begun(&response), response }
    }

    fn stream(&self, asked: Asked) -> BoxStream<'static, Answer> {
        let any = self.any.clone();
        let mut responses = self.first(&asked).execute_stream(asked.request());
        let told = async_stream::stream! {
            let mut first = responses.next().await;
            if first.as_ref().is_some_and(|first| !has_begun(first)) {
                responses = any.execute_stream(asked.request());
                first = responses.next().await;
            }
            let Some(first) = first else { return };
            // A stream that cannot begin says so by its field's error. One whose first reading fails looks alike, and its
            // reader begins anew as well.
            yield Answer { begun: answers(&first), response: first };
            while let Some(response) = responses.next().await {
                yield Answer { begun: true, response };
            }
        };
        told.boxed()
    }
}

/// Runs a heavy request beside the runtime's workers, so that whoever stands at a gate waits for no analyst.
pub struct Beside {
    /// Half of the processors may work at heavy requests; further ones wait.
    heavy: Arc<Semaphore>,
}

impl Default for Beside {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { heavy: Arc::new(Semaphore::new(processors.div_ceil(2))) }
    }
}

impl ExtensionFactory for Beside {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Weighed { heavy: Arc::clone(&self.heavy), complexity: AtomicUsize::new(0) })
    }
}

struct Weighed {
    heavy: Arc<Semaphore>,
    /// Of the one request, once it is validated.
    complexity: AtomicUsize,
}

#[async_trait]
impl Extension for Weighed {
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

    use async_graphql::parser::parse_query;
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

    /// Counts what is executed.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    #[Object]
    impl Counting {
        async fn done(&self) -> usize {
            self.0.fetch_add(1, Ordering::Relaxed) + 1
        }
        async fn failed(&self) -> async_graphql::Result<bool> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Err("so it is".into())
        }
        #[graphql(complexity = "HEAVY")]
        async fn heavy(&self) -> usize {
            self.0.fetch_add(1, Ordering::Relaxed) + 1
        }
    }

    fn asked(document: &str) -> Asked {
        Asked {
            document: Arc::new(parse_query(document).unwrap()),
            operation_name: None,
            variables: Variables::default(),
            actor: Actor::new("test"),
            after: None,
        }
    }

    #[tokio::test]
    async fn what_begins_is_executed_once_and_what_does_not_is_put_to_the_other_schema() {
        for (document, begun, executed) in [
            ("{ done }", true, 1),
            ("{ failed }", true, 1),
            ("{ done failed }", true, 2),
            ("{ heavy }", true, 1),
            ("{ unknown }", false, 0),
            ("query ($n: Int!) { done }", false, 0),
        ] {
            let counting = Arc::new(Counting::default());
            let of = |complexity| {
                Schema::build(Arc::clone(&counting), EmptyMutation, EmptySubscription)
                    .limit_complexity(complexity)
                    .finish()
            };
            let schemas = Schemas::new(of(HEAVY - 1), of(10 * HEAVY));
            let answer = schemas.execute(asked(document)).await;
            assert_eq!(answer.begun, begun, "{document}: {:?}", answer.response);
            assert_eq!(counting.0.load(Ordering::Relaxed), executed, "{document}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_heavy_request_holds_no_worker() {
        let (done, until) = channel();
        let query = Query { until: Mutex::new(until) };
        let schema = Schema::build(query, EmptyMutation, EmptySubscription).extension(Beside::default());
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
