//! `octocity serve`: all roles in one process, or some of them, until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use octocity_api::{ApiState, Auth, Limits, TokenEntry};
use octocity_log::WholeLog;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::analytics::{self, ServerAway, Telling};
use crate::args::{Role, ServeArgs};
use crate::config::{Config, Gateway};
use crate::failure::Failure;
use crate::following::Following;
use crate::kafka::{BrokerAway, Projecting, Relaying};
use crate::metrics::{Parts, Vitals};
use crate::node::Node;
use crate::open_files;
use crate::output::Output;
use crate::processing::{self, Processing};
use crate::relay;
use crate::roles::Roles;
use crate::starting::Starting;
use crate::stopping::StopSignals;

const PAGE: &str = include_str!("../page/index.html");
/// How long open connections may take to end once the server stops: longer than a payment is waited for
/// (`Limits::settle_seconds`).
const GOODBYE: Duration = Duration::from_secs(6);

/// A running server.
pub struct Server {
    pub node: Arc<Node>,
    pub address: SocketAddr,
    roles: Roles,
    closing: watch::Sender<bool>,
    web: JoinHandle<()>,
    pruning: JoinHandle<()>,
    working: Working,
}

/// The parts of a process, as its roles ask for them.
struct Working {
    following: Option<Following>,
    projecting: Option<Projecting>,
    processing: Option<Processing>,
    relaying: Option<Relaying>,
    telling: Option<Telling>,
}

impl Working {
    async fn start(
        config: &Config,
        roles: &Roles,
        node: &Arc<Node>,
        closed: &watch::Receiver<bool>,
        starting: &mut Starting<'_>,
    ) -> Result<Self, Failure> {
        let kafka = config.kafka.as_ref();
        let relaying = match kafka {
            Some(kafka) if roles.have(Role::Relay) => {
                Some(Relaying::start(kafka, node.events(), BrokerAway::TryAgain).await?)
            }
            _ => None,
        };
        let projecting = match kafka {
            Some(kafka) if roles.have(Role::Projector) && !roles.are_all() => {
                // Gates do not wait for views.
                let away = if roles.have(Role::Api) { BrokerAway::TryAgain } else { BrokerAway::Refuse };
                let start = async || {
                    Projecting::start(kafka, node.events(), Arc::clone(&node.rows), away, closed.clone())
                        .await
                };
                Some(starting.once_there(start).await?)
            }
            _ => None,
        };
        let telling = match &config.clickhouse {
            Some(clickhouse) if roles.have(Role::Analytics) => {
                // Gates do not wait for figures.
                let away =
                    if roles.are_analytics_alone() { ServerAway::Refuse } else { ServerAway::TryAgain };
                let start = async || {
                    let tail = Arc::new(WholeLog(node.events()));
                    Telling::start(clickhouse, tail, away, closed.clone()).await
                };
                Some(starting.once_there(start).await?)
            }
            _ => None,
        };
        let mut following = match roles.have(Role::Api) {
            true if roles.are_all() => Some(Following::of_engine(node.engine().await?)),
            true => Some(Following::of_rows(kafka, node).await?),
            false => None,
        };
        if let (Some(following), Some(clickhouse)) = (&mut following, &config.clickhouse) {
            let log = node.events();
            following.models.figures = analytics::figures(clickhouse, log.id(), log.epoch()).await?;
        }
        if roles.have(Role::Api) && !roles.have(Role::Processes) {
            processing::introduce(node).await?;
        }
        let processing = match roles.have(Role::Processes) {
            true => Some(Processing::start(node, roles.processes_from_now).await?),
            false => None,
        };
        Ok(Self { following, projecting, processing, relaying, telling })
    }

    fn parts(&self) -> Parts {
        Parts {
            served: self.following.as_ref().map(|following| following.models.clone()),
            live: self.following.as_ref().and_then(|following| following.live.clone()),
            projected: self.projecting.as_ref().map(|projecting| projecting.models.clone()),
            projector: self.projecting.as_ref().map(Projecting::vitals),
            processes: self.processing.as_ref().map(Processing::standing),
            relay: self.relaying.as_ref().map(Relaying::vitals),
            figures: self.telling.as_ref().map(Telling::vitals),
        }
    }

    /// Nothing else is worth running on for.
    const fn are_processes_alone(&self) -> bool {
        let Self { following, projecting, processing, relaying, telling } = self;
        processing.is_some()
            && following.is_none()
            && projecting.is_none()
            && relaying.is_none()
            && telling.is_none()
    }

    async fn stop(self) -> Result<(), Failure> {
        let is_alone = self.following.is_none() && self.processing.is_none() && self.projecting.is_none();
        let processes_alone = self.are_processes_alone();
        if let Some(processing) = self.processing {
            match processing.stop().await {
                Err(failure) if processes_alone => return Err(failure),
                // Its fault was told when it ended, and is none of what is served.
                _ => {}
            }
        }
        if let Some(relaying) = self.relaying {
            // Its fault was told when it ended, and is none of what is served.
            drop(relaying.stop().await);
        }
        if let Some(telling) = self.telling {
            match telling.stop().await {
                Err(failure) if is_alone => return Err(failure),
                _ => {}
            }
        }
        if let Some(following) = self.following {
            following.stop().await?;
        }
        match self.projecting {
            Some(projecting) => projecting.stop().await,
            None => Ok(()),
        }
    }
}

impl Server {
    /// None: it was told to stop while it waited for a service.
    pub async fn start(
        config: &Config,
        roles: Roles,
        signals: &mut StopSignals,
    ) -> Result<Option<Self>, Failure> {
        let starting = Starting::new(config);
        let waits = starting.waits();
        tokio::select! {
            server = Self::started(config, roles, starting) => server.map(Some),
            () = signals.received_while(waits) => Ok(None),
        }
    }

    async fn started(config: &Config, roles: Roles, mut starting: Starting<'_>) -> Result<Self, Failure> {
        config.check_listen()?;
        let node = Arc::new(starting.once_there(async || Node::open(config).await).await?);
        let address = starting.listen().await?;
        let (closing, closed) = watch::channel(false);
        let working = Working::start(config, &roles, &node, &closed, &mut starting).await?;
        let listener = starting.done().await?;
        let vitals = Arc::new(Vitals::new(Arc::clone(&node), working.parts()));
        let (handler, serves) = (Arc::clone(&node.handler), roles.have(Role::Api));
        let pruning = tokio::spawn(async move {
            if serves {
                handler.prune_daily().await;
            }
        });
        let connections = open_files::room_for(config.connections);
        // A tenth is left for whoever asks or sends while all others listen.
        let streams = (connections - connections / 10) as usize;
        let limits = Limits { connections, streams, ..Limits::default() };
        let router = match &working.following {
            None => octocity_api::probe_routes(vitals),
            Some(following) => octocity_api::router(ApiState {
                handler: Arc::clone(&node.handler),
                log: node.events(),
                models: following.models.clone(),
                clock: Arc::clone(&node.clock),
                auth: auth(config),
                limits,
                listen: address,
                closing: closed.clone(),
                probes: vitals,
                page: PAGE,
            }),
        };
        let web = tokio::spawn(octocity_api::serve(listener, router, limits, closed));
        Ok(Self { node, address, roles, closing, web, pruning, working })
    }

    /// True once the server is to stop.
    pub fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Waits until a part has ended by a fault that does not pass, where nothing else is served here.
    async fn broken(&mut self) {
        let processes_alone = self.working.are_processes_alone();
        match &mut self.working {
            Working { processing: Some(processing), .. } if processes_alone => processing.ended().await,
            Working { following: None, processing: None, projecting: Some(projecting), .. } => {
                projecting.ended().await;
            }
            Working { telling: Some(telling), .. } if self.roles.are_analytics_alone() => {
                telling.ended().await
            }
            _ => std::future::pending().await,
        }
    }

    /// Takes no more, answers what it has, and closes the log: within seconds. The processes go on until all is answered:
    /// a payment waits for them.
    pub async fn stop(self) -> Result<(), Failure> {
        self.closing.send_replace(true);
        self.pruning.abort();
        let mut web = self.web;
        if tokio::time::timeout(GOODBYE, &mut web).await.is_err() {
            tracing::warn!("connections were still open; they are cut");
            web.abort();
        }
        self.working.stop().await
    }
}

fn auth(config: &Config) -> Auth {
    let entry = |token: &crate::config::Token| TokenEntry { name: token.name.clone(), sha256: token.sha256 };
    Auth::new(config.tokens.iter().map(entry))
}

fn serves_from(node: &Node) -> String {
    let services = || "EventStoreDB and PostgreSQL".to_owned();
    node.folder.as_ref().map_or_else(services, |folder| folder.dir().display().to_string())
}

/// Where to look.
pub fn say_where(server: &Server, output: Output) {
    let address = server.address;
    let from = serves_from(&server.node);
    match server.roles.are_all() {
        true => output.say(format!("Octocity serves from {from}")),
        false => output.say(format!("Octocity works as {} on {from}", server.roles)),
    }
    if server.roles.have(Role::Api) {
        output.say(format!("  live page    http://{address}/"));
        output.say(format!("  GraphiQL     http://{address}/graphiql"));
        output.say(format!("  GraphQL      http://{address}/graphql"));
    }
    output.say(format!("  health       http://{address}/health/ready"));
    output.say(format!("  metrics      http://{address}/metrics"));
    if server.roles.have(Role::Api) || server.roles.have(Role::Processes) {
        output.say(format!("  payments     {}", Gateway::said(server.node.gateway)));
    }
    output.say("Ctrl-C stops it.");
}

pub async fn run(config: &Config, args: ServeArgs, output: Output) -> Result<(), Failure> {
    let mut signals = StopSignals::listen()?;
    let roles = Roles::try_new(args, config)?;
    if roles.are_relay_alone() {
        return relay::run(config, signals, output).await;
    }
    let Some(mut server) = Server::start(config, roles, &mut signals).await? else {
        return say_not_started(output);
    };
    say_where(&server, output);
    tokio::select! {
        () = signals.received() => {}
        () = server.broken() => {}
    }
    say_stopping();
    close(server, output).await
}

pub fn say_stopping() {
    tracing::info!("stopping: what was accepted is finished and stored");
}

/// It was told to stop before anything had begun.
pub fn say_not_started(output: Output) -> Result<(), Failure> {
    output.say("Stopped before it had started.");
    output.finish(&serde_json::json!({ "stopped": true }));
    Ok(())
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
