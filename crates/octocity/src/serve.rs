//! `octocity serve`: all roles in one process, until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use octocity_adapters::gateway::{NoGateway, SimulatedGateway};
use octocity_api::{ApiState, Auth, Limits, TokenEntry};
use octocity_commands::{Executor, ExecutorError, PaymentGateway, ProcessStoreError};
use octocity_log::WholeLog;
use octocity_projections::ReadModels;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::analytics::{self, ServerAway, Telling};
use crate::config::{Config, Gateway};
use crate::failure::Failure;
use crate::lost_processes;
use crate::metrics::Vitals;
use crate::node::{Following, Node};
use crate::open_files;
use crate::output::Output;
use crate::relay::{BrokerAway, Relaying};
use crate::stopping::StopSignals;

const PAGE: &str = include_str!("../page/index.html");
/// How long open connections may take to end once the server stops.
const GOODBYE: Duration = Duration::from_secs(5);

/// A running server.
pub struct Server {
    pub node: Arc<Node>,
    pub address: SocketAddr,
    gateway: Option<Gateway>,
    following: Following,
    closing: watch::Sender<bool>,
    web: JoinHandle<()>,
    processes: JoinHandle<()>,
    relaying: Option<Relaying>,
    telling: Option<Telling>,
    pruning: JoinHandle<()>,
}

impl Server {
    /// `processes_from_now`: lost process state is begun anew at the log's end.
    pub async fn start(config: &Config, processes_from_now: bool) -> Result<Self, Failure> {
        config.check_listen()?;
        let node = Arc::new(Node::open(config).await?);
        let listener =
            TcpListener::bind(config.listen).await.map_err(|error| not_listening(config, &error))?;
        let address = listener.local_addr().map_err(|error| not_listening(config, &error))?;
        let relaying = match &config.kafka {
            Some(kafka) => Some(Relaying::start(kafka, node.events(), BrokerAway::TryAgain).await?),
            None => None,
        };
        let following = Following::start(node.engine().await?);
        let (closing, closed) = watch::channel(false);
        let mut models = following.models.clone();
        let telling = tell_figures(config, &node, &mut models, closed.clone()).await?;
        let executor = executor(&node, config.gateway, processes_from_now).await?;
        let relay = relaying.as_ref().map(Relaying::vitals);
        let vitals = Vitals::new(Arc::clone(&node), models.clone(), executor.progress(), relay)
            .with_figures(telling.as_ref().map(Telling::vitals));
        let processes = tokio::spawn(executor.run(closed.clone()));
        let handler = Arc::clone(&node.handler);
        let pruning = tokio::spawn(async move { handler.prune_daily().await });
        let limits = Limits { connections: open_files::room_for(config.connections), ..Limits::default() };
        let router = octocity_api::router(ApiState {
            handler: Arc::clone(&node.handler),
            log: node.events(),
            models,
            clock: Arc::clone(&node.clock),
            auth: auth(config),
            limits,
            listen: address,
            closing: closed.clone(),
            probes: Arc::new(vitals),
            page: PAGE,
        });
        let web = tokio::spawn(octocity_api::serve(listener, router, limits, closed));
        let gateway = config.gateway;
        Ok(Self { node, address, gateway, following, closing, web, processes, relaying, telling, pruning })
    }

    /// True once the server is to stop.
    pub fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Takes no more, answers what it has, and closes the log: within seconds.
    pub async fn stop(self) -> Result<(), Failure> {
        self.closing.send_replace(true);
        self.pruning.abort();
        let mut web = self.web;
        if tokio::time::timeout(GOODBYE, &mut web).await.is_err() {
            tracing::warn!("connections were still open; they are cut");
            web.abort();
        }
        self.processes.await.map_err(|error| Failure::fault(format!("The processes broke off: {error}.")))?;
        if let Some(relaying) = self.relaying {
            // Its fault was told when it ended, and is none of what is served.
            drop(relaying.stop().await);
        }
        if let Some(telling) = self.telling {
            drop(telling.stop().await);
        }
        self.following.stop().await
    }
}

/// Where ClickHouse is configured, it is told the facts of the log, and answers analysts.
async fn tell_figures(
    config: &Config,
    node: &Node,
    models: &mut ReadModels,
    stop: watch::Receiver<bool>,
) -> Result<Option<Telling>, Failure> {
    let Some(clickhouse) = &config.clickhouse else { return Ok(None) };
    let log = node.events();
    models.figures = analytics::figures(clickhouse, log.id(), log.epoch())?;
    let tail = Arc::new(WholeLog(log));
    Ok(Some(Telling::start(clickhouse, tail, ServerAway::TryAgain, stop).await?))
}

async fn executor(
    node: &Node,
    gateway: Option<Gateway>,
    processes_from_now: bool,
) -> Result<Arc<Executor>, Failure> {
    let (store, book) = node.processes.open()?;
    if !processes_from_now {
        lost_processes::check(node, &*store).await?;
    }
    let failed = |error: ProcessStoreError| Failure::data(format!("{error}; run octocity doctor."));
    let gateway: Arc<dyn PaymentGateway> = match gateway {
        Some(Gateway::Simulated) => Arc::new(SimulatedGateway::open(book).await.map_err(failed)?),
        None => Arc::new(NoGateway),
    };
    let executor = Executor::new(Arc::clone(&node.handler), store, gateway);
    executor.start().await.map_err(|error| match error {
        ExecutorError::Misplaced(misplaced) => Failure::data(node.processes.misplaced(misplaced)),
        ExecutorError::Log(_) | ExecutorError::Store(_) => {
            Failure::fault(format!("The processes cannot start: {error}; run octocity doctor."))
        }
    })?;
    Ok(executor)
}

fn auth(config: &Config) -> Auth {
    let entry = |token: &crate::config::Token| TokenEntry { name: token.name.clone(), sha256: token.sha256 };
    Auth::new(config.tokens.iter().map(entry))
}

fn not_listening(config: &Config, error: &std::io::Error) -> Failure {
    Failure::usage(format!(
        "{} cannot be listened on: {error}; stop what uses it or choose another address with --listen.",
        config.listen
    ))
}

fn serves_from(node: &Node) -> String {
    let services = || "EventStoreDB and PostgreSQL".to_owned();
    node.folder.as_ref().map_or_else(services, |folder| folder.dir().display().to_string())
}

/// Where to look.
pub fn say_where(server: &Server, output: Output) {
    let address = server.address;
    output.say(format!("Octocity serves from {}", serves_from(&server.node)));
    output.say(format!("  live page    http://{address}/"));
    output.say(format!("  GraphiQL     http://{address}/graphiql"));
    output.say(format!("  GraphQL      http://{address}/graphql"));
    output.say(format!("  health       http://{address}/health/ready"));
    output.say(format!("  metrics      http://{address}/metrics"));
    output.say(format!("  payments     {}", Gateway::said(server.gateway)));
    output.say("Ctrl-C stops it.");
}

pub async fn run(config: &Config, processes_from_now: bool, output: Output) -> Result<(), Failure> {
    let mut told_to_stop = StopSignals::listen()?;
    let server = Server::start(config, processes_from_now).await?;
    say_where(&server, output);
    told_to_stop.received().await;
    say_stopping();
    close(server, output).await
}

pub fn say_stopping() {
    tracing::info!("stopping: what was accepted is finished and stored");
}

/// Stops, and says with `--json` what was served.
pub async fn close(server: Server, output: Output) -> Result<(), Failure> {
    let counters = server.node.log.counters();
    let address = server.address;
    server.stop().await?;
    output.finish(&serde_json::json!({
        "stopped": true,
        "listened": address.to_string(),
        "appended_events": counters.appended_events,
    }));
    Ok(())
}
