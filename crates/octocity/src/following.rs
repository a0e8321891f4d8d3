//! The read models as one process has them: written here, or followed where others write them.

use std::sync::Arc;

use octocity_log::{Position, Tail, WholeLog};
use octocity_projections::{Engine, Feed, ReadModels};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::KafkaConfig;
use crate::failure::Failure;
use crate::kafka::{Live, ReaderVitals};
use crate::node::{Node, rows_failed};

/// Kept at the log's head in the background.
pub struct Following {
    pub models: ReadModels,
    /// Where the news comes over Kafka.
    pub live: Option<ReaderVitals>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Following {
    /// Writes the rows.
    pub fn of_engine(engine: Engine) -> Self {
        let (stop, stopped) = watch::channel(false);
        let models = engine.models();
        Self { models, live: None, stop, tasks: vec![tokio::spawn(engine.run(stopped))] }
    }

    /// Of rows that other processes write: hears of changes over Kafka, or else from the log.
    pub async fn of_rows(kafka: Option<&KafkaConfig>, node: &Node) -> Result<Self, Failure> {
        let (stop, stopped) = watch::channel(false);
        let live = match kafka {
            Some(kafka) => Some(Live::start(kafka, node.events(), stopped.clone()).await?),
            None => None,
        };
        let (tail, live, task) = match live {
            Some(Live { tail, vitals, task }) => (tail, Some(vitals), Some(task)),
            None => (Arc::new(WholeLog(node.events())) as Arc<dyn Tail>, None, None),
        };
        node.ensure_rows().await?;
        let feed = Feed::open(tail, Arc::clone(&node.rows)).await.map_err(rows_failed)?;
        let models = feed.models();
        let tasks = task.into_iter().chain([tokio::spawn(feed.run(stopped))]).collect();
        Ok(Self { models, live, stop, tasks })
    }

    /// Waits until the rows are at `head`, telling how far they are from time to time.
    pub async fn until(&self, head: Position, told: impl Fn(Position)) {
        let mut progress = self.models.progress();
        while self.models.position() < head {
            told(self.models.position());
            if progress.changed().await.is_err() {
                return;
            }
        }
        told(head);
    }

    /// Ends after the commit that is under way.
    pub async fn stop(self) -> Result<(), Failure> {
        self.stop.send_replace(true);
        for task in self.tasks {
            task.await.map_err(|error| Failure::fault(format!("The read models broke off: {error}.")))?;
        }
        Ok(())
    }
}
