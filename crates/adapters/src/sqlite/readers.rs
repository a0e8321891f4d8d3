//! Connections that only read, and whoever waits for one: made when first needed, kept, and never more than a limit. Who comes
//! while all of them are at work is served by the one that is free first, in the order of coming. So what is asked for at the same
//! time takes a few threads' turns and not one each.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// The connections are being closed, or the one that was asked broke off.
#[derive(Clone, Copy, Debug)]
pub struct Ended;

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the read broke off, or it is being closed")
    }
}

impl std::error::Error for Ended {}

/// Cheap to clone: all clones share the connections.
pub struct Readers<R, E>(Arc<Shared<R, E>>);

impl<R, E> Clone for Readers<R, E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Shared<R, E> {
    open: Box<dyn Fn() -> Result<R, E> + Send + Sync>,
    at_most: usize,
    desk: Mutex<Desk<R, E>>,
}

struct Desk<R, E> {
    idle: Vec<R>,
    /// How many threads serve who waits.
    serving: usize,
    waiting: VecDeque<Waiting<R, E>>,
    is_closed: bool,
}

type Waiting<R, E> = Box<dyn Question<R, E>>;

/// What somebody wants to read.
trait Question<R, E>: Send {
    /// Whether somebody still waits for the answer.
    fn is_wanted(&self) -> bool;
    /// With the connection, if it can be used again.
    fn ask(&mut self, reader: Result<R, E>) -> Option<R>;
    fn answer(self: Box<Self>);
}

struct Asked<W, T, E> {
    /// Done once.
    work: Option<W>,
    answer: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<R, T, E, W> Question<R, E> for Asked<W, T, E>
where
    T: Send,
    E: Send,
    W: FnOnce(&mut R) -> Result<T, E> + Send,
{
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn ask(&mut self, reader: Result<R, E>) -> Option<R> {
        let work = self.work.take()?;
        let (answer, reader) = match reader {
            Ok(mut reader) => (work(&mut reader), Some(reader)),
            Err(error) => (Err(error), None),
        };
        // One that failed is closed, not kept.
        let reader = reader.filter(|_| answer.is_ok());
        self.answer = Some(answer);
        reader
    }

    fn answer(self: Box<Self>) {
        if let Some(answer) = self.answer {
            // Whoever asked may have gone away.
            let _ = self.reply.send(answer);
        }
    }
}

impl<R: Send + 'static, E: Send + 'static> Readers<R, E> {
    pub fn new(at_most: usize, open: impl Fn() -> Result<R, E> + Send + Sync + 'static) -> Self {
        let desk = Desk { idle: Vec::new(), serving: 0, waiting: VecDeque::new(), is_closed: false };
        Self(Arc::new(Shared { open: Box::new(open), at_most: at_most.max(1), desk: Mutex::new(desk) }))
    }

    /// Runs on a thread that may block. Where the runtime ends before the work has begun, whoever waits ends with it.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut R) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, Ended> {
        let (reply, answer) = oneshot::channel();
        let question = Box::new(Asked { work: Some(work), answer: None, reply });
        let turn = {
            let mut desk = self.0.desk();
            if desk.is_closed {
                return Err(Ended);
            }
            desk.waiting.push_back(question);
            (desk.serving < self.0.at_most).then(|| {
                desk.serving += 1;
                Turn { of: Arc::clone(&self.0), is_over: false }
            })
        };
        if let Some(turn) = turn {
            spawn_blocking(move || turn.serve());
        }
        answer.await.map_err(|_| Ended)
    }

    /// Closes those that are idle, and each other one when it is free. Nobody is served any more.
    pub fn close(&self) {
        let mut desk = self.0.desk();
        desk.is_closed = true;
        desk.idle.clear();
        desk.waiting.clear();
    }
}

impl<R, E> Shared<R, E> {
    fn desk(&self) -> MutexGuard<'_, Desk<R, E>> {
        // Whole between any two statements that could panic.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thread that serves who waits, until nobody does.
struct Turn<R, E> {
    of: Arc<Shared<R, E>>,
    is_over: bool,
}

impl<R, E> Turn<R, E> {
    fn serve(mut self) {
        let mut next = self.next(None);
        while let Some((mut question, reader)) = next {
            let ask = || question.ask(reader.map_or_else(|| (self.of.open)(), Ok));
            // One that panics takes its connection with it, and nobody else's answer.
            let reader = catch_unwind(AssertUnwindSafe(ask)).unwrap_or_default();
            // The connection is given back before anybody who might close all of them hears of the answer.
            next = self.next(reader);
            question.answer();
        }
    }

    /// Who is served next, with a connection if there is one. None: nobody waits, and the turn is over from this moment on.
    fn next(&mut self, reader: Option<R>) -> Option<(Waiting<R, E>, Option<R>)> {
        let mut desk = self.of.desk();
        while let Some(question) = desk.waiting.pop_front() {
            if question.is_wanted() {
                let reader = reader.or_else(|| desk.idle.pop());
                return Some((question, reader));
            }
        }
        desk.serving -= 1;
        self.is_over = true;
        if !desk.is_closed {
            desk.idle.extend(reader);
        }
        None
    }
}

impl<R, E> Drop for Turn<R, E> {
    /// One that never began: its runtime has ended, and with it whoever waited, as all who share the connections are on one.
    fn drop(&mut self) {
        if !self.is_over {
            self.of.desk().serving -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    /// Connections that are numbers, in the order in which they were opened.
    fn numbers(at_most: usize) -> (Readers<usize, String>, Arc<AtomicUsize>) {
        let opened = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&opened);
        (Readers::new(at_most, move || Ok(count.fetch_add(1, Ordering::SeqCst))), opened)
    }

    #[tokio::test]
    async fn each_gets_its_own_answer_over_no_more_connections_than_the_limit() {
        let (readers, opened) = numbers(3);
        let at_work = Arc::new(AtomicUsize::new(0));
        let reads = (0..100).map(|number| {
            let (readers, at_work) = (readers.clone(), Arc::clone(&at_work));
            tokio::spawn(async move {
                let read = readers.read(move |_| {
                    assert!(at_work.fetch_add(1, Ordering::SeqCst) < 3);
                    std::thread::sleep(Duration::from_micros(100));
                    at_work.fetch_sub(1, Ordering::SeqCst);
                    Ok(number)
                });
                assert_eq!(read.await.unwrap(), Ok(number));
            })
        });
        for read in reads.collect::<Vec<_>>() {
            read.await.unwrap();
        }
        assert!((1..=3).contains(&opened.load(Ordering::SeqCst)));
    }

    #[tokio::test]
    async fn a_connection_that_failed_is_not_used_again() {
        let (readers, _) = numbers(1);
        assert_eq!(readers.read(|number| Ok(*number)).await.unwrap(), Ok(0));
        assert_eq!(readers.read(|number| Ok(*number)).await.unwrap(), Ok(0));
        let failed = readers.read(|_| Err::<(), _>("no".to_owned()));
        assert_eq!(failed.await.unwrap(), Err("no".to_owned()));
        assert_eq!(readers.read(|number| Ok(*number)).await.unwrap(), Ok(1));
    }

    #[tokio::test]
    async fn one_that_breaks_off_takes_nobody_with_it() {
        let (readers, _) = numbers(1);
        let broken = readers.read(|_| -> Result<(), _> {
            std::thread::sleep(Duration::from_millis(20));
            panic!("as a test does")
        });
        let (broken, behind) = tokio::join!(broken, readers.read(|number| Ok(*number)));
        assert!(broken.is_err());
        assert_eq!(behind.unwrap(), Ok(1));
    }

    #[tokio::test]
    async fn once_closed_nobody_is_served_and_no_connection_is_kept() {
        let readers = Readers::new(1, || Ok::<_, String>(Arc::new(())));
        let kept = readers.read(|connection| Ok(Arc::downgrade(connection))).await.unwrap().unwrap();
        let (begun, has_begun) = oneshot::channel();
        let under_way = readers.read(move |_| {
            begun.send(()).unwrap();
            std::thread::sleep(Duration::from_millis(20));
            Ok(())
        });
        let close = async {
            has_begun.await.unwrap();
            readers.close();
            assert!(readers.read(|_| Ok(())).await.is_err());
        };
        let behind = readers.read(|_| -> Result<(), _> { Err("it was served".to_owned()) });
        let (under_way, behind, ()) = tokio::join!(under_way, behind, close);
        assert_eq!(under_way.unwrap(), Ok(()));
        assert!(behind.is_err());
        assert!(kept.upgrade().is_none());
    }

    #[test]
    fn what_a_runtime_left_undone_takes_nobody_s_place_in_the_next_one() {
        let runtime = || tokio::runtime::Builder::new_multi_thread().max_blocking_threads(1).build().unwrap();
        let (readers, _) = numbers(1);
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let (first, other) = (runtime(), readers.clone());
        first.spawn_blocking(move || gone.recv());
        first.spawn(async move { other.read(|_| Ok(())).await });
        while readers.0.desk().serving == 0 {
            std::thread::yield_now();
        }
        first.shutdown_background();
        drop(go);
        while readers.0.desk().serving > 0 {
            std::thread::yield_now();
        }
        assert_eq!(runtime().block_on(readers.read(|number| Ok(*number))).unwrap(), Ok(0));
    }

    #[tokio::test]
    async fn nobody_is_served_who_went_away() {
        let (readers, _) = numbers(1);
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let first = readers.read(move |_| {
            gone.recv().unwrap();
            Ok(())
        });
        let served = Arc::new(AtomicUsize::new(0));
        let other = Arc::clone(&served);
        let away = async {
            let read = readers.read(move |_| Ok(other.fetch_add(1, Ordering::SeqCst)));
            assert!(tokio::time::timeout(Duration::from_millis(20), read).await.is_err());
            go.send(()).unwrap();
        };
        let (first, ()) = tokio::join!(first, away);
        assert_eq!(first.unwrap(), Ok(()));
        assert_eq!(readers.read(|_| Ok(())).await.unwrap(), Ok(()));
        assert_eq!(served.load(Ordering::SeqCst), 0);
    }
}
