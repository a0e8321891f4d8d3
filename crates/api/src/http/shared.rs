//! Subscriptions to the state of one thing that ask the same are answered together: executed once, and each answer written
//! as JSON once. Who is slow gets the newest when it is ready for it; nothing waits in a queue.
//!
//! - **question**: who asks what. Equal questions have equal answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_graphql::ServerError;
use futures_util::stream::{BoxStream, Stream, StreamExt};
use octocity_log::Actor;
use tokio::sync::watch;

use super::executor::{Answer, Asked};
use super::response::body;

/// How long a state rests after it was told, for each of its readers but one: so that what thousands watch changes a few
/// times a second and leaves the cores to the others.
const REST_A_READER: Duration = Duration::from_micros(250);
const LONGEST_REST: Duration = Duration::from_millis(500);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    pub actor: Actor,
    pub query: String,
    pub operation_name: Option<String>,
    /// As JSON.
    pub variables: String,
    pub after: Option<String>,
}

impl Question {
    /// None: its variables cannot be compared.
    pub fn of(query: String, asked: &Asked) -> Option<Self> {
        Some(Self {
            actor: asked.actor.clone(),
            query,
            operation_name: asked.operation_name.clone(),
            variables: serde_json::to_string(&asked.variables).ok()?,
            after: asked.after.as_ref().map(|after| after.0.clone()),
        })
    }
}

/// An answer, ready to be sent to any number of readers.
#[derive(Clone, Debug)]
pub struct Told {
    /// The execution result's JSON.
    pub text: Arc<str>,
    /// Where execution never began: why.
    pub refused: Option<Arc<[ServerError]>>,
}

impl Told {
    pub fn of(Answer { mut response, begun }: Answer) -> Self {
        let text = body(&mut response, begun).into();
        let refused = (!begun).then(|| response.errors.into());
        Self { text, refused }
    }
}

/// What the readers of one question see: the newest answer, and how many there were.
#[derive(Default)]
struct Newest {
    told: Option<Told>,
    number: u64,
    /// No other follows.
    is_last: bool,
}

type Running = HashMap<Question, watch::Sender<Newest>>;

/// The questions that somebody is waiting for answers to.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<Running>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Running> {
        // The map is whole between any two statements that could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answers to a question: those that are told already, or else those that `ask` begins.
    pub fn answers(
        &self,
        question: Question,
        ask: impl FnOnce() -> BoxStream<'static, Told>,
    ) -> BoxStream<'static, Told> {
        let mut running = self.lock();
        let known = running.get(&question).filter(|newest| !newest.borrow().is_last);
        let newest = known.map(watch::Sender::subscribe).unwrap_or_else(|| {
            let (newest, reader) = watch::channel(Newest::default());
            running.insert(question.clone(), newest.clone());
            tokio::spawn(tell(ask(), Telling { shared: self.clone(), question, newest }));
            reader
        });
        drop(running);
        read(newest).boxed()
    }
}

/// Runs one question for its readers.
struct Telling {
    shared: Shared,
    question: Question,
    newest: watch::Sender<Newest>,
}

impl Telling {
    /// Whether nobody reads, and nobody will any more.
    fn ends_unread(&self) -> bool {
        let mut running = self.shared.lock();
        let is_unread = self.newest.receiver_count() == 0;
        if is_unread {
            self.forget(&mut running);
        }
        is_unread
    }

    fn forget(&self, running: &mut Running) {
        if running.get(&self.question).is_some_and(|newest| newest.same_channel(&self.newest)) {
            running.remove(&self.question);
        }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.forget(&mut self.shared.lock());
    }
}

async fn tell(mut answers: BoxStream<'static, Told>, telling: Telling) {
    loop {
        let told = tokio::select! {
            told = answers.next() => told,
            () = telling.newest.closed() => match telling.ends_unread() {
                true => return,
                false => continue,
            },
        };
        let is_last = told.is_none();
        telling.newest.send_modify(|newest| match told {
            Some(told) => (newest.told, newest.number) = (Some(told), newest.number + 1),
            None => newest.is_last = true,
        });
        if is_last {
            return;
        }
        // What changes meanwhile is merged; the last state comes after it.
        tokio::time::sleep(rest(telling.newest.receiver_count())).await;
    }
}

fn rest(readers: usize) -> Duration {
    let others = u32::try_from(readers.saturating_sub(1)).unwrap_or(u32::MAX);
    REST_A_READER.checked_mul(others).unwrap_or(LONGEST_REST).min(LONGEST_REST)
}

/// The newest answer, and each newer one once it is asked for.
fn read(mut newest: watch::Receiver<Newest>) -> impl Stream<Item = Told> {
    // What is there already is new to this reader.
    newest.mark_changed();
    async_stream::stream! {
        let mut seen = 0;
        while newest.changed().await.is_ok() {
            let (told, number, is_last) = {
                let newest = newest.borrow_and_update();
                (newest.told.clone(), newest.number, newest.is_last)
            };
            if let Some(told) = told.filter(|_| number > seen) {
                seen = number;
                yield told;
            }
            if is_last {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use tokio::sync::mpsc;

    use super::*;

    fn question(query: &str) -> Question {
        Question {
            actor: Actor::new("test"),
            query: query.to_owned(),
            operation_name: None,
            variables: String::new(),
            after: None,
        }
    }

    fn told(text: &str) -> Told {
        Told { text: text.into(), refused: None }
    }

    /// Answers that are given from outside.
    fn channel() -> (mpsc::UnboundedSender<&'static str>, BoxStream<'static, Told>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let answers = stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|text| (told(text), receiver))
        });
        (sender, answers.boxed())
    }

    async fn next(reader: &mut BoxStream<'static, Told>) -> Option<String> {
        reader.next().await.map(|told| told.text.to_string())
    }

    #[tokio::test]
    async fn equal_questions_are_asked_once_and_each_reader_has_the_newest_answer() {
        let (shared, (sender, answers)) = (Shared::default(), channel());
        let mut first = shared.answers(question("a"), || answers);
        sender.send("1").unwrap();
        assert_eq!(next(&mut first).await.as_deref(), Some("1"));
        let mut second = shared.answers(question("a"), || unreachable!("it is asked already"));
        assert_eq!(next(&mut second).await.as_deref(), Some("1"));
        sender.send("2").unwrap();
        assert_eq!(next(&mut first).await.as_deref(), Some("2"));
        sender.send("3").unwrap();
        assert_eq!(next(&mut first).await.as_deref(), Some("3"));
        drop(sender);
        assert_eq!(next(&mut first).await, None);
        // It slept through the second.
        assert_eq!(next(&mut second).await.as_deref(), Some("3"));
        assert_eq!(next(&mut second).await, None);
    }

    #[test]
    fn a_state_rests_for_each_reader_but_the_only_one_and_not_for_long() {
        assert_eq!(
            [0, 1, 5, 1_000_000].map(rest),
            [Duration::ZERO, Duration::ZERO, 4 * REST_A_READER, LONGEST_REST]
        );
    }

    #[tokio::test]
    async fn what_nobody_reads_is_not_asked_on_and_what_has_ended_is_asked_anew() {
        fn answers(texts: &'static [&'static str], goes_on: bool) -> BoxStream<'static, Told> {
            let answers = stream::iter(texts).map(|text| told(text));
            let rest = if goes_on { stream::pending().boxed() } else { stream::empty().boxed() };
            answers.chain(rest).boxed()
        }
        let shared = Shared::default();
        let mut reader = shared.answers(question("a"), || answers(&["1"], true));
        assert_eq!(next(&mut reader).await.as_deref(), Some("1"));
        drop(reader);
        while !shared.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        let mut reader = shared.answers(question("a"), || answers(&["2"], false));
        assert_eq!(next(&mut reader).await.as_deref(), Some("2"));
        assert_eq!(next(&mut reader).await, None);
        let mut reader = shared.answers(question("a"), || answers(&["3"], true));
        assert_eq!(next(&mut reader).await.as_deref(), Some("3"));
    }
}
